//! `sourceCriterion`, and the keys that limits share.

use super::addresses::ip_strategy;
use crate::{
    dynamic::middleware::{Scope, SourceCriterion},
    fields::{Fields, Sink, Value, boolean, choice, header_name, text},
    scalar::IpStrategy,
};

/// `sourceCriterion`; `default` where none is written.
pub(super) fn criterion(fields: &mut Fields<'_>, default: SourceCriterion) -> SourceCriterion {
    fields.read("sourceCriterion", source_criterion).flatten().unwrap_or(default)
}

/// `scope`, ours.
pub(super) fn scope(fields: &mut Fields<'_>) -> Scope {
    let mut scope = Scope::default();
    fields.set("scope", &mut scope, choice([("middleware", Scope::Middleware), ("router", Scope::Router)]));
    fields.ours("scope");
    scope
}

/// One of three; none of them is as good as not written.
fn source_criterion(value: Value<'_>, out: &mut Sink) -> Option<Option<SourceCriterion>> {
    value.section(out, |fields| {
        let mut strategy = IpStrategy::default();
        let address = fields.within("ipStrategy", |fields| ip_strategy(fields, &mut strategy));
        let header = fields.read("requestHeaderName", optional_header_name).flatten();
        let mut host = false;
        fields.set("requestHost", &mut host, boolean);
        let given = [
            ("ipStrategy", address.then_some(SourceCriterion::Ip(strategy))),
            ("requestHeaderName", header.map(SourceCriterion::Header)),
            ("requestHost", host.then_some(SourceCriterion::Host)),
        ];
        let mut given = given.into_iter().filter_map(|(key, criterion)| Some((key, criterion?)));
        let first = given.next();
        if let (Some((one, _)), Some((other, _))) = (&first, given.next()) {
            let what = format!("{one} and {other} exclude each other");
            fields.problem(other, what, "one of ipStrategy, requestHeaderName, requestHost");
        }
        first.map(|(_, criterion)| criterion)
    })
}

/// An empty name is none.
fn optional_header_name(value: Value<'_>, out: &mut Sink) -> Option<Option<String>> {
    if text(value, out)?.is_empty() {
        return Some(None);
    }
    header_name(value, out).map(Some)
}
