//! `redirectScheme` and `redirectRegex`.

use crate::{
    dynamic::middleware::MiddlewareKind,
    fields::{Sink, Value, boolean, integer, pattern, present_text, quoted, text},
};

pub(super) fn redirect_scheme(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
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

pub(super) fn redirect_regex(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let regex = fields.required("regex", pattern);
        let replacement = fields.required("replacement", present_text);
        let mut permanent = false;
        fields.set("permanent", &mut permanent, boolean);
        Some(MiddlewareKind::RedirectRegex { regex: regex?, replacement: replacement?, permanent })
    });
    read.flatten()
}
