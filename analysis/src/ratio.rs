//! How many times as often the canary fails, and between which bounds.
//!
//! Counts of different weights are never added up first: a canary whose share grows while the whole service gets
//! worse would seem to be worse than stable by that alone.

use crate::{
    counts::Stratum,
    family::Family,
    kernel::lme,
    relative::products,
    segment::{Segment, drawn, share},
};

/// A confidence sequence's current interval: it holds the true ratio at every look, each bound with probability `1 -
/// alpha`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Above 1 exactly when `E_rel >= 1 / alpha`; 0 if nothing is known.
    pub lower: f64,
    /// Infinite if nothing is known.
    pub upper: f64,
}

/// The best single ratio of the error probabilities, half an error added to each version; `None` without errors.
///
/// The halves are spread over the segments as the errors are, so that one segment gives `((c + .5) / (b + .5)) (1 -
/// w) / w`.
pub fn estimate(segments: &[Segment]) -> Option<f64> {
    let errors: f64 = drawn(segments.iter().copied()).map(|segment| segment.errors() as f64).sum();
    let canary: f64 = drawn(segments.iter().copied()).map(|segment| segment.canary as f64).sum();
    if errors <= 0.0 {
        return None;
    }
    let too_low = |ratio: f64| {
        let of = |segment: Segment| segment.errors() as f64 * share(segment.w, ratio);
        drawn(segments.iter().copied()).map(of).sum::<f64>() * (1.0 + 1.0 / errors) < canary + 0.5
    };
    Some(last(too_low))
}

/// The bounds of the ratio at level `alpha` in (0, 1) on each side.
pub fn interval(segments: &[Segment], alpha: f64) -> Interval {
    let enough = -alpha.ln();
    let ln_e = |ratio: f64, multiple: fn(f64) -> f64| {
        let null = |segment: &Segment| share(segment.w, ratio);
        lme(&products(segments.iter().copied(), null, multiple))
    };
    let above = |ratio: f64| ln_e(ratio, |theta| theta) >= enough;
    let not_below = |ratio: f64| ln_e(ratio, f64::recip) < enough;
    let lower = if above((-FARTHEST).exp()) { last(above) } else { 0.0 };
    let upper = if not_below(FARTHEST.exp()) { f64::INFINITY } else { last(not_below) };
    // No ratio is both too low and too high; but with counts past 2^53 the bounds differ by less than they are rounded.
    Interval { lower: lower.min(upper), upper: upper.max(lower) }
}

/// How many times as often as stable the canary was *seen* to fail, by requests: Mantel and Haenszel's mean over the
/// weights, with a single weight the quotient of the two shares. `None` while stable has none. For sentences beside
/// such counts; it decides nothing.
pub fn seen(strata: &[Stratum], family: Family) -> Option<f64> {
    let (mut canary, mut stable) = (0.0, 0.0);
    for stratum in strata {
        let requests = [stratum.canary.requests as f64, stratum.stable.requests as f64];
        let all = requests[0] + requests[1];
        if all > 0.0 {
            canary += family.count(&stratum.canary) as f64 * requests[1] / all;
            stable += family.count(&stratum.stable) as f64 * requests[0] / all;
        }
    }
    (stable > 0.0).then(|| canary / stable)
}

/// The last ratio for which `holds`, which does up to some point.
fn last(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (-FARTHEST, FARTHEST);
    while high - low > 1e-13 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle.exp()) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high).exp()
}

