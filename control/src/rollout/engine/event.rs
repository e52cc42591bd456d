//! What happens to a rollout.

use std::fmt;

use rollgate_config::static_config::Role;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    effect::{EffectId, Nonce},
    evidence::Evidence,
    weights::Before,
};

/// Something has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is kept, and may begin.
    Begin,
    /// Time has passed. Wanted at [`super::Rollout::due`] at the latest; more often does no harm.
    Tick,
    /// An effect has come to its end.
    EffectDone {
        /// Which.
        id: EffectId,
        /// How.
        outcome: Outcome,
    },
    /// Somebody wants something.
    Operator(Asked),
    /// The judge of a trial has decided.
    Verdict {
        /// The trial's [`super::What::BeginTrial`]; of another one it does not count.
        trial: EffectId,
        /// What.
        verdict: Verdict,
    },
    /// The judge of a trial has looked.
    Evidence {
        /// The last [`super::What::BeginTrial`] or [`super::What::NextStratum`] that it knew; of another one it does not count.
        of: EffectId,
        /// What it has seen.
        evidence: Box<Evidence>,
        /// All that it needs to go on after a restart; kept, and not looked at.
        judge: Option<Value>,
    },
    /// No server of the canary is up.
    CanaryUnavailable {
        /// In a sentence.
        why: String,
    },
    /// One is again.
    CanaryAvailable,
    /// What the rollout is about has changed.
    ConfigurationChanged(Change),
    /// The canary's servers are of another build. Servers that come and go are not.
    NewBuild {
        /// Its name, whatever tells builds apart.
        build: String,
    },
    /// Another rollout of the service is to begin: one that only watches makes room. Of another one it does not count.
    Replaced {
        /// By whom, in a sentence.
        why: String,
    },
    /// The process has started again, or has taken over: nothing is under way but what this step returns, and no trial is laid.
    Resumed,
}

/// How an effect has ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done {
        /// What it has to say: a command's output, an answer's body, what was written.
        output: Option<String>,
    },
    /// [`super::What::ReadWeights`] has read this.
    Weights(Before),
    /// It cannot be done; its retries, if it has some, have failed too.
    Failed {
        /// In a sentence.
        why: String,
    },
}

/// What a judge decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The canary is worse than stable, or breaks the promise where nothing is compared.
    RollBack {
        /// By which kind of evidence.
        family: String,
        /// Which.
        evidence: Box<Evidence>,
    },
    /// Both versions fail, or it is not clear which: nothing may grow. Told before the evidence of the same look; after a restart it is told
    /// again, or taken for over with the first look.
    Hold {
        /// By what.
        evidence: Box<Evidence>,
    },
    /// That is over.
    Clear,
}

/// A change of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The service, or one of the two versions, is no longer there.
    Gone {
        /// In a sentence.
        why: String,
    },
    /// Its weights there are not what they were. Live ones hold all the same.
    Drifted {
        /// In a sentence.
        why: String,
    },
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What.
    pub action: Action,
    /// Who.
    pub by: Caller,
    /// Why, in his words.
    pub reason: Option<String>,
}

/// What an operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Nothing begins and nothing grows. The weights stay, the canary is judged on, and the time that stages wait for stands still.
    Pause,
    /// It goes on.
    Resume,
    /// Yes, to an `approve`.
    Approve,
    /// No.
    Deny,
    /// The stage that failed is tried once more. If the canary was found worse, the stage that gave it traffic is, from its first step.
    Retry,
    /// The stage is passed over; takes a reason.
    Skip,
    /// What was before is in force again, and it has ended.
    Abort,
    /// The canary gets all users now; takes a reason.
    Promote,
}

/// Who wants something.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// His name.
    pub name: String,
    /// What he may.
    pub role: Role,
    /// The name of the token that he came with.
    pub token: Option<String>,
    /// He came by a question's link.
    pub link: Option<Nonce>,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Pause, Self::Resume, Self::Approve, Self::Deny, Self::Retry, Self::Skip, Self::Abort, Self::Promote];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Abort => "abort",
            Self::Promote => "promote",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Outcome {
    /// Done, with nothing to say.
    pub const DONE: Self = Self::Done { output: None };
}
