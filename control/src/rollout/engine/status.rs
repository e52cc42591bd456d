//! How a rollout stands, in one word.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It has not begun.
    Pending,
    /// It goes on by itself.
    Running,
    /// Somebody has to approve.
    Waiting,
    /// Somebody has to decide how it goes on, or has stopped it.
    Paused,
    /// It has come to its end.
    Succeeded,
    /// What it had changed was taken back.
    RolledBack,
    /// It has failed before it changed anything, after it had promoted, or it could not be taken back.
    Failed,
    /// Somebody has taken it back.
    Canceled,
}

impl Status {
    /// All of them, in the order in which a rollout comes to them.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Succeeded,
        Self::RolledBack,
        Self::Failed,
        Self::Canceled,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Paused => "PAUSED",
            Self::Succeeded => "SUCCEEDED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether nothing changes any more.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::RolledBack | Self::Failed | Self::Canceled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
