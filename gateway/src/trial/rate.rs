//! The highest rate of requests that was seen over a second.

use std::{collections::VecDeque, time::Duration};

/// What is remembered of the last second.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// When, and how many there had been by then.
    seen: VecDeque<(Duration, u64)>,
    highest: f64,
}

impl Rate {
    pub(super) fn new(highest: f64) -> Self {
        Self { seen: VecDeque::new(), highest }
    }

    /// At `now`, on a clock that only goes forward, there have been so many.
    pub(super) fn see(&mut self, now: Duration, requests: u64) {
        if self.seen.back().is_some_and(|(last, _)| now.saturating_sub(*last) < APART) {
            return;
        }
        while self.seen.get(1).is_some_and(|(second, _)| now.saturating_sub(*second) >= WINDOW) {
            self.seen.pop_front();
        }
        if let Some((first, before)) = self.seen.front() {
            let passed = now.saturating_sub(*first);
            if passed >= WINDOW {
                let rate = requests.saturating_sub(*before) as f64 / passed.as_secs_f64();
                self.highest = self.highest.max(rate);
            }
        }
        self.seen.push_back((now, requests));
    }

    /// Requests a second.
    pub(super) fn highest(&self) -> f64 {
        self.highest
    }
}

const WINDOW: Duration = Duration::from_secs(1);
/// Looks that come sooner after each other tell no more.
const APART: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_second_counts_however_often_and_late_one_looks() {
        let mut rate = Rate::new(0.0);
        let mut requests = 0;
        for tick in 0..100u32 {
            // 100 a second, but for one second of 500.
            requests += if (30..40).contains(&tick) { 50 } else { 10 };
            let now = Duration::from_millis(100) * tick;
            rate.see(now, requests);
            rate.see(now + Duration::from_millis(1), requests);
        }
        assert!((rate.highest() - 500.0).abs() < 1.0, "{}", rate.highest());
        assert!(rate.seen.len() < 15, "{}", rate.seen.len());
        // Nobody has looked for a minute.
        rate.see(Duration::from_secs(70), requests + 6_000);
        assert!((rate.highest() - 500.0).abs() < 1.0, "{}", rate.highest());
        assert_eq!(Rate::new(7.0).highest(), 7.0);
    }
}
