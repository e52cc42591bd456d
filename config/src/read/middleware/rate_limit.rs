//! `rateLimit` and `inFlightReq`.

use std::time::Duration;

use super::{redis::redis, source};
use crate::{
    dynamic::middleware::{InFlightReq, MiddlewareKind, RateLimit, SourceCriterion},
    fields::{Fields, Sink, Value, boolean, duration, integer},
};

pub(super) fn rate_limit(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let mut limit = RateLimit::default();
        fields.set("average", &mut limit.average, integer(0..=i64::MAX));
        fields.set("period", &mut limit.period, period);
        fields.set("burst", &mut limit.burst, burst);
        limit.source = source::criterion(fields, limit.source.clone());
        limit.scope = source::scope(fields);
        fields.set("maxSources", &mut limit.max_sources, integer(1..=MOST_SOURCES));
        fields.ours("maxSources");
        fields.set("responseHeaders", &mut limit.response_headers, boolean);
        fields.ours("responseHeaders");
        fields.set_some("redis", &mut limit.redis, redis);
        fills_in_time(fields, &limit);
        MiddlewareKind::RateLimit(Box::new(limit))
    })
}

pub(super) fn in_flight_req(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let amount = fields.required("amount", integer(0..=i64::from(u32::MAX)));
        let source = source::criterion(fields, SourceCriterion::Host);
        let scope = source::scope(fields);
        Some(MiddlewareKind::InFlightReq(InFlightReq { amount: amount?, source, scope }))
    });
    read.flatten()
}

/// 0 is the default.
fn period(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    duration(value, out).filter(|period| !period.is_zero())
}

/// A burst of none is one of one.
fn burst(value: Value<'_>, out: &mut Sink) -> Option<u64> {
    integer(0..=i64::MAX)(value, out).map(|burst: u64| burst.max(1))
}

fn fills_in_time(fields: &mut Fields<'_>, limit: &RateLimit) {
    let needs = u128::from(limit.burst).saturating_mul(limit.period.as_nanos());
    if limit.average > 0 && needs / u128::from(limit.average) > LONGEST.as_nanos() {
        let key = if fields.has("burst") { "burst" } else { "period" };
        fields.problem(key, "an empty bucket would take longer than a year to fill", "burst x period / average");
    }
}

const MOST_SOURCES: i64 = 1_000_000_000;
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
