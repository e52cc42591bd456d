//! A response that a middleware gives in the backend's place.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers; no `Content-Length` unless the answer is about having none.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The status, and its reason phrase as the body.
    pub(crate) fn status(status: StatusCode) -> Self {
        let phrase = status.canonical_reason().unwrap_or_default();
        Self { status, headers: HeaderMap::new(), body: Bytes::from_static(phrase.as_bytes()) }
    }

    /// The status and a line of plain text, which no browser takes for anything else.
    pub(crate) fn error(status: StatusCode, line: &'static str) -> Self {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self { status, headers, body: Bytes::from_static(line.as_bytes()) }
    }

    /// 400: the path that a rewrite would leave could be read in two ways.
    pub(super) fn bad_request() -> Self {
        Self::error(StatusCode::BAD_REQUEST, "Bad Request\n")
    }
}
