//! `abTest`, `ramp`, `watch`, `wait` and `promote`: stages that move users, judge them, or let time pass between.

use std::time::Duration;

use super::{
    audience,
    values::{INSTANT, MONTH, decimal, file, length, section, share, too_many},
};
use crate::{
    dynamic::rollout::stage::{AbTest, Promote, Ramp, Step, Watch},
    fields::{Sink, Value, boolean, integer},
    scalar::{Share, Weight},
    tree::Kind,
};

pub(super) fn ab_test(value: Value<'_>, out: &mut Sink) -> Option<AbTest> {
    let read = section(value, out, |fields| {
        let audience = fields.required("match", audience::read);
        let duration = fields.read("duration", length(INSTANT..=MONTH));
        let requests = fields.read("requests", integer(1..=MOST_REQUESTS));
        if !fields.has("duration") && !fields.has("requests") {
            fields.out.problem(fields.at, fields.path, "has no end", "duration, requests or both");
        }
        let draw = fields.read("draw", share(1..=HALF));
        Some(AbTest {
            audience: audience?,
            duration: duration.unwrap_or_default(),
            requests: requests.unwrap_or_default(),
            draw,
        })
    });
    read.flatten()
}

pub(super) fn ramp(value: Value<'_>, out: &mut Sink) -> Option<Ramp> {
    section(value, out, |fields| {
        let mut ramp = Ramp::default();
        fields.set("steps", &mut ramp.steps, steps);
        fields.set_some("cohort", &mut ramp.cohort, boolean);
        ramp
    })
}

fn steps(value: Value<'_>, out: &mut Sink) -> Option<Vec<Step>> {
    let mut before: Option<Share> = None;
    let steps = value.items(out, |value, out| {
        let step = step(value, out)?;
        if let Some(before) = before.filter(|before| step.weight <= *before) {
            let what = format!("{} comes after {before}", step.weight);
            out.problem(&value.node.at, value.path, what, "each step is higher than the one before");
        }
        before = Some(step.weight);
        Some(step)
    })?;
    if matches!(&value.node.kind, Kind::Sequence(items) if items.is_empty()) {
        out.problem(&value.node.at, value.path, "has no step", "steps: [1%, 5%, 25%, 50%]");
    }
    (!too_many(steps.len(), MAX_STEPS, "steps", value, out)).then_some(steps)
}

/// A weight alone, or with what goes with it.
fn step(value: Value<'_>, out: &mut Sink) -> Option<Step> {
    if let Kind::Scalar(_) = value.node.kind {
        return share(1..=HALF)(value, out).map(Step::new);
    }
    let read = section(value, out, |fields| {
        let weight = fields.required("weight", share(1..=HALF));
        let mut step = Step::new(weight.unwrap_or_default());
        fields.set("minDuration", &mut step.min_duration, length(Duration::ZERO..=MONTH));
        fields.set("minRequests", &mut step.min_requests, integer(0..=MOST_REQUESTS));
        fields.set("margin", &mut step.margin, decimal(Weight::ONE, true, HUNDRED));
        weight.map(|_| step)
    });
    read.flatten()
}

pub(super) fn watch(value: Value<'_>, out: &mut Sink) -> Option<Watch> {
    section(value, out, |fields| {
        let mut watch = Watch::default();
        fields.set("margin", &mut watch.margin, decimal(Weight::ONE, true, HUNDRED));
        fields.set("minRequests", &mut watch.min_requests, integer(0..=MOST_REQUESTS));
        watch
    })
}

/// A length of time alone, or in a section.
pub(super) fn wait(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    let length = length(INSTANT..=MONTH);
    match value.node.kind {
        Kind::Scalar(_) => length(value, out),
        _ => section(value, out, |fields| fields.required("duration", length)).flatten(),
    }
}

pub(super) fn promote(value: Value<'_>, out: &mut Sink) -> Option<Promote> {
    section(value, out, |fields| {
        let mut promote = Promote::default();
        fields.set_some("writeBack", &mut promote.write_back, file);
        promote
    })
}

/// Above it stable has fewer users to compare with than the canary.
const HALF: u32 = 500_000;
const HUNDRED: Weight = Weight(100 * Weight::ONE.0);
const MAX_STEPS: usize = 32;
const MOST_REQUESTS: i64 = 1_000_000_000;
