//! What one worker has counted for a breaker in the last ten seconds.
//!
//! A cell holds the number of its second (upper half) and the answers in it (lower half), so it needs no sweeping: a cell of
//! an earlier round is simply overwritten. One worker writes, with plain loads and stores; whoever evaluates reads. Counts
//! belong to an epoch of the breaker: those of another one are not there for a reader, and are emptied before the next
//! answer is counted.

use std::{
    sync::{
        OnceLock,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use super::{latency::Latencies, machine::Time, plan::Plan};

/// One worker's counts for one breaker.
#[derive(Debug)]
pub(super) struct Window {
    epoch: AtomicU64,
    /// [`SECONDS`] for each counter of the plan.
    cells: Box<[AtomicU64]>,
    /// Only where the plan wants them.
    latencies: OnceLock<Box<Latencies>>,
}

impl Window {
    pub(super) fn new(plan: &Plan) -> Self {
        let cells = (0..plan.counters() * SECONDS).map(|_| AtomicU64::new(0)).collect();
        Self { epoch: AtomicU64::new(0), cells, latencies: OnceLock::new() }
    }

    /// Counts an answer in an epoch of the breaker. Only the worker whose window it is calls it.
    pub(super) fn record(&self, epoch: u64, plan: &Plan, status: u16, latency: Duration, now: Time) {
        if self.epoch.load(Relaxed) != epoch {
            self.cells.iter().for_each(|cell| cell.store(0, Relaxed));
            self.latencies.get().into_iter().for_each(|latencies| latencies.clear());
            self.epoch.store(epoch, Release);
        }
        let second = now.as_secs() as u32;
        for counter in plan.counting(status) {
            let cell = &self.cells[counter * SECONDS + second as usize % SECONDS];
            let value = cell.load(Relaxed);
            let count = if (value >> 32) as u32 == second { value as u32 } else { 0 };
            // What is divided by is counted first and read last, so that no share ever looks larger than it is.
            cell.store(u64::from(second) << 32 | u64::from(count.saturating_add(1)), Release);
        }
        if plan.wants_latency() {
            self.latencies.get_or_init(|| Box::new(Latencies::new())).record(latency, now);
        }
    }

    /// Adds the counts of an epoch to the sums, which are as many as the counters.
    pub(super) fn add_to(&self, epoch: u64, sums: &mut [u64], now: Time) {
        if self.epoch.load(Acquire) != epoch {
            return;
        }
        let now = now.as_secs() as u32;
        for (sum, cells) in sums.iter_mut().zip(self.cells.chunks(SECONDS)).rev() {
            let recent = |cell: &AtomicU64| {
                let value = cell.load(Acquire);
                // One of the second that begins just now is not older than this one.
                let age = now.saturating_sub((value >> 32) as u32);
                if (age as usize) < SECONDS { value & u64::from(u32::MAX) } else { 0 }
            };
            *sum += cells.iter().map(recent).sum::<u64>();
        }
    }

    /// The latencies of an epoch.
    pub(super) fn latencies(&self, epoch: u64) -> Option<&Latencies> {
        let latencies = self.latencies.get()?;
        (self.epoch.load(Acquire) == epoch).then_some(latencies)
    }

    /// The bytes that it takes, with what was allocated so far.
    #[cfg(any(test, feature = "in-memory"))]
    pub(super) fn bytes(&self) -> usize {
        let latencies = self.latencies.get().map_or(0, |latencies| latencies.bytes());
        size_of::<Self>() + size_of_val(&*self.cells) + latencies
    }
}

/// Adds one to a count that only the calling thread writes.
pub(super) fn bump(count: &AtomicU32) {
    count.store(count.load(Relaxed).saturating_add(1), Release);
}

/// The seconds of a window, the one under way included.
const SECONDS: usize = 10;

#[cfg(test)]
mod tests {
    use rollgate_config::condition::Condition;

    use super::*;

    fn plan() -> Plan {
        Plan::new(&Condition::parse("NetworkErrorRatio() > 0.5").unwrap().expression)
    }

    fn sums(window: &Window, epoch: u64, now: Time) -> [u64; 2] {
        let mut sums = [0; 2];
        window.add_to(epoch, &mut sums, now);
        sums
    }

    fn ms(milliseconds: u64) -> Time {
        Time::from_millis(milliseconds)
    }

    #[test]
    fn an_answer_counts_for_the_second_it_came_in_and_nine_more() {
        let (plan, window) = (plan(), Window::new(&plan()));
        window.record(0, &plan, 200, Duration::ZERO, ms(12_999));
        window.record(0, &plan, 502, Duration::ZERO, ms(13_000));
        for (now, expected) in
            [(13_000, [2, 1]), (21_999, [2, 1]), (22_000, [1, 1]), (22_999, [1, 1]), (23_000, [0, 0])]
        {
            assert_eq!(sums(&window, 0, ms(now)), expected, "at {now} ms");
        }
    }

    #[test]
    fn a_second_of_an_earlier_round_is_overwritten() {
        let (plan, window) = (plan(), Window::new(&plan()));
        window.record(0, &plan, 504, Duration::ZERO, ms(3_500));
        window.record(0, &plan, 200, Duration::ZERO, ms(13_500));
        assert_eq!(sums(&window, 0, ms(13_500)), [1, 0]);
    }

    #[test]
    fn counts_of_another_epoch_are_not_there() {
        let (plan, window) = (plan(), Window::new(&plan()));
        window.record(0, &plan, 502, Duration::ZERO, ms(100));
        assert_eq!(sums(&window, 1, ms(100)), [0, 0]);
        window.record(1, &plan, 200, Duration::ZERO, ms(200));
        assert_eq!(sums(&window, 1, ms(200)), [1, 0], "those of before were emptied");
        assert_eq!(sums(&window, 0, ms(200)), [0, 0]);
    }

    #[test]
    fn latencies_are_there_only_where_they_are_wanted() {
        let (plan, window) = (plan(), Window::new(&plan()));
        window.record(0, &plan, 200, Duration::from_millis(5), ms(100));
        assert!(window.latencies(0).is_none());
        assert!(window.bytes() <= 256, "{}", window.bytes());
        let plan = Plan::new(&Condition::parse("LatencyAtQuantileMS(50.0) > 5").unwrap().expression);
        let window = Window::new(&plan);
        assert!(window.bytes() <= 256, "{}", window.bytes());
        window.record(0, &plan, 200, Duration::from_millis(5), ms(100));
        assert!(window.latencies(0).is_some() && window.latencies(1).is_none());
    }
}
