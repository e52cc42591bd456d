//! What became of a load's requests.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;

use crate::client::{Answer, Failure};

/// What became of the requests of one phase.
#[derive(Debug, Clone)]
pub struct Tally {
    latencies: Histogram<u64>,
    outcomes: BTreeMap<Outcome, u64>,
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Good,
    Status(u16),
    Failed(Failure),
}

impl Default for Tally {
    fn default() -> Self {
        let latencies = Histogram::new_with_max(LONGEST, 3).expect("three digits of a minute can be kept");
        Self { latencies, outcomes: BTreeMap::new() }
    }
}

impl Tally {
    /// Counts a request whose answer should have had the status `asked`, `after` the moment at which it was due.
    pub fn count(&mut self, result: Result<Answer, Failure>, asked: u16, after: Duration) {
        let outcome = match result {
            Ok(answer) if answer.status == asked => Outcome::Good,
            Ok(answer) => Outcome::Status(answer.status),
            Err(failure) => Outcome::Failed(failure),
        };
        *self.outcomes.entry(outcome).or_default() += 1;
        let microseconds = u64::try_from(after.as_micros()).unwrap_or(LONGEST);
        self.latencies.saturating_record(microseconds.max(1));
    }

    /// The two as one.
    pub fn add(&mut self, other: &Self) {
        self.latencies += &other.latencies;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// How many were not answered as they should have been; resets are among them.
    pub fn failed(&self) -> u64 {
        self.sum(|outcome| outcome != Outcome::Good)
    }

    /// How many connections were reset or refused under a request.
    pub fn resets(&self) -> u64 {
        self.sum(|outcome| matches!(outcome, Outcome::Failed(Failure::Reset | Failure::Refused)))
    }

    /// How many had no answer at all.
    pub fn unanswered(&self) -> u64 {
        self.sum(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// The latency, in microseconds from the moment at which a request was due, that this share of requests is within.
    pub fn quantile(&self, share: f64) -> u64 {
        self.latencies.value_at_quantile(share)
    }

    /// The largest latency, in microseconds.
    pub fn largest(&self) -> u64 {
        self.latencies.max()
    }

    fn sum(&self, of: impl Fn(Outcome) -> bool) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| of(**outcome)).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Tally {
    /// Every kind of failure with its count; nothing without one.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = self.outcomes.iter().filter(|(outcome, _)| **outcome != Outcome::Good);
        let shown = failures.map(|(outcome, count)| match outcome {
            Outcome::Good => String::new(),
            Outcome::Status(status) => format!("{count} x {status}"),
            Outcome::Failed(failure) => format!("{count} x {failure:?}"),
        });
        out.write_str(&shown.collect::<Vec<_>>().join(", "))
    }
}

/// A minute, in microseconds: what is longer counts as that.
const LONGEST: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let mut tally = Tally::default();
        let answer = |status| Ok(Answer { status, first: 0, closes: false });
        tally.count(answer(200), 200, Duration::from_millis(1));
        tally.count(answer(404), 404, Duration::from_millis(1));
        tally.count(answer(404), 200, Duration::from_millis(1));
        tally.count(Err(Failure::Reset), 200, Duration::from_millis(100));
        let mut both = Tally::default();
        both.add(&tally);
        both.add(&tally);
        assert_eq!((both.requests(), both.failed(), both.resets()), (8, 4, 2));
        assert_eq!(both.to_string(), "2 x 404, 2 x Reset");
        assert!((99_000..=101_000).contains(&both.quantile(0.99)), "{}", both.quantile(0.99));
    }
}
