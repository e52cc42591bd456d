//! When a server is asked next.
//!
//! The first probe comes at once. The second comes somewhere within the interval, so that servers that were all written at
//! the same time are not asked at the same time for ever; from then on an interval passes from begin to begin, up to a
//! tenth less, so that those of several gateways do not fall into step either. No interval is ever longer than asked for.

use std::time::{Duration, Instant};

/// When to ask after a probe that began then; `first`: nothing was asked before it. `random` is uniform over all 64 bits.
pub(super) fn next(began: Instant, every: Duration, first: bool, random: u64) -> Instant {
    let share = random as f64 / u64::MAX as f64;
    let part = if first { share } else { 1.0 - share * JITTER };
    began + every.mul_f64(part)
}

/// How much of an interval chance may take away.
const JITTER: f64 = 0.1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_waits_longer_than_the_interval(every in 1u64..100_000, first: bool, random: u64) {
            let (began, every) = (Instant::now(), Duration::from_millis(every));
            let wait = next(began, every, first, random) - began;
            prop_assert!(wait <= every, "{wait:?} of {every:?}");
            prop_assert!(first || wait >= every.mul_f64(0.9), "{wait:?} of {every:?}");
        }
    }

    #[test]
    fn those_that_began_together_part() {
        let (began, every) = (Instant::now(), Duration::from_secs(10));
        let at = |random| next(began, every, true, random) - began;
        assert_eq!(at(0), Duration::ZERO);
        assert_eq!(at(u64::MAX / 2).as_secs(), 5);
        assert_eq!(at(u64::MAX), every);
    }
}
