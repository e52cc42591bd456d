use std::time::Duration;

use super::{
    super::bucket::{UNITS, units},
    *,
};

fn ms(milliseconds: u64) -> u64 {
    units(Duration::from_millis(milliseconds))
}

fn settings(generation: u64, average: u64, burst: u64, max_sources: usize) -> Settings {
    Settings { generation, rate: Rate::new(average, Duration::from_secs(1), burst).unwrap(), max_sources }
}

/// A shard that is a whole limiter.
#[derive(Default)]
struct Limiter {
    shard: Shard,
    sources: AtomicUsize,
}

impl Limiter {
    fn take(&mut self, key: u64, now: u64, settings: &Settings) -> Verdict {
        let own = self.shard.take(spread(key), now, settings, &self.sources);
        own.unwrap_or_else(|| self.shard.take_common(now, settings)).verdict
    }

    /// One request each of these.
    fn all(&mut self, keys: std::ops::Range<u64>, now: u64, settings: &Settings) {
        for key in keys {
            self.take(key, now, settings);
        }
    }

    fn sources(&self) -> usize {
        assert_eq!(self.sources.load(Relaxed), self.shard.len());
        self.shard.len()
    }
}

/// A fingerprint like those of a hash.
fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn each_source_has_its_own_bucket() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 1, 100));
    for key in 0..10 {
        assert_eq!(limiter.take(key, 0, &settings), Verdict::Allowed);
    }
    for key in 0..10 {
        assert_eq!(limiter.take(key, ms(200), &settings), Verdict::Refused(ms(800)));
    }
    assert_eq!(limiter.shard.tally, Tally { allowed: 10, delayed: 0, refused: 10 });
}

#[test]
fn full_buckets_make_room_before_a_table_grows() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 1, usize::MAX));
    limiter.all(0..28, 0, &settings);
    let memory = limiter.shard.memory();
    // All of the first are full again when the table has no room left.
    limiter.all(100..128, ms(1000), &settings);
    assert_eq!((limiter.sources(), limiter.shard.memory()), (28, memory));
    // None of those is.
    limiter.all(200..228, ms(1500), &settings);
    assert_eq!(limiter.sources(), 56);
    assert!(limiter.shard.memory() > memory);
}

#[test]
fn sources_beyond_the_bound_share_one_bucket_and_free_nobody() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 2, 3));
    for key in 0..3 {
        limiter.take(key, 0, &settings);
        limiter.take(key, 0, &settings);
    }
    let strangers: Vec<Verdict> = (10..20).map(|key| limiter.take(key, 0, &settings)).collect();
    assert_eq!(strangers[..2], [Verdict::Allowed; 2]);
    assert_eq!(strangers[2..], [Verdict::Refused(ms(1000)); 8]);
    for key in 0..3 {
        assert_eq!(limiter.take(key, 0, &settings), Verdict::Refused(ms(1000)));
    }
    assert_eq!(limiter.sources(), 3);
    // When they are full again, others take their places.
    assert_eq!(limiter.take(20, ms(2000), &settings), Verdict::Allowed);
    assert_eq!(limiter.take(20, ms(2000), &settings), Verdict::Allowed);
    assert_eq!(limiter.take(21, ms(2000), &settings), Verdict::Allowed);
    assert_eq!(limiter.sources(), 2);
}

#[test]
fn a_bound_of_none_is_one_bucket_for_all() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 1, 0));
    assert_eq!(limiter.take(1, 0, &settings), Verdict::Allowed);
    assert_eq!(limiter.take(2, 0, &settings), Verdict::Refused(ms(1000)));
    assert_eq!(limiter.sources(), 0);
}

#[test]
fn an_attack_with_new_sources_pays_for_the_looks_that_it_causes() {
    let (held, attacks) = (400, 450);
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1000, 1000, held as usize + 1));
    for _ in 0..1000 {
        limiter.all(0..held, 0, &settings);
    }
    let mut looks = 0;
    for attack in 0..attacks {
        // There is one place, and whoever has it is full again after a millisecond.
        let fresh = limiter.shard.fresh;
        limiter.take(held + attack, ms(2 * attack), &settings);
        looks += u64::from(limiter.shard.fresh <= fresh);
    }
    assert_eq!(limiter.sources(), held as usize + 1);
    let looked_at = looks * (held + 1);
    let new = held + attacks;
    assert!((1..=new * LOOKS as u64).contains(&looked_at), "{looked_at} buckets looked at for {new} sources");
}

