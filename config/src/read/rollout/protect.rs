//! `protect`.

use super::values::{HUNDRED, decimal, section, share};
use crate::{
    dynamic::rollout::stage::{Protect, ProtectBreaker, ProtectRate},
    fields::{Fields, Sink, Value, integer, located},
    read::middleware::condition,
    scalar::{Share, Weight},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Protect> {
    section(value, out, |fields| {
        let rate_limit = fields.read("rateLimit", rate_limit);
        let circuit_breaker = fields.read("circuitBreaker", circuit_breaker);
        if !fields.has("rateLimit") && !fields.has("circuitBreaker") {
            let allowed = "rateLimit: {}, circuitBreaker: {} or both";
            fields.out.problem(fields.at, fields.path, "protects by nothing", allowed);
        }
        Protect { rate_limit, circuit_breaker }
    })
}

fn rate_limit(value: Value<'_>, out: &mut Sink) -> Option<ProtectRate> {
    section(value, out, |fields| {
        let ProtectRate::Observed { mut headroom, mut at_least, mut at_most } = ProtectRate::default() else {
            unreachable!("it is what was observed by default");
        };
        fields.set("headroom", &mut headroom, decimal(Weight::ONE, false, HUNDRED));
        fields.set("atLeast", &mut at_least, integer(1..=MOST));
        fields.set("atMost", &mut at_most, integer(1..=MOST));
        let average: Option<u64> = fields.read("average", integer(1..=MOST));
        let burst = fields.read("burst", integer(1..=MOST));
        if fields.has("average") {
            exclude(fields, "average", &["headroom", "atLeast", "atMost"]);
            let average = average.unwrap_or(1);
            return ProtectRate::Fixed { average, burst: burst.unwrap_or(average) };
        }
        if fields.has("burst") {
            fields.problem("burst", "there is no average that it could be for", "average beside it");
        }
        if at_least > at_most {
            between(fields, &at_least.to_string(), &at_most.to_string());
        }
        ProtectRate::Observed { headroom, at_least, at_most }
    })
}

fn circuit_breaker(value: Value<'_>, out: &mut Sink) -> Option<ProtectBreaker> {
    let read = section(value, out, |fields| {
        let ProtectBreaker::Observed { mut factor, mut at_least, mut at_most } = ProtectBreaker::default() else {
            unreachable!("it is what was observed by default");
        };
        fields.set("factor", &mut factor, decimal(Weight::ONE, true, HUNDRED));
        fields.set("atLeast", &mut at_least, share(1..=Share::ALL.0));
        fields.set("atMost", &mut at_most, share(1..=Share::ALL.0));
        let expression = fields.read("expression", |value, out| located(value, out, condition));
        if fields.has("expression") {
            exclude(fields, "expression", &["factor", "atLeast", "atMost"]);
            return expression.map(|located| {
                ProtectBreaker::Fixed(crate::problem::Located { value: located.value.text, at: located.at })
            });
        }
        if at_least > at_most {
            between(fields, &at_least.to_string(), &at_most.to_string());
        }
        Some(ProtectBreaker::Observed { factor, at_least, at_most })
    });
    read.flatten()
}

/// What is fixed is not made of what was observed.
fn exclude(fields: &mut Fields<'_>, fixed: &str, observed: &[&str]) {
    for key in observed {
        if fields.has(key) {
            fields.problem(key, format!("{fixed} is fixed beside it"), format!("one of {fixed} and {key}"));
        }
    }
}

fn between(fields: &mut Fields<'_>, least: &str, most: &str) {
    let key = if fields.has("atLeast") { "atLeast" } else { "atMost" };
    fields.problem(key, format!("atLeast, {least}, is above atMost, {most}"), "");
}

/// Requests a second.
const MOST: i64 = 1_000_000_000;
