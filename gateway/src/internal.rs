//! What the gateway answers itself. The workers do it, so that probes and scrapes are answered while the control plane
//! is busy or gone.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};

use crate::{clock, connection::Connection, metrics, proxy, snapshot::Internal};

/// What belongs to the entry point itself, before any router.
pub(crate) fn direct(connection: &Connection, parts: &request::Parts) -> Option<Internal> {
    let (entry, path) = (&connection.entry, parts.uri.path());
    if path == "*" && parts.method == Method::OPTIONS {
        return Some(Internal::Options);
    }
    if !(entry.internal || entry.ping || entry.metrics) {
        return None;
    }
    match path {
        "/ping" if entry.ping => Some(Internal::Ping),
        "/metrics" if entry.metrics => Some(Internal::Prometheus),
        "/live" if entry.internal => Some(Internal::Live),
        "/ready" if entry.internal => Some(Internal::Ready),
        _ => None,
    }
}

/// Answers.
pub(crate) async fn answer(connection: &Connection, internal: Internal) -> Response<Bytes> {
    match internal {
        Internal::Ping => ping(connection),
        Internal::Prometheus => metrics(connection).await,
        Internal::Live => text(StatusCode::OK, "OK"),
        Internal::Ready => ready(connection),
        Internal::Options => Response::new(Bytes::new()),
        Internal::Noop => text(StatusCode::IM_A_TEAPOT, "I'm a teapot\n"),
        Internal::Api => text(StatusCode::NOT_IMPLEMENTED, "api@internal is not served by this version\n"),
    }
}

/// Everything counted so far, in Prometheus' text format. Ten thousand services take a tenth of a second to write
/// down, so it is not done on the worker.
async fn metrics(connection: &Connection) -> Response<Bytes> {
    let metrics = connection.worker.shared.metrics.clone();
    let encoded = tokio::task::spawn_blocking(move || metrics.encode(clock::seconds())).await;
    let Ok(encoded) = encoded else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written down\n");
    };
    let mut response = Response::new(Bytes::from(encoded));
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