#[test]
fn a_bucket_that_came_after_a_look_is_not_overlooked() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 100, 2));
    (0..100).for_each(|_| limiter.all(1..2, 0, &settings));
    limiter.shard.sweep(ms(1000), &limiter.sources);
    limiter.take(2, ms(1000), &settings);
    limiter.take(3, ms(2000), &settings);
    assert!(limiter.shard.holds(spread(3)) && limiter.shard.holds(spread(1)) && !limiter.shard.holds(spread(2)));
}

#[test]
fn nobody_looks_before_a_bucket_can_be_full() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 1, 100));
    limiter.all(0..100, ms(10), &settings);
    limiter.all(100..1000, ms(1009), &settings);
    assert_eq!((limiter.shard.swept, limiter.sources()), (0, 100));
    limiter.take(1000, ms(1010), &settings);
    assert_eq!((limiter.shard.swept, limiter.sources()), (ms(1010), 1));
}

#[test]
fn a_change_applies_to_the_buckets_that_are_there() {
    let mut limiter = Limiter::default();
    let (slow, fast) = (settings(1, 1, 4, 100), settings(2, 10, 2, 100));
    (0..4).for_each(|_| limiter.all(1..2, 0, &slow));
    assert_eq!(limiter.take(1, 0, &slow), Verdict::Refused(ms(1000)));
    // Four tokens were missing, of which there are only two now.
    assert_eq!(limiter.take(1, 0, &fast), Verdict::Refused(ms(100)));
    assert_eq!(limiter.take(1, ms(100), &fast), Verdict::Allowed);
    // A request that began before the change.
    assert_eq!(limiter.take(1, ms(100), &slow), Verdict::Refused(ms(100)));
    // What has no bucket yet begins with a full one of the new size.
    assert_eq!(limiter.take(2, ms(100), &slow), Verdict::Allowed);
    assert_eq!(limiter.take(2, ms(100), &slow), Verdict::Allowed);
    assert_eq!(limiter.take(2, ms(100), &slow), Verdict::Refused(ms(100)));
}

#[test]
fn a_change_applies_to_the_common_bucket() {
    let mut limiter = Limiter::default();
    let (slow, fast) = (settings(1, 1, 1, 0), settings(2, 100, 1, 0));
    limiter.take(1, 0, &slow);
    assert_eq!(limiter.take(1, 0, &fast), Verdict::Refused(ms(10)));
}

#[test]
fn what_was_swept_is_not_full_for_a_clock_that_was_read_before() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 1, 100));
    assert_eq!(limiter.take(1, 0, &settings), Verdict::Allowed);
    limiter.shard.sweep(ms(1000), &limiter.sources);
    assert_eq!(limiter.sources(), 0);
    assert_eq!(limiter.take(1, ms(900), &settings), Verdict::Allowed);
    // As if it had come at 1000, so the next one is at 2000.
    assert_eq!(limiter.take(1, ms(1400), &settings), Verdict::Refused(ms(600)));
}

#[test]
fn a_sweep_gives_memory_back() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 1, usize::MAX));
    (0..10_000).for_each(|key| limiter.all(key..key + 1, ms(key), &settings));
    let memory = limiter.shard.memory();
    assert!((17..50).contains(&(memory / limiter.sources())), "{memory} bytes for {}", limiter.sources());
    limiter.shard.sweep(ms(10_900), &limiter.sources);
    assert_eq!(limiter.sources(), 99);
    assert!(limiter.shard.memory() < 17 * 512, "{}", limiter.shard.memory());
    limiter.shard.sweep(ms(20_000), &limiter.sources);
    assert_eq!((limiter.sources(), limiter.shard.memory()), (0, 0));
}

#[test]
fn a_sweep_leaves_what_is_not_full() {
    let (mut limiter, settings) = (Limiter::default(), settings(1, 1, 1, usize::MAX));
    limiter.take(1, 0, &settings);
    limiter.shard.sweep(ms(1000) - 1, &limiter.sources);
    assert_eq!(limiter.take(1, ms(1000) - UNITS, &settings), Verdict::Delayed(UNITS));
}
