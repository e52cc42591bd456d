//! What a request may be at most, as far as its head says it, and the labels of the limits that are kept elsewhere.

use http::{HeaderValue, StatusCode, request};
use http_body::Body;
use rollgate_config::static_config::EntryPointHttp;

use crate::{
    body::RequestBody,
    connection::Connection,
    error::{Error, Refusal},
    exchange::Exchange,
};

/// Refuses a request line that is too long (RFC 9110 section 15.5.15), and a body that says itself that it is (section
/// 15.5.14), before anything of the request is looked at or passed on.
pub(crate) fn head(exchange: &mut Exchange, parts: &request::Parts, body: &RequestBody) -> Result<(), Error> {
    let connection = exchange.connection.clone();
    let http = &connection.entry.settings.http;
    if request_line(parts) > http.max_request_line_bytes {
        return Err(Error::Refused(Refusal {
            status: StatusCode::URI_TOO_LONG,
            reason: "request_line",
            says: "the request line is too long\n".into(),
        }));
    }
    if is_too_long(body.size_hint().lower(), http) {
        connection.refused(BODY_BYTES);
        return Err(Error::LongBody);
    }
    if connection.http2 { heads(exchange, parts) } else { Ok(()) }
}

/// HTTP/2's table makes a large head of a few bytes, for each of a connection's streams: all of them together may hold
/// what two requests may.
fn heads(exchange: &mut Exchange, parts: &request::Parts) -> Result<(), Error> {
    let fields = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD);
    let bytes = u32::try_from(fields.sum::<usize>()).unwrap_or(u32::MAX);
    let all = exchange.hold_head(bytes);
    if all as usize <= exchange.connection.entry.settings.http.max_header_bytes.saturating_mul(2) {
        return Ok(());
    }
    Err(Error::Refused(Refusal {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        reason: "http2_heads",
        says: "the heads of all requests of this connection are too large\n".into(),
    }))
}

/// Refuses what would need memory that is not there. What the gateway answers itself is answered before.
pub(crate) fn memory(connection: &Connection) -> Result<(), Error> {
    if connection.worker.shared.bounds.pressure.refuses_requests() && !connection.entry.internal {
        connection.worker.metrics.refused(MEMORY);
        return Err(Error::Overloaded);
    }
    Ok(())
}

/// Whether a body of so many bytes is more than is allowed.
pub(crate) fn is_too_long(bytes: u64, http: &EntryPointHttp) -> bool {
    http.max_body_bytes != 0 && bytes > http.max_body_bytes
}

/// The length of HTTP/1.1's request line; over HTTP/2, that of the one it would have been.
fn request_line(parts: &request::Parts) -> usize {
    let uri = &parts.uri;
    let origin = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let before = match (uri.scheme_str(), parts.version) {
        (Some(scheme), http::Version::HTTP_11 | http::Version::HTTP_10) => {
            scheme.len() + "://".len() + uri.authority().map_or(0, |authority| authority.as_str().len())
        }
        _ => 0,
    };
    parts.method.as_str().len() + 1 + before + origin + VERSION
}

/// What a field counts beside its bytes (RFC 9113 section 6.5.2).
const FIELD: usize = 32;
/// Seconds, for a client that was refused for want of memory.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// ` HTTP/1.1`
const VERSION: usize = 9;

/// Not the whole of a head within `headerTimeout`: 408, or GOAWAY.
pub(crate) const HEADER_TIMEOUT: &str = "header_timeout";
/// More than `maxBodyBytes`: 413.
pub(crate) const BODY_BYTES: &str = "body_bytes";
/// No space in `maxBufferFileBytes` for a body that is to go to a file: 503, or 500 for an answer's.
pub(crate) const BUFFER_FILES: &str = "buffer_files";
/// Nothing of a body within `bodyIdleTimeout`: 408.
pub(crate) const BODY_IDLE: &str = "body_idle";
/// Not the whole of a request within `readTimeout`: 408.
pub(crate) const READ_TIMEOUT: &str = "read_timeout";
/// Too many requests whose HTTP/2 client went away before their end.
pub(crate) const TAKEN_BACK: &str = "http2_resets";
/// No handshake within `tlsHandshakeTimeout`.
pub(crate) const TLS_HANDSHAKE_TIMEOUT: &str = "tls_handshake_timeout";
/// Too little memory for a request, or for a connection.
pub(crate) const MEMORY: &str = "memory";
/// More connections than one address may have.
pub(crate) const PER_CLIENT: &str = "connections_per_client";
/// A client that took nothing for `stallTimeout`.
pub(crate) const STALLED: &str = "stalled";
