//! Users that keep their version count once, whatever they send.
//!
//! Where users are drawn, a user is one draw: all their errors are on one side, and ten errors of one user are not
//! ten errors. So each user counts with their first error of the *rollout*: counted anew at each step, 2 to 4% of
//! good canaries are rolled back, and by every error 7 to 21%.
//!
//! There is one memory for both versions, and what all workers saw goes through it. When it is full nothing counts
//! any more: a memory for each version would fill up on stable's side first, and only the canary's errors would go on
//! to count.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
};

/// Users whose errors were counted, of both versions. Slow answers have a memory of their own.
///
/// At most 40 bytes for each user.
#[derive(Debug, Clone)]
pub struct Cohort {
    users: HashMap<u64, u8, BuildHasherDefault<AsItIs>>,
    most: usize,
}

/// What an error counts as; each at most once per user, under the weight of its own draw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// The user's first.
    pub first: bool,
    /// The first within [`SOON`] of the user's own requests of another.
    pub again: bool,
}

impl Cohort {
    /// Room for `most` users with errors.
    pub fn new(most: usize) -> Self {
        Self { users: HashMap::default(), most }
    }

    /// An error of a user, named by a hash of their key that is salted per rollout, whichever version they have.
    pub fn error(&mut self, user: u64) -> Counted {
        if self.is_full() {
            return Counted::default();
        }
        match self.users.entry(user) {
            Entry::Vacant(vacant) => {
                vacant.insert(0);
                Counted { first: true, again: false }
            }
            Entry::Occupied(mut occupied) => {
                let again = *occupied.get() < SOON;
                if again {
                    occupied.insert(COUNTED);
                } else if *occupied.get() != COUNTED {
                    occupied.insert(0);
                }
                Counted { first: false, again }
            }
        }
    }

    /// A request of a user that did not fail: needed only where errors that come again count.
    pub fn success(&mut self, user: u64) {
        if let Some(since) = self.users.get_mut(&user)
            && *since < SOON
        {
            *since += 1;
        }
    }

    /// Users with errors that were met.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Whether nothing counts any more.
    pub fn is_full(&self) -> bool {
        self.users.len() >= self.most
    }
}

/// Within how many of a user's own requests an error comes again.
pub const SOON: u8 = 20;

/// Instead of a user's successes since the last error: nothing of theirs counts any more.
const COUNTED: u8 = u8::MAX;

/// The hash of a number that is a hash.
#[derive(Debug, Clone, Copy, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Counted = Counted { first: true, again: false };
    const AGAIN: Counted = Counted { first: false, again: true };
    const NOTHING: Counted = Counted { first: false, again: false };

    #[test]
    fn a_user_counts_once_and_once_more_soon_after() {
        let mut cohort = Cohort::new(10);
        assert_eq!([1, 1, 1, 2].map(|user| cohort.error(user)), [FIRST, AGAIN, NOTHING, FIRST]);
        assert_eq!(cohort.users(), 2);
    }

    #[test]
    fn an_error_within_twenty_own_requests_comes_again_and_a_later_one_may_begin_anew() {
        for (successes, counted) in [(19, AGAIN), (20, NOTHING), (1_000, NOTHING)] {
            let mut cohort = Cohort::new(10);
            assert_eq!(cohort.error(7), FIRST);
            for _ in 0..successes {
                cohort.success(7);
                cohort.success(8);
            }
            assert_eq!(cohort.error(7), counted, "{successes}");
            cohort.success(7);
            assert_eq!(cohort.error(7), if counted == AGAIN { NOTHING } else { AGAIN }, "{successes}");
            assert_eq!(cohort.error(8), FIRST);
        }
    }

    #[test]
    fn a_full_memory_counts_nothing_of_anybody() {
        let mut cohort = Cohort::new(2);
        assert_eq!([1, 2].map(|user| cohort.error(user)), [FIRST, FIRST]);
        assert!(cohort.is_full());
        assert_eq!([1, 2, 3].map(|user| cohort.error(user)), [NOTHING; 3]);
        assert_eq!(cohort.users(), 2);
    }
}
