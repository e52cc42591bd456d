//! Why a command was not carried out: whose fault it is decides the exit code.

use std::io;

use serde_json::{Value, json};

use super::contract::Problem;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line, the environment, or a file that they name.
    Usage(String),
    /// A file that they name cannot be read: all that is wrong with it.
    Unreadable(Vec<String>),
    /// The gateway answered with a problem document.
    Refused(Box<Problem>),
    /// No answer of the admin API was had.
    Unreached {
        /// Where, and what happened.
        what: String,
        /// Another attempt may do better.
        passing: bool,
    },
    /// Standard output takes no more.
    Output(io::Error),
}

impl Failure {
    /// An answer that does not hold what the API promises.
    pub(super) fn misunderstood(what: impl Into<String>) -> Self {
        Self::Unreached { what: what.into(), passing: false }
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) => 1,
            Self::Usage(_) | Self::Unreadable(_) => 2,
            Self::Unreached { .. } => 3,
            Self::Refused(problem) => match problem.status {
                409 | 412 => 4,
                500.. => 3,
                _ => 1,
            },
        }
    }

    /// The status of a refusal.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::Usage(_) | Self::Unreadable(_) | Self::Unreached { .. } | Self::Output(_) => None,
        }
    }

    /// Whether the same request may be answered a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreached { passing, .. } => *passing,
            Self::Refused(problem) => problem.status == 503,
            Self::Usage(_) | Self::Unreadable(_) | Self::Output(_) => false,
        }
    }

    /// For a person: a line, and one for each thing there is to know.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Usage(what) | Self::Unreached { what, .. } => vec![what.clone()],
            Self::Unreadable(problems) => problems.clone(),
            Self::Output(error) => vec![format!("standard output: {error}")],
            Self::Refused(problem) => problem.lines(),
        }
    }

    /// For a script: a problem document (RFC 9457).
    pub(super) fn document(&self) -> Value {
        match self {
            Self::Refused(problem) => problem.document.clone(),
            Self::Usage(what) => usage(what),
            Self::Unreadable(problems) => usage(&problems.join("\n")),
            Self::Unreached { what, .. } => {
                json!({ "type": "urn:rollgate:problem:unreached", "title": "Not reached", "detail": what })
            }
            Self::Output(error) => {
                let detail = format!("standard output: {error}");
                json!({ "type": "urn:rollgate:problem:output", "title": "Not written", "detail": detail })
            }
        }
    }
}

fn usage(what: &str) -> Value {
    json!({ "type": "urn:rollgate:problem:usage", "title": "Wrong usage", "detail": what })
}
