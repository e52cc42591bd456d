//! A part of a limiter's buckets: a hash table of 16 bytes and one more for each.
//!
//! A full bucket equals one that is not there, so those are all that is ever taken out. Looking for them costs a look at
//! each; there is one only when there is need (the table would grow, or the limiter has as many sources as it may have), when
//! some bucket can be full, and after so many new keys that each pays for eight looks at most.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hashbrown::HashTable;

use super::bucket::{Decision, Rate, Verdict};

/// What a limiter's middleware says, of the generation that it was compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Counts up with each change; 0 is before the first.
    pub(crate) generation: u64,
    pub(crate) rate: Rate,
    /// How many sources may have a bucket of their own.
    pub(crate) max_sources: usize,
}

/// Buckets by the fingerprint of their source.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    buckets: HashTable<Bucket>,
    /// The rate that the buckets were filled at, and its generation.
    rate: Rate,
    generation: u64,
    /// The bucket of all sources for which there was no room.
    common: u64,
    /// No bucket is full before.
    earliest: u64,
    /// Keys that were new since the last look for full buckets.
    fresh: usize,
    /// When full buckets were last taken out: whoever read the clock before that is told this time, since for an
    /// earlier one they may not have been full.
    swept: u64,
    pub(crate) tally: Tally,
}

/// How many requests met each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) allowed: u64,
    pub(crate) delayed: u64,
    pub(crate) refused: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// The fingerprint of its source; also its hash.
    key: u64,
    full_at: u64,
}

impl Shard {
    /// Takes a token from a source's bucket. `None`: it has none, and there is no room for one; the common one is to be
    /// asked. `sources` counts the buckets of the whole limiter.
    #[inline]
    pub(crate) fn take(&mut self, key: u64, now: u64, settings: &Settings, sources: &AtomicUsize) -> Option<Decision> {
        let now = self.turn(now, settings);
        let decision = match self.buckets.find_mut(key, |bucket| bucket.key == key) {
            Some(bucket) => {
                let (full_at, decision) = self.rate.take(bucket.full_at, now);
                bucket.full_at = full_at;
                decision
            }
            None => self.take_first(key, now, settings.max_sources, sources)?,
        };
        self.tally.count(decision.verdict);
        Some(decision)
    }

    /// Takes a token from the common bucket.
    pub(crate) fn take_common(&mut self, now: u64, settings: &Settings) -> Decision {
        let now = self.turn(now, settings);
        let (full_at, decision) = self.rate.take(self.common, now);
        self.common = full_at;
        self.tally.count(decision.verdict);
        decision
    }

    /// Takes out what is full, and gives back memory that is much more than is needed.
    pub(crate) fn sweep(&mut self, now: u64, sources: &AtomicUsize) {
        if self.earliest <= now && !self.buckets.is_empty() {
            self.drop_full(now, sources);
        }
        if self.buckets.capacity() > SPARE.max(4 * self.buckets.len()) {
            self.buckets.shrink_to(2 * self.buckets.len(), |bucket| bucket.key);
        }
    }

    /// What its table holds, in bytes.
    #[cfg(any(test, feature = "in-memory"))]
    pub(crate) fn memory(&self) -> usize {
        self.buckets.allocation_size()
    }

    /// How many buckets there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether there is one of this key.
    #[cfg(any(test, feature = "in-memory"))]
    pub(crate) fn holds(&self, key: u64) -> bool {
        self.buckets.find(key, |bucket| bucket.key == key).is_some()
    }

    /// Newer settings apply to the buckets that are there; older ones no longer count. The time that counts.
    fn turn(&mut self, now: u64, settings: &Settings) -> u64 {
        let now = now.max(self.swept);
        if self.generation < settings.generation {
            self.convert(now, settings);
        }
        now
    }

    #[cold]
    fn convert(&mut self, now: u64, settings: &Settings) {
        let before = std::mem::replace(&mut self.rate, settings.rate);
        self.generation = settings.generation;
        if before == self.rate {
            return;
        }
        self.earliest = u64::MAX;
        for bucket in &mut self.buckets {
            bucket.full_at = self.rate.converted(bucket.full_at, now, &before);
            self.earliest = self.earliest.min(bucket.full_at);
        }
        self.common = self.rate.converted(self.common, now, &before);
    }

    /// The first token of a source: its bucket was full, and begins to be one.
    #[inline(never)]
    fn take_first(&mut self, key: u64, now: u64, max_sources: usize, sources: &AtomicUsize) -> Option<Decision> {
        self.fresh += 1;
        let is_needed = sources.load(Relaxed) >= max_sources || self.buckets.len() == self.buckets.capacity();
        if is_needed && self.earliest <= now && self.fresh > self.buckets.len() / LOOKS {
            self.drop_full(now, sources);
        }
        if sources.fetch_add(1, Relaxed) >= max_sources {
            sources.fetch_sub(1, Relaxed);
            return None;
        }
        let (full_at, decision) = self.rate.take(0, now);
        self.earliest = if self.buckets.is_empty() { full_at } else { self.earliest.min(full_at) };
        self.buckets.insert_unique(key, Bucket { key, full_at }, |bucket| bucket.key);
        Some(decision)
    }

    fn drop_full(&mut self, now: u64, sources: &AtomicUsize) {
        let before = self.buckets.len();
        let staying = || self.buckets.iter().filter(|bucket| bucket.full_at > now);
        let (stay, earliest) =
            staying().fold((0, u64::MAX), |(count, earliest), bucket| (count + 1, earliest.min(bucket.full_at)));
        (self.earliest, self.fresh, self.swept) = (earliest, 0, now);
        sources.fetch_sub(before - stay, Relaxed);
        if before - stay < before / 4 {
            return self.buckets.retain(|bucket| bucket.full_at > now);
        }
        // What is taken out one by one leaves a mark behind, and a table full of marks grows.
        let mut buckets = HashTable::with_capacity(stay + stay / 4);
        for bucket in staying() {
            buckets.insert_unique(bucket.key, *bucket, |bucket| bucket.key);
        }
        self.buckets = buckets;
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            allowed: self.allowed + other.allowed,
            delayed: self.delayed + other.delayed,
            refused: self.refused + other.refused,
        }
    }
}

impl Tally {
    fn count(&mut self, verdict: Verdict) {
        let cell = match verdict {
            Verdict::Allowed => &mut self.allowed,
            Verdict::Delayed(_) => &mut self.delayed,
            Verdict::Refused(_) => &mut self.refused,
        };
        *cell += 1;
    }
}

/// Buckets that are looked at, at most, for each key that is new.
const LOOKS: usize = 8;

/// Room that is not worth giving back.
const SPARE: usize = 16;

#[cfg(test)]
mod tests;
