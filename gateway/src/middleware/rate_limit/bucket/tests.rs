use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ms(milliseconds: u64) -> u64 {
    units(Duration::from_millis(milliseconds))
}

fn rate(average: u64, burst: u64) -> Rate {
    Rate::new(average, SECOND, burst).unwrap()
}

/// Takes at each of these milliseconds; what became of it, in milliseconds.
fn taken(rate: &Rate, times: &[u64]) -> Vec<String> {
    let mut full_at = 0;
    let said = |units: u64| units as f64 / ms(1) as f64;
    let mut take = |time: &u64| {
        let (next, decision) = rate.take(full_at, ms(*time));
        full_at = next;
        match decision.verdict {
            Verdict::Allowed => "allowed".to_owned(),
            Verdict::Delayed(wait) => format!("held {}", said(wait)),
            Verdict::Refused(wait) => format!("in {}", said(wait)),
        }
    };
    times.iter().map(&mut take).collect()
}

#[test]
fn a_burst_then_one_for_each_interval() {
    let rate = rate(1, 3);
    assert_eq!(
        taken(&rate, &[0, 0, 0, 0, 499, 500, 600, 1500, 2000, 9000, 9000, 9000, 9000]),
        [
            "allowed", "allowed", "allowed", "in 1000", "in 501", "held 500", "in 1400", "held 500", "in 1000",
            "allowed", "allowed", "allowed", "in 1000"
        ]
    );
}

#[test]
fn the_next_one_is_held_for_half_an_interval_at_most() {
    // As `average: 100` in Traefik: 10 ms between two, and 5 ms is the longest delay.
    let rate = rate(100, 1);
    assert_eq!(
        taken(&rate, &[0, 4, 5, 14, 20, 21, 25]),
        ["allowed", "in 6", "held 5", "in 6", "allowed", "in 9", "held 5"]
    );
}

#[test]
fn what_is_refused_takes_nothing() {
    let rate = rate(1, 1);
    let mut times = vec![0];
    times.extend(std::iter::repeat_n(100, 50));
    times.push(1000);
    let said = taken(&rate, &times);
    assert!(said[1..51].iter().all(|said| said == "in 900"), "{said:?}");
    assert_eq!(said[51], "allowed");
}

#[test]
fn the_longest_delay_is_traefiks() {
    for (average, period, expected) in [
        (1, SECOND, Duration::from_millis(500)),
        (1, Duration::from_secs(60), Duration::from_millis(500)),
        (59, Duration::from_secs(60), Duration::from_millis(500)),
        (3, Duration::from_secs(2), Duration::from_millis(500)),
        (4, Duration::from_secs(2), Duration::from_millis(250)),
        (7, SECOND, Duration::from_nanos(71_428_571)),
        (100, SECOND, Duration::from_millis(5)),
        (1_000_000_000_000, SECOND, Duration::ZERO),
    ] {
        let rate = Rate::new(average, period, 1).unwrap();
        assert_eq!(rate.max_delay, units(expected), "{average} in {period:?}");
    }
}

#[test]
fn no_average_is_no_limit_and_a_burst_is_one_at_least() {
    assert_eq!(Rate::new(0, SECOND, 5), None);
    assert_eq!(rate(10, 0), rate(10, 1));
    assert_eq!(rate(10, 1).capacity, ms(100));
}

#[test]
fn the_interval_is_rounded_up_and_never_nothing() {
    assert_eq!(rate(3, 1).interval, (SECOND.as_nanos() as u64 * UNITS).div_ceil(3));
    assert_eq!(rate(u64::MAX, 7), Rate { interval: 1, capacity: 7, max_delay: 0 });
}

#[test]
fn a_bucket_that_takes_years_to_fill_is_none() {
    let year = Duration::from_secs(366 * 86_400);
    assert!(Rate::new(1, year, 1).is_some());
    assert!(Rate::new(1, year, 3).is_none());
    assert!(Rate::new(1, Duration::from_nanos(i64::MAX as u64), i64::MAX as u64).is_none());
}

#[test]
fn a_share_is_a_part_of_the_rate_and_of_the_burst() {
    assert_eq!(Rate::share(100, SECOND, 200, 4), Rate::new(25, SECOND, 50));
    assert_eq!(Rate::share(100, SECOND, 3, 4), Rate::new(25, SECOND, 1));
    assert_eq!(Rate::share(1, SECOND, 1, 3).unwrap().interval, ms(3000));
    assert_eq!(Rate::share(100, SECOND, 200, 0), Rate::new(100, SECOND, 200));
}

#[test]
fn another_rate_keeps_the_tokens_that_are_missing() {
    let (slow, fast, small) = (rate(1, 10), rate(10, 10), rate(10, 2));
    // Four tokens are missing.
    assert_eq!(fast.converted(ms(5000), ms(1000), &slow), ms(1400));
    assert_eq!(slow.converted(ms(1400), ms(1000), &fast), ms(5000));
    // No more can be missing than there is room for.
    assert_eq!(small.converted(ms(5000), ms(1000), &slow), ms(1200));
    // What is full stays full.
    assert_eq!(fast.converted(ms(500), ms(1000), &slow), ms(1000));
}

