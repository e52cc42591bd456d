//! `rollouts`: pipelines. Each moves the users of one weighted service from its stable version to another, in small, observed
//! steps.
//!
//! ```text
//! Pipeline: service, stable, canary -> stages, one after the other -> promoted, or what `onFailure` says
//! ```

pub mod analysis;
pub mod audience;
pub mod stage;

mod defaults;

use std::{fmt, sync::Arc};

use self::{
    analysis::Analysis,
    stage::{Stage, StageKind},
};
use crate::{
    problem::{Located, Place},
    tree::masked_json,
};

/// A pipeline, by its qualified name in [`super::Configuration::rollouts`].
#[derive(Clone)]
pub struct Pipeline {
    /// Where it was written.
    pub at: Place,
    /// `service`: the weighted service, qualified.
    pub service: Located<String>,
    /// `stable`: the version that has the users, qualified; one of the service's.
    pub stable: Located<String>,
    /// `canary`: the version that is to get them, qualified; another of the service's.
    pub canary: Located<String>,
    /// `analysis`.
    pub analysis: Analysis,
    /// `stages`, 1 to 64; no two have the same name, those of [`OnFailure::Stages`] included. Ramps rise over all of
    /// them; at most one promotes, and nothing moves users after it.
    pub stages: Vec<Stage>,
    /// `onFailure`.
    pub on_failure: OnFailure,
    /// The whole of it in JSON, as it was written: what a rollout keeps, and reads again after a restart
    /// ([`crate::reread_pipeline`]). At most 256 KiB. It holds secrets, so that nobody may be shown it: see
    /// [`Self::shown`].
    pub source: Arc<str>,
}

impl Pipeline {
    /// [`Self::source`] for everybody: `"***"` for each value of `env` and of a webhook's `headers`.
    pub fn shown(&self) -> String {
        masked_json(&self.source).unwrap_or_default()
    }

    /// Whether it decides who gets which version; otherwise it only watches, or does not even that.
    pub fn moves_users(&self) -> bool {
        let moves =
            |stage: &Stage| matches!(stage.kind, StageKind::AbTest(_) | StageKind::Ramp(_) | StageKind::Promote(_));
        self.stages.iter().any(moves)
    }
}

impl fmt::Debug for Pipeline {
    /// Without the source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, service, stable, canary, analysis, stages, on_failure, source: _ } = self;
        f.debug_struct("Pipeline")
            .field("at", at)
            .field("service", service)
            .field("stable", stable)
            .field("canary", canary)
            .field("analysis", analysis)
            .field("stages", stages)
            .field("on_failure", on_failure)
            .finish_non_exhaustive()
    }
}

/// `onFailure`: what becomes of a rollout when a stage fails, or the analysis says that the canary is worse.
#[derive(Debug, Clone, Default)]
pub enum OnFailure {
    /// `rollback`: the weights are what they were before it, the canary gets nothing, and it has ended.
    #[default]
    Rollback,
    /// `hold`: a canary that was found worse is braked, everything else stays as it is, and somebody has to decide.
    Hold,
    /// These stages, 1 to 64, are run after a rollback: to notify, or to clean up. None of `abTest`, `ramp`, `watch`, `promote`.
    Stages(Vec<Stage>),
}
