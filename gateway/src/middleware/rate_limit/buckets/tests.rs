use std::time::Duration;

use super::{super::bucket::Verdict, *};

fn rate(average: u64, burst: u64) -> Rate {
    Rate::new(average, Duration::from_secs(1), burst).unwrap()
}

#[test]
fn nothing_is_allocated_before_the_first_request() {
    let now = Moment::now();
    let buckets = Buckets::new(64, now);
    assert!(size_of::<Buckets>() <= 128, "{}", size_of::<Buckets>());
    assert_eq!(buckets.memory(), 0);
    buckets.sweep_all(now);
    assert_eq!((buckets.tally(), buckets.memory()), (Tally::default(), 0));
    buckets.take(1, now, &buckets.settings(rate(1, 1), 10));
    assert!(buckets.memory() <= 64 * 128 + 256, "{}", buckets.memory());
}

#[test]
fn what_is_counted_is_the_sum_of_the_shards() {
    let now = Moment::now();
    let buckets = Buckets::new(4, now);
    let settings = buckets.settings(rate(10, 1), 100);
    for source in 0..50_u8 {
        let key = buckets.fingerprint(&[source]);
        buckets.take(key, now, &settings);
        buckets.take(key, now, &settings);
        buckets.take(key, now + Duration::from_millis(60), &settings);
    }
    assert_eq!(buckets.tally(), Tally { allowed: 50, delayed: 50, refused: 50 });
    assert_eq!(buckets.sources(), 50);
    buckets.sweep_all(now + Duration::from_millis(200));
    assert_eq!(buckets.sources(), 0);
}

/// One thread's requests that were let through: when before and after the decision it was, and for how long they are held.
fn hammer(buckets: &Buckets, settings: &Settings, until: Moment) -> Vec<(Moment, Moment, Duration)> {
    let (key, mut through, mut other) = (buckets.fingerprint(b"one"), Vec::new(), 0_u64);
    loop {
        let before = Moment::now();
        if before > until {
            return through;
        }
        let decision = buckets.take(key, before, settings);
        let after = Moment::now();
        match decision.verdict {
            Verdict::Allowed => through.push((before, after, Duration::ZERO)),
            Verdict::Delayed(wait) => through.push((before, after, Duration::from_nanos(wait / 64))),
            Verdict::Refused(_) => {}
        }
        // Others come and go meanwhile, so that full buckets are taken out.
        other += 1;
        buckets.take(buckets.fingerprint(&other.to_ne_bytes()), before, settings);
    }
}

#[test]
fn eight_threads_on_one_source_get_no_more_than_its_share_in_any_window() {
    const AVERAGE: u64 = 5000;
    const BURST: u64 = 40;
    let buckets = Buckets::new(8, Moment::now());
    let settings = buckets.settings(rate(AVERAGE, BURST), 1_000_000);
    let until = Moment::now() + Duration::from_millis(500);
    let mut through: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| hammer(&buckets, &settings, until))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(through.len() > 500, "the threads came to their requests: {}", through.len());
    through.sort_by_key(|(before, _, held)| *before + *held);
    for (first, (before, _, held)) in through.iter().enumerate() {
        let begin = *before + *held;
        let mut end = begin;
        for (last, (_, after, held)) in through.iter().enumerate().skip(first) {
            end = end.max(*after + *held);
            // Nanoseconds are what instants have, and a hold is counted in 64ths of them: one is allowed for.
            let window = u128::from(AVERAGE) * u128::from(end.nanoseconds_since(begin) + 1);
            let most = u128::from(BURST) * 1_000_000_000 + window;
            let admitted = (last - first + 1) as u128;
            assert!(admitted * 1_000_000_000 <= most, "{admitted} in {} ns", end.nanoseconds_since(begin));
        }
    }
}
