//! What the gateway answers itself. The workers do it, so that probes and scrapes are answered while the control plane
//! is busy or gone.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};

use crate::{clock, connection::Connection, metrics, proxy, snapshot::Internal};

/// Answers what belongs to the entry point itself, before any router.
pub(crate) fn direct(connection: &Connection, parts: &request::Parts) -> Option<Response<Bytes>> {
    if parts.uri.path() == "*" && parts.method == Method::OPTIONS {
        return Some(Response::new(Bytes::new()));
    }
    let entry = &connection.entry;
    if !(entry.internal || entry.ping || entry.metrics) {
        return None;
    }
    match parts.uri.path() {
        "/ping" if entry.ping => Some(ping(connection)),
        "/metrics" if entry.metrics => Some(metrics(connection)),
        "/live" if entry.internal => Some(text(StatusCode::OK, "OK")),
        "/ready" if entry.internal => Some(ready(connection)),
        _ => None,
    }
}

/// Answers for a router that leads to an internal service.
pub(crate) fn answer(connection: &Connection, internal: Internal) -> Response<Bytes> {
    match internal {
        Internal::Ping => ping(connection),
        Internal::Prometheus => metrics(connection),
        Internal::Noop => text(StatusCode::IM_A_TEAPOT, "I'm a teapot\n"),
        Internal::Api => text(StatusCode::NOT_IMPLEMENTED, "api@internal is not served by this version\n"),
    }
}

/// Everything counted so far, in Prometheus' text format.
pub(crate) fn metrics(connection: &Connection) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(connection.worker.shared.metrics.encode(clock::seconds())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}

fn ping(connection: &Connection) -> Response<Bytes> {
    let shared = &connection.worker.shared;
    if shared.is_terminating() {
        let status = StatusCode::from_u16(shared.terminating_status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return text(status, status.canonical_reason().unwrap_or_default());
    }
    text(StatusCode::OK, "OK")
}

fn ready(connection: &Connection) -> Response<Bytes> {
    let shared = &connection.worker.shared;
    if shared.is_terminating() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "terminating\n");
    }
    match shared.readiness.lock().as_str() {
        "" => text(StatusCode::OK, "OK"),
        // Serving on, with the last good configuration: ready, but with something to say.
        problems => text(StatusCode::OK, &format!("OK, with problems:\n{problems}")),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = status;
    proxy::plain_text(response.headers_mut());
    response
}
