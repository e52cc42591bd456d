//! To a server and back.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, Uri, header, request, uri::PathAndQuery};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1::SendRequest},
};

use crate::{
    balancer::InFlight,
    body::RequestBody,
    error::{BodyError, Error},
    exchange::{Exchange, Lease},
    forwarded,
    middleware::WithoutForwardedFor,
    pool::{Checked, Shared, Target, connect, target::Scheme},
    snapshot::{LoadBalancer, Server},
};

/// Sends a request to one of the servers and waits for the head of its answer.
pub(crate) async fn forward(
    exchange: &mut Exchange,
    balancer: &LoadBalancer,
    mut parts: request::Parts,
    body: RequestBody,
) -> Result<Response<Incoming>, Error> {
    let server = choose(exchange, balancer)?;
    prepare(exchange, balancer, server, &mut parts)?;
    let mut request = Request::from_parts(parts, body);
    let worker = exchange.connection.worker.clone();
    // A connection that died in the pool gives the request back unsent; each one is tried once.
    loop {
        let (connection, fresh) = match worker.pools.checkout(&server.target) {
            Some(pooled) => (pooled, false),
            // Boxed: a new connection is rare, and its state would make every request's ten times as large.
            None => (Box::pin(connect::connect(&worker, &server.target)).await?, true),
        };
        let sent = match connection {
            Checked::Http1(sender) => over_http1(exchange, &server.target, sender, request).await,
            Checked::Http2(shared) => Box::pin(over_http2(exchange, &server.target, shared, request)).await,
        };
        match sent {
            Ok(response) => return answered(response),
            Err(Failed::Unsent(again, _)) if !fresh => request = *again,
            Err(Failed::Unsent(_, error) | Failed::Broken(error)) => return Err(error),
        }
    }
}

/// Why there is no answer.
enum Failed {
    /// The request never left; here it is again.
    Unsent(Box<Request<RequestBody>>, Error),
    Broken(Error),
}

/// Picks a server and counts the request as its own.
pub(crate) fn choose<'b>(exchange: &mut Exchange, balancer: &'b LoadBalancer) -> Result<&'b Server, Error> {
    let worker = &exchange.connection.worker;
    let index = worker.rounds.pick(balancer, || worker.random()).ok_or(Error::NoServer)?;
    let server = &balancer.servers[index];
    exchange.service = Some(balancer.id);
    exchange.in_flight = InFlight::enter(balancer, server);
    if let Some(record) = &mut exchange.record {
        record.service = Some(balancer.name.clone());
        record.server_url = Some(server.url.clone());
        record.server_address = Some(server.target.address.clone());
    }
    Ok(server)
}

/// Turns the client's head into the server's.
pub(crate) fn prepare(
    exchange: &Exchange,
    balancer: &LoadBalancer,
    server: &Server,
    parts: &mut request::Parts,
) -> Result<(), Error> {
    let connection = &exchange.connection;
    forwarded::prepare_upstream(&mut parts.headers, &connection.peer, &connection.entry.forwarded, false);
    if parts.extensions.get::<WithoutForwardedFor>().is_some() {
        parts.headers.remove("x-forwarded-for");
    }
    if connection.http2 {
        join_cookies(parts);
    }
    // The client's side has answered `100-continue` itself, as soon as the body is asked for.
    parts.headers.remove(header::EXPECT);
    if !balancer.pass_host_header {
        parts.headers.insert(header::HOST, server.target.authority.clone());
    }
    if let Some(prefix) = &server.path_prefix {
        let tail = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let joined = format!("{}{tail}", prefix.trim_end_matches('/'));
        parts.uri = joined.parse().map_err(|_| Error::Unforwardable("the server's path and the request's"))?;
    }
    parts.version = http::Version::HTTP_11;
    Ok(())
}

async fn over_http1(
    exchange: &mut Exchange,
    target: &Arc<Target>,
    mut sender: SendRequest<RequestBody>,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, Failed> {
    let sending = sender.try_send_request(request);
    let response = within(target, sending).await?.map_err(unsent)?;
    exchange.lease = Some(Lease { sender, target: target.clone() });
    Ok(response)
}

async fn over_http2(
    exchange: &mut Exchange,
    target: &Arc<Target>,
    mut shared: Shared,
    mut request: Request<RequestBody>,
) -> Result<Response<Incoming>, Failed> {
    let origin = request.uri().clone();
    let host = request.headers_mut().remove(header::HOST);
    *request.uri_mut() = absolute(target, &origin, host.as_ref()).map_err(Failed::Broken)?;
    *request.version_mut() = http::Version::HTTP_2;
    let sending = shared.sender.try_send_request(request);
    match within(target, sending).await? {
        Ok(response) => {
            exchange.shared = Some(shared);
            Ok(response)
        }
        Err(error) => Err(match unsent(error) {
            Failed::Unsent(mut request, error) => {
                *request.uri_mut() = origin;
                *request.version_mut() = http::Version::HTTP_11;
                if let Some(host) = host {
                    request.headers_mut().insert(header::HOST, host);
                }
                Failed::Unsent(request, error)
            }
            broken @ Failed::Broken(_) => broken,
        }),
    }
}

/// Waits for the response head as long as the transport allows.
async fn within<T>(target: &Target, sending: impl Future<Output = T>) -> Result<T, Failed> {
    let limit = target.transport.config.response_header_timeout;
    if limit.is_zero() {
        return Ok(sending.await);
    }
    tokio::time::timeout(limit, sending).await.map_err(|_| Failed::Broken(Error::ResponseTimeout))
}

fn unsent(mut error: TrySendError<Request<RequestBody>>) -> Failed {
    let message = error.take_message();
    let error = blame(error.into_error());
    match message {
        Some(request) => Failed::Unsent(Box::new(request), error),
        None => Failed::Broken(error),
    }
}

/// A body that broke off is the client's fault; all else is the server's.
pub(crate) fn blame(error: hyper::Error) -> Error {
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        match cause.downcast_ref::<BodyError>() {
            Some(BodyError::ReadTimeout) => return Error::SlowBody,
            Some(BodyError::Http(_) | BodyError::WriteTimeout) => return Error::ClientGone,
            None => source = cause.source(),
        }
    }
    Error::Upstream(error)
}

/// `:scheme` and `:authority` for HTTP/2.
fn absolute(target: &Target, origin: &Uri, host: Option<&HeaderValue>) -> Result<Uri, Error> {
    let scheme = if target.scheme == Scheme::Https { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
    let authority = host.unwrap_or(&target.authority);
    let path = origin.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(scheme)
        .authority(authority.as_bytes())
        .path_and_query(path)
        .build()
        .map_err(|_| Error::Unforwardable("its host"))
}

/// HTTP/2 clients may split their cookies over several lines; towards HTTP/1.1 they are one again (RFC 9113 section
/// 8.2.3).
fn join_cookies(parts: &mut request::Parts) {
    let lines = parts.headers.get_all(header::COOKIE);
    if lines.iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        parts.headers.insert(header::COOKIE, joined);
    }
}

fn answered(response: Response<Incoming>) -> Result<Response<Incoming>, Error> {
    // Nobody asked for another protocol on this way.
    if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::UnaskedUpgrade);
    }
    Ok(response)
}
