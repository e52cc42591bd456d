//! `http.middlewares`.

use super::{headers, router::reference, service::only_kind};
use crate::{
    dynamic::middleware::{Middleware, MiddlewareKind},
    fields::{Fields, Sink, Value, boolean, integer, network, pattern, present_text, quoted, text},
    scalar::IpStrategy,
};

const KINDS: [&str; 10] = [
    "headers",
    "addPrefix",
    "stripPrefix",
    "stripPrefixRegex",
    "replacePath",
    "replacePathRegex",
    "redirectScheme",
    "redirectRegex",
    "chain",
    "ipAllowList",
];

const OTHER_KINDS: [&str; 16] = [
    "ipWhiteList",
    "encodedCharacters",
    "errors",
    "rateLimit",
    "basicAuth",
    "digestAuth",
    "forwardAuth",
    "inFlightReq",
    "buffering",
    "circuitBreaker",
    "compress",
    "passTLSClientCert",
    "retry",
    "contentType",
    "grpcWeb",
    "plugin",
];

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Middleware> {
    let read = value.section(out, |fields| {
        let only = only_kind(fields, &KINDS, &OTHER_KINDS);
        let mut kinds = vec![
            fields.read("headers", |value, out| {
                headers::read(value, out).map(|headers| MiddlewareKind::Headers(Box::new(headers)))
            }),
            fields.read("addPrefix", |value, out| path_of(value, out, "prefix").map(MiddlewareKind::AddPrefix)),
            fields.read("stripPrefix", strip_prefix),
            fields.read("stripPrefixRegex", strip_prefix_regex),
            fields.read("replacePath", |value, out| path_of(value, out, "path").map(MiddlewareKind::ReplacePath)),
            fields.read("replacePathRegex", replace_path_regex),
            fields.read("redirectScheme", redirect_scheme),
            fields.read("redirectRegex", redirect_regex),
            fields.read("chain", chain),
            fields.read("ipAllowList", ip_allow_list),
        ];
        unsupported_kinds(fields);
        let only = only?;
        let kind = match KINDS.iter().position(|kind| *kind == only) {
            Some(index) => kinds.swap_remove(index)?,
            // Allowed though unsupported: nothing is done.
            None => MiddlewareKind::Chain(Vec::new()),
        };
        Some(Middleware { at: fields.at.clone(), kind })
    });
    read.flatten()
}

fn unsupported_kinds(fields: &mut Fields<'_>) {
    let [old, others @ ..] = &OTHER_KINDS;
    fields.unsupported_as(old, "key \"ipWhiteList\" is not supported, ipAllowList is its name in v3");
    fields.unsupported(others);
}

/// The kinds that have one path.
fn path_of(value: Value<'_>, out: &mut Sink, key: &'static str) -> Option<String> {
    value.section(out, |fields| fields.required(key, rooted_path)).flatten()
}

/// A path that begins with `/`.
fn rooted_path(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let path = present_text(value, out)?;
    if !path.starts_with('/') || path.contains(char::is_control) {
        out.problem(&value.node.at, value.path, format!("{} is no path", quoted(&path)), "it begins with /");
        return None;
    }
    Some(path)
}

fn strip_prefix(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| MiddlewareKind::StripPrefix(fields.list("prefixes", present_text)))
}

fn strip_prefix_regex(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| MiddlewareKind::StripPrefixRegex(fields.list("regex", pattern)))
}

fn replace_path_regex(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let regex = fields.required("regex", pattern);
        let replacement = fields.read("replacement", text).unwrap_or_default();
        Some(MiddlewareKind::ReplacePathRegex { regex: regex?, replacement })
    });
    read.flatten()
}

fn redirect_scheme(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let scheme = fields.required("scheme", scheme);
        let port = fields.read("port", port);
        let mut permanent = false;
        fields.set("permanent", &mut permanent, boolean);
        Some(MiddlewareKind::RedirectScheme { scheme: scheme?, port, permanent })
    });
    read.flatten()
}

fn scheme(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let scheme = present_text(value, out)?;
    let rest_is_right = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !rest_is_right || !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.problem(&value.node.at, value.path, format!("{} is no scheme", quoted(&scheme)), "like https");
        return None;
    }
    Some(scheme.to_ascii_lowercase())
}

/// An empty port is none.
fn port(value: Value<'_>, out: &mut Sink) -> Option<u16> {
    if text(value, out)?.is_empty() {
        return None;
    }
    integer(1..=i64::from(u16::MAX))(value, out)
}

fn redirect_regex(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let regex = fields.required("regex", pattern);
        let replacement = fields.required("replacement", present_text);
        let mut permanent = false;
        fields.set("permanent", &mut permanent, boolean);
        Some(MiddlewareKind::RedirectRegex { regex: regex?, replacement: replacement?, permanent })
    });
    read.flatten()
}

fn chain(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| MiddlewareKind::Chain(fields.list("middlewares", reference)))
}

fn ip_allow_list(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let source_range = fields.list("sourceRange", network);
        if !fields.has_items("sourceRange") {
            fields.problem("sourceRange", "names no network", "a list of IP addresses and CIDRs");
        }
        let mut strategy = IpStrategy::default();
        fields.within("ipStrategy", |fields| ip_strategy(fields, &mut strategy));
        let mut reject_status = 403;
        fields.set("rejectStatusCode", &mut reject_status, integer(100..=999));
        MiddlewareKind::IpAllowList { source_range, strategy, reject_status }
    })
}

/// `ipStrategy`: a depth or a list of addresses to pass over.
fn ip_strategy(fields: &mut Fields<'_>, strategy: &mut IpStrategy) {
    fields.set("depth", &mut strategy.depth, integer(0..=1_000));
    strategy.excluded_ips = fields.list("excludedIPs", network);
    fields.set_some("ipv6Subnet", &mut strategy.ipv6_subnet, integer(1..=128));
}
