//! What the gateway answers itself. The workers do it, so that probes and scrapes are answered while the control plane
//! is busy or gone.

pub(crate) mod access;
pub(crate) mod passage;

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};
use serde_json::json;

use self::{access::Refusal, passage::Caller};
use crate::{
    body::{AnswerBody, RequestBody},
    call::Call,
    clock,
    connection::Connection,
    error::Error,
    metrics, proxy, sanitize,
    snapshot::Internal,
    tls::client_chain::Attribute,
};

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
        _ => entry.api.as_deref().filter(|base| is_api(path, base)).map(|_| Internal::Api),
    }
}

/// `/api` below a path, and all below that; and what others ask for by paths of their own.
fn is_api(path: &str, base: &str) -> bool {
    let Some(path) = path.strip_prefix(base) else { return false };
    let below = path.strip_prefix("/api");
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || access::is_by_others(path)
}

/// Answers.
pub(crate) async fn answer(call: &mut Call<'_>, internal: Internal) -> Result<Response<AnswerBody>, Error> {
    let connection = call.exchange.connection.clone();
    let response = match internal {
        Internal::Ping => ping(&connection),
        Internal::Prometheus => metrics(&connection).await,
        Internal::Api if !connection.worker.shared.serves_api => {
            text(StatusCode::NOT_FOUND, "the static configuration has no `api`\n")
        }
        Internal::Live => text(StatusCode::OK, "OK"),
        // Probes are answered whoever asks; what is wrong with the files is not for everybody.
        Internal::Ready => ready(&connection, !is_misdirected(call) && admit(call).is_ok()),
        // A certificate that was verified for another host may be anybody's here.
        Internal::Api if is_misdirected(call) => return Err(sanitize::MISDIRECTED),
        Internal::Api => match admit(call) {
            Ok(caller) => return passage::pass(call, caller).await,
            Err(refusal) => {
                tracing::debug!(client = %connection.client, refused = refusal.code, "a request for the admin API");
                connection.worker.metrics.refused(refusal.code);
                refusal.response()
            }
        },
        Internal::Options => Response::new(Bytes::new()),
        Internal::Noop => text(StatusCode::IM_A_TEAPOT, "I'm a teapot\n"),
    };
    Ok(response.map(AnswerBody::Whole))
}

fn is_misdirected(call: &Call<'_>) -> bool {
    proxy::is_misdirected(call.snapshot, &call.exchange.connection, &proxy::host(&call.parts.headers))
}

/// Who asks, if he may.
fn admit(call: &Call<'_>) -> Result<Caller, Refusal> {
    let connection = &call.exchange.connection;
    let shared = &connection.worker.shared;
    let path = call.parts.uri.path();
    let facts = access::Facts {
        local: connection.entry.address.ip(),
        peer: connection.client,
        method: &call.parts.method,
        path: connection.entry.api.as_deref().and_then(|base| path.strip_prefix(base)).unwrap_or(path),
        query: call.parts.uri.query(),
        headers: &call.parts.headers,
        has_body: !matches!(call.body, RequestBody::Empty),
        tls: connection.tls.is_some(),
        certificate: &certificate_names(connection),
    };
    access::decide(&shared.policy.load(), &shared.lockout, &facts, Instant::now())
}

/// The names of the client's certificate, if its entry point has verified it.
fn certificate_names(connection: &Connection) -> Vec<String> {
    let session = connection.tls.as_ref().filter(|session| session.agreed.verifies);
    let chain = session.and_then(|session| session.client.as_ref());
    let Some(Some(facts)) = chain.and_then(|chain| chain.facts().first()) else { return Vec::new() };
    facts.subject.all(Attribute::CommonName).map(str::to_owned).chain(facts.alternative_names.iter().cloned()).collect()
}

/// A problem document (RFC 9457).
pub(crate) fn problem(status: StatusCode, code: &str, title: &str, detail: &str) -> Response<Bytes> {
    let kind = format!("urn:rollgate:problem:{code}");
    let document = json!({"type": kind, "title": title, "status": status.as_u16(), "detail": detail});
    let mut response = Response::new(Bytes::from(document.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
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

fn ready(connection: &Connection, tells: bool) -> Response<Bytes> {
    let shared = &connection.worker.shared;
    if shared.is_terminating() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "terminating\n");
    }
    match shared.readiness.lock().as_str() {
        "" => text(StatusCode::OK, "OK"),
        _ if !tells => text(StatusCode::OK, "OK, with problems\n"),
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
