//! The failures of one server that count together: consecutive ones within a window.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// When they were, the oldest first; at most as many as matter.
#[derive(Debug, Default)]
pub(super) struct Failures(VecDeque<Instant>);

impl Failures {
    /// One more at `now`; whether there have been `enough` in the `window` that ends then.
    pub(super) fn add(&mut self, now: Instant, window: Duration, enough: usize) -> bool {
        self.0.push_back(now);
        while self.0.len() > enough || self.0.front().is_some_and(|at| now.saturating_duration_since(*at) >= window) {
            self.0.pop_front();
        }
        self.0.len() >= enough
    }

    /// They are no longer consecutive.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn so_many_within_the_window_are_enough() {
        let (now, mut failures) = (Instant::now(), Failures::default());
        assert!(!failures.add(now, ms(1_000), 3));
        assert!(!failures.add(now + ms(500), ms(1_000), 3));
        assert!(failures.add(now + ms(999), ms(1_000), 3));
    }

    #[test]
    fn what_is_as_old_as_the_window_no_longer_counts() {
        let (now, mut failures) = (Instant::now(), Failures::default());
        failures.add(now, ms(1_000), 2);
        assert!(!failures.add(now + ms(1_000), ms(1_000), 2));
        assert!(failures.add(now + ms(1_999), ms(1_000), 2));
    }

    #[test]
    fn a_success_in_between_begins_anew() {
        let (now, mut failures) = (Instant::now(), Failures::default());
        failures.add(now, ms(1_000), 2);
        failures.clear();
        assert!(failures.is_empty());
        assert!(!failures.add(now + ms(1), ms(1_000), 2));
    }

    #[test]
    fn one_is_enough_where_one_is_asked_for() {
        assert!(Failures::default().add(Instant::now(), ms(1), 1));
    }

    #[test]
    fn no_more_are_remembered_than_matter() {
        let (now, mut failures) = (Instant::now(), Failures::default());
        for _ in 0..1_000 {
            failures.add(now, ms(1_000), 5);
        }
        assert_eq!(failures.0.len(), 5);
    }
}
