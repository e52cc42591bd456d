//! How many requests of each source are under way.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use hashbrown::{HashTable, hash_table::Entry};
use parking_lot::Mutex;
use rollgate_config::dynamic::middleware::SourceCriterion;

use crate::{
    metrics::{Observed, Told, families},
    middleware::{Making, Place, sharded::Sharded},
};

/// Those of one middleware, or of one place of it.
#[derive(Debug)]
pub(crate) struct Counts {
    /// The middleware's qualified name.
    middleware: Arc<str>,
    shards: Sharded<Shard>,
    refused: Arc<Refused>,
}

/// How many requests a middleware has refused, wherever it stands: places come and go, and this only rises.
#[derive(Debug)]
struct Refused {
    middleware: Arc<str>,
    count: AtomicU64,
}

/// A request that counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    counts: Arc<Counts>,
    key: u64,
}

#[derive(Debug, Default)]
struct Shard {
    /// Those that are not 0.
    counts: HashTable<Count>,
}

#[derive(Debug)]
struct Count {
    /// The fingerprint of its source; also its hash.
    key: u64,
    requests: u32,
}

impl Counts {
    /// The counts of a middleware and a place. The amount may change; another criterion is another count.
    pub(super) fn of(criterion: &SourceCriterion, place: Option<&Place<'_>>, making: &Making<'_>) -> Arc<Self> {
        let name = format!("{} {place:?} {criterion:?}", making.name);
        let new = || Refused { middleware: making.name.into(), count: AtomicU64::new(0) };
        let refused = making.observed("inFlightReq refused", making.name, new);
        let new = || Self { middleware: making.name.into(), shards: Sharded::new(making.workers), refused };
        making.observed("inFlightReq", &name, new)
    }

    pub(super) fn fingerprint(&self, source: &[u8]) -> u64 {
        self.shards.fingerprint(source)
    }

    /// One more request of a source, unless there are `most` of it.
    pub(super) fn take(self: &Arc<Self>, key: u64, most: u32) -> Option<Permit> {
        let taken = self.shards.of(key).lock().take(key, most);
        if !taken {
            self.refused.count.fetch_add(1, Relaxed);
        }
        taken.then(|| Permit { counts: self.clone(), key })
    }
}

impl Shard {
    fn take(&mut self, key: u64, most: u32) -> bool {
        let entry = self.counts.entry(key, |count| count.key == key, |count| count.key);
        let there = match &entry {
            Entry::Occupied(count) => count.get().requests,
            Entry::Vacant(_) => 0,
        };
        if there >= most {
            return false;
        }
        entry.and_modify(|count| count.requests += 1).or_insert(Count { key, requests: 1 });
        true
    }

    fn give(&mut self, key: u64) {
        let Ok(mut count) = self.counts.find_entry(key, |count| count.key == key) else { return };
        count.get_mut().requests -= 1;
        if count.get().requests == 0 {
            count.remove();
            if self.counts.capacity() > SPARE.max(8 * self.counts.len()) {
                self.counts.shrink_to(2 * self.counts.len(), |count| count.key);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.shards.of(self.key).lock().give(self.key);
    }
}

impl Observed for Counts {
    fn tell(&self, told: &mut Told) {
        let of_shard =
            |shard: &Mutex<Shard>| shard.lock().counts.iter().map(|count| u64::from(count.requests)).sum::<u64>();
        let requests = self.shards.all().map(of_shard).sum();
        told.add(&families::IN_FLIGHT, &[&self.middleware], requests);
    }
}

impl Observed for Refused {
    fn tell(&self, told: &mut Told) {
        told.add(&families::IN_FLIGHT_REFUSED, &[&self.middleware], self.count.load(Relaxed));
    }
}

/// Room that is not worth giving back.
const SPARE: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts() -> Arc<Counts> {
        let refused = Arc::new(Refused { middleware: "m@file".into(), count: AtomicU64::new(0) });
        Arc::new(Counts { middleware: "m@file".into(), shards: Sharded::new(2), refused })
    }

    fn held(counts: &Counts) -> usize {
        counts.shards.all().map(|shard| shard.lock().counts.len()).sum()
    }

    #[test]
    fn each_source_has_its_amount() {
        let counts = counts();
        let permits: Vec<_> = (0..3).map(|_| counts.take(1, 2)).collect();
        assert_eq!(permits.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
        assert!(counts.take(2, 2).is_some());
        drop(permits);
        assert!(counts.take(1, 2).is_some());
        assert_eq!(held(&counts), 0);
    }

    #[test]
    fn a_smaller_amount_counts_what_is_under_way() {
        let counts = counts();
        let permits: Vec<_> = (0..5).map(|_| counts.take(1, 5).unwrap()).collect();
        assert!(counts.take(1, 3).is_none());
        drop(permits);
        assert!(counts.take(1, 0).is_none());
    }

    #[test]
    fn memory_is_for_what_is_under_way() {
        let counts = counts();
        let permits: Vec<_> = (0..50_000_u64).map(|key| counts.take(key << 37 | key, 1).unwrap()).collect();
        assert_eq!(held(&counts), 50_000);
        drop(permits);
        let capacity: usize = counts.shards.all().map(|shard| shard.lock().counts.capacity()).sum();
        assert!(capacity <= counts.shards.width() * SPARE, "{capacity}");
    }

    #[test]
    fn threads_never_have_more_than_the_amount_together() {
        let (counts, under_way) = (counts(), std::sync::atomic::AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Some(permit) = counts.take(7, 3) else { continue };
                        let now = under_way.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                        assert!(now <= 3, "{now}");
                        under_way.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(held(&counts), 0);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_permits(steps in proptest::collection::vec((0u64..6, 0u32..4, any::<bool>()), 0..200)) {
            let counts = counts();
            let mut permits: Vec<Vec<Permit>> = (0..6).map(|_| Vec::new()).collect();
            for (key, most, gives) in steps {
                let own = &mut permits[key as usize];
                if gives {
                    own.pop();
                } else {
                    let permit = counts.take(key, most);
                    prop_assert_eq!(permit.is_some(), own.len() < most as usize);
                    own.extend(permit);
                }
            }
            prop_assert_eq!(held(&counts), permits.iter().filter(|permits| !permits.is_empty()).count());
        }
    }
}
