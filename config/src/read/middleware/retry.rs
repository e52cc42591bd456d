//! `retry`.

use std::time::Duration;

use crate::{
    dynamic::middleware::{MiddlewareKind, Retry, RetryBudget},
    fields::{Fields, Sink, Value, boolean, duration, integer, status_range},
    scalar::StatusRanges,
};

pub(super) fn retry(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let attempts = fields.required("attempts", integer(1..=i64::from(u32::MAX)));
        let mut retry = Retry::new(attempts.unwrap_or(1));
        fields.set("initialInterval", &mut retry.initial_interval, interval);
        fields.set("timeout", &mut retry.timeout, duration);
        fields.set("maxRequestBodyBytes", &mut retry.max_request_body_bytes, bytes_or_any);
        retry.status = StatusRanges(fields.list("status", status_range));
        fields.set("disableRetryOnNetworkError", &mut retry.disable_retry_on_network_error, boolean);
        fields.set("retryNonIdempotentMethod", &mut retry.retry_non_idempotent_method, boolean);
        fields.set("perTryTimeout", &mut retry.per_try_timeout, duration);
        fields.ours("perTryTimeout");
        fields.within("budget", |fields| budget(fields, &mut retry.budget));
        fields.ours("budget");
        if retry.disable_retry_on_network_error && !fields.has_items("status") {
            fields.problem("disableRetryOnNetworkError", "leaves nothing to be tried again", "status names answers");
        }
        attempts.map(|_| MiddlewareKind::Retry(retry))
    });
    read.flatten()
}

fn budget(fields: &mut Fields<'_>, budget: &mut RetryBudget) {
    fields.set("percent", &mut budget.percent, integer(0..=1_000));
    fields.set("minPerSecond", &mut budget.min_per_second, integer(0..=1_000_000));
}

/// Bytes; -1 is as many as there are.
pub(in crate::read) fn bytes_or_any(value: Value<'_>, out: &mut Sink) -> Option<Option<u64>> {
    integer(-1..=i64::MAX)(value, out).map(|bytes: i64| u64::try_from(bytes).ok())
}

/// Twice as much is waited at most, and half of that more.
fn interval(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    let interval = duration(value, out)?;
    if interval > MAX_INTERVAL {
        out.problem(&value.node.at, value.path, "is too long", "at most 1h");
        return None;
    }
    Some(interval)
}

const MAX_INTERVAL: Duration = Duration::from_secs(3600);
