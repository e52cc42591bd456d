//! What has to outlive the process: live weights, brakes, rollouts, documents of the REST provider, answers to keys of
//! idempotency, and the audit log. A request never waits for it.
//!
//! ```text
//! traffic -> StoreThread -> dyn Store: Sqlite (rollgate.db under the state folder, or in memory)
//! ```
//!
//! Order of a change: commit, publish, answer. An error of [`Store::commit`] means that the change is not kept, so it is not
//! published either. What a writer may not do is commit over a state that it has not seen: during a hand-over two processes
//! have the file open, and the one that did not make the last change is refused ([`StoreError::Stale`]) until it has
//! loaded again.

pub mod records;

mod audit;
mod fault;
mod migrations;
mod opening;
mod rollouts;
mod rows;
mod sqlite;
mod thread;

use std::fmt;

pub use self::{
    opening::{NAME as FILE, Opened},
    records::{
        AuditEntry, AuditPage, AuditQuery, Brake, Change, Commit, KeptRollout, LiveWeights, Owner, Remembered,
        RolloutPage, RolloutQuery, Stored, UnknownOwner,
    },
    sqlite::{Limits, Sqlite},
    thread::StoreThread,
};

/// Keeps a state. Calls block until the disk has answered.
pub trait Store: Send {
    /// All that is in force. What is committed next is a change of this.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&mut self) -> Result<Stored, StoreError>;

    /// Makes all of a commit durable, or nothing of it. A commit with changes counts the revision up by one.
    ///
    /// # Errors
    /// Nothing of it is in force: also after a restart, with one exception that the disk makes, see [`StoreError::Other`].
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// What was answered under a key within the 24 hours before `now`, in milliseconds since 1970.
    ///
    /// # Errors
    /// It cannot be read.
    fn remembered(&mut self, key: &str, now: i64) -> Result<Option<Remembered>, StoreError>;

    /// A part of the audit log, newest first. Looks at a bounded number of entries: a page may hold fewer than `limit`, even
    /// none, while `next` says where to go on.
    ///
    /// # Errors
    /// It cannot be read.
    fn audit(&mut self, asked: &AuditQuery) -> Result<AuditPage, StoreError>;

    /// A rollout by its id, also one that has ended.
    ///
    /// # Errors
    /// It cannot be read.
    fn rollout(&mut self, id: &str) -> Result<Option<KeptRollout>, StoreError>;

    /// A part of all rollouts that are kept, newest first.
    ///
    /// # Errors
    /// They cannot be read.
    fn rollouts(&mut self, asked: &RolloutQuery) -> Result<RolloutPage, StoreError>;
}

/// Why the store does not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Somebody else holds the file, or too much waits for it. The same may go well a moment later.
    Busy,
    /// There is no space left on the disk.
    Full,
    /// What is in the file is not what was written. The next start moves it aside.
    Damaged,
    /// Another process has changed the state since it was loaded. Load, then decide anew.
    Stale,
    /// The thread of the store has ended.
    Closed,
    /// Anything else, in words. If it is the disk that failed while it made a commit durable, a process that is killed before
    /// the next commit succeeds may find that one whole when it starts again; never a part of it.
    Other(String),
}

impl fmt::Display for StoreError {
    /// For an operator: what is wrong, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the store is busy: another process holds rollgate.db, or too much waits for it; try again",
            Self::Full => "the disk of the state folder is full: make room, then try again",
            Self::Damaged => {
                "rollgate.db is damaged: a restart moves it aside and keeps of it what can be read; look at the disk first"
            }
            Self::Stale => "another process has changed the store: ask for the state as it is now, then try again",
            Self::Closed => "the store is closed: the process is ending, or its store has failed; see its log",
            Self::Other(what) => what,
        })
    }
}

impl std::error::Error for StoreError {}
