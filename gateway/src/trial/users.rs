//! What users have met, on its way to the judge: with cohorts, only a user's first error counts, and one place has to know
//! whose was the first.
//!
//! One queue for both versions and all workers, so that whoever empties it sees a moment of it. Only errors and slow answers
//! pass it. What finds it full is lost, whoever's it is.

use parking_lot::Mutex;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<Vec<Met>>);

/// What a user has met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Met {
    /// The hash of the user's key.
    pub(crate) user: u64,
    /// The probability that this draw had to be the canary.
    pub(crate) w: f64,
    pub(crate) by_canary: bool,
    pub(crate) what: What,
}

/// The kinds that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Error,
    Slow,
}

impl Users {
    pub(super) fn met(&self, met: Met) {
        let mut waiting = self.0.lock();
        if waiting.len() < MOST_WAITING {
            waiting.push(met);
        }
    }

    /// What has come since the last call, in order.
    pub(super) fn take(&self, into: &mut Vec<Met>) {
        into.clear();
        std::mem::swap(into, &mut self.0.lock());
    }
}

/// A tenth of a second of 300,000 errors in a second.
const MOST_WAITING: usize = 1 << 15;
