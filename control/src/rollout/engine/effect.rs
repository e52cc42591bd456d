//! What is to be done outside: data, and what whoever does it owes.

use std::fmt;

use aws_lc_rs::hmac;
use rollgate_config::{
    dynamic::rollout::{Pipeline, stage::Stage},
    scalar::Share,
};
use serde::{Deserialize, Serialize};

use super::{
    kept::LinkKey,
    protection::Protection,
    record::At,
    status::Status,
    text,
    weights::{Before, Weights},
};

/// Something that is to be done outside.
///
/// It may be begun several times under the same id: after a restart nobody knows how far it had come. What it leaves has to be the
/// same then. Its end is reported once it is there, or cannot be; a disk that is full or a store that is busy is no end, but
/// tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Its name, for ever.
    pub id: EffectId,
    /// The stage that wants it.
    pub at: At,
    /// What it is.
    pub what: What,
}

/// `ROLLOUT/STAGE/ATTEMPT/WHAT`; `WHAT` ends in a number where the same attempt does it again. Stages of `onFailure` begin with
/// `on-failure.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub String);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum What {
    /// Runs the stage's command, with its time limit and its retries: it fails when the last of them has. Canceled, it is ended.
    RunJob,
    /// Calls the stage's webhook, likewise.
    CallWebhook,
    /// Is done when so many of the canary's servers are up. How long that may take, the engine says: it cancels it.
    WaitHealthy {
        /// At least 1.
        healthy: u32,
    },
    /// Tells those who may approve. Is done when they are told; their answer is [`super::Event::Operator`].
    AskApproval {
        /// Opens this one question, and no other.
        nonce: Nonce,
        /// What is asked.
        message: Option<String>,
    },
    /// Looks what is in force before it is touched: [`super::Outcome::Weights`].
    ReadWeights,
    /// Live weights of all versions, in the rollout's name.
    SetWeights {
        /// These.
        weights: Weights,
        /// The canary's share of the pair in them.
        #[serde(with = "text")]
        canary: Share,
        /// The service is not the rollout's yet: it must be as [`super::Rollout::before`] says, or the rollout's already.
        /// If it is neither, somebody has changed it, and it fails.
        takes: bool,
    },
    /// Lays a trial over the service, in place of the one that is there. Its judge goes on from [`super::Rollout::judge`], or
    /// starts anew where there is nothing. A brake of the judge before ends with it.
    BeginTrial {
        /// Whom it is for.
        mode: Mode,
    },
    /// The trial's next step has begun: its judge starts its processes again, answers by this margin, and counts the step's requests
    /// from 0. Looks are told under this effect's id from then on.
    NextStratum {
        /// Which step, from 0.
        step: usize,
        /// Its margin.
        margin: f64,
    },
    /// Takes the trial off; done too if there is none.
    EndTrial,
    /// The canary gets nothing: in the data plane at once, in the store as soon as that is possible. The judge has done the first part
    /// mostly.
    Brake {
        /// Why.
        reason: String,
    },
    /// Takes the brake off again, the judge's too.
    ReleaseBrake,
    /// What was before is in force again, if the service's live weights are the rollout's, or those that its [`What::Promote`] has left.
    /// Done too if somebody else's are there, or the service is gone: then nothing of the rollout must be left to come back with it.
    RestoreWeights {
        /// What was.
        before: Before,
    },
    /// Lays a rate limit and a circuit breaker before the canary, in place of those that an attempt before has laid.
    Protect {
        /// These.
        protection: Protection,
    },
    /// Takes them off; done too if there are none.
    Unprotect,
    /// In one change: the canary has all of the pair, there is no trial, and the live weights belong to whoever uses the API. Fails where
    /// the canary is braked by then: nobody would be left to take the requests.
    Promote {
        /// These.
        weights: Weights,
        /// As in [`What::SetWeights`].
        takes: bool,
    },
    /// In one change: there is no trial, and the live weights, as they are, belong to whoever uses the API.
    Leave,
    /// Writes the weights into the stage's file, or says in its outcome what would have to be written. A failure of it is told, and no
    /// failure of the rollout.
    WriteBack {
        /// These.
        weights: Weights,
    },
    /// Tells people. Nothing waits for it.
    Notify {
        /// Of what.
        news: News,
        /// In a sentence.
        text: String,
    },
}

/// Whom a trial is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Mode {
    /// Whom the weights give the canary to. The stage is a `ramp`, which says about cohorts, or a `watch`.
    Randomised {
        /// Its step, from 0.
        step: usize,
        /// How many times as many errors as stable's have to be ruled out.
        margin: f64,
    },
    /// The audience of the stage, an `abTest`, with its draw.
    Audience,
}

/// What people are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum News {
    /// The canary was found worse.
    FoundWorse,
    /// Both versions fail: the rollout is held.
    Outage,
    /// Somebody has to decide.
    NeedsDecision,
    /// The rollout has ended.
    Ended(Status),
}

/// What may be under way beside what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Commands, calls, waits and looks: canceled when nobody wants their end any more.
    Run,
    /// What is in force for traffic: always brought to its end, one after the other, and only a brake does not wait.
    Traffic,
    /// A question to people. It waits for nothing and nothing for it, and ends with its stage.
    Ask,
    /// News. It waits for nothing and nothing for it.
    Tell,
}

/// A secret that is good for one question. Shown by no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(pub String);

impl Effect {
    /// The stage that it belongs to, as it was written.
    pub fn stage<'p>(&self, pipeline: &'p Pipeline) -> Option<&'p Stage> {
        self.at.stage(pipeline)
    }
}

impl What {
    /// The last part of an id.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunJob => "job",
            Self::CallWebhook => "webhook",
            Self::WaitHealthy { .. } => "healthy",
            Self::AskApproval { .. } => "approval",
            Self::ReadWeights => "read",
            Self::SetWeights { .. } => "weights",
            Self::BeginTrial { .. } => "trial",
            Self::NextStratum { .. } => "stratum",
            Self::EndTrial => "end-trial",
            Self::Brake { .. } => "brake",
            Self::ReleaseBrake => "release",
            Self::RestoreWeights { .. } => "restore",
            Self::Protect { .. } => "protect",
            Self::Unprotect => "unprotect",
            Self::Promote { .. } => "promote",
            Self::Leave => "leave",
            Self::WriteBack { .. } => "write-back",
            Self::Notify { .. } => "notify",
        }
    }

    /// What it may be under way beside.
    pub fn lane(&self) -> Lane {
        match self {
            Self::RunJob | Self::CallWebhook | Self::WaitHealthy { .. } | Self::ReadWeights => Lane::Run,
            Self::AskApproval { .. } => Lane::Ask,
            Self::Notify { .. } => Lane::Tell,
            Self::SetWeights { .. }
            | Self::BeginTrial { .. }
            | Self::NextStratum { .. }
            | Self::EndTrial
            | Self::Brake { .. }
            | Self::ReleaseBrake
            | Self::RestoreWeights { .. }
            | Self::Protect { .. }
            | Self::Unprotect
            | Self::Promote { .. }
            | Self::Leave
            | Self::WriteBack { .. } => Lane::Traffic,
        }
    }
}

impl Nonce {
    /// Of a question. Without the key nobody finds it.
    pub(super) fn of(key: &LinkKey, question: &EffectId) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.0.as_bytes());
        let tag = hmac::sign(&key, question.0.as_bytes());
        Self(tag.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Compared in a time that tells nothing of it.
    pub(super) fn is(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce")
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
