//! What is kept of a stage.

use std::collections::BTreeMap;

use rollgate_config::{
    dynamic::rollout::{
        OnFailure, Pipeline,
        stage::{Stage, StageKind},
    },
    scalar::Share,
};
use serde::{Deserialize, Serialize};

use super::{Millis, effect::EffectId, evidence::Evidence, protection::Protection, text};

/// A stage of a pipeline, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct At {
    /// In which list.
    pub of: List,
    /// From 0.
    pub index: usize,
}

/// The lists of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum List {
    /// `stages`.
    Main,
    /// Those of `onFailure`.
    OnFailure,
}

/// How far a stage has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageState {
    /// Not begun, or to be begun again.
    Pending,
    /// Under way.
    Running,
    /// Somebody has to say yes.
    Waiting,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Passed over.
    Skipped,
}

/// A stage of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageRecord {
    /// Its name in the pipeline.
    pub name: String,
    /// Its kind, as it is written.
    pub kind: String,
    /// How far it has come.
    pub state: StageState,
    /// How often it was begun.
    pub attempt: u32,
    /// When the last attempt was.
    pub started: Option<Millis>,
    /// When that ended.
    pub ended: Option<Millis>,
    /// Why it failed or was passed over; who has approved.
    pub reason: Option<String>,
    /// What its command, its endpoint or its effect has said.
    pub output: Option<String>,
    /// Of a ramp: how many steps it has.
    pub step_count: usize,
    /// Of a ramp: the steps that were begun in this attempt.
    pub steps: Vec<StepRecord>,
    /// Of a stage that gives traffic: the last look at it.
    pub evidence: Option<Evidence>,
    /// Of a `protect`: what it lays, or would as things are.
    pub protection: Option<Protection>,
    /// That was shown to whoever was asked for approval, and stays so.
    pub is_shown: bool,
    /// What the attempt has come to.
    pub work: Work,
}

/// A step of a ramp.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// The canary's share.
    #[serde(with = "text")]
    pub weight: Share,
    /// When it was in force.
    pub started: Option<Millis>,
    /// When the next one, or the end of the ramp, was decided.
    pub ended: Option<Millis>,
    /// The canary's requests in it, as far as they count.
    pub requests: u64,
    /// What has decided.
    pub evidence: Option<Evidence>,
}

/// What an attempt has come to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// What it has to do was queued.
    pub is_planned: bool,
    /// What it has done is being taken down.
    pub is_closing: bool,
    /// Runs while what the stage waits for does.
    pub clock: Option<Clock>,
    /// The canary's requests in the step, or in the A/B test.
    pub requests: u64,
    /// Those of them that trials before the one that is laid now have counted.
    pub carried: u64,
    /// The question that is open.
    pub question: Option<EffectId>,
    /// Somebody, or silence, has said yes.
    pub is_approved: bool,
    /// An operator wants it whatever is held.
    pub is_forced: bool,
    /// Ids that were given, by what they are for.
    pub ids: BTreeMap<String, u32>,
}

/// A time that stands still while the rollout is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    /// When it began.
    pub since: Millis,
    /// How long it has stood still.
    pub stood: Millis,
}

impl StageRecord {
    pub(super) fn new(stage: &Stage) -> Self {
        Self {
            name: stage.name.clone(),
            kind: stage.kind.name().to_owned(),
            state: StageState::Pending,
            attempt: 0,
            started: None,
            ended: None,
            reason: None,
            output: None,
            step_count: if let StageKind::Ramp(ramp) = &stage.kind { ramp.steps.len() } else { 0 },
            steps: Vec::new(),
            evidence: None,
            protection: None,
            is_shown: false,
            work: Work::default(),
        }
    }

    /// Whether it is under way.
    pub fn is_active(&self) -> bool {
        matches!(self.state, StageState::Running | StageState::Waiting)
    }

    /// Whether it gives the canary traffic, or watches what somebody else gives it.
    pub fn gives_traffic(&self) -> bool {
        matches!(&*self.kind, "abTest" | "ramp" | "watch")
    }

    /// A further attempt.
    pub(super) fn begin(&mut self, state: StageState, now: Millis) {
        *self = Self {
            name: std::mem::take(&mut self.name),
            kind: std::mem::take(&mut self.kind),
            state,
            attempt: self.attempt.saturating_add(1),
            started: Some(now),
            ended: None,
            reason: None,
            output: None,
            step_count: self.step_count,
            steps: Vec::new(),
            evidence: None,
            protection: self.protection.take(),
            is_shown: self.is_shown,
            work: Work::default(),
        };
    }
}

impl Clock {
    pub(super) fn at(now: Millis) -> Self {
        Self { since: now, stood: 0 }
    }

    /// How long it has run, if it does.
    pub fn elapsed(&self, now: Millis) -> Millis {
        now.saturating_sub(self.since).saturating_sub(self.stood).max(0)
    }

    /// When it will have run so long, if nobody stops it.
    pub fn when(&self, long: Millis) -> Millis {
        self.since.saturating_add(self.stood).saturating_add(long)
    }
}

impl At {
    pub(super) const START: Self = Self { of: List::Main, index: 0 };

    /// The stage there, as it was written.
    pub fn stage(self, pipeline: &Pipeline) -> Option<&Stage> {
        self.of.stages(pipeline).get(self.index)
    }
}

impl List {
    /// The stages of the list, as they were written.
    pub fn stages(self, pipeline: &Pipeline) -> &[Stage] {
        match (self, &pipeline.on_failure) {
            (Self::Main, _) => &pipeline.stages,
            (Self::OnFailure, OnFailure::Stages(stages)) => stages,
            (Self::OnFailure, OnFailure::Rollback | OnFailure::Hold) => &[],
        }
    }
}
