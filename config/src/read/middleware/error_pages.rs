//! `errors`.

use crate::{
    dynamic::middleware::{ErrorPages, MiddlewareKind},
    fields::{Sink, Value, header_name, integer, parse_status_range, quoted, status_range, text},
    read::router::reference,
    scalar::StatusRanges,
    tree::Key,
};

pub(super) fn error_pages(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let status = StatusRanges(fields.list("status", status_range));
        let mut status_rewrites = fields.named("statusRewrites", rewrite);
        status_rewrites.sort_by_key(|((from, to), _)| (to - from, *from));
        let service = fields.required("service", reference);
        let query = fields.read("query", text).unwrap_or_default();
        let headers = fields.list("errorRequestHeaders", header_name);
        // An empty list is not the same as none.
        let error_request_headers = fields.has("errorRequestHeaders").then_some(headers);
        let service = service?;
        Some(MiddlewareKind::Errors(ErrorPages { status, status_rewrites, service, query, error_request_headers }))
    });
    read.flatten()
}

/// `"502-504": 500`
fn rewrite(key: &Key, value: Value<'_>, out: &mut Sink) -> Option<((u16, u16), u16)> {
    let Some(from) = parse_status_range(&key.name) else {
        let what = format!("{} is no range of status codes", quoted(&key.name));
        out.problem(&key.at, value.path, what, "like 404 or 500-599");
        return None;
    };
    Some((from, integer(200..=999)(value, out)?))
}
