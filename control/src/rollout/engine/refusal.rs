//! Why an action is not done.

use std::fmt;

use super::event::Action;

/// Why an action is not done. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Not as things are.
    NotNow {
        /// What was wanted.
        action: Action,
        /// How things are, in words.
        state: String,
        /// What is possible.
        possible: Vec<Action>,
    },
    /// It takes a reason.
    NoReason {
        /// What was wanted.
        action: Action,
    },
    /// Not for him.
    NotAllowed {
        /// What was wanted.
        action: Action,
        /// Who.
        by: String,
        /// Who may.
        needs: String,
    },
    /// The link is not that of the question that is open.
    OldLink,
    /// The pipeline that was given is not the one that the rollout is a run of.
    OtherPipeline {
        /// The rollout's.
        pipeline: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNow { action, state, possible } => {
                write!(f, "{action} is not possible: {state}")?;
                match &possible[..] {
                    [] => Ok(()),
                    possible => write!(f, " (possible: {})", names(possible)),
                }
            }
            Self::NoReason { action } => write!(f, "{action} takes a reason: it is kept for whoever asks later"),
            Self::NotAllowed { action, by, needs } => write!(f, "{by} may not {action}: {needs}"),
            Self::OldLink => f.write_str("this link answers a question that is not open any more"),
            Self::OtherPipeline { pipeline } => {
                write!(f, "the stages that were given are not those of pipeline {pipeline} when the rollout began")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// `a, b, c`.
pub(super) fn names(actions: &[Action]) -> String {
    actions.iter().map(|action| action.name()).collect::<Vec<_>>().join(", ")
}
