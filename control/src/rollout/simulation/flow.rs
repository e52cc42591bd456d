//! Who gets which version, as the data plane draws it: in requests a microsecond.

use std::collections::BTreeMap;

use rollgate_config::scalar::{Share, Weight};

/// Where requests go, as long as nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Flow {
    /// The canary's that are booked.
    pub(super) canary: f64,
    /// Stable's, likewise.
    pub(super) stable: f64,
    /// The canary's that are not.
    pub(super) besides: f64,
    /// The canary's share of the draws between the two; `None`: they are watched and not compared.
    pub(super) w: Option<f64>,
}

/// What the versions have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    canary: f64,
    stable: f64,
    all: f64,
}

/// Whom a trial is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Group {
    /// Whom the weights give the canary to.
    All,
    /// An audience of this share of the requests, or a part of it.
    Audience(f64, Option<Share>),
}

impl Held {
    pub(super) fn of(weights: &BTreeMap<String, Weight>, stable: &str, canary: &str) -> Self {
        let of = |version: &str| weights.get(version).map_or(0.0, |weight| weight.0 as f64);
        let all = weights.values().map(|weight| weight.0 as f64).sum();
        Self { canary: of(canary), stable: of(stable), all }
    }
}

impl Flow {
    /// Of a rate of requests to the service.
    pub(super) fn of(rate: f64, held: &Held, group: &Group) -> Self {
        let Held { canary, stable, all } = *held;
        let by_weight = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        match *group {
            Group::All => {
                let (canary_rate, stable_rate) = (rate * by_weight(canary, all), rate * by_weight(stable, all));
                match pair(canary, stable) {
                    Some(w) => Self { canary: canary_rate, stable: stable_rate, besides: 0.0, w: Some(w) },
                    None => Self { besides: canary_rate, ..Self::default() },
                }
            }
            Group::Audience(audience, None) => {
                let others = rate * (1.0 - audience);
                Self {
                    canary: rate * audience + others * by_weight(canary, all),
                    stable: others * by_weight(stable, all),
                    besides: 0.0,
                    w: None,
                }
            }
            Group::Audience(audience, Some(draw)) => {
                let (draw, left) = (draw.fraction(), 1.0 - draw.fraction());
                let to_stable = left * by_weight(stable, all - canary);
                let besides = rate * (1.0 - audience) * by_weight(canary, all);
                match pair(draw, to_stable) {
                    Some(w) => {
                        let (canary, stable) = (rate * audience * draw, rate * audience * to_stable);
                        Self { canary, stable, besides, w: Some(w) }
                    }
                    None => Self { besides: besides + rate * audience * draw, ..Self::default() },
                }
            }
        }
    }

    /// All of the canary's.
    pub(super) fn to_canary(self) -> f64 {
        self.canary + self.besides
    }
}

/// The canary's share of the draws between the two; `None` where chance has no say.
fn pair(canary: f64, stable: f64) -> Option<f64> {
    (canary > 0.0 && stable > 0.0).then(|| canary / (canary + stable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(weights: [u64; 3], group: Group) -> [f64; 4] {
        let weights = ["canary", "stable", "other"].into_iter().map(str::to_owned).zip(weights.map(Weight)).collect();
        let Flow { canary, stable, besides, w } = Flow::of(100.0, &Held::of(&weights, "stable", "canary"), &group);
        [canary, stable, besides, w.unwrap_or(-1.0)].map(|value| (value * 1e6).round() / 1e6)
    }

    #[test]
    fn of_three_versions_two_are_compared() {
        assert_eq!(flow([5, 45, 50], Group::All), [5.0, 45.0, 0.0, 0.1]);
        assert_eq!(flow([0, 50, 50], Group::All), [0.0, 0.0, 0.0, -1.0]);
        assert_eq!(flow([50, 0, 50], Group::All), [0.0, 0.0, 50.0, -1.0]);
        assert_eq!(flow([0, 0, 0], Group::All), [0.0, 0.0, 0.0, -1.0]);
    }

    #[test]
    fn an_audience_gets_the_canary_or_draws_it() {
        assert_eq!(flow([0, 100, 0], Group::Audience(0.02, None)), [2.0, 98.0, 0.0, -1.0]);
        assert_eq!(flow([10, 90, 0], Group::Audience(0.5, None)), [55.0, 45.0, 0.0, -1.0]);
        let half = Some(Share(500_000));
        assert_eq!(flow([0, 100, 0], Group::Audience(0.02, half)), [1.0, 1.0, 0.0, 0.5]);
        assert_eq!(flow([10, 45, 45], Group::Audience(0.2, half)), [10.0, 5.0, 8.0, 0.666_667]);
    }
}
