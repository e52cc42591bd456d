//! The kinds of evidence that a rollout is judged by, and what each may spend.
//!
//! Each family keeps its own share of alpha, so their union keeps alpha however they hang together. Their mean would
//! not do: it is a fair bet only while all of them bet on the same trials.

use crate::counts::Tally;

/// A kind of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Requests that failed.
    Errors,
    /// Users that had their first error.
    First,
    /// Users that had an error soon after another for the first time.
    Again,
    /// Slow answers; where users are drawn, users with a first one.
    Slow,
}

/// What is drawn, and so what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// Each request for itself.
    #[default]
    Request,
    /// Users, which keep their version: each counts with its first error ([`Cohort`](crate::Cohort)).
    User,
    /// The same, and once more with its first error soon after another. For users of more than about 30 requests:
    /// most of these have had their first error before they meet a bad canary.
    UserTwice,
}

impl Family {
    /// All there are; the position is that in [`State`](crate::State).
    pub const ALL: [Self; 4] = [Self::Errors, Self::First, Self::Again, Self::Slow];

    /// What of a tally is its own.
    pub fn count(self, tally: &Tally) -> u64 {
        match self {
            Self::Errors => tally.errors,
            Self::First => tally.first,
            Self::Again => tally.again,
            Self::Slow => tally.slow,
        }
    }

    /// Its share of alpha; `None` if it is not judged by. `latency`: see [`Settings`](crate::Settings).
    pub fn share(self, unit: Unit, latency: Option<f64>) -> Option<f64> {
        let errors = if latency.is_some() { 1.0 - SLOW } else { 1.0 };
        match (self, unit) {
            (Self::Errors, Unit::Request) | (Self::First, Unit::User) => Some(errors),
            (Self::First | Self::Again, Unit::UserTwice) => Some(errors / 2.0),
            (Self::Slow, _) => latency.map(|_| SLOW),
            (Self::Errors, Unit::User | Unit::UserTwice)
            | (Self::First, Unit::Request)
            | (Self::Again, Unit::Request | Unit::User) => None,
        }
    }
}

/// What slow answers may spend: errors are what a brake is for.
const SLOW: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole() {
        for unit in [Unit::Request, Unit::User, Unit::UserTwice] {
            for latency in [None, Some(2.0)] {
                let shares = Family::ALL.map(|family| family.share(unit, latency).unwrap_or(0.0));
                assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-15, "{unit:?} {latency:?} {shares:?}");
            }
        }
        assert_eq!(Family::Errors.share(Unit::Request, Some(2.0)), Some(0.9));
        assert_eq!(Family::Slow.share(Unit::UserTwice, Some(2.0)), Some(0.1));
    }

    #[test]
    fn each_counts_its_own() {
        let tally = Tally { requests: 1, errors: 2, first: 3, again: 4, slow: 5 };
        assert_eq!(Family::ALL.map(|family| family.count(&tally)), [2, 3, 4, 5]);
    }
}
