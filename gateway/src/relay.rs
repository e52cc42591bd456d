//! To a server and back.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod discard;
mod http2;

use std::{io, rc::Rc, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, Request, Response, header, request, uri::PathAndQuery};
use http_body::Body as _;
use hyper::{body::Incoming, client::conn::TrySendError};

use crate::{
    balancer::{self, InFlight},
    body::RequestBody,
    clock, deadline,
    error::{BodyError, Error},
    exchange::{Exchange, Lease},
    forwarded,
    middleware::WithoutForwardedFor,
    pool::{
        Checked, Http1, Target, dials,
        replay::{self, may_repeat},
        watch::Watch,
    },
    snapshot::{LoadBalancer, Server},
    worker::Worker,
};

/// Sends a request to one of the servers and waits for the head of its answer.
pub(crate) async fn forward(
    exchange: &mut Exchange,
    balancer: &LoadBalancer,
    mut parts: request::Parts,
    body: RequestBody,
) -> Result<Response<Incoming>, Error> {
    let server = choose(exchange, balancer, &parts.headers)?;
    prepare(exchange, balancer, server, &mut parts)?;
    let mut request = Request::from_parts(parts, body);
    let worker = exchange.connection.worker.clone();
    let mut attempt = Attempt::First;
    exchange.sent = false;
    loop {
        let pooled = if attempt == Attempt::Fresh { None } else { worker.pools.checkout(&server.target) };
        let (connection, fresh) = match pooled {
            Some(connection) => (connection, false),
            // Boxed: a new connection is rare, and its state would make every request's ten times as large.
            None => Box::pin(connected(&worker, balancer, server, attempt)).await?,
        };
        let sent = match connection {
            Checked::Http1(connection) => over_http1(exchange, &server.target, connection, request, fresh).await,
            Checked::Http2(shared) => Box::pin(http2::send(exchange, &server.target, shared, request, fresh)).await,
        };
        let (again, next) = match sent {
            Ok(response) => return answered(exchange, response),
            // A connection that died in the pool gives the request back unsent; each one is tried once.
            Err(Failed::Unsent(again, _)) if !fresh => (again, attempt),
            Err(Failed::Refused(again, _)) if !exchange.repeated => (again, Attempt::Second),
            Err(Failed::Unanswered(again, _)) if !exchange.repeated => (again, Attempt::Fresh),
            Err(failed) => return Err(failed.into_error()),
        };
        if next != attempt {
            exchange.repeated = true;
            worker.metrics.repeated(balancer.id);
        }
        (request, attempt) = (*again, next);
    }
}

/// How often a request has left for a server, and how it may leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    /// Once more, on any connection.
    Second,
    /// Once more, on a new connection: what else is in the pool has probably died with the first.
    Fresh,
}

/// Why there is no answer.
enum Failed {
    /// The request never left; here it is again.
    Unsent(Box<Request<RequestBody>>, Error),
    /// The server said that it did nothing with it, and goes on serving others.
    Refused(Box<Request<RequestBody>>, Error),
    /// The connection died without a byte of an answer; here is the request, since it may be sent again.
    Unanswered(Box<Request<RequestBody>>, Error),
    Broken(Error),
}

impl Failed {
    fn into_error(self) -> Error {
        match self {
            Self::Unsent(_, error) | Self::Refused(_, error) | Self::Unanswered(_, error) | Self::Broken(error) => {
                error
            }
        }
    }
}

/// A connection where none is at rest, and whether it is new.
async fn connected(
    worker: &Rc<Worker>,
    balancer: &LoadBalancer,
    server: &Server,
    attempt: Attempt,
) -> Result<(Checked, bool), Error> {
    match attempt {
        Attempt::First | Attempt::Second => dials::next(worker, &server.target, Some(balancer.id)).await,
        Attempt::Fresh => Ok((dials::connect_counted(worker, &server.target, Some(balancer.id)).await?, true)),
    }
}

/// An answer that is not passed on ends its connection.
fn answered(exchange: &mut Exchange, response: Response<Incoming>) -> Result<Response<Incoming>, Error> {
    if let Some(in_flight) = &exchange.in_flight {
        in_flight.answered();
    }
    answer::check(response).inspect_err(|_| exchange.lease = None)
}

/// Picks a server and counts the request as its own.
pub(crate) fn choose<'b>(
    exchange: &mut Exchange,
    balancer: &'b LoadBalancer,
    headers: &HeaderMap,
) -> Result<&'b Server, Error> {
    let picked = pick(exchange, balancer, headers).ok_or(Error::NoServer)?;
    let server = &balancer.servers[picked];
    exchange.service = Some(balancer.id);
    exchange.server = Some(server.target.unique);
    exchange.in_flight = InFlight::enter(balancer, server);
    if let Some(record) = &mut exchange.record {
        record.service = Some(balancer.name.clone());
        record.server_url = Some(server.url.clone());
        record.server_address = Some(server.target.address.clone());
    }
    Ok(server)
}

