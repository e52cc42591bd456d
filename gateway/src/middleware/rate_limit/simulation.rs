//! A limiter beside a model of it that keeps every bucket for ever, through random requests, changes of its parameters,
//! sweeps and leaps of the clock.

use std::{collections::HashMap, time::Duration};

use super::{
    bucket::{Rate, UNITS, Verdict, duration},
    buckets::Buckets,
    shard::Settings,
};
use crate::clock::Moment;

const SEEDS: u64 = 256;
const STEPS: usize = 600;
const SOURCES: u64 = 100;

/// A shard as it would be with room for everything.
#[derive(Default)]
struct Part {
    generation: u64,
    rate: Rate,
    /// By fingerprint; the common one's is `None`.
    buckets: HashMap<Option<u64>, Model>,
}

#[derive(Default)]
struct Model {
    full_at: u64,
    /// When it let a request through, since the last change of parameters.
    through: Vec<u64>,
}

impl Part {
    fn take(&mut self, key: Option<u64>, now: u64, settings: &Settings) -> Verdict {
        self.turn(now, settings);
        self.buckets.entry(key).or_default().take(now, &self.rate)
    }

    /// Newer settings apply to what is there.
    fn turn(&mut self, now: u64, settings: &Settings) {
        if self.generation < settings.generation {
            for bucket in self.buckets.values_mut() {
                bucket.full_at = settings.rate.converted(bucket.full_at, now, &self.rate);
                bucket.through.clear();
            }
            (self.generation, self.rate) = (settings.generation, settings.rate);
        }
    }

    fn busy(&self, now: u64) -> usize {
        self.buckets.iter().filter(|(key, bucket)| key.is_some() && bucket.full_at > now).count()
    }
}

impl Model {
    fn take(&mut self, now: u64, rate: &Rate) -> Verdict {
        let (full_at, decision) = rate.take(self.full_at, now);
        self.full_at = full_at;
        let forwarded = match decision.verdict {
            Verdict::Refused(_) => return decision.verdict,
            Verdict::Allowed => now,
            Verdict::Delayed(wait) => now + wait,
        };
        self.through.push(forwarded);
        for (number, begin) in self.through.iter().rev().enumerate() {
            let admitted = u128::from(rate.interval) * (number as u128 + 1);
            let most = u128::from(rate.capacity) + u128::from(forwarded - begin);
            assert!(admitted <= most, "{} in {} units", number + 1, forwarded - begin);
        }
        decision.verdict
    }
}

fn any_settings(buckets: &Buckets, random: &mut fastrand::Rng) -> Settings {
    let period = Duration::from_millis(random.u64(1..5000));
    let rate = Rate::new(random.u64(1..50), period, random.u64(1..6)).unwrap();
    buckets.settings(rate, random.usize(0..80))
}

/// How many requests had no bucket of their own.
fn run(seed: u64) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Moment::now();
    let buckets = Buckets::new(random.usize(1..9), began);
    let mut settings = any_settings(&buckets, &mut random);
    let mut older = settings;
    let mut parts: Vec<Part> = std::iter::repeat_with(Part::default).take(buckets.parts()).collect();
    let (mut now, mut shared) = (0_u64, 0);
    for step in 0..STEPS {
        let at = began + duration(now);
        match random.u32(0..100) {
            0..75 => {
                let key = buckets.fingerprint(&random.u64(0..SOURCES).to_ne_bytes());
                let asking = if random.u8(0..10) == 0 { older } else { settings };
                let before = buckets.sources();
                let got = buckets.take(key, at, &asking).verdict;
                let place = buckets.place(key);
                let expected = if buckets.holds(key) {
                    parts[place].take(Some(key), now, &asking)
                } else {
                    shared += 1;
                    assert!(before >= asking.max_sources, "seed {seed}, step {step}: there was room");
                    parts[place].turn(now, &asking);
                    parts[0].take(None, now, &asking)
                };
                assert_eq!(got, expected, "seed {seed}, step {step}");
            }
            75..90 => now += random.u64(0..settings.rate.interval * 4) / UNITS * UNITS,
            90..93 => now += random.u64(0..settings.rate.capacity * 4) / UNITS * UNITS,
            93..97 => buckets.sweep_all(at),
            _ => (older, settings) = (settings, any_settings(&buckets, &mut random)),
        }
        let busy: usize = parts.iter().map(|part| part.busy(now)).sum();
        assert!(buckets.sources() >= busy, "seed {seed}, step {step}: a bucket is gone that was not full");
        assert_eq!(buckets.sources(), buckets.held(), "seed {seed}, step {step}");
    }
    shared
}

#[test]
fn a_limiter_with_bounds_decides_like_one_without() {
    let shared: usize = (0..SEEDS).map(run).sum();
    assert!(shared > 1000, "bounds were reached: {shared}");
}
