//! How long stable's answers take, as each worker counts them: what the threshold of slow answers is made of.
//!
//! Counts only grow. The judge remembers what was there before, so a worker clears nothing, and a service with few requests has
//! as long a window as it needs.

use std::{
    array,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use rollgate_analysis::latency::{PLACES, Threshold, place};

/// One worker's.
#[derive(Debug)]
pub(crate) struct Histogram([AtomicU32; PLACES]);

/// What the judge has read of all workers'.
#[derive(Debug)]
pub(super) struct Read(Box<[u32; PLACES]>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self(array::from_fn(|_| AtomicU32::new(0)))
    }

    /// So many at once.
    pub(super) fn record_many(&self, micros: u64, answers: u32) {
        self.0[place(micros)].fetch_add(answers, Relaxed);
    }

    /// Only the worker whose histogram it is calls it.
    pub(super) fn record(&self, micros: u64) {
        let cell = &self.0[place(micros)];
        cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

impl Read {
    pub(super) fn new() -> Self {
        Self(Box::new([0; PLACES]))
    }

    /// Gives a threshold what has come since the last call.
    pub(super) fn give<'h>(&mut self, threshold: &mut Threshold, histograms: impl Iterator<Item = &'h Histogram>) {
        let mut now = Box::new([0u32; PLACES]);
        for histogram in histograms {
            now.iter_mut().zip(&histogram.0).for_each(|(sum, cell)| *sum = sum.wrapping_add(cell.load(Relaxed)));
        }
        for (place, (now, before)) in now.iter().zip(self.0.iter()).enumerate() {
            match now.wrapping_sub(*before) {
                0 => {}
                new => threshold.see_many(place, u64::from(new)),
            }
        }
        self.0 = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_told_once_of_what_all_workers_have_counted() {
        let workers = [Histogram::new(), Histogram::new()];
        let (mut read, mut threshold) = (Read::new(), Threshold::new(0.95));
        (0..150).for_each(|_| workers[0].record(5_000));
        read.give(&mut threshold, workers.iter());
        read.give(&mut threshold, workers.iter());
        threshold.renew();
        assert_eq!(threshold.micros(), None, "150 are too few, and are not 300");
        (0..150).for_each(|_| workers[1].record(80_000));
        read.give(&mut threshold, workers.iter());
        threshold.renew();
        assert!(threshold.micros().is_some_and(|micros| (80_000..83_000).contains(&micros)), "{threshold:?}");
    }
}