#[test]
fn tokens_and_the_time_to_the_next_one() {
    let rate = rate(1, 3);
    for (missing, tokens, next) in
        [(0, 3, 0), (1, 2, 1), (1000, 2, 1000), (1001, 1, 1), (3000, 0, 1000), (2500, 0, 500), (3500, 0, 1500)]
    {
        let shown = (rate.tokens(ms(missing)), rate.until_next(ms(missing)));
        assert_eq!(shown, (tokens, ms(next)), "{missing} ms missing");
    }
}

#[test]
fn the_time_to_the_next_token_is_what_a_refused_request_is_told() {
    let rate = rate(2, 2);
    let (mut full_at, mut refused) = (0, 0);
    for step in 0..200 {
        let (next, decision) = rate.take(full_at, ms(step * 13));
        full_at = next;
        if let Verdict::Refused(wait) = decision.verdict {
            assert_eq!(rate.until_next(decision.missing), wait);
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}

/// A token bucket in exact numbers: what is in it, in units of time times 1.
struct Model {
    rate: Rate,
    inside: i128,
    at: u64,
}

impl Model {
    /// What a request at `now` would have to wait, and whether it takes its token.
    fn take(&mut self, now: u64) -> (i128, bool) {
        self.inside = (self.inside + i128::from(now - self.at)).min(i128::from(self.rate.capacity));
        self.at = now;
        let wait = (i128::from(self.rate.interval) - self.inside).max(0);
        let takes = wait <= i128::from(self.rate.max_delay);
        if takes {
            self.inside -= i128::from(self.rate.interval);
        }
        (wait, takes)
    }
}

fn any_rate() -> impl Strategy<Value = (u64, Duration, u64, Rate)> {
    let average = prop_oneof![1u64..20, 1u64..10_000, Just(1_000_000)];
    let period = prop_oneof![Just(SECOND), (1u64..10_000_000_000).prop_map(Duration::from_nanos)];
    (average, period, 1u64..50)
        .prop_map(|(average, period, burst)| (average, period, burst, Rate::new(average, period, burst).unwrap()))
}

/// Steps of a clock that is often still, often goes on by about an interval, and sometimes jumps.
fn steps(interval: u64) -> impl Strategy<Value = Vec<u64>> {
    let step = prop_oneof![
        3 => Just(0),
        4 => 0..=interval.saturating_mul(2),
        1 => 0..=interval.saturating_mul(100),
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn decisions_are_a_token_buckets((times, rate) in any_rate().prop_flat_map(|(_, _, _, rate)| (steps(rate.interval), Just(rate)))) {
        let mut model = Model { rate, inside: i128::from(rate.capacity), at: 0 };
        let (mut now, mut full_at) = (0, 0);
        for step in times {
            now += step;
            let (wait, takes) = model.take(now);
            let (next, decision) = rate.take(full_at, now);
            full_at = next;
            let expected = match (takes, wait) {
                (true, 0) => Verdict::Allowed,
                (true, wait) => Verdict::Delayed(wait as u64),
                (false, wait) => Verdict::Refused(wait as u64),
            };
            prop_assert_eq!(decision.verdict, expected);
            prop_assert_eq!(i128::from(decision.missing), i128::from(rate.capacity) - model.inside);
        }
    }

    /// In every window, with the rate as it was written and not as it was rounded.
    #[test]
    fn no_window_lets_more_through(
        ((average, period, burst), rate, times) in any_rate().prop_flat_map(|(average, period, burst, rate)| {
            (Just((average, period, burst)), Just(rate), steps(rate.interval))
        })
    ) {
        let (mut now, mut full_at) = (0, 0);
        let mut through: Vec<u64> = Vec::new();
        for step in times {
            now += step;
            let (next, decision) = rate.take(full_at, now);
            full_at = next;
            match decision.verdict {
                Verdict::Allowed => through.push(now),
                Verdict::Delayed(wait) => through.push(now + wait),
                Verdict::Refused(_) => {}
            }
        }
        for (first, begin) in through.iter().enumerate() {
            for (last, end) in through.iter().enumerate().skip(first) {
                let admitted = (last - first + 1) as u128;
                // admitted <= burst + average / period * T, multiplied out.
                let period = period.as_nanos() * u128::from(UNITS);
                let most = u128::from(burst) * period + u128::from(average) * u128::from(end - begin);
                prop_assert!(admitted * period <= most, "{admitted} in {}", end - begin);
            }
        }
    }

    #[test]
    fn converting_never_frees_a_bucket_of_what_it_still_can_lack(
        (_, _, _, before) in any_rate(), (_, _, _, after) in any_rate(), missing in 0u64..1_000, now in 0u64..1_000_000,
    ) {
        let missing = (before.interval * missing / 10).min(before.capacity + before.max_delay);
        let tokens_missing = missing as f64 / before.interval as f64;
        let converted = after.converted(now + missing, now, &before) - now;
        prop_assert!(converted <= after.capacity);
        let burst = (after.capacity / after.interval) as f64;
        let expected = tokens_missing.min(burst);
        prop_assert!((converted as f64 / after.interval as f64 - expected).abs() <= 1.0 / after.interval as f64 + 1e-9);
    }
}
