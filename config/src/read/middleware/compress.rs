//! `compress`.

use crate::{
    dynamic::middleware::{Compress, ContentTypes, Encoding, MiddlewareKind},
    fields::{Fields, Sink, Value, choice, integer, is_token, quoted, text},
};

pub(super) fn compress(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let content_types = content_types(fields);
        let minimum = fields.read("minResponseBodyBytes", integer(0..=i64::MAX)).unwrap_or(0);
        let mut encodings = Encoding::ALL.map(|(_, encoding)| encoding).to_vec();
        let listed = fields.list("encodings", choice(Encoding::ALL));
        if fields.has("encodings") {
            encodings = listed;
            if !fields.has_items("encodings") {
                fields.problem("encodings", "names no encoding", "gzip, br, zstd");
            }
        }
        let default_encoding = fields.read("defaultEncoding", encoding_or_none).flatten();
        if default_encoding.is_some_and(|default| !encodings.contains(&default)) {
            fields.problem("defaultEncoding", "is none of encodings", "");
        }
        MiddlewareKind::Compress(Compress {
            content_types,
            min_response_body_bytes: if minimum == 0 { DEFAULT_MINIMUM } else { minimum },
            encodings,
            default_encoding,
        })
    })
}

fn content_types(fields: &mut Fields<'_>) -> ContentTypes {
    let excluded = fields.list("excludedContentTypes", media_type);
    let included = fields.list("includedContentTypes", media_type);
    if fields.has_items("excludedContentTypes") && fields.has_items("includedContentTypes") {
        fields.problem("includedContentTypes", "stands beside excludedContentTypes", "one of the two");
    }
    if included.is_empty() { ContentTypes::Except(excluded) } else { ContentTypes::Only(included) }
}

/// `text/html`, lower-cased; parameters are left out.
fn media_type(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let text = text(value, out)?;
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, subtype) = essence.split_once('/').unwrap_or((&essence, "any"));
    if !is_token(kind) || !is_token(subtype) {
        out.problem(&value.node.at, value.path, format!("{} is no media type", quoted(&text)), "like text/html");
        return None;
    }
    Some(essence)
}

/// An empty one is none.
fn encoding_or_none(value: Value<'_>, out: &mut Sink) -> Option<Option<Encoding>> {
    if text(value, out)?.is_empty() {
        return Some(None);
    }
    choice(Encoding::ALL)(value, out).map(Some)
}

const DEFAULT_MINIMUM: u64 = 1024;
