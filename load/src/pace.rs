//! When a request is due. A timer of the kernel's, since the runtime's own ticks by the millisecond.

use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// Waits for moments. To the runtime it is a pipe: something that becomes readable, and is read.
#[derive(Debug)]
pub struct Timer(Receiver);

impl Default for Timer {
    /// A timer of the runtime that this is called on.
    fn default() -> Self {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC);
        let timer = timer.expect("a timer can be made");
        Self(Receiver::from_owned_fd_unchecked(timer).expect("the runtime takes a timer"))
    }
}

impl Timer {
    /// Returns at `due`, or at once if it is past.
    pub async fn until(&self, due: Instant) {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        self.set(left);
        let mut expirations = [0; 8];
        loop {
            self.0.readable().await.expect("a timer can be waited for");
            if self.0.try_read(&mut expirations).is_ok() {
                return;
            }
        }
    }

    fn set(&self, left: Duration) {
        let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value =
            Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        let once = Itimerspec { it_interval: nothing, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once).expect("a timer can be set");
    }
}

/// Requests that are due at a steady rate, whatever becomes of them.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    begin: Instant,
    interval: Duration,
}

impl Pace {
    /// So many in a second, from `begin` on.
    pub fn new(begin: Instant, rate: f64) -> Self {
        Self { begin, interval: Duration::from_secs_f64(1.0 / rate) }
    }

    /// The part of the pace that number `index` of `of` takes: every `of`th.
    pub fn share(self, index: usize, of: usize) -> Self {
        Self { begin: self.begin + self.interval.mul_f64(index as f64), interval: self.interval.mul_f64(of as f64) }
    }

    /// When number `turn` (from 0) is due.
    pub fn due(self, turn: u64) -> Instant {
        self.begin + self.interval.mul_f64(turn as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_together_are_the_pace() {
        let begin = Instant::now();
        let pace = Pace::new(begin, 100.0);
        let mut due: Vec<_> = (0..5).flat_map(|index| (0..3).map(move |turn| pace.share(index, 5).due(turn))).collect();
        due.sort();
        for (number, due) in due.iter().enumerate() {
            assert_eq!(due.duration_since(begin).as_millis(), number as u128 * 10);
        }
    }

    #[tokio::test]
    async fn a_moment_is_waited_for_and_a_past_one_is_not() {
        let (timer, begin) = (Timer::default(), Instant::now());
        for due in [begin + Duration::from_millis(3), begin, begin + Duration::from_micros(3200)] {
            timer.until(due).await;
            assert!(Instant::now() >= due);
        }
    }
}
