//! How long answers took in the last minute: a histogram with two significant digits, in six spans of ten seconds.
//!
//! One worker writes, others may read. A span that has left the minute is emptied when its place is used again. Values are in
//! microseconds, in octaves of 128 steps each, so that a step is less than one per cent of its values; an octave that nothing
//! fell into takes no memory. Empty, it takes 3 KiB, and 520 bytes for each octave of each span that is used: 15 KiB
//! where answers take about as long as each other, 84 KiB at most.

use std::{
    array,
    sync::{
        OnceLock,
        atomic::{
            AtomicU32,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use super::{machine::Time, window::bump};

/// One worker's latencies.
#[derive(Debug)]
pub(super) struct Latencies {
    spans: [Span; SPANS],
}

/// Ten seconds.
#[derive(Debug)]
struct Span {
    /// Which ones, counted from 1; 0: none.
    number: AtomicU32,
    octaves: [OnceLock<Box<Octave>>; OCTAVES],
}

#[derive(Debug)]
struct Octave {
    total: AtomicU32,
    steps: [AtomicU32; STEPS],
}

impl Latencies {
    pub(super) fn new() -> Self {
        Self { spans: array::from_fn(|_| Span::new()) }
    }

    /// Counts an answer. Only the worker whose latencies they are calls it.
    pub(super) fn record(&self, latency: Duration, now: Time) {
        let number = number(now);
        let span = &self.spans[number as usize % SPANS];
        if span.number.load(Relaxed) != number {
            // Whoever reads meanwhile sees a number that is too old for it.
            span.clear();
            span.number.store(number, Release);
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).min(LONGEST);
        let (octave, step) = place(micros);
        let octave = span.octaves[octave].get_or_init(|| Box::new(Octave::new()));
        bump(&octave.steps[step]);
        bump(&octave.total);
    }

    /// Forgets all. Only the worker whose latencies they are calls it.
    pub(super) fn clear(&self) {
        self.spans.iter().for_each(|span| span.number.store(0, Release));
    }

    /// The bytes that they take, with what was allocated so far.
    #[cfg(any(test, feature = "in-memory"))]
    pub(super) fn bytes(&self) -> usize {
        let octaves = self.spans.iter().flat_map(|span| &span.octaves).filter(|octave| octave.get().is_some());
        size_of::<Self>() + octaves.count() * size_of::<Octave>()
    }

    fn recent(&self, now: Time) -> impl Iterator<Item = &Span> {
        let newest = number(now);
        self.spans.iter().filter(move |span| {
            let number = span.number.load(Acquire);
            number != 0 && newest.saturating_sub(number) < SPANS as u32
        })
    }
}

/// The latency, in microseconds, that a share (0 to 100) of the last minute's answers did not exceed, over several workers; 0
/// if there were none. It is exact to its step, whose upper end it is.
pub(super) fn quantile<'l>(all: impl Iterator<Item = &'l Latencies> + Clone, share: f64, now: Time) -> u64 {
    let spans = || all.clone().flat_map(|latencies| latencies.recent(now));
    let octaves = |octave: usize| spans().filter_map(move |span| span.octaves[octave].get());
    let totals: [u64; OCTAVES] =
        array::from_fn(|octave| octaves(octave).map(|octave| u64::from(octave.total.load(Acquire))).sum());
    let count: u64 = totals.iter().sum();
    // Half a count is rounded up, as HdrHistogram does.
    let wanted = ((share / 100.0 * count as f64 + 0.5) as u64).clamp(1, count.max(1));
    let mut seen = 0;
    for (octave, total) in totals.into_iter().enumerate() {
        if seen + total < wanted {
            seen += total;
            continue;
        }
        for step in 0..STEPS {
            seen += octaves(octave).map(|octave| u64::from(octave.steps[step].load(Relaxed))).sum::<u64>();
            if seen >= wanted {
                return end(octave, step);
            }
        }
    }
    0
}

impl Span {
    fn new() -> Self {
        Self { number: AtomicU32::new(0), octaves: array::from_fn(|_| OnceLock::new()) }
    }

    fn clear(&self) {
        for octave in self.octaves.iter().filter_map(OnceLock::get) {
            octave.total.store(0, Relaxed);
            octave.steps.iter().for_each(|step| step.store(0, Relaxed));
        }
    }
}

impl Octave {
    fn new() -> Self {
        Self { total: AtomicU32::new(0), steps: array::from_fn(|_| AtomicU32::new(0)) }
    }
}

/// The octave and the step of a value. The first octave begins at 0, each further one where the one before ends.
fn place(micros: u64) -> (usize, usize) {
    if micros < STEPS as u64 {
        return (0, micros as usize);
    }
    let octave = (micros.ilog2() - STEPS.ilog2() + 1) as usize;
    (octave, (micros >> (octave - 1)) as usize - STEPS)
}

/// The largest value of a step.
fn end(octave: usize, step: usize) -> u64 {
    match octave {
        0 => step as u64,
        octave => (((STEPS + step + 1) as u64) << (octave - 1)) - 1,
    }
}

fn number(now: Time) -> u32 {
    (now.as_secs() / SECONDS) as u32 + 1
}

const SPANS: usize = 6;

/// Of a span.
const SECONDS: u64 = 10;

/// Steps of an octave: more than a hundred, which is two significant digits.
const STEPS: usize = 128;

/// An hour; what takes longer counts as that.
const LONGEST: u64 = 3_600_000_000;

/// As many as [`LONGEST`] needs.
const OCTAVES: usize = (LONGEST.ilog2() - STEPS.ilog2() + 2) as usize;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    fn quantile_of(latencies: &Latencies, share: f64, now: Time) -> u64 {
        quantile(std::iter::once(latencies), share, now)
    }

    #[test]
    fn every_value_has_its_step() {
        let (mut last, mut micros) = ((0, 0), 0u64);
        while micros <= LONGEST {
            let (octave, step) = place(micros);
            assert!(octave < OCTAVES && step < STEPS, "{micros}");
            assert!((octave, step) >= last, "{micros}");
            let end = end(octave, step);
            assert!(micros <= end && (end - micros) as f64 <= micros as f64 / 100.0, "{micros} is told as {end}");
            assert_eq!(place(end), (octave, step), "{micros}");
            last = (octave, step);
            micros += micros / 1000 + 1;
        }
        assert_eq!(OCTAVES, 26);
    }

    #[test]
    fn nothing_is_no_latency() {
        assert_eq!(quantile_of(&Latencies::new(), 50.0, at(0)), 0);
    }

    #[test]
    fn a_latency_leaves_after_a_minute_whether_or_not_others_come() {
        let latencies = Latencies::new();
        latencies.record(micros(100), at(65));
        for (now, expected) in [(65, 100), (69, 100), (119, 100), (120, 0), (10_000, 0)] {
            assert_eq!(quantile_of(&latencies, 50.0, at(now)), expected, "at {now} s");
        }
        latencies.record(micros(7), at(125));
        assert_eq!(quantile_of(&latencies, 100.0, at(125)), 7, "its place was emptied");
    }

    #[test]
    fn what_was_cleared_is_gone_and_what_comes_after_counts() {
        let latencies = Latencies::new();
        latencies.record(micros(100), at(3));
        latencies.clear();
        assert_eq!(quantile_of(&latencies, 100.0, at(3)), 0);
        latencies.record(micros(50), at(3));
        assert_eq!(quantile_of(&latencies, 100.0, at(3)), 50);
    }

    #[test]
    fn memory_goes_with_what_is_used() {
        let latencies = Latencies::new();
        assert!(latencies.bytes() < 3 * 1024, "{}", latencies.bytes());
        for second in 0..60 {
            // Between 8 and 64 ms: three octaves, as an ordinary service has.
            (8_200..65_000).step_by(1000).for_each(|value| latencies.record(micros(value), at(second)));
        }
        assert!(latencies.bytes() < 12 * 1024 + 512, "{}", latencies.bytes());
        for second in 0..60 {
            (0..OCTAVES).for_each(|octave| latencies.record(micros(end(octave, 0)), at(second)));
        }
        assert!(latencies.bytes() < 84 * 1024, "{}", latencies.bytes());
    }

    proptest! {
        #[test]
        fn a_quantile_is_that_of_the_sorted_values_within_a_hundredth(
            values in prop::collection::vec((0u64..4_000_000_000, 0usize..3, 0u64..60), 1..300),
            share in 0.1f64..=100.0,
        ) {
            let workers: [Latencies; 3] = array::from_fn(|_| Latencies::new());
            let mut by_time = values.clone();
            by_time.sort_by_key(|(.., second)| *second);
            for (value, worker, second) in by_time {
                workers[worker].record(micros(value), at(second));
            }
            let mut sorted: Vec<u64> = values.iter().map(|(value, ..)| (*value).min(LONGEST)).collect();
            sorted.sort_unstable();
            let wanted = ((share / 100.0 * sorted.len() as f64 + 0.5) as usize).clamp(1, sorted.len());
            let exact = sorted[wanted - 1];
            let found = quantile(workers.iter(), share, at(59));
            prop_assert!(found >= exact, "{found} of {exact}");
            prop_assert!((found - exact) as f64 <= exact as f64 / 100.0, "{found} of {exact}");
        }
    }
}
