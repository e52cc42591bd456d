//! What users have met, on its way to the judge: where users are drawn, only a user's first error counts, and one place has
//! to know whose was the first.
//!
//! One queue for both versions and all workers, so that whoever empties it sees a moment of it. Only what went wrong passes it,
//! and where errors that come again count, what went well for users that have met one. What finds it full is lost, whoever's it is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// The queue.
#[derive(Debug)]
pub(crate) struct Users {
    waiting: Mutex<Vec<Met>>,
    /// Where errors that come again count: a bit for each part of all users, set once one of them has met an error.
    marked: Option<Box<[AtomicU64]>>,
}

/// What a user has met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Met {
    /// The hash of the user's key. Who has none is a user of his own.
    pub(crate) user: Option<u64>,
    /// The probability that this draw had to be the canary.
    pub(crate) w: f64,
    pub(crate) by_canary: bool,
    pub(crate) what: What,
}

/// What it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Error,
    Slow,
    /// Neither.
    Success,
}

impl Users {
    pub(super) fn new(again: bool) -> Self {
        let marked = again.then(|| (0..MARKS / 64).map(|_| AtomicU64::new(0)).collect());
        Self { waiting: Mutex::default(), marked }
    }

    pub(super) fn met(&self, met: Met) {
        if met.what == What::Error
            && let Some((word, bit)) = met.user.and_then(|user| self.mark(user))
        {
            word.fetch_or(bit, Relaxed);
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() < MOST_WAITING {
            waiting.push(met);
        }
    }

    /// Whether what goes well for a user has to be told: it may have met an error.
    #[inline]
    pub(super) fn is_marked(&self, user: u64) -> bool {
        self.mark(user).is_some_and(|(word, bit)| word.load(Relaxed) & bit != 0)
    }

    /// What has come since the last call, in order.
    pub(super) fn take(&self, into: &mut Vec<Met>) {
        into.clear();
        std::mem::swap(into, &mut self.waiting.lock());
    }

    fn mark(&self, user: u64) -> Option<(&AtomicU64, u64)> {
        let place = user as usize % MARKS;
        Some((&self.marked.as_ref()?[place / 64], 1 << (place % 64)))
    }
}

/// A tenth of a second of 300,000 errors in a second.
const MOST_WAITING: usize = 1 << 15;
/// 8 KiB of bits.
const MARKS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn met(user: u64, what: What) -> Met {
        Met { user: Some(user), w: 0.05, by_canary: false, what }
    }

    #[test]
    fn what_is_met_is_taken_once_in_order_and_what_finds_no_room_is_lost() {
        let (users, mut taken) = (Users::new(false), Vec::new());
        (0..MOST_WAITING as u64 + 5).for_each(|user| users.met(met(user, What::Error)));
        users.take(&mut taken);
        assert_eq!(taken.len(), MOST_WAITING);
        assert!(taken.iter().enumerate().all(|(place, met)| met.user == Some(place as u64)));
        users.take(&mut taken);
        assert!(taken.is_empty());
    }

    #[test]
    fn successes_are_told_of_users_that_have_met_an_error_where_that_counts() {
        let users = Users::new(true);
        users.met(met(7, What::Slow));
        assert!(!users.is_marked(7));
        users.met(met(7, What::Error));
        assert!(users.is_marked(7) && !users.is_marked(8));
        let users = Users::new(false);
        users.met(met(7, What::Error));
        assert!(!users.is_marked(7));
    }
}
