//! Events of one kind that come at random: a Poisson process, of which only what matters is drawn.

use rand_distr::{Binomial, Distribution, Exp1, Gamma, Poisson};
use rand_pcg::Pcg64Mcg;

/// Where randomness comes from: the same for the same seed, on every machine.
pub(super) type Random = Pcg64Mcg;

/// The randomness of a run.
pub(super) fn seeded(seed: u64, run: u64) -> Random {
    let high = mixed(seed ^ mixed(run));
    Random::new(u128::from(high) << 64 | u128::from(mixed(high)))
}

/// The events from now on, as long as their rate does not change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    /// In a microsecond.
    rate: f64,
    /// One that was asked for, and when it comes.
    known: Option<(u64, f64)>,
}

impl Stream {
    pub(super) fn new(rate: f64) -> Self {
        Self { rate: rate.max(0.0), known: None }
    }

    /// When the `k`-th event comes, from 1, in microseconds from now; infinite: never. To be asked once, before [`Self::count`].
    pub(super) fn when(&mut self, k: u64, random: &mut Random) -> f64 {
        if self.rate <= 0.0 {
            return f64::INFINITY;
        }
        let units = match k {
            0 | 1 => Exp1.sample(random),
            _ => Gamma::new(k as f64, 1.0).map_or(k as f64, |gamma| gamma.sample(random)),
        };
        let at = units / self.rate;
        self.known = Some((k.max(1), at));
        at
    }

    /// How many events come until a time.
    pub(super) fn count(&self, until: f64, random: &mut Random) -> u64 {
        match self.known {
            None => poisson(self.rate * until, random),
            Some((k, at)) if until >= at => k + poisson(self.rate * (until - at), random),
            // Those before one whose time is known are spread evenly.
            Some((k, at)) => binomial(k - 1, until / at, random),
        }
    }
}

/// How many come where so many are expected.
pub(super) fn poisson(expected: f64, random: &mut Random) -> u64 {
    Poisson::new(expected).map_or(0, |poisson| poisson.sample(random) as u64)
}

/// How many of so many, each with this probability.
pub(super) fn binomial(of: u64, probability: f64, random: &mut Random) -> u64 {
    match probability {
        _ if of == 0 => 0,
        all if all >= 1.0 => of,
        probability => Binomial::new(of, probability.max(0.0)).map_or(0, |binomial| binomial.sample(random)),
    }
}

/// Spreads seeds that lie side by side (splitmix64).
fn mixed(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: u64 = 20_000;

    /// Mean and variance of what is counted, whichever event was asked for.
    fn counted(until: f64, k: Option<u64>) -> (f64, f64) {
        let mut random = seeded(1, k.unwrap_or(0));
        let counts: Vec<f64> = (0..RUNS)
            .map(|_| {
                let mut stream = Stream::new(0.01);
                k.map(|k| stream.when(k, &mut random));
                stream.count(until, &mut random) as f64
            })
            .collect();
        let mean = counts.iter().sum::<f64>() / RUNS as f64;
        (mean, counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / RUNS as f64)
    }

    #[test]
    fn what_is_asked_for_changes_nothing_about_how_many_come() {
        for k in [None, Some(1), Some(2), Some(20), Some(50)] {
            let (mean, variance) = counted(2_000.0, k);
            assert!((mean - 20.0).abs() < 0.15, "{k:?}: mean {mean}");
            assert!((variance - 20.0).abs() < 1.0, "{k:?}: variance {variance}");
        }
    }

    #[test]
    fn it_comes_when_it_was_said_to() {
        let mut random = seeded(7, 0);
        for k in 1..200 {
            let mut stream = Stream::new(0.5);
            let at = stream.when(k, &mut random);
            assert!(stream.count(at, &mut random) == k && stream.count(at * 0.999_999, &mut random) < k);
        }
        assert_eq!(Stream::new(0.0).when(1, &mut random), f64::INFINITY);
        assert_eq!(Stream::new(0.0).count(1e12, &mut random), 0);
    }

    #[test]
    fn runs_differ_and_a_run_is_always_the_same() {
        let draw = |seed, run| poisson(1e9, &mut seeded(seed, run));
        assert_eq!(draw(1, 1), draw(1, 1));
        assert!(draw(1, 1) != draw(1, 2) && draw(1, 1) != draw(2, 1));
    }
}
