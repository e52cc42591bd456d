//! What happens while a rollout is under way. Times are since the canary's first request.

use std::time::Duration;

use super::{Micros, SECOND, micros};

/// Traffic, and how both versions do. Shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Requests a second to the service, whichever version they go to; above 0.
    pub rps: f64,
    /// The share of stable's requests that fail.
    pub baseline_error: f64,
    /// The canary's.
    pub canary_error: f64,
    /// The share of the requests that an A/B test's audience sends.
    pub audience: f64,
    /// An answer takes no longer in half of the cases.
    pub median: Duration,
    /// And in 95 of 100; longer than the median.
    pub p95: Duration,
    /// The share of stable's answers that take longer than `p95`.
    pub slow_baseline: f64,
    /// The canary's.
    pub slow_canary: f64,
    /// Both versions fail together.
    pub outage: Option<Outage>,
    /// Both versions' errors change.
    pub drift: Option<Drift>,
    /// So many requests of the canary are as good as stable's; only then it fails and is slow as said.
    pub break_after: Option<u64>,
    /// How long a rollout is waited for, from the canary's first request.
    pub limit: Duration,
}

/// Something that both versions need fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outage {
    /// From then on.
    pub from: Duration,
    /// For so long.
    pub long: Duration,
    /// This share of all requests fails besides.
    pub share: f64,
}

/// Stable's errors go from what they were to what they will be, in a hundred equal steps; the canary's stay as many times as many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// The share of stable's requests that fail in the end.
    pub to: f64,
    /// After so long.
    pub over: Duration,
}

/// Shares that hold for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    /// Of stable's requests that fail.
    pub(super) stable: f64,
    /// Of the canary's.
    pub(super) canary: f64,
    /// Of the canary's answers that are slow.
    pub(super) slow_canary: f64,
    /// Until then.
    pub(super) until: Micros,
}

impl Scene {
    /// The shares at a time. `is_broken`: the canary is what it is said to be.
    pub(super) fn shares(&self, at: Micros, is_broken: bool) -> Shares {
        let (mut stable, mut until) = (self.baseline_error, Micros::MAX);
        if let Some(drift) = &self.drift {
            let over = micros(drift.over);
            let step = (over / DRIFT_STEPS).max(1);
            let passed = (at / step).min(DRIFT_STEPS);
            stable += (drift.to - stable) * passed as f64 / DRIFT_STEPS as f64;
            if passed < DRIFT_STEPS {
                until = (passed + 1) * step;
            }
        }
        let mut canary = match is_broken {
            false => stable,
            // With no errors of stable's to begin with there is nothing that could grow.
            true if self.baseline_error > 0.0 => (self.canary_error * stable / self.baseline_error).min(1.0),
            true => self.canary_error,
        };
        if let Some(Outage { from, long, share }) = self.outage {
            let (from, to) = (micros(from), micros(from.saturating_add(long)));
            if at < from {
                until = until.min(from);
            } else if at < to {
                until = until.min(to);
                let fails = |by_itself: f64| 1.0 - (1.0 - by_itself) * (1.0 - share);
                (stable, canary) = (fails(stable), fails(canary));
            }
        }
        let slow_canary = if is_broken { self.slow_canary } else { self.slow_baseline };
        Shares { stable, canary, slow_canary, until }
    }

    /// Requests in a microsecond.
    pub(super) fn per_micro(&self) -> f64 {
        self.rps / SECOND
    }
}

impl Default for Scene {
    /// 100 requests a second of which 1% fail, whichever version they go to.
    fn default() -> Self {
        Self {
            rps: 100.0,
            baseline_error: 0.01,
            canary_error: 0.01,
            audience: 0.0,
            median: Duration::from_millis(50),
            p95: Duration::from_millis(150),
            slow_baseline: 0.05,
            slow_canary: 0.05,
            outage: None,
            drift: None,
            break_after: None,
            limit: Duration::from_secs(24 * 3600),
        }
    }
}

const DRIFT_STEPS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(scene: &Scene, seconds: u64, is_broken: bool) -> (f64, f64, u64) {
        let Shares { stable, canary, until, .. } = scene.shares(seconds * 1_000_000, is_broken);
        let rounded = |share: f64| (share * 1e6).round() / 1e6;
        (rounded(stable), rounded(canary), until / 1_000_000)
    }

    const EVER: u64 = Micros::MAX / 1_000_000;

    #[test]
    fn an_outage_adds_errors_to_both_and_ends() {
        let outage = Outage { from: Duration::from_secs(60), long: Duration::from_secs(20), share: 0.3 };
        let scene = Scene { canary_error: 0.1, outage: Some(outage), ..Scene::default() };
        assert_eq!(errors(&scene, 59, true), (0.01, 0.1, 60));
        assert_eq!(errors(&scene, 60, true), (0.307, 0.37, 80));
        assert_eq!(errors(&scene, 80, true), (0.01, 0.1, EVER));
        assert_eq!(errors(&scene, 60, false), (0.307, 0.307, 80), "a canary that is not broken yet is as stable is");
    }

    #[test]
    fn a_drift_takes_the_canary_along() {
        let drift = Drift { to: 0.03, over: Duration::from_secs(200) };
        let scene = Scene { canary_error: 0.05, drift: Some(drift), ..Scene::default() };
        assert_eq!(errors(&scene, 0, true), (0.01, 0.05, 2));
        assert_eq!(errors(&scene, 101, true), (0.02, 0.1, 102));
        assert_eq!(errors(&scene, 500, true), (0.03, 0.15, EVER));
    }
}
