//! What has happened to a rollout, with every number that decided.

use std::fmt;

use rollgate_config::scalar::Share;
use serde::{Deserialize, Serialize};

use super::{
    Millis, effect::EffectId, event::Action, evidence::Evidence, protection::Protection, record::StageState,
    status::Status, text,
};

/// Something that has happened. `Display` says it in a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// The stage's name.
    pub stage: String,
    /// Who; `None`: nobody asked for it.
    pub by: Option<String>,
    /// Why, in his words.
    pub reason: Option<String>,
    /// What.
    pub happened: Happened,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Happened {
    /// The rollout has begun.
    Begun,
    /// A stage has.
    StageBegun {
        /// For which time.
        attempt: u32,
    },
    /// A stage has ended.
    StageEnded {
        /// How.
        state: StageState,
        /// Why.
        why: Option<String>,
        /// How long the attempt was under way, in milliseconds.
        lasted: Millis,
    },
    /// The canary has this share.
    Weighed {
        /// Of what both versions have together.
        #[serde(with = "text")]
        canary: Share,
    },
    /// A step was passed.
    StepPassed {
        /// Which, from 1.
        step: usize,
        /// Of how many.
        of: usize,
        /// The canary's share in it.
        #[serde(with = "text")]
        weight: Share,
        /// How long it was in force, in milliseconds.
        lasted: Millis,
        /// The canary's requests in it.
        requests: u64,
        /// What has decided.
        evidence: Evidence,
    },
    /// An A/B test has had enough.
    Tested {
        /// How long it was in force, in milliseconds.
        lasted: Millis,
        /// The canary's requests in it.
        requests: u64,
        /// The last look.
        evidence: Option<Evidence>,
    },
    /// The canary was found worse.
    FoundWorse {
        /// By which kind of evidence.
        family: String,
        /// Which.
        evidence: Evidence,
    },
    /// Both versions fail: nothing grows.
    OutageBegan {
        /// By what.
        evidence: Evidence,
    },
    /// That is over.
    OutageOver,
    /// No server of the canary is up: nothing grows.
    Unavailable {
        /// In a sentence.
        why: String,
    },
    /// One is again.
    Available,
    /// Somebody was asked to approve; this is what will be laid then, if it goes on.
    ApprovalAsked {
        /// By stage.
        protections: Vec<(String, Protection)>,
    },
    /// Nobody has answered in time.
    Silence {
        /// And that means yes.
        approves: bool,
    },
    /// An operator has done something.
    Acted {
        /// What.
        action: Action,
    },
    /// A protection was computed, to be laid.
    Protected {
        /// Which, and by what.
        protection: Protection,
    },
    /// The canary is braked.
    Braked,
    /// It is not any more.
    Released,
    /// What was before is in force again.
    Restored,
    /// The canary has all users.
    Promoted,
    /// An effect has failed, and it goes on without.
    EffectFailed {
        /// Which.
        effect: EffectId,
        /// Why.
        why: String,
    },
    /// The canary is of another build.
    NewBuild {
        /// Which.
        build: String,
    },
    /// The service or a version is gone.
    Gone {
        /// In a sentence.
        why: String,
    },
    /// The configured weights are not what they were.
    Drifted {
        /// In a sentence.
        why: String,
    },
    /// The process has started again.
    Resumed,
    /// The rollout has ended.
    Ended {
        /// How.
        status: Status,
        /// Why.
        why: Option<String>,
    },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage, self.happened)?;
        if let Some(by) = &self.by {
            write!(f, ", by {by}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |why: &Option<String>| why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        match self {
            Self::Begun => f.write_str("the rollout has begun"),
            Self::StageBegun { attempt: 1 } => f.write_str("begun"),
            Self::StageBegun { attempt } => write!(f, "begun for the {attempt}. time"),
            Self::StageEnded { state, why, lasted } => {
                let how = match state {
                    StageState::Done => "done",
                    StageState::Failed => "failed",
                    StageState::Skipped => "passed over",
                    StageState::Pending | StageState::Running | StageState::Waiting => "to be begun again",
                };
                write!(f, "{how} after {}{}", text::span(*lasted), after(why))
            }
            Self::Weighed { canary } => write!(f, "the canary has {canary}"),
            Self::StepPassed { step, of, weight, lasted, requests, evidence } => write!(
                f,
                "step {step} of {of} ({weight}) was passed after {} and {}: {}",
                text::span(*lasted),
                text::count(*requests, "request"),
                evidence.says
            ),
            Self::Tested { lasted, requests, .. } => {
                write!(f, "tested for {} with {}", text::span(*lasted), text::count(*requests, "request"))
            }
            Self::FoundWorse { evidence, .. } => write!(f, "the canary is worse: {}", evidence.says),
            Self::OutageBegan { evidence } => write!(f, "both versions fail, nothing grows: {}", evidence.says),
            Self::OutageOver => f.write_str("both versions answer again"),
            Self::Unavailable { why } => write!(f, "no server of the canary is up, nothing grows: {why}"),
            Self::Available => f.write_str("a server of the canary is up"),
            Self::ApprovalAsked { protections } => {
                f.write_str("somebody was asked to approve")?;
                protections.iter().try_for_each(|(stage, laid)| write!(f, "; {stage} will lay {}", laid.says()))
            }
            Self::Silence { approves: true } => f.write_str("nobody has answered in time, which is a yes"),
            Self::Silence { approves: false } => f.write_str("nobody has answered in time, which is a no"),
            Self::Acted { action } => write!(f, "{action}"),
            Self::Protected { protection } => write!(f, "lays {}", protection.says()),
            Self::Braked => f.write_str("the canary is braked"),
            Self::Released => f.write_str("the canary's brake is released"),
            Self::Restored => f.write_str("the weights are what they were before"),
            Self::Promoted => f.write_str("the canary has all users"),
            Self::EffectFailed { effect, why } => write!(f, "{effect} has failed, and it goes on: {why}"),
            Self::NewBuild { build } => write!(f, "the canary is now {build}"),
            Self::Gone { why } | Self::Drifted { why } => f.write_str(why),
            Self::Resumed => f.write_str("the process has started again"),
            Self::Ended { status, why } => write!(f, "{status}{}", after(why)),
        }
    }
}
