//! How many of its requests an HTTP/2 client takes back. That costs the client nothing and the servers work: more of them
//! than `maxResetsPerSecond` and half of the requests of that second end the connection, by whatever frame they were taken
//! back (CVE-2023-44487, CVE-2025-8671).

/// Requests within a second whose client went away before their end, whichever way it did.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct TakenBack {
    /// Coarse milliseconds at which the second began.
    since: u32,
    count: u32,
    /// Requests that had begun before this second.
    before: u32,
}

impl TakenBack {
    /// One more, at `now`, on a connection that has begun so many requests in all; whether it is too many. A `budget` of 0
    /// is no limit.
    pub(super) fn add(&mut self, now: u32, requests: u32, budget: u32) -> bool {
        if now.wrapping_sub(self.since) >= SECOND {
            *self = Self { since: now, count: 0, before: requests };
        }
        self.count += 1;
        let earned = requests.wrapping_sub(self.before) / 2;
        budget != 0 && self.count > budget.saturating_add(earned)
    }

    /// There was one within the second before `now`.
    pub(super) fn is_of_late(self, now: u32) -> bool {
        self.count > 0 && now.wrapping_sub(self.since) < SECOND
    }
}

/// What `maxResetsPerSecond` is about, in milliseconds.
const SECOND: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many in a row, each of a request of its own at `now`, until one is too many; at most a thousand.
    fn until_too_many(taken: &mut TakenBack, now: u32, before: u32, budget: u32) -> u32 {
        (1..=1000).find(|count| taken.add(now, before + count, budget)).unwrap_or(1000)
    }

    #[test]
    fn each_second_has_a_budget_and_half_of_its_requests() {
        let mut taken = TakenBack::default();
        // The first request is counted before it is taken back: 250 + 499 / 2.
        assert_eq!(until_too_many(&mut taken, 5000, 0, 250), 500);
        assert!(taken.add(5999, 500, 250));
        assert_eq!(until_too_many(&mut taken, 6000, 500, 250), 500);
        assert_eq!(until_too_many(&mut TakenBack::default(), 5000, 0, 0), 1000, "0 is no limit");
    }

    #[test]
    fn what_was_taken_back_counts_as_of_late_for_a_second() {
        let mut taken = TakenBack::default();
        assert!(!taken.is_of_late(0));
        taken.add(u32::MAX - 10, 1, 250);
        assert!(taken.is_of_late(u32::MAX) && taken.is_of_late(988), "coarse time begins anew at 2^32");
        assert!(!taken.is_of_late(989));
    }
}
