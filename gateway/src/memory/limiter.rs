//! A rate limit's check by itself, beside a bare look-up in an equal table.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::Ipv4Addr,
    time::Duration,
};

use hashbrown::HashTable;

use crate::{
    clock::Moment,
    middleware::rate_limit::{Buckets, Rate, Settings, Verdict},
};

/// A limiter with a bucket for each of so many addresses.
pub struct Limiter {
    buckets: Buckets,
    settings: Settings,
    sources: u32,
}

/// What a limiter's check cannot do without: the same hash of the same bytes, and one look-up in a table of as many buckets of the
/// same size. No lock, no shards, no time.
pub struct Bare {
    keys: RandomState,
    table: HashTable<(u64, u64)>,
}

impl Limiter {
    /// One request of each address has been let through; all have many more left, and no bucket is full for hours.
    pub fn new(sources: u32, workers: usize) -> Self {
        let now = Moment::now();
        let buckets = Buckets::new(workers, now);
        let rate = Rate::new(1, Duration::from_secs(3600), 1000).expect("it fills within a year");
        let settings = buckets.settings(rate, sources as usize);
        let limiter = Self { buckets, settings, sources };
        (0..sources).for_each(|source| assert!(limiter.check(source, now)));
        limiter
    }

    /// A request of an address.
    pub fn check(&self, source: u32, now: Moment) -> bool {
        let key = self.buckets.fingerprint(&address(source));
        matches!(self.buckets.take(key, now, &self.settings).verdict, Verdict::Allowed)
    }

    /// Only a look whether an address has a bucket, under the lock of its shard.
    pub fn holds(&self, source: u32) -> bool {
        self.buckets.holds(self.buckets.fingerprint(&address(source)))
    }

    /// Bytes for each source.
    pub fn memory(&self) -> f64 {
        self.buckets.memory() as f64 / f64::from(self.sources)
    }
}

impl Bare {
    /// With as many addresses.
    pub fn new(sources: u32) -> Self {
        let mut bare = Self { keys: RandomState::new(), table: HashTable::new() };
        for source in 0..sources {
            let key = bare.fingerprint(source);
            bare.table.insert_unique(key, (key, 0), |(key, _)| *key);
        }
        bare
    }

    /// Whether an address is there.
    pub fn holds(&self, source: u32) -> bool {
        let key = self.fingerprint(source);
        self.table.find(key, |(known, _)| *known == key).is_some()
    }

    fn fingerprint(&self, source: u32) -> u64 {
        let mut hasher = self.keys.build_hasher();
        hasher.write(&address(source));
        hasher.finish()
    }
}

/// As a limiter sees one.
fn address(source: u32) -> [u8; 16] {
    Ipv4Addr::from(source).to_ipv6_mapped().octets()
}
