//! State of many sources that all workers share, spread over shards that each have a lock of their own.
//!
//! A source is known by a keyed 64-bit fingerprint (SipHash-1-3, as the standard library's maps use it, with a random key
//! for each state, so that nobody can find two sources that are taken for one) and is not kept itself. The shards are made
//! with the first request, so that what has no traffic costs next to nothing.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::OnceLock,
};

use parking_lot::Mutex;

/// One for each middleware, or for each place of one.
#[derive(Debug)]
pub(super) struct Sharded<T> {
    keys: RandomState,
    /// So many, a power of two.
    width: usize,
    shards: OnceLock<Box<[Apart<T>]>>,
}

/// A shard in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(Mutex<T>);

impl<T: Default> Sharded<T> {
    /// For so many workers.
    pub(super) fn new(workers: usize) -> Self {
        let width = (SHARDS_PER_WORKER * workers).next_power_of_two().clamp(FEWEST, MOST);
        Self { keys: RandomState::new(), width, shards: OnceLock::new() }
    }

    /// What a source is known by.
    pub(super) fn fingerprint(&self, source: &[u8]) -> u64 {
        let mut hasher = self.keys.build_hasher();
        hasher.write(source);
        hasher.finish()
    }

    /// The shard of a source.
    #[inline]
    pub(super) fn of(&self, fingerprint: u64) -> &Mutex<T> {
        &self.made()[self.place(fingerprint)].0
    }

    /// The one of what belongs to no source.
    pub(super) fn first(&self) -> &Mutex<T> {
        &self.made()[0].0
    }

    /// Those that there are: none before the first request.
    pub(super) fn all(&self) -> impl Iterator<Item = &Mutex<T>> {
        self.shards.get().into_iter().flat_map(|shards| shards.iter().map(|shard| &shard.0))
    }

    /// How many there will be.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Where a source's stands. A table uses the lowest and the uppermost bits of a fingerprint; these are between.
    pub(super) fn place(&self, fingerprint: u64) -> usize {
        (fingerprint >> 40) as usize & (self.width - 1)
    }

    /// What a shard takes, without what it refers to, in bytes.
    #[cfg(any(test, feature = "in-memory"))]
    pub(super) fn shard_size() -> usize {
        size_of::<Apart<T>>()
    }

    #[inline]
    fn made(&self) -> &[Apart<T>] {
        self.shards.get_or_init(|| (0..self.width).map(|_| Apart::default()).collect())
    }
}

const SHARDS_PER_WORKER: usize = 4;

/// A table of a million sources is looked through in so many parts, at least.
const FEWEST: usize = 16;

/// What had a request costs 128 bytes for each.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_before_it_is_needed() {
        let sharded = Sharded::<[u64; 4]>::new(4);
        assert_eq!(sharded.all().count(), 0);
        assert!(sharded.of(1).try_lock().is_some());
        assert_eq!(sharded.all().count(), 16);
        assert_eq!(Sharded::<[u64; 4]>::new(64).width(), MOST);
    }

    #[test]
    fn sources_are_told_apart_by_a_key_of_its_own() {
        let (one, other) = (Sharded::<u8>::new(1), Sharded::<u8>::new(1));
        assert_eq!(one.fingerprint(b"a"), one.fingerprint(b"a"));
        assert_ne!(one.fingerprint(b"a"), one.fingerprint(b"b"));
        assert_ne!(one.fingerprint(b"a"), other.fingerprint(b"a"));
    }

    #[test]
    fn shards_are_used_evenly() {
        let sharded = Sharded::<usize>::new(4);
        for number in 0..16_000_u32 {
            *sharded.of(sharded.fingerprint(&number.to_ne_bytes())).lock() += 1;
        }
        let used: Vec<usize> = sharded.all().map(|used| *used.lock()).collect();
        assert!(used.iter().all(|used| used.abs_diff(1000) < 200), "{used:?}");
    }
}
