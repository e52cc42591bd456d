//! How long answers take: a log-normal distribution with a given median and 95% quantile, of which a share other than 5% lies above
//! the latter.

use libm::erfc;
use rollgate_analysis::latency::{PLACES, longest};

use super::{Micros, Scene, micros};

/// The times of a scene.
#[derive(Debug, Clone)]
pub(super) struct AnswerTimes {
    /// Of the logarithm of a time in microseconds.
    mean: f64,
    deviation: f64,
    /// Above it an answer is of the slow ones.
    p95: Micros,
    /// Stable's answers by place, those that have any.
    places: Vec<(usize, f64)>,
}

impl AnswerTimes {
    pub(super) fn new(scene: &Scene) -> Self {
        let [median, p95] = [scene.median, scene.p95].map(|time| micros(time).max(1));
        let mean = (median as f64).ln();
        let deviation = (((p95 as f64).ln() - mean) / Z_95).max(1e-6);
        let mut times = Self { mean, deviation, p95, places: Vec::new() };
        let mut above = 1.0;
        for place in 0..PLACES {
            let longer = if place == PLACES - 1 { 0.0 } else { times.longer(longest(place), scene.slow_baseline) };
            if above - longer > LEAST {
                times.places.push((place, above - longer));
            }
            above = longer;
        }
        times
    }

    /// The share of the answers that take longer, where `slow` of them take longer than the 95% quantile.
    pub(super) fn longer(&self, than: Micros, slow: f64) -> f64 {
        let usual = |micros: f64| 0.5 * erfc((micros.ln() - self.mean) / self.deviation / std::f64::consts::SQRT_2);
        // A time is counted in whole microseconds.
        let share = usual(than as f64 + 1.0);
        if than >= self.p95 {
            slow * (share / 0.05).min(1.0)
        } else {
            slow + (1.0 - slow) * ((share - 0.05) / 0.95).max(0.0)
        }
    }

    /// Stable's answers by place and share, up to a time if `are_slow` is false, and above it.
    pub(super) fn places(&self, tau: Option<Micros>, are_slow: bool) -> impl Iterator<Item = (usize, f64)> + Clone {
        let is_slow = move |place: usize| tau.is_some_and(|tau| longest(place) > tau);
        self.places.iter().copied().filter(move |(place, _)| is_slow(*place) == are_slow)
    }
}

/// The 95% quantile of the normal distribution.
const Z_95: f64 = 1.644_853_626_951_472_7;

/// Places with less than that of all answers are left out.
const LEAST: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn times(slow_baseline: f64) -> AnswerTimes {
        AnswerTimes::new(&Scene { slow_baseline, ..Scene::default() })
    }

    #[test]
    fn quantiles_are_what_was_said() {
        let times = times(0.05);
        for (than, slow, expected) in [
            (50_000, 0.05, 0.5),
            (150_000, 0.05, 0.05),
            (150_000, 0.25, 0.25),
            (150_000, 1.0, 1.0),
            (50_000, 1.0, 1.0),
            (50_000, 0.0, 0.45 / 0.95),
            (150_000, 0.0, 0.0),
            (10_000_000, 0.05, 0.0),
        ] {
            let share = times.longer(than, slow);
            assert!((share - expected).abs() < 1e-4, "{than} {slow}: {share}");
        }
    }

    #[test]
    fn places_hold_all_answers_and_a_threshold_divides_them() {
        for slow in [0.0, 0.05, 0.3, 1.0] {
            let times = times(slow);
            let sum = |tau, are_slow| times.places(tau, are_slow).map(|(_, share)| share).sum::<f64>();
            assert!((sum(None, false) - 1.0).abs() < 1e-5 && sum(None, true) == 0.0);
            let tau = longest(rollgate_analysis::latency::place(100_000));
            assert!((sum(Some(tau), true) - times.longer(tau, slow)).abs() < 1e-5);
        }
    }

    #[test]
    fn times_that_hardly_differ_are_fine() {
        let scene = Scene { median: Duration::from_millis(50), p95: Duration::from_millis(50), ..Scene::default() };
        let all: f64 = AnswerTimes::new(&scene).places(None, false).map(|(_, share)| share).sum();
        assert!((all - 1.0).abs() < 1e-5, "{all}");
    }
}
