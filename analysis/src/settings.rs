//! What an operator sets of the rule.

use std::{error::Error, fmt};

use crate::family::Unit;

/// How a rollout is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How often a canary that is as good as stable may be rolled back, in (0, 1).
    pub alpha: f64,
    /// What is drawn.
    pub unit: Unit,
    /// Whether slow answers count too, with a tenth of alpha, and how many times as often as stable's they may come, from 1
    /// to 100. More than once: answers of a version that was just started, or has few requests, are later than those of
    /// one that is warm, and where slow is what one in twenty of stable's are, a little later is soon twice as often.
    pub latency: Option<f64>,
    /// So many errors of the canary at least before it is rolled back. Up to 3 it costs nothing at weights of 5% and
    /// more.
    pub min_errors: u64,
    /// The promise: at most this part of the requests fails, in (0, 1).
    pub promise: Option<f64>,
    /// Whether more errors than stable's are let pass as long as the promise is kept. Slow answers are not: it says
    /// nothing of them.
    pub veto: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { alpha: 0.01, unit: Unit::Request, latency: None, min_errors: 3, promise: None, veto: false }
    }
}

impl Settings {
    /// The first thing in it that cannot be.
    ///
    /// # Errors
    /// What it is.
    pub fn check(&self) -> Result<(), Unfit> {
        let probability = |value: f64| value > 0.0 && value < 1.0;
        if !probability(self.alpha) {
            return Err(Unfit::Alpha);
        }
        if !self.promise.is_none_or(probability) {
            return Err(Unfit::Promise);
        }
        if self.veto && self.promise.is_none() {
            return Err(Unfit::Veto);
        }
        if !self.latency.is_none_or(|margin| (1.0..=100.0).contains(&margin)) {
            return Err(Unfit::Latency);
        }
        Ok(())
    }
}

/// Why nothing can be judged with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// alpha is not between 0 and 1.
    Alpha,
    /// The promised part is not between 0 and 1.
    Promise,
    /// A veto by a promise that is not made.
    Veto,
    /// Slow answers that may come less often than stable's, or without a bound.
    Latency,
    /// A stored state that no rollout with these settings leaves.
    State,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alpha => "alpha must be between 0 and 1",
            Self::Promise => "the promised part of failures must be between 0 and 1",
            Self::Veto => "a veto needs a promise",
            Self::Latency => "slow answers may come from 1 to 100 times as often",
            Self::State => "the stored state is not one of a rollout with these settings",
        })
    }
}

impl Error for Unfit {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let good = Settings::default();
        assert_eq!(good.check(), Ok(()));
        for (settings, why) in [
            (Settings { alpha: 0.0, ..good }, Unfit::Alpha),
            (Settings { alpha: f64::NAN, ..good }, Unfit::Alpha),
            (Settings { promise: Some(1.0), ..good }, Unfit::Promise),
            (Settings { promise: Some(f64::NAN), ..good }, Unfit::Promise),
            (Settings { veto: true, ..good }, Unfit::Veto),
            (Settings { latency: Some(0.5), ..good }, Unfit::Latency),
            (Settings { latency: Some(f64::NAN), ..good }, Unfit::Latency),
        ] {
            assert_eq!(settings.check(), Err(why), "{settings:?}");
        }
    }
}
