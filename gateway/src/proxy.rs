//! A request's life, top-down.

use std::{
    borrow::Cow,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request, response};
use hyper::body::Incoming;
use rollgate_config::dynamic::router::RouterTimeouts;

use crate::{
    authority,
    body::{AnswerBody, Body},
    call::{Answered, Call, Way},
    clock,
    connection::Connection,
    deadline,
    error::{Chain, Error},
    exchange::Exchange,
    internal, limits,
    metrics::Protocol,
    path,
    router::Facts,
    sanitize,
    snapshot::{Route, Snapshot},
    tls::OptionsId,
    trial::Ended,
    upgrade,
};

/// Answers a request; every failure is an answer too.
pub(crate) async fn handle(connection: Rc<Connection>, request: Request<Incoming>) -> Response<Body> {
    let now = Instant::now();
    clock::renew(now);
    let (parts, incoming) = request.into_parts();
    let mut exchange = Exchange::begin(&connection, parts.method.clone(), now);
    exchange.record = connection.worker.access_record(&connection, &parts).map(Box::new);
    if connection.is_fickle() {
        // Where the request has been reset by now, hyper drops it here, before it has cost a server anything.
        tokio::task::yield_now().await;
    }
    let snapshot = connection.worker.snapshot(&connection.entry);
    let mut call = Call::new(&snapshot, exchange, parts, incoming);
    let answered = answer(&mut call).await;
    finish(answered, call)
}

async fn answer(call: &mut Call<'_>) -> Result<Answered, Error> {
    let connection = call.exchange.connection.clone();
    call.upgrade = upgrade::wanted(&mut call.parts);
    limits::head(&mut call.exchange, &call.parts, &call.body)?;
    sanitize::request(&connection, &mut call.parts, call.upgrade.as_ref())?;
    if let Some(internal) = internal::direct(&connection, &call.parts) {
        call.exchange.count = connection.entry.counts_own;
        call.exchange.record = call.exchange.record.take().filter(|_| connection.entry.logs_own);
        return Ok(Answered::Response(Box::pin(internal::answer(call, internal)).await?));
    }
    limits::memory(&connection)?;
    let route = route(call.snapshot, &connection, &call.parts)?;
    enter(&mut call.exchange, route, &call.parts, call.upgrade.is_some());
    let RouterTimeouts { request: limit, backend_request } = route.timeouts;
    call.backend_timeout = backend_request;
    if limit.is_zero() {
        return call.run(Way::of(route)).await;
    }
    let by = call.exchange.started + limit;
    let answered = Box::pin(deadline::met(by.into(), call.run(Way::of(route)))).await;
    call.exchange.answer_by = Some(call.exchange.answer_by.map_or(by, |sooner| sooner.min(by)));
    answered.unwrap_or(Err(Error::RequestTimeout))
}

/// The router that wins.
fn route<'s>(snapshot: &'s Snapshot, connection: &Connection, parts: &request::Parts) -> Result<&'s Route, Error> {
    let routes = &snapshot.entry_points[connection.entry.index];
    let routing = routes.of(connection.tls.is_some());
    let host = host(&parts.headers);
    if is_misdirected(snapshot, connection, &host) {
        return Err(sanitize::MISDIRECTED);
    }
    let facts = Facts {
        host: &host,
        path: &path::routing_path(parts.uri.path()),
        query: parts.uri.query(),
        method: &parts.method,
        headers: &parts.headers,
        client: connection.client.ip(),
    };
    let found = routing.table.find(&facts).ok_or(Error::NoRouter)?;
    let route = &routing.routes[found];
    // The handshake goes by hosts alone: a router without any, or one that disagrees with another about its host, had no
    // say in it. Where it wants a certificate, it has one here.
    if let Some(tls) = &connection.tls {
        let wanted = snapshot.tls.wants(route.options);
        if wanted.asks && wanted != tls.agreed {
            return Err(sanitize::MISDIRECTED);
        }
    }
    Ok(route)
}

/// The host that a request is for, in its one form.
pub(crate) fn host(headers: &HeaderMap) -> Cow<'_, str> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| authority::parse(host).ok()).map_or("", |authority| authority.host);
    authority::canonical_host(host)
}

/// Whether the handshake was under other options than those of a request's host: it was made for another host (RFC 9110
/// section 7.4), and what it has verified says nothing here.
pub(crate) fn is_misdirected(snapshot: &Snapshot, connection: &Connection, host: &str) -> bool {
    let routes = &snapshot.entry_points[connection.entry.index];
    connection.tls.as_ref().is_some_and(|tls| {
        !(routes.uniform_options && snapshot.tls.wants(OptionsId::default()) == tls.agreed)
            && snapshot.tls.wants(routes.options_of(host)) != tls.agreed
    })
}