fn pick(exchange: &mut Exchange, balancer: &LoadBalancer, headers: &HeaderMap) -> Option<usize> {
    let worker = &exchange.connection.worker;
    let troubles = worker.shared.troubles.any();
    let (tried, client) = (exchange.tried(), &exchange.connection.client);
    let asking = balancer::Asking { client, troubles, tried, now: clock::seconds };
    let random = &mut || worker.random();
    let Some(sticky) = &balancer.sticky else {
        return balancer::pick(&worker.rounds, balancer, &asking, random);
    };
    let picked = balancer::pick_sticky(sticky, headers, &worker.rounds, balancer, &asking, random)?;
    exchange.assigned(balancer.id, Some(picked.assignment), picked.cookie);
    Some(picked.server)
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
        join_cookies(&mut parts.headers);
    }
    // The client's side has answered `100-continue` itself, as soon as the body is asked for.
    parts.headers.remove(header::EXPECT);
    // HTTP/1.0 needs no host, HTTP/1.1 does.
    if !balancer.pass_host_header || !parts.headers.contains_key(header::HOST) {
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

/// hyper takes GET and HEAD to have no body unless a field says so. One that came in chunks goes on in chunks.
pub(crate) fn announce_body(request: &mut Request<RequestBody>) {
    if matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.body().is_end_stream()
        && !request.headers().contains_key(header::CONTENT_LENGTH)
    {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

async fn over_http1(
    exchange: &mut Exchange,
    target: &Arc<Target>,
    connection: Http1,
    request: Request<RequestBody>,
    fresh: bool,
) -> Result<Response<Incoming>, Failed> {
    exchange.sent = true;
    let sent = exchange_http1(target, connection, request, fresh).await;
    let (response, connection) = sent.inspect_err(|failed| exchange.sent = !matches!(failed, Failed::Unsent(..)))?;
    exchange.lease = Some(Lease { connection, target: target.clone() });
    Ok(response)
}

/// Sends a request on a connection and waits for the head of the answer, which is read from that connection.
async fn exchange_http1(
    target: &Target,
    mut connection: Http1,
    mut request: Request<RequestBody>,
    fresh: bool,
) -> Result<(Response<Incoming>, Http1), Failed> {
    announce_body(&mut request);
    connection.watch.begin(!fresh && may_repeat(request.method(), request.body()));
    let sending = connection.sender.try_send_request(request);
    match within(target, sending).await? {
        Ok(response) => Ok((response, connection)),
        Err(error) => Err(unanswered(error, &connection.watch)),
    }
}

/// Waits for the response head as long as the transport allows.
async fn within<T>(target: &Target, sending: impl Future<Output = T>) -> Result<T, Failed> {
    let limit = target.transport.config.response_header_timeout;
    if limit.is_zero() {
        return Ok(sending.await);
    }
    let by = tokio::time::Instant::now() + limit;
    deadline::met(by, sending).await.ok_or(Failed::Broken(Error::ResponseTimeout))
}

fn unanswered(mut error: TrySendError<Request<RequestBody>>, watch: &Watch) -> Failed {
    let message = error.take_message();
    let error = blame(error.into_error());
    if let Some(request) = message {
        return Failed::Unsent(Box::new(request), error);
    }
    match watch.unanswered().and_then(|head| replay::request(&head)) {
        Some(request) => Failed::Unanswered(Box::new(request), error),
        None => Failed::Broken(error),
    }
}

/// A body that broke off is the client's fault; all else is the server's.
pub(crate) fn blame(error: hyper::Error) -> Error {
    // HTTP/2's pings were not answered.
    if error.is_timeout() {
        return Error::Vanished(error);
    }
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<BodyError>() {
            return blame_body(cause);
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut) {
            return Error::Vanished(error);
        }
        source = cause.source();
    }
    Error::Upstream(error)
}

/// What is wrong with a client's body.
pub(crate) fn blame_body(error: &BodyError) -> Error {
    match error {
        BodyError::ReadTimeout | BodyError::Idle => Error::SlowBody,
        malformed if malformed.is_malformed() => Error::bad_request("body", "the body is not framed as it says\n"),
        BodyError::TooLong => Error::LongBody,
        // Not the client's: it was whole here.
        BodyError::Disk(_) => Error::Unforwardable("its body, which was kept in a file"),
        BodyError::Http(_)
        | BodyError::WriteTimeout
        | BodyError::Encoder(_)
        | BodyError::Coding(_)
        | BodyError::Superseded
        | BodyError::Control(_)
        | BodyError::Uncopied => Error::ClientGone,
    }
}

/// HTTP/2 clients may split their cookies over several lines; towards HTTP/1.1 they are one again (RFC 9113 section
/// 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::COOKIE);
    if lines.iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}
