//! `circuitBreaker`.

use std::time::Duration;

use crate::{
    condition::Condition,
    dynamic::middleware::{CircuitBreaker, MiddlewareKind, OnTrip},
    fields::{Sink, Value, choice, duration, integer, present_text},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let condition = fields.required("expression", condition);
        // What is written beside a wrong expression is looked at all the same.
        let nothing = || Condition::parse("RequestThreshold() < 0").expect("it is an expression");
        let mut breaker = CircuitBreaker::new(condition.clone().unwrap_or_else(nothing));
        fields.set("checkPeriod", &mut breaker.check_period, positive);
        fields.set("fallbackDuration", &mut breaker.fallback_duration, positive);
        fields.set("recoveryDuration", &mut breaker.recovery_duration, positive);
        fields.set("responseCode", &mut breaker.response_code, integer(200..=599));
        fields.ours("minRequests");
        fields.set("minRequests", &mut breaker.min_requests, integer(0..=i64::from(u32::MAX)));
        fields.ours("onTrip");
        let words = choice([("redistribute", OnTrip::Redistribute), ("fail", OnTrip::Fail)]);
        fields.set_some("onTrip", &mut breaker.on_trip, words);
        condition.map(|_| MiddlewareKind::CircuitBreaker(Box::new(breaker)))
    });
    read.flatten()
}

pub(in crate::read) fn condition(value: Value<'_>, out: &mut Sink) -> Option<Condition> {
    let text = present_text(value, out)?;
    match Condition::parse(&text) {
        Ok(condition) => {
            if condition.expression.negates() {
                out.extension(&value.node.at, value.path, "\"!\" in an expression is Rollgate's own");
            }
            Some(condition)
        }
        Err(error) => {
            out.syntax(&value.node.at, value.path, &text, &error);
            None
        }
    }
}

/// A length of time above 0, which in Traefik would mean the default.
fn positive(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    let duration = duration(value, out)?;
    if duration.is_zero() {
        out.problem(&value.node.at, value.path, "is no length of time", "above 0");
        return None;
    }
    Some(duration)
}
