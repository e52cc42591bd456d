//! Those that change the path.

use crate::{
    dynamic::middleware::MiddlewareKind,
    fields::{Sink, Value, pattern, present_text, quoted, text},
};

pub(super) fn add_prefix(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    only_path(value, out, "prefix").map(MiddlewareKind::AddPrefix)
}

pub(super) fn replace_path(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    only_path(value, out, "path").map(MiddlewareKind::ReplacePath)
}

/// Of the kinds that have one key.
fn only_path(value: Value<'_>, out: &mut Sink, key: &'static str) -> Option<String> {
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

pub(super) fn strip_prefix(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        // What is left always begins with a slash.
        fields.unsupported_unless("forceSlash", "true");
        MiddlewareKind::StripPrefix(fields.list("prefixes", present_text))
    })
}

pub(super) fn strip_prefix_regex(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| MiddlewareKind::StripPrefixRegex(fields.list("regex", pattern)))
}

pub(super) fn replace_path_regex(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let regex = fields.required("regex", pattern);
        let replacement = fields.read("replacement", text).unwrap_or_default();
        Some(MiddlewareKind::ReplacePathRegex { regex: regex?, replacement })
    });
    read.flatten()
}
