//! One token bucket as one number: the theoretical arrival time of the generic cell rate algorithm.
//!
//! A bucket of `burst` tokens that gets one back every `interval` is told by the time at which it will be full again:
//! what is missing now is that time less now. So a request costs an addition and two comparisons, no bucket needs a
//! timer, and one that is full is the same as none. Decisions are those of Go's `x/time/rate` with Traefik's longest delay.
//!
//! Times are in units of 1/64 ns since the limiter's start, which end after nine years. The interval is rounded up to whole
//! units, so that in any time T at most `burst + average / period * T` requests are let through, exactly.

use std::time::Duration;

/// In one nanosecond.
pub(crate) const UNITS: u64 = 64;

/// In one second.
pub(crate) const SECOND: u64 = 1_000_000_000 * UNITS;

/// How fast a bucket fills and what it holds, in units of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Between two tokens; at least 1.
    pub(crate) interval: u64,
    /// `burst` intervals: what an empty bucket needs until it is full.
    pub(crate) capacity: u64,
    /// A request that would have to wait longer for its token is refused.
    pub(crate) max_delay: u64,
}

/// What becomes of a request. Times are in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has its token.
    Allowed,
    /// It has its token, and is to be held for so long.
    Delayed(u64),
    /// It has none; there would be one after so long.
    Refused(u64),
}

/// A verdict, and what is missing in the bucket after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    /// In units: the bucket is full when so much time has passed.
    pub(crate) missing: u64,
}

impl Rate {
    /// `average` tokens in each `period`, and room for `burst` of them (at least 1). `None`: there is no limit (`average` is
    /// 0), or the bucket would take longer to fill than times are counted.
    pub(crate) fn new(average: u64, period: Duration, burst: u64) -> Option<Self> {
        Self::share(average, period, burst, 1)
    }

    /// One of `replicas` equal shares of such a limit, rounded down, but never less than one token.
    pub(crate) fn share(average: u64, period: Duration, burst: u64, replicas: u32) -> Option<Self> {
        let (average, replicas) = (u128::from(average), u128::from(replicas.max(1)));
        let units = period.as_nanos() * u128::from(UNITS) * replicas;
        let interval = if average == 0 { return None } else { units.div_ceil(average).max(1) };
        let capacity = interval.saturating_mul((u128::from(burst) / replicas).max(1));
        if capacity > u128::from(LONGEST) {
            return None;
        }
        let max_delay = longest_delay(average, period.as_nanos() * replicas);
        Some(Self { interval: interval as u64, capacity: capacity as u64, max_delay })
    }

    /// Takes a token at `now` from the bucket that is full at `full_at`; what `full_at` is then.
    #[inline]
    pub(crate) fn take(&self, full_at: u64, now: u64) -> (u64, Decision) {
        let next = full_at.max(now) + self.interval;
        let wait = next.saturating_sub(now + self.capacity);
        if wait > self.max_delay {
            return (full_at, Decision { verdict: Verdict::Refused(wait), missing: full_at - now });
        }
        let verdict = if wait == 0 { Verdict::Allowed } else { Verdict::Delayed(wait) };
        (next, Decision { verdict, missing: next - now })
    }

    /// The decision of somebody else at this rate, of whom it is known whether there was a token, and what is missing after it.
    pub(crate) fn judged(&self, taken: bool, missing: u64) -> Decision {
        let wait = |missing: u64| missing.saturating_sub(self.capacity);
        let verdict = match (taken, wait(missing)) {
            (true, 0) => Verdict::Allowed,
            (true, wait) => Verdict::Delayed(wait),
            (false, _) => Verdict::Refused(wait(missing.saturating_add(self.interval))),
        };
        Decision { verdict, missing }
    }

    /// When a bucket that was filled at the rate `before` is full at this rate: as many tokens are missing, but no more
    /// than it holds.
    pub(crate) fn converted(&self, full_at: u64, now: u64, before: &Self) -> u64 {
        let missing = u128::from(full_at.saturating_sub(now));
        let missing = (missing * u128::from(self.interval)).div_ceil(u128::from(before.interval.max(1)));
        now + missing.min(u128::from(self.capacity)) as u64
    }

    /// Whole tokens in a bucket of which so much is missing.
    pub(crate) fn tokens(&self, missing: u64) -> u64 {
        self.capacity.saturating_sub(missing) / self.interval
    }

    /// How long until a bucket of which so much is missing has one whole token more; 0 if it is full.
    pub(crate) fn until_next(&self, missing: u64) -> u64 {
        let after = (self.tokens(missing) + 1) * self.interval;
        if missing == 0 { 0 } else { missing + after - self.capacity }
    }
}

/// A length of time; rounded up to whole nanoseconds, so that nobody comes back too early.
pub(crate) fn duration(units: u64) -> Duration {
    Duration::from_nanos(units.div_ceil(UNITS))
}

/// The units of a length of time that is shorter than they are counted.
#[cfg(test)]
pub(crate) fn units(duration: Duration) -> u64 {
    duration.as_secs() * SECOND + u64::from(duration.subsec_nanos()) * UNITS
}

/// Traefik's: half the time between two requests, where there is more than one in a second; the whole requests per second
/// count.
fn longest_delay(average: u128, period: u128) -> u64 {
    const NANOSECONDS: u128 = 1_000_000_000;
    let per_second = (average * NANOSECONDS).checked_div(period).unwrap_or(u128::MAX);
    let nanoseconds = if per_second == 0 { NANOSECONDS / 2 } else { NANOSECONDS / per_second.saturating_mul(2) };
    nanoseconds as u64 * UNITS
}

/// What a bucket may take to fill: with it, a time is below `u64::MAX` for years to come. Configuration allows half of it.
const LONGEST: u64 = 2 * 366 * 86_400 * 1_000_000_000 * UNITS;

#[cfg(test)]
mod tests;
