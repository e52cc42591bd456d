//! How long stable's answers take: a histogram of each worker, and the quantile over all of them since the last one was taken.
//!
//! A step is 3% of its values. That is exact enough: what a canary's answers are held against is the same for stable's, so an
//! error of it costs power and never truth. Counts only grow; whoever reads remembers what was there before, so a worker
//! clears nothing and a service with few requests has as long a window as it needs.

use std::{
    array,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// One worker's.
#[derive(Debug)]
pub(crate) struct Histogram([AtomicU32; CELLS]);

/// What has been read of the histograms of all workers.
#[derive(Debug)]
pub(crate) struct Window {
    /// As it was when the last quantile was taken.
    before: Box<[u32; CELLS]>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self(array::from_fn(|_| AtomicU32::new(0)))
    }

    /// Only the worker whose histogram it is calls it.
    pub(crate) fn record(&self, nanoseconds: u64) {
        let cell = &self.0[place(nanoseconds)];
        cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { before: Box::new([0; CELLS]) }
    }

    /// What a share (from 0 to 1) of the answers since the last quantile did not take longer than, in nanoseconds, if they are
    /// enough to tell; then the next window begins.
    pub(crate) fn quantile<'h>(&mut self, histograms: impl Iterator<Item = &'h Histogram>, share: f64) -> Option<u64> {
        let mut now = Box::new([0u32; CELLS]);
        for histogram in histograms {
            now.iter_mut().zip(&histogram.0).for_each(|(sum, cell)| *sum = sum.wrapping_add(cell.load(Relaxed)));
        }
        let counts = || now.iter().zip(self.before.iter()).map(|(now, before)| u64::from(now.wrapping_sub(*before)));
        let all: u64 = counts().sum();
        // So many are to lie beyond it that their number is known to a quarter or so.
        if all as f64 * (1.0 - share) < BEYOND {
            return None;
        }
        let wanted = (share * all as f64).ceil() as u64;
        let mut seen = 0;
        let at = counts().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        self.before = now;
        Some(end(at))
    }
}

/// The cell of a value. Each octave has [`STEPS`] of them; what is below the first octave or above the last one is in the first
/// or in the last cell.
fn place(nanoseconds: u64) -> usize {
    let value = nanoseconds.max(SHORTEST);
    let octave = value.ilog2();
    let step = (value >> (octave - STEPS.ilog2())) as usize - STEPS;
    (((octave - SHORTEST.ilog2()) as usize) * STEPS + step).min(CELLS - 1)
}

/// The largest value of a cell.
fn end(place: usize) -> u64 {
    let (octave, step) = ((place / STEPS) as u32 + SHORTEST.ilog2(), place % STEPS);
    (((STEPS + step + 1) as u64) << (octave - STEPS.ilog2())) - 1
}

const STEPS: usize = 32;
/// A microsecond or so; the first octave begins there.
const SHORTEST: u64 = 1 << 10;
/// Up to 73 minutes.
const OCTAVES: usize = 32;
const CELLS: usize = OCTAVES * STEPS;
/// Answers beyond a quantile that make it one.
const BEYOND: f64 = 20.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_has_its_cell() {
        let (mut last, mut value) = (0, SHORTEST);
        while value < 1 << 42 {
            let at = place(value);
            assert!(at >= last && at < CELLS, "{value}");
            let end = end(at);
            assert!(value <= end && (end - value) as f64 <= value as f64 / 32.0, "{value} is told as {end}");
            assert_eq!(place(end), at, "{value}");
            (last, value) = (at, value + value / 500 + 1);
        }
        assert_eq!((place(0), place(u64::MAX)), (0, CELLS - 1));
    }

    #[test]
    fn few_answers_tell_no_quantile_and_wait_for_more() {
        let (histogram, mut window) = (Histogram::new(), Window::new());
        let quantile = |window: &mut Window| window.quantile(std::iter::once(&histogram), 0.95);
        (0..399).for_each(|_| histogram.record(5_000_000));
        assert_eq!(quantile(&mut window), None);
        histogram.record(5_000_000);
        let found = quantile(&mut window).unwrap();
        assert!((5_000_000..5_200_000).contains(&found), "{found}");
        assert_eq!(quantile(&mut window), None, "the next window has begun");
        (0..400).for_each(|_| histogram.record(80_000_000));
        assert!(quantile(&mut window).unwrap() >= 80_000_000, "what was before is not in it");
    }

    proptest! {
        #[test]
        fn it_is_the_quantile_of_the_sorted_values_within_a_step(
            values in prop::collection::vec((2_000u64..4_000_000_000, 0usize..2), 400..700), share in 0.5f64..0.95,
        ) {
            let workers = [Histogram::new(), Histogram::new()];
            values.iter().for_each(|(value, worker)| workers[*worker].record(*value));
            let mut sorted: Vec<u64> = values.iter().map(|(value, _)| *value).collect();
            sorted.sort_unstable();
            let exact = sorted[(share * sorted.len() as f64).ceil() as usize - 1];
            let found = Window::new().quantile(workers.iter(), share).unwrap();
            prop_assert!(found >= exact && (found - exact) as f64 <= exact as f64 / 32.0, "{found} of {exact}");
        }
    }
}
