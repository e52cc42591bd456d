//! `analysis`.

use std::time::Duration;

use super::values::{DAY, HUNDRED, TEN_MINUTES, decimal, is_false, length, section, share, too_many};
use crate::{
    dynamic::rollout::analysis::{Analysis, ErrorRule, Latency, Slow},
    fields::{Sink, Value, boolean, integer, quoted, status_range, text},
    scalar::{StatusRanges, Weight},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Analysis> {
    section(value, out, |fields| {
        let mut analysis = Analysis::default();
        fields.set("alpha", &mut analysis.alpha, share(1..=200_000));
        fields.set("beta", &mut analysis.beta, share(1..=500_000));
        fields.set("minErrors", &mut analysis.min_errors, integer(1..=1_000));
        fields.set("promise", &mut analysis.promise, share(1..=999_999));
        fields.set("veto", &mut analysis.veto, boolean);
        fields.set("errors", &mut analysis.errors, errors);
        fields.set("exclude", &mut analysis.exclude, exclude);
        fields.set("latency", &mut analysis.latency, latency);
        fields.set("repeatedErrors", &mut analysis.repeated_errors, boolean);
        fields.set("discard", &mut analysis.discard, length(Duration::ZERO..=DAY));
        analysis
    })
}

fn errors(value: Value<'_>, out: &mut Sink) -> Option<ErrorRule> {
    section(value, out, |fields| {
        let mut rule = ErrorRule::default();
        fields.set("status", &mut rule.status.0, |value, out| value.items(out, status_range));
        fields.set("grpc", &mut rule.grpc, |value, out| value.items(out, integer_of_grpc));
        fields.set("connect", &mut rule.connect, boolean);
        fields.set("timeout", &mut rule.timeout, boolean);
        let nothing = ErrorRule { status: StatusRanges::default(), grpc: Vec::new(), connect: false, timeout: false };
        if rule == nothing && !fields.has_items("status") && !fields.has_items("grpc") {
            fields.out.problem(
                fields.at,
                fields.path,
                "nothing counts as an error",
                "status, grpc, connect or timeout",
            );
        }
        rule
    })
}

/// 0 is success.
fn integer_of_grpc(value: Value<'_>, out: &mut Sink) -> Option<u16> {
    integer(1..=16)(value, out)
}

fn exclude(value: Value<'_>, out: &mut Sink) -> Option<Vec<String>> {
    let paths = value.items(out, |value, out| {
        let path = text(value, out)?;
        if !path.starts_with('/') {
            out.problem(&value.node.at, value.path, format!("{} is no path", quoted(&path)), "begins with /");
            return None;
        }
        Some(path)
    })?;
    (!too_many(paths.len(), MAX_EXCLUDED, "paths", value, out)).then_some(paths)
}

/// `false` is none.
fn latency(value: Value<'_>, out: &mut Sink) -> Option<Option<Latency>> {
    if is_false(value.node) {
        return Some(None);
    }
    section(value, out, |fields| {
        let quantile = fields.read("quantile", share(500_000..=999_000)).map(Slow::Quantile);
        let threshold = fields.read("threshold", length(Duration::from_millis(1)..=TEN_MINUTES)).map(Slow::Threshold);
        if fields.has("quantile") && fields.has("threshold") {
            fields.problem("threshold", "slow is one or the other", "one of quantile and threshold");
        }
        let mut latency = quantile.or(threshold).map_or_else(Latency::default, Latency::of);
        fields.set("margin", &mut latency.margin, decimal(Weight::ONE, false, HUNDRED));
        Some(latency)
    })
}

/// Each of them is compared with the path of every request to the service.
const MAX_EXCLUDED: usize = 64;
