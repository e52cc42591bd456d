//! What a client is told of its limit.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rollgate_config::dynamic::middleware::RateLimit;

use super::{
    super::Answer,
    bucket::{Decision, Rate, duration},
};

/// 429, as Traefik's: `Retry-After` in whole seconds, `X-Retry-In` as Go writes a duration.
pub(super) fn too_many(wait: Duration) -> Answer {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::RETRY_AFTER, seconds(wait).into());
    if let Ok(text) = HeaderValue::from_maybe_shared(Bytes::from(in_go(wait))) {
        headers.insert(X_RETRY_IN, text);
    }
    Answer { headers, ..Answer::status(StatusCode::TOO_MANY_REQUESTS) }
}

/// What is left to a client after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Whole requests.
    left: u64,
    /// Seconds, rounded up, until there is one more.
    next: u64,
}

impl Quota {
    pub(super) fn of(decision: &Decision, rate: &Rate) -> Self {
        let next = duration(rate.until_next(decision.missing));
        Self { left: rate.tokens(decision.missing), next: seconds(next) }
    }
}

/// `RateLimit-Policy` and the beginning of `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
///
/// A token bucket is no window. The one that is told is the time in which an empty bucket fills, in whole seconds, and its
/// quota is what the bucket gets back in that time.
#[derive(Debug)]
pub(super) struct Shown {
    /// Quoted.
    name: String,
    policy: HeaderValue,
}

impl Shown {
    pub(super) fn new(middleware: &str, rate: &Rate, config: &RateLimit) -> Self {
        let name = quoted(middleware.split('@').next().unwrap_or_default());
        let window = u128::from(seconds(duration(rate.capacity)).max(1));
        let per_second = u128::from(config.average) * window * 1_000_000_000;
        let quota = per_second / config.period.as_nanos().max(1);
        let policy = format!("{name};q={quota};w={window}");
        let policy = HeaderValue::from_str(&policy).expect("visible ASCII is a value");
        Self { name, policy }
    }

    pub(super) fn add(&self, quota: &Quota, headers: &mut HeaderMap) {
        let mut text = String::with_capacity(self.name.len() + 32);
        // Nothing can go wrong in memory.
        let _ = write!(text, "{};r={};t={}", self.name, quota.left, quota.next);
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
            // Those of servers and of other limits are items of the same list.
            headers.append(RATELIMIT, value);
            headers.append(RATELIMIT_POLICY, self.policy.clone());
        }
    }
}

/// A string of RFC 9651 section 3.3.3; what it cannot hold is an underscore.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => quoted.push('_'),
        }
    }
    quoted.push('"');
    quoted
}

/// Rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// As Go writes a duration: `1m30.5s`, `9.8ms`, `150µs`.
fn in_go(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    let below_a_second = [(1_000_000, "ms"), (1_000, "µs"), (1, "ns")];
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    if let Some((unit, name)) = below_a_second.iter().find(|(unit, _)| nanoseconds >= *unit && time.as_secs() == 0) {
        return format!("{}{name}", decimal(nanoseconds, *unit));
    }
    let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60);
    let seconds = decimal(nanoseconds - u128::from(minutes) * 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{}m{seconds}s", minutes % 60),
    }
}

/// `whole / unit` without zeros at the end; a unit is a power of ten.
fn decimal(whole: u128, unit: u128) -> String {
    let (before, after) = (whole / unit, whole % unit);
    if after == 0 {
        return before.to_string();
    }
    let places = unit.ilog10() as usize;
    let after = format!("{after:0places$}");
    format!("{before}.{}", after.trim_end_matches('0'))
}

const X_RETRY_IN: HeaderName = HeaderName::from_static("x-retry-in");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (9_800_001, "9.800001ms"),
            (990_000_000, "990ms"),
            (1_000_000_000, "1s"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(in_go(Duration::from_nanos(nanoseconds)), text);
        }
    }

    #[test]
    fn a_refusal_tells_when_to_come_back() {
        let answer = too_many(Duration::from_millis(1250));
        assert_eq!(answer.status, 429);
        assert_eq!(answer.headers[header::RETRY_AFTER], "2");
        assert_eq!(answer.headers[X_RETRY_IN], "1.25s");
        assert_eq!(answer.headers.len(), 2);
        assert_eq!(&answer.body[..], b"Too Many Requests");
        assert_eq!(too_many(Duration::from_micros(150)).headers[header::RETRY_AFTER], "1");
    }

    #[test]
    fn a_policy_is_told_in_whole_seconds() {
        for (average, period, burst, policy) in [
            (100, 1_000, 1, "\"m\";q=100;w=1"),
            (100, 1_000, 200, "\"m\";q=200;w=2"),
            (10, 60_000, 5, "\"m\";q=5;w=30"),
            (1, 60_000, 1, "\"m\";q=1;w=60"),
            (7, 1_000, 10, "\"m\";q=14;w=2"),
            (1, 100, 1, "\"m\";q=10;w=1"),
        ] {
            let period = Duration::from_millis(period);
            let config = RateLimit { average, period, burst, ..RateLimit::default() };
            let shown = Shown::new("m@file", &Rate::new(average, period, burst).unwrap(), &config);
            assert_eq!(shown.policy, policy);
        }
    }

    #[test]
    fn fields_of_several_limits_are_one_list() {
        let config = RateLimit { average: 1, burst: 3, ..RateLimit::default() };
        let rate = Rate::new(1, Duration::from_secs(1), 3).unwrap();
        let mut headers = HeaderMap::new();
        for name in ["one@file", "other@file"] {
            let shown = Shown::new(name, &rate, &config);
            shown.add(&Quota { left: 2, next: 1 }, &mut headers);
        }
        let lines = |name| headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(lines(RATELIMIT), ["\"one\";r=2;t=1", "\"other\";r=2;t=1"]);
        assert_eq!(lines(RATELIMIT_POLICY), ["\"one\";q=3;w=3", "\"other\";q=3;w=3"]);
    }

    #[test]
    fn any_name_is_a_string() {
        assert_eq!(quoted("a\"b\\c ü\u{7f}"), "\"a\\\"b\\\\c __\"");
    }
}