/// Ratios are looked for between `exp` of minus this and of this: no weight is so small that more were needed.
const FARTHEST: f64 = 60.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{counts::Tally, relative};

    #[test]
    fn vectors() {
        for (segment, expected) in [
            (Segment::new(0.05, 8, 25), [6.333_333_333_333_333, 1.148_256_205_397_533, 22.033_618_823_300_64]),
            (Segment::new(0.05, 50, 950), [1.009_468_700_683_851, 0.567_112_374_970_398_3, 1.623_578_809_695_525]),
        ] {
            let Interval { lower, upper } = interval(&[segment], 0.01);
            for (found, expected) in [estimate(&[segment]).unwrap(), lower, upper].into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
            }
        }
        let ramp = [Segment::new(0.01, 6, 40), Segment::new(0.05, 14, 50), Segment::new(0.25, 32, 21)];
        let Interval { lower, upper } = interval(&ramp, 0.01);
        assert!((lower - 2.777_677_311_834_249).abs() < 1e-9, "{lower}");
        assert!((upper - 11.342_751_872_904_71).abs() < 1e-9, "{upper}");
    }

    #[test]
    fn without_errors_nothing_is_known() {
        let none = [Segment::new(0.05, 0, 0), Segment::new(1.0, 9, 0)];
        assert_eq!(estimate(&none), None);
        assert_eq!(interval(&none, 0.01), Interval { lower: 0.0, upper: f64::INFINITY });
        assert_eq!(interval(&[Segment::new(0.05, 1, 0)], 0.01).lower, 0.0);
    }

    #[test]
    fn bounds_keep_their_order_where_rounding_is_all_that_is_between_them() {
        let (canary, stable) = (6_331_909_547_516_469_323, 10_996_873_298_199_552_950);
        let segments = [Segment::new(1.664_356_553_989_618_4e-34, canary, stable), Segment::new(0.05, stable, canary)];
        let Interval { lower, upper } = interval(&segments, 1e-9);
        assert!(lower <= upper, "{lower} {upper}");
    }

    #[test]
    fn a_ramp_does_not_turn_equal_versions_into_unequal_ones() {
        // The canary gets more while the service gets worse: added up, it fails 21 of 600 against 39 of 9,400.
        let stratum = |w, canary, canary_errors, stable, stable_errors| Stratum {
            w,
            canary: Tally { requests: canary, errors: canary_errors, ..Tally::default() },
            stable: Tally { requests: stable, errors: stable_errors, ..Tally::default() },
        };
        let strata = [stratum(0.01, 100, 0, 8_900, 18), stratum(0.5, 500, 21, 500, 21)];
        let segments = strata.map(|stratum| stratum.segment(Family::Errors));
        assert!((seen(&strata, Family::Errors).unwrap() - 1.0).abs() < 0.05);
        assert!((estimate(&segments).unwrap() - 1.0).abs() < 0.05);
        assert_eq!(seen(&strata[..1], Family::Slow), None);
    }

    proptest! {
        #[test]
        fn the_lower_bound_is_above_one_exactly_when_it_would_be_rolled_back(
            w in 0.001..0.9_f64, canary in 0..60_u64, stable in 0..300_u64, other in 0.001..0.9_f64, more in 0..60_u64,
            alpha in 0.001..0.2_f64,
        ) {
            let segments = [Segment::new(w, canary, stable), Segment::new(other, more, stable)];
            let ln_e = relative::ln_e(segments);
            prop_assume!((ln_e + alpha.ln()).abs() > 1e-9);
            prop_assert_eq!(interval(&segments, alpha).lower > 1.0, ln_e >= -alpha.ln());
        }

        #[test]
        fn the_estimate_lies_within_its_bounds(w in 0.01..0.9_f64, canary in 0..2_000_u64, stable in 0..2_000_u64) {
            prop_assume!(canary + stable > 0);
            let segments = [Segment::new(w, canary, stable)];
            let Interval { lower, upper } = interval(&segments, 0.01);
            let estimate = estimate(&segments).unwrap();
            prop_assert!(lower <= estimate && estimate <= upper, "{lower} {estimate} {upper}");
            let expected = (canary as f64 + 0.5) / (stable as f64 + 0.5) * (1.0 - w) / w;
            prop_assert!((estimate / expected - 1.0).abs() < 1e-9);
        }

        /// With counts past 2^53 among them, and weights at which nothing is left of the other version's share.
        #[test]
        fn no_counts_leave_the_range(
            canary in any::<u64>(), stable in any::<u64>(), w in any::<f64>(), alpha in 1e-9..0.5_f64,
        ) {
            let segments = [Segment::new(w, canary, stable), Segment::new(0.05, stable, canary)];
            let Interval { lower, upper } = interval(&segments, alpha);
            prop_assert!(lower >= 0.0 && lower <= upper, "{lower} {upper}");
            prop_assert!(estimate(&segments).is_none_or(f64::is_finite));
        }
    }
}
