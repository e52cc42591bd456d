//! The canary against stable, at the same time and under the same load.
//!
//! The evidence that it fails more often: valid against every ratio of at most 1, at every look, in outages that both
//! have.

use crate::{
    kernel::{THETA, l, lme},
    segment::{Segment, drawn},
};

/// `ln E_rel`: a canary that fails no more often than stable brings `E` to `1 / alpha` with probability `alpha` at
/// most, however often one looks.
pub fn ln_e(segments: impl IntoIterator<Item = Segment>) -> f64 {
    lme(&products(segments, |segment| segment.w, |theta| theta))
}

/// The always-valid p-value of the highest `ln E` that was seen so far.
pub fn p_value(highest_ln_e: f64) -> f64 {
    (-highest_ln_e).exp().min(1.0)
}

/// The product over the segments for each multiple of the odds, as logarithms.
pub(crate) fn products(
    segments: impl IntoIterator<Item = Segment>,
    null: impl Fn(&Segment) -> f64,
    multiple: impl Fn(f64) -> f64,
) -> [f64; THETA.len()] {
    let mut sums = [0.0; THETA.len()];
    for segment in drawn(segments) {
        let w = null(&segment);
        for (sum, theta) in sums.iter_mut().zip(THETA) {
            *sum += l(segment.canary, segment.errors(), w, multiple(theta));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors() {
        let one = |w, canary, stable| ln_e([Segment::new(w, canary, stable)]);
        let ramp = [Segment::new(0.01, 1, 40), Segment::new(0.05, 4, 50), Segment::new(0.25, 12, 21)];
        for (found, expected) in [
            (one(0.05, 1, 0), 1.993_246_096_937_049),
            (one(0.05, 3, 0), 7.058_433_549_302_178),
            (one(0.05, 3, 1), 5.763_651_620_513_419),
            (one(0.05, 8, 30), 4.445_992_746_782_675),
            (one(0.05, 8, 25), 5.403_345_326_952_798),
            (one(0.01, 2, 0), 6.228_464_494_356_025),
            (one(0.5, 8, 0), 4.662_326_291_817_775),
            (ln_e(ramp), 0.097_725_910_780_441_98),
            (one(0.05, 5_000, 95_000), -444.015_160_038_008),
            (one(1.0, 7, 0), 0.0),
            (one(0.05, 0, 0), 0.0),
        ] {
            assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
        }
    }

    #[test]
    fn errors_that_decide_if_stable_has_none() {
        let needed = |w| (1..).find(|errors| ln_e([Segment::new(w, *errors, 0)]) >= 100_f64.ln());
        let table = [(0.01, 2), (0.02, 2), (0.05, 3), (0.1, 3), (0.2, 4), (0.25, 5), (0.5, 8), (0.75, 19), (0.9, 51)];
        for (w, errors) in table {
            assert_eq!(needed(w), Some(errors), "{w}");
        }
    }

    #[test]
    fn a_p_value_is_at_most_one() {
        assert_eq!(p_value(-3.0), 1.0);
        assert_eq!(p_value(0.0), 1.0);
        assert!((p_value(100_f64.ln()) - 0.01).abs() < 1e-15);
        assert_eq!(p_value(f64::MAX), 0.0);
    }

    proptest! {
        #[test]
        fn an_error_of_canary_raises_it_and_one_of_stable_lowers_it(
            w in 1e-6..0.999_f64, canary in 0..10_000_u64, stable in 0..100_000_u64,
        ) {
            let of = |canary, stable| ln_e([Segment::new(w, canary, stable)]);
            prop_assert!(of(canary + 1, stable) > of(canary, stable));
            prop_assert!(of(canary, stable + 1) < of(canary, stable));
        }

        #[test]
        fn a_segment_in_two_parts_is_the_same(
            w in 1e-6..0.999_f64, a in 0..10_000_u64, b in 0..100_000_u64, c in 0..10_000_u64, d in 0..100_000_u64,
        ) {
            let whole = ln_e([Segment::new(w, a + c, b + d)]);
            let parts = ln_e([Segment::new(w, a, b), Segment::new(w, c, d)]);
            prop_assert!((whole - parts).abs() <= 1e-9 * whole.abs().max(1.0), "{whole} {parts}");
        }

        #[test]
        fn draws_without_a_choice_are_no_evidence(
            canary in any::<u64>(), stable in any::<u64>(),
            w in prop_oneof![Just(0.0), Just(1.0), Just(f64::NAN), Just(-1.0)],
        ) {
            prop_assert_eq!(ln_e([Segment::new(w, canary, stable)]), 0.0);
        }

        #[test]
        fn no_counts_leave_the_range(
            canary in any::<u64>(), stable in any::<u64>(), w in any::<f64>(), other in 0.0..1.0_f64,
        ) {
            let segments = [Segment::new(w, canary, stable), Segment::new(other, stable, canary)];
            prop_assert!(ln_e(segments).is_finite());
            prop_assert!((0.0..=1.0).contains(&p_value(ln_e(segments))));
        }
    }
}
