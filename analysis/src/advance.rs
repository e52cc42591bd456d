//! The evidence that lets a canary have more: it is not worse by more than a margin.
//!
//! A canary that fails exactly `margin` times as often passes with probability [`BETA`] at most. Margins are wide
//! where little is at stake: twice as many errors on 1% of the traffic take 77,000 requests to rule out.

use crate::{
    kernel::l,
    segment::{Segment, drawn},
};

/// How often a canary at its margin may pass.
pub const BETA: f64 = 0.05;

/// `ln E_adv`, the evidence that the canary fails less than `margin > 1` times as often as stable. For what is no
/// margin there is none.
pub fn ln_e(segments: impl IntoIterator<Item = Segment>, margin: f64) -> f64 {
    if !(margin > 1.0 && margin.is_finite()) {
        return 0.0;
    }
    drawn(segments).map(|segment| -l(segment.canary, segment.errors(), segment.w, margin)).sum()
}

/// The margin that a step to weight `w` has by default: 5 for 1%, 3 for 5%, 2 from there on.
pub fn default_margin(w: f64) -> f64 {
    match w {
        w if w < 0.022 => 5.0,
        w if w < 0.11 => 3.0,
        _ => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors() {
        let two = [Segment::new(0.01, 1, 300), Segment::new(0.05, 4, 90)];
        for (found, expected) in
            [(ln_e([Segment::new(0.05, 8, 170)], 2.0), 3.139_471_777_679_334), (ln_e(two, 2.0), 4.115_589_115_930_475)]
        {
            assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
        }
    }

    #[test]
    fn margins_of_the_usual_ramp() {
        assert_eq!([0.01, 0.05, 0.25, 0.5].map(default_margin), [5.0, 3.0, 2.0, 2.0]);
    }

    proptest! {
        #[test]
        fn an_error_of_stable_raises_it_and_one_of_canary_lowers_it(
            w in 1e-6..0.999_f64, canary in 0..10_000_u64, stable in 0..100_000_u64, margin in 1.1..10.0_f64,
        ) {
            let of = |canary, stable| ln_e([Segment::new(w, canary, stable)], margin);
            prop_assert!(of(canary, stable + 1) > of(canary, stable));
            prop_assert!(of(canary + 1, stable) < of(canary, stable));
        }

        #[test]
        fn draws_without_a_choice_and_wild_counts_are_harmless(
            canary in any::<u64>(), stable in any::<u64>(), w in 0.0..1.0_f64,
        ) {
            let forced = [Segment::new(0.0, canary, stable), Segment::new(1.0, canary, stable)];
            prop_assert_eq!(ln_e(forced, 2.0), 0.0);
            prop_assert!(ln_e([Segment::new(w, canary, stable)], 2.0).is_finite());
            for none in [1.0, 0.5, -2.0, f64::INFINITY, f64::NAN] {
                prop_assert_eq!(ln_e([Segment::new(w, canary, stable)], none), 0.0);
            }
        }
    }
}
