//! Each worker's coarse clock: milliseconds since the process started, renewed by the worker's tick and by every
//! request. Timeouts of connections need no better, and reading it costs a load instead of a call. And [`Moment`], for
//! those that reckon with time as a number.

use std::{
    cell::Cell,
    ops::Add,
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// A time on the monotonic clock, as one number: what lies between two is a subtraction, where that of two instants takes
/// forty instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        // It counts from the system's start.
        Self(now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned())
    }

    /// Nanoseconds since another one; 0 if that is later.
    pub(crate) fn nanoseconds_since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// At most 584 years after the system's start.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos().try_into().unwrap_or(u64::MAX)))
    }
}

/// What the clock says on this thread: at most one tick (and the work since) behind.
pub(crate) fn coarse() -> u32 {
    COARSE.get()
}

/// Seconds since the process started, the same on every thread: for rates over a minute.
pub(crate) fn seconds() -> u64 {
    STARTED.get_or_init(Instant::now).elapsed().as_secs()
}

/// Time since the process started, the same on every thread; an instant before that is the start.
pub(crate) fn elapsed(now: Instant) -> Duration {
    now.saturating_duration_since(*STARTED.get_or_init(Instant::now))
}

/// Renews this thread's clock.
pub(crate) fn renew(now: Instant) {
    let started = *STARTED.get_or_init(Instant::now);
    let elapsed = now.saturating_duration_since(started).as_millis();
    // Wraps after 49 days; `since` subtracts with wrapping, so only a timeout of 49 days would notice.
    COARSE.set(elapsed as u32);
}

/// How long ago `then` was, on this thread's clock.
pub(crate) fn since(then: u32) -> Duration {
    Duration::from_millis(u64::from(coarse().wrapping_sub(then)))
}

/// The instant at which so much time has passed.
#[cfg(test)]
pub(crate) fn at(elapsed: Duration) -> Instant {
    *STARTED.get_or_init(Instant::now) + elapsed
}

static STARTED: OnceLock<Instant> = OnceLock::new();

thread_local! {
    static COARSE: Cell<u32> = const { Cell::new(0) };
}
