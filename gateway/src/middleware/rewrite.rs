//! Giving a request another path.

use std::{borrow::Cow, mem, ops::ControlFlow};

use http::{StatusCode, Uri, request, uri::PathAndQuery};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Answer;
use crate::path::is_soundly_encoded;

/// Whether the request's target has a path at all; `CONNECT host:port` has none.
pub(super) fn has_path(parts: &request::Parts) -> bool {
    parts.uri.path_and_query().is_some()
}

/// Replaces the path and keeps the query. `path` is text: what RFC 3986 does not allow in a path is percent-encoded,
/// percent-encodings are kept, a missing leading slash is added.
pub(super) fn set_path(parts: &mut request::Parts, path: &str) -> ControlFlow<Answer> {
    let Some(path) = encoded(path) else {
        return ControlFlow::Break(Answer::status(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let text: Cow<'_, str> = match (parts.uri.query(), path.starts_with('/')) {
        (None, true) => path,
        (None, false) => format!("/{path}").into(),
        (Some(query), true) => format!("{path}?{query}").into(),
        (Some(query), false) => format!("/{path}?{query}").into(),
    };
    match PathAndQuery::try_from(&*text) {
        Ok(target) => set_target(parts, target),
        Err(_) => ControlFlow::Break(Answer::status(StatusCode::URI_TOO_LONG)),
    }
}

/// Replaces path and query.
pub(super) fn set_target(parts: &mut request::Parts, target: PathAndQuery) -> ControlFlow<Answer> {
    let mut uri = mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = Some(target);
    match Uri::from_parts(uri) {
        Ok(uri) => {
            parts.uri = uri;
            ControlFlow::Continue(())
        }
        Err(_) => ControlFlow::Break(Answer::status(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// Text as part of a path; `None` if a `%` is not followed by two hexadecimal digits.
pub(super) fn encoded(text: &str) -> Option<Cow<'_, str>> {
    is_soundly_encoded(text).then(|| utf8_percent_encode(text, NOT_IN_PATH).into())
}

/// What RFC 3986 section 3.3 does not allow in a path, but for `%`, and but for `[` and `]`, which clients send.
pub(super) const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