/// Notes what is counted and logged about the router.
fn enter(exchange: &mut Exchange, route: &Route, parts: &request::Parts, upgrade: bool) {
    exchange.router = Some(route.id);
    exchange.count = route.metrics;
    let worker = exchange.connection.worker.clone();
    if worker.shared.counts_traffic {
        exchange.protocol = if upgrade { Protocol::WebSocket } else { protocol(&parts.headers) };
        exchange.header_labels = worker.metrics.label_values(&parts.headers);
    }
    if !route.access_log {
        exchange.record = None;
    }
    if let Some(record) = &mut exchange.record {
        record.router = Some(route.name.clone());
    }
}

/// The response halves of the middlewares, what holds for every answer, and the body with its exchange.
pub(crate) fn finish(answered: Result<Answered, Error>, call: Call<'_>) -> Response<Body> {
    let Call { mut passage, mut exchange, .. } = call;
    let connection = exchange.connection.clone();
    match answered {
        Ok(Answered::Response(response)) => {
            let (mut parts, body) = response.into_parts();
            exchange.give_cookies(&mut parts.headers);
            passage.leave(&mut parts, &mut exchange);
            conclude(&connection, &mut parts, &mut exchange);
            let body = of_head(&mut parts, body, &exchange);
            let limit = connection.entry.settings.timeouts.write;
            Response::from_parts(parts, Body::new(body, exchange, limit))
        }
        Ok(Answered::Tunnelled(mut parts, tunnel)) => {
            exchange.give_cookies(&mut parts.headers);
            passage.leave(&mut parts, &mut exchange);
            exchange.switched();
            conclude(&connection, &mut parts, &mut exchange);
            tunnel.start(exchange);
            Response::from_parts(parts, Body::empty())
        }
        Err(error) => {
            exchange.ends(Ended::of(&error));
            let (mut parts, body) = refuse(&error, &mut exchange).map(AnswerBody::Whole).into_parts();
            passage.leave(&mut parts, &mut exchange);
            conclude(&connection, &mut parts, &mut exchange);
            let body = of_head(&mut parts, body, &exchange);
            if error.ends_connection() && !connection.http2 {
                parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
                connection.linger();
            }
            Response::from_parts(parts, Body::new(body, exchange, Duration::ZERO))
        }
    }
}

/// An answer to HEAD has no body, and says how long that of GET is (RFC 9110 section 9.3.2). Servers see to that themselves.
fn of_head(parts: &mut response::Parts, body: AnswerBody, exchange: &Exchange) -> AnswerBody {
    match body {
        AnswerBody::Whole(bytes) if exchange.method == Method::HEAD && !bytes.is_empty() => {
            parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| bytes.len().into());
            AnswerBody::default()
        }
        body => body,
    }
}

/// What every answer gets last: a connection that has served enough is told to close.
fn conclude(connection: &Connection, parts: &mut response::Parts, exchange: &mut Exchange) {
    exchange.status = parts.status.as_u16();
    if connection.is_spent() && parts.status != StatusCode::SWITCHING_PROTOCOLS {
        if connection.http2 {
            connection.close_gracefully();
        } else {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    if let Some(record) = &mut exchange.record {
        record.downstream_headers = connection.worker.kept_headers(&parts.headers);
    }
}

fn refuse(error: &Error, exchange: &mut Exchange) -> Response<Bytes> {
    tracing::debug!(client = %exchange.connection.client, error = %Chain(error), "request failed");
    if let Error::Refused(refusal) = error {
        exchange.connection.worker.metrics.refused(refusal.reason);
    }
    let mut response = Response::new(error.body());
    *response.status_mut() = error.status();
    if error.plain_text() {
        plain_text(response.headers_mut());
    }
    if let Error::Overloaded = error {
        exchange.connection.close_gracefully();
        response.headers_mut().insert(header::RETRY_AFTER, limits::RETRY_AFTER);
    }
    response
}

/// Traefik's label, from what the client says it sends and wants.
pub(crate) fn protocol(headers: &HeaderMap) -> Protocol {
    let starts = |name, start: &[u8]| headers.get(name).is_some_and(|value| value.as_bytes().starts_with(start));
    if starts(header::CONTENT_TYPE, b"application/grpc") {
        if starts(header::CONTENT_TYPE, b"application/grpc-web") { Protocol::GrpcWeb } else { Protocol::Grpc }
    } else if starts(header::ACCEPT, b"text/event-stream") {
        Protocol::Sse
    } else {
        Protocol::Http
    }
}

/// As Go's `http.Error` labels its text.
pub(crate) fn plain_text(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
