use std::time::Duration;

use redis::{Connection, FromRedisValue};
use rollgate_testkit::Redis;

use super::*;
use crate::middleware::rate_limit::bucket::{UNITS, Verdict, units};

/// The script with a clock that is set.
fn with_a_clock() -> String {
    let text = TEXT.replace("redis.call('TIME')", "{ARGV[7], ARGV[8]}");
    assert_ne!(text, TEXT);
    text
}

fn connection(server: &Redis) -> Connection {
    let client = ::redis::Client::open(format!("redis://{}/", server.endpoint())).unwrap();
    client.get_connection().unwrap()
}

struct Server {
    _server: Redis,
    connection: Connection,
    script: String,
}

impl Server {
    fn new() -> Self {
        let server = Redis::start();
        Self { connection: connection(&server), _server: server, script: with_a_clock() }
    }

    /// Asks at a time in microseconds.
    fn take(&mut self, key: &str, rate: &Rate, now: u64) -> Decision {
        let mut command = ::redis::cmd("EVAL");
        command.arg(&self.script);
        let mut command = with(command, key.as_bytes(), rate);
        command.arg(now / 1_000_000).arg(now % 1_000_000);
        decision(&command.query(&mut self.connection).unwrap(), rate).unwrap()
    }

    fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut self.connection).unwrap()
    }
}

/// As Redis tells the time: microseconds since 1970, well into the next century.
const NOW: u64 = 4_000_000_000_000_000;

fn any_rate(random: &mut fastrand::Rng) -> Rate {
    let period = Duration::from_micros(random.u64(1..10_000_000));
    Rate::new(random.u64(1..1000), period, random.u64(1..20)).unwrap()
}

/// A step of a clock about as long as what a bucket takes, in microseconds.
fn step(random: &mut fastrand::Rng, rate: &Rate) -> u64 {
    let longest = match random.u8(0..10) {
        0..4 => return 0,
        4..9 => rate.interval * 2,
        _ => rate.capacity * 2,
    };
    random.u64(0..=longest / (UNITS * 1000))
}

#[test]
fn its_decisions_are_those_of_a_bucket_in_memory_to_the_unit() {
    let mut server = Server::new();
    let mut random = fastrand::Rng::with_seed(1);
    for seed in 0..40 {
        let (rate, key) = (any_rate(&mut random), seed.to_string());
        let (mut now, mut full_at) = (NOW, 0);
        for _ in 0..50 {
            now += step(&mut random, &rate);
            let (next, expected) = rate.take(full_at, (now - NOW) * 1000 * UNITS);
            full_at = next;
            assert_eq!(server.take(&key, &rate, now), expected, "{rate:?} after {} us", now - NOW);
        }
    }
}

#[test]
fn another_rate_keeps_the_tokens_that_are_missing() {
    let mut server = Server::new();
    let mut random = fastrand::Rng::with_seed(2);
    for seed in 0..200 {
        let (before, after, key) = (any_rate(&mut random), any_rate(&mut random), seed.to_string());
        let mut missing = 0;
        for _ in 0..random.u8(1..20) {
            missing = server.take(&key, &before, NOW).missing;
        }
        let later = random.u64(0..=missing / (UNITS * 1000));
        let left = missing - later * 1000 * UNITS;
        let converted = after.converted(left, 0, &before);
        let (_, expected) = after.take(converted, 0);
        let decision = server.take(&key, &after, NOW + later);
        // A double holds what is missing to 53 bits.
        let near = expected.missing / (1 << 50) + 2;
        let differs = decision.missing.abs_diff(expected.missing);
        let on_the_edge = expected.missing.abs_diff(decision.missing + after.interval) <= near
            || decision.missing.abs_diff(expected.missing + after.interval) <= near;
        assert!(differs <= near || on_the_edge, "{decision:?} instead of {expected:?}: {before:?} -> {after:?}");
    }
}

#[test]
fn a_clock_that_went_back_holds_nobody_for_longer_than_a_bucket_takes_to_fill() {
    let mut server = Server::new();
    let rate = Rate::new(1, Duration::from_secs(1), 3).unwrap();
    for _ in 0..3 {
        server.take("a", &rate, NOW);
    }
    let Verdict::Refused(wait) = server.take("a", &rate, NOW - 3_600_000_000).verdict else { panic!("it is empty") };
    assert_eq!(wait, units(Duration::from_millis(1500)));
}

#[test]
fn a_bucket_lives_until_it_is_full() {
    let mut server = Server::new();
    let rate = Rate::new(1, Duration::from_secs(60), 30).unwrap();
    server.take("a", &rate, NOW);
    let lives: u64 = server.ask(&["PTTL", "a"]);
    assert!((1_800_000..=1_801_000).contains(&lives), "{lives} ms");
}

#[test]
fn what_is_no_bucket_counts_as_a_full_one() {
    let mut server = Server::new();
    let rate = Rate::new(1, Duration::from_secs(1), 1).unwrap();
    let _: () = server.ask(&["SET", "a", "nonsense"]);
    assert_eq!(server.take("a", &rate, NOW).verdict, Verdict::Allowed);
    assert_eq!(server.take("a", &rate, NOW).verdict, Verdict::Refused(units(Duration::from_secs(1))));
}

#[test]
fn it_decides_by_the_servers_own_clock() {
    let server = Redis::start();
    let mut connection = connection(&server);
    let rate = Rate::new(1, Duration::from_secs(3600), 2).unwrap();
    let mut verdicts = Vec::new();
    for number in 0..3 {
        // Once by its text, after which it is known by its digest.
        let command = if number == 0 { by_text(b"a", &rate) } else { by_digest(b"a", &rate) };
        verdicts.push(decision(&command.query(&mut connection).unwrap(), &rate).unwrap().verdict);
    }
    assert_eq!(verdicts[..2], [Verdict::Allowed; 2]);
    let Verdict::Refused(wait) = verdicts[2] else { panic!("{verdicts:?}") };
    assert!((3590..=3600).contains(&duration(wait).as_secs()), "{wait}");
}

#[test]
fn an_answer_that_is_none_of_its_is_told_apart() {
    let rate = Rate::new(1, Duration::from_secs(1), 1).unwrap();
    for answer in [
        Value::Nil,
        Value::Int(1),
        Value::Array(vec![Value::Int(1), Value::Int(2)]),
        Value::Array(vec![Value::Int(1), Value::Int(-2), Value::Int(0)]),
        Value::Array(vec![Value::Int(1), Value::Int(i64::MAX), Value::Int(0)]),
    ] {
        assert_eq!(decision(&answer, &rate), None, "{answer:?}");
    }
}
