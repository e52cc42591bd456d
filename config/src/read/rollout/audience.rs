//! `match`.

use super::values::{section, too_many};
use crate::{
    dynamic::rollout::audience::{AllOf, Audience},
    fields::{Sink, Value, header_value, is_token, network, quoted, text},
    read::middleware::ip_strategy,
    scalar::IpStrategy,
    tree::{Key, Kind},
};

/// A list, or a single one.
pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Audience> {
    let any_of = match &value.node.kind {
        Kind::Sequence(items) if items.is_empty() => {
            out.problem(&value.node.at, value.path, "matches nobody", KEYS.join(", "));
            return None;
        }
        Kind::Sequence(_) => value.items(out, all_of)?,
        _ => vec![all_of(value, out)?],
    };
    let count = any_of.iter().map(size).sum();
    (!too_many(count, MAX_SIZE, "names, values and networks", value, out)).then_some(Audience { any_of })
}

fn size(all: &AllOf) -> usize {
    let named = [&all.headers, &all.cookies, &all.query].into_iter().flatten();
    all.client_ip.len() + named.map(|(_, values)| values.len().max(1)).sum::<usize>()
}

fn all_of(value: Value<'_>, out: &mut Sink) -> Option<AllOf> {
    section(value, out, |fields| {
        let mut all = AllOf::default();
        fields.set("headers", &mut all.headers, |value, out| conditions(value, out, header));
        fields.set("cookies", &mut all.cookies, |value, out| conditions(value, out, cookie));
        fields.set("query", &mut all.query, |value, out| conditions(value, out, parameter));
        if let Some((networks, strategy)) = fields.read("clientIP", client_ip) {
            (all.client_ip, all.ip_strategy) = (networks, strategy);
        }
        // An unknown key is told with the one that it may be meant for.
        if !KEYS.iter().any(|key| fields.has(key)) && !fields.has_unknown() {
            fields.out.problem(fields.at, fields.path, "asks for nothing, which everybody has", KEYS.join(", "));
        }
        all
    })
}

/// A name and the values of which one is wanted.
type Named = (String, Vec<String>);

/// Names, each with the values of which one has to be there.
fn conditions(
    value: Value<'_>,
    out: &mut Sink,
    one: fn(&Key, Value<'_>, &mut Sink) -> Option<Named>,
) -> Option<Vec<Named>> {
    let is_nothing = match &value.node.kind {
        Kind::Mapping(entries) => entries.is_empty(),
        Kind::Scalar(scalar) => ["true", "false"].iter().any(|word| scalar.text.eq_ignore_ascii_case(word)),
        _ => false,
    };
    if is_nothing {
        out.problem(&value.node.at, value.path, "names nothing", "NAME: VALUE, or NAME: [VALUE, ...]");
    }
    Some(value.named(out, one))
}

fn header(key: &Key, value: Value<'_>, out: &mut Sink) -> Option<Named> {
    let name = key.name.to_ascii_lowercase();
    if !is_token(&name) || name == "host" {
        let allowed = if name == "host" { "hosts are told apart by routers" } else { "" };
        out.problem(&key.at, value.path, format!("{} is no header name", quoted(&key.name)), allowed);
        return None;
    }
    Some((name, values(value, out, header_value)?))
}

fn cookie(key: &Key, value: Value<'_>, out: &mut Sink) -> Option<Named> {
    if !is_token(&key.name) {
        out.problem(&key.at, value.path, format!("{} is no name of a cookie", quoted(&key.name)), "");
        return None;
    }
    Some((key.name.clone(), values(value, out, text)?))
}

fn parameter(key: &Key, value: Value<'_>, out: &mut Sink) -> Option<Named> {
    Some((key.name.clone(), values(value, out, text)?))
}

/// A list or one value; it may hold commas.
fn values(value: Value<'_>, out: &mut Sink, one: fn(Value<'_>, &mut Sink) -> Option<String>) -> Option<Vec<String>> {
    match &value.node.kind {
        Kind::Sequence(_) => value.items(out, one),
        Kind::Null => {
            out.problem(&value.node.at, value.path, "has no value", "[] where any value will do");
            None
        }
        _ => one(value, out).map(|value| vec![value]),
    }
}

fn client_ip(value: Value<'_>, out: &mut Sink) -> Option<(Vec<ipnet::IpNet>, IpStrategy)> {
    section(value, out, |fields| {
        let networks = fields.list("sourceRange", network);
        if !fields.has_items("sourceRange") {
            fields.problem("sourceRange", "names no network", "a list of IP addresses and CIDRs");
        }
        let mut strategy = IpStrategy::default();
        fields.within("ipStrategy", |fields| ip_strategy(fields, &mut strategy));
        (networks, strategy)
    })
}

const KEYS: [&str; 4] = ["headers", "cookies", "query", "clientIP"];

/// They are gone through for every request while the stage lasts.
const MAX_SIZE: usize = 1_000;
