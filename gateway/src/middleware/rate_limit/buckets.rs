//! All buckets of one limiter, for all workers. A shard's lock is held for some ten nanoseconds.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::{
    super::sharded::Sharded,
    bucket::{Decision, Rate, UNITS},
    shard::{Settings, Shard, Tally},
};
use crate::clock::Moment;

/// A limiter's state.
#[derive(Debug)]
pub(crate) struct Buckets {
    began: Moment,
    shards: Sharded<Shard>,
    sources: AtomicUsize,
    generation: AtomicU64,
}

impl Buckets {
    /// For so many workers; its time begins now.
    pub(crate) fn new(workers: usize, now: Moment) -> Self {
        Self { began: now, shards: Sharded::new(workers), sources: AtomicUsize::new(0), generation: AtomicU64::new(0) }
    }

    /// Settings that are newer than all before, for a middleware that is being compiled.
    pub(crate) fn settings(&self, rate: Rate, max_sources: usize) -> Settings {
        Settings { generation: self.generation.fetch_add(1, Relaxed) + 1, rate, max_sources }
    }

    /// What a source is known by.
    #[inline]
    pub(crate) fn fingerprint(&self, source: &[u8]) -> u64 {
        self.shards.fingerprint(source)
    }

    /// Takes a token from the bucket of the source with this fingerprint; new sources beyond `maxSources` have one together.
    #[inline]
    pub(crate) fn take(&self, key: u64, now: Moment, settings: &Settings) -> Decision {
        let now = self.time(now);
        let own = self.shards.of(key).lock().take(key, now, settings, &self.sources);
        own.unwrap_or_else(|| self.take_common(now, settings))
    }

    #[cold]
    fn take_common(&self, now: u64, settings: &Settings) -> Decision {
        self.shards.first().lock().take_common(now, settings)
    }

    /// In how many parts it is swept.
    pub(crate) fn parts(&self) -> usize {
        self.shards.width()
    }

    /// Takes the buckets out of a part that are full again. It is locked for as long as it takes to look at them.
    pub(crate) fn sweep(&self, part: usize, now: Moment) {
        if let Some(shard) = self.shards.all().nth(part) {
            shard.lock().sweep(self.time(now), &self.sources);
        }
    }

    /// How many sources have a bucket of their own.
    pub(crate) fn sources(&self) -> usize {
        self.sources.load(Relaxed)
    }

    /// How requests fared so far.
    pub(crate) fn tally(&self) -> Tally {
        self.shards.all().fold(Tally::default(), |sum, shard| sum + shard.lock().tally)
    }

    /// What the tables hold, in bytes.
    #[cfg(any(test, feature = "in-memory"))]
    pub(crate) fn memory(&self) -> usize {
        self.shards.all().map(|shard| shard.lock().memory() + Sharded::<Shard>::shard_size()).sum()
    }

    /// Whether a source has a bucket of its own.
    #[cfg(any(test, feature = "in-memory"))]
    pub(crate) fn holds(&self, key: u64) -> bool {
        self.shards.of(key).lock().holds(key)
    }

    fn time(&self, now: Moment) -> u64 {
        now.nanoseconds_since(self.began) * UNITS
    }
}

#[cfg(test)]
impl Buckets {
    pub(super) fn place(&self, key: u64) -> usize {
        self.shards.place(key)
    }

    pub(super) fn sweep_all(&self, now: Moment) {
        (0..self.parts()).for_each(|part| self.sweep(part, now));
    }

    /// How many buckets there are in all parts.
    pub(super) fn held(&self) -> usize {
        self.shards.all().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests;
