//! `rollouts`: pipelines. Each moves the users of one weighted service from its stable version to another, in small, observed
//! steps.
//!
//! ```text
//! Pipeline: service, stable, canary -> stages, one after the other -> promoted, or what `onFailure` says
//! ```

pub mod analysis;
pub mod audience;
pub mod stage;

use std::sync::Arc;

use self::{analysis::Analysis, stage::Stage};
use crate::problem::{Located, Place};

/// A pipeline, by its qualified name in [`super::Configuration::rollouts`].
#[derive(Debug, Clone)]
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
    /// `stages`, at least one; no two have the same name.
    pub stages: Vec<Stage>,
    /// `onFailure`.
    pub on_failure: OnFailure,
    /// The whole of it in JSON, with defaults left out as they were: what a rollout keeps, and reads again after a restart.
    pub source: Arc<str>,
}

/// `onFailure`: what becomes of a rollout when a stage fails, or the analysis says that the canary is worse.
#[derive(Debug, Clone, Default)]
pub enum OnFailure {
    /// `rollback`: the weights are what they were before it, the canary gets nothing, and it has ended.
    #[default]
    Rollback,
    /// `hold`: a canary that was found worse is braked, everything else stays as it is, and somebody has to decide.
    Hold,
    /// These stages are run after a rollback: to notify, or to clean up. None of `abTest`, `ramp`, `promote`.
    Stages(Vec<Stage>),
}
