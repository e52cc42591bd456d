//! One version against a promise: at most `p0` of its requests fail.
//!
//! Both need failures that are independent of each other given their probability; bursts are not, and then it is no
//! proof against the version: an outage breaks the promise of every version. So it holds a ramp, and decides alone
//! only where there is no comparison ([`Audience`](crate::Audience)).

use crate::kernel::{BELOW, THETA, l, lme};

/// `ln E_abs`, the evidence that more than `p0` (in (0, 1)) of the requests fail.
pub fn ln_broken(failures: u64, requests: u64, p0: f64) -> f64 {
    lme(&THETA.map(|theta| l(failures, requests, p0, theta)))
}

/// `ln E_kept`, the evidence that fewer than `p0` (in (0, 1)) of the requests fail.
pub fn ln_kept(failures: u64, requests: u64, p0: f64) -> f64 {
    lme(&BELOW.map(|theta| l(failures, requests, p0, theta)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors() {
        for (found, expected) in [
            (ln_broken(2, 2, 0.01), 6.228_464_494_356_025),
            (ln_broken(8, 160, 0.01), 4.991_841_521_198_994),
            (ln_broken(50, 5_000, 0.01), -6.743_864_154_201_549),
            (ln_broken(0, 300, 0.01), -3.362_681_655_682_129),
            (ln_kept(0, 332, 0.01), 2.818_227_337_257_357),
            (ln_kept(1, 600, 0.01), 2.732_684_844_745_161),
        ] {
            assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
        }
    }

    proptest! {
        #[test]
        fn a_failure_breaks_and_a_success_keeps(
            p0 in 1e-6..0.9_f64, failures in 0..1_000_u64, successes in 0..100_000_u64,
        ) {
            let n = failures + successes;
            prop_assert!(ln_broken(failures + 1, n + 1, p0) > ln_broken(failures, n, p0));
            prop_assert!(ln_broken(failures, n + 1, p0) < ln_broken(failures, n, p0));
            prop_assert!(ln_kept(failures + 1, n + 1, p0) < ln_kept(failures, n, p0));
            prop_assert!(ln_kept(failures, n + 1, p0) > ln_kept(failures, n, p0));
        }

        #[test]
        fn no_counts_leave_the_range(failures in any::<u64>(), requests in any::<u64>(), p0 in 0.0..1.0_f64) {
            prop_assert!(ln_broken(failures, requests, p0).is_finite());
            prop_assert!(ln_kept(failures, requests, p0).is_finite());
        }
    }
}
