//! The one formula that everything here is made of, in log space.
//!
//! `n` trials of which each is a hit with probability `w` if nothing is wrong, `x` hits, and the question how much
//! better the outcome is explained by odds that are `t` times as high:
//!
//! ```text
//! l(x, n; w, t) = x ln t - n ln(1 + w (t - 1))
//! ```
//!
//! `exp(l)` has the mean 1 if nothing is wrong, whatever `t`; so has the mean over several `t`. There is no
//! subtraction of close numbers in it and no division; `exp` of a single term is never formed, it would leave the
//! range of `f64`.

/// How many times the odds of an error may be raised; the prior is the same for each.
pub const THETA: [f64; 8] = [1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// How far the odds of an error may be lowered, for the proof that a promise is kept.
pub const BELOW: [f64; 4] = [0.5, 0.2, 0.1, 0.01];

/// The evidence, as a logarithm, of `hits` in `trials` for odds multiplied by `t > 0`, against a probability of `w`
/// in [0, 1].
///
/// With `w = 1` (or 0) what had to happen is no evidence: 0 for `hits = trials` (or 0). What could not happen is
/// some, so draws without a choice are not to be counted; see [`Segment`](crate::Segment). More hits than trials are
/// taken for all of them.
pub fn l(hits: u64, trials: u64, w: f64, t: f64) -> f64 {
    let hits = hits.min(trials);
    if w >= 1.0 {
        return -((trials - hits) as f64) * t.ln();
    }
    hits as f64 * t.ln() - trials as f64 * (w * (t - 1.0)).ln_1p()
}

/// The logarithm of the mean of `exp` of the values.
pub fn lme<const K: usize>(values: &[f64; K]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = values.iter().map(|value| (value - most).exp()).sum();
    most + (sum / K as f64).ln()
}

/// The logarithm of the sum of `exp` of both, which are finite.
pub(crate) fn logaddexp(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

/// What a trial costs for each multiple of the odds: `ln(1 + w (theta - 1))`.
pub(crate) fn costs(w: f64) -> [f64; THETA.len()] {
    THETA.map(|theta| (w * (theta - 1.0)).ln_1p())
}

/// The logarithms of [`THETA`].
pub(crate) const LN_THETA: [f64; THETA.len()] = [
    0.405_465_108_108_164_4,
    std::f64::consts::LN_2,
    1.098_612_288_668_109_7,
    1.609_437_912_434_100_4,
    std::f64::consts::LN_10,
    2.995_732_273_553_991,
    3.912_023_005_428_146,
    4.605_170_185_988_091,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn logarithms_are_those_of_the_multiples() {
        for (ln, theta) in LN_THETA.iter().zip(THETA) {
            assert!((ln - theta.ln()).abs() <= f64::EPSILON * ln, "{theta}");
        }
    }

    #[test]
    fn what_had_to_happen_is_no_evidence() {
        for t in THETA.into_iter().chain(BELOW) {
            assert_eq!(l(u64::MAX, u64::MAX, 1.0, t), 0.0);
            assert_eq!(l(7, 7, 1.0, t), 0.0);
            assert_eq!(l(0, 7, 0.0, t), 0.0);
            assert_eq!(l(0, 0, 0.3, t), 0.0);
        }
    }

    #[test]
    fn a_mean_of_equal_values_is_that_value() {
        for value in [-1e300, -3.5, 0.0, 800.0, 1e300] {
            assert_eq!(lme(&[value; 8]), value);
        }
    }

    proptest! {
        /// The reason why it may be looked at after every request: the mean after one more trial is what it was.
        #[test]
        fn one_more_trial_changes_nothing_on_average(
            n in 0_u64..1_000, hits in 0.0..1.0_f64, w in 1e-6..0.999_f64, t in 0.01..100.0_f64,
        ) {
            let x = (hits * n as f64) as u64;
            let now = l(x, n, w, t);
            let mean = w * (l(x + 1, n + 1, w, t) - now).exp() + (1.0 - w) * (l(x, n + 1, w, t) - now).exp();
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }

        #[test]
        fn no_counts_leave_the_range(x in any::<u64>(), n in any::<u64>(), w in 0.0..=1.0_f64, k in 0_usize..8) {
            for t in [THETA[k], 1.0 / THETA[k]] {
                prop_assert!(l(x, n, w, t).is_finite());
                prop_assert!(lme(&[l(x, n, w, t), l(n, x, w, t)]).is_finite());
            }
        }

        #[test]
        fn a_sum_of_two_is_the_mean_of_two_doubled(a in -1e3..1e3_f64, b in -1e3..1e3_f64) {
            let expected = lme(&[a, b]) + 2.0_f64.ln();
            prop_assert!((logaddexp(a, b) - expected).abs() <= 1e-9 * expected.abs().max(1.0));
        }
    }
}
