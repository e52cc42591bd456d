//! To a server over HTTP/2, and what its refusals mean for the request.

use std::error::Error as _;

use http::{HeaderValue, Request, Response, Uri, header, uri::PathAndQuery};
use hyper::body::Incoming;

use super::{Failed, blame, within};
use crate::{
    body::RequestBody,
    error::Error,
    exchange::Exchange,
    pool::{Shared, Target, replay::may_repeat, target::Scheme},
};

/// Sends a request on a shared connection. `fresh`: it was made for this request.
pub(super) async fn send(
    exchange: &mut Exchange,
    target: &Target,
    mut shared: Shared,
    mut request: Request<RequestBody>,
    fresh: bool,
) -> Result<Response<Incoming>, Failed> {
    let repeatable = !fresh && may_repeat(request.method(), request.body());
    let kept = kept(&request);
    let origin = request.uri().clone();
    let host = request.headers_mut().remove(header::HOST);
    *request.uri_mut() = absolute(target, &origin, host.as_ref()).map_err(Failed::Broken)?;
    *request.version_mut() = http::Version::HTTP_2;
    exchange.sent = true;
    let sending = shared.sender.try_send_request(request);
    let mut error = match within(target, sending).await? {
        Ok(response) => {
            exchange.shared = Some(shared);
            return Ok(response);
        }
        Err(error) => error,
    };
    if let Some(mut request) = error.take_message() {
        exchange.sent = false;
        *request.uri_mut() = origin;
        *request.version_mut() = http::Version::HTTP_11;
        if let Some(host) = host {
            request.headers_mut().insert(header::HOST, host);
        }
        return Err(Failed::Unsent(Box::new(request), blame(error.into_error())));
    }
    let error = error.into_error();
    let fate = fate(&error);
    exchange.sent = !matches!(fate, Fate::Refused | Fate::Unprocessed);
    let error = blame(error);
    Err(match (kept, fate) {
        (Some(kept), Fate::Refused) => Failed::Refused(kept, error),
        (Some(kept), Fate::Unprocessed) => Failed::Unanswered(kept, error),
        (Some(kept), Fate::Lost) if repeatable && matches!(error, Error::Upstream(_) | Error::Vanished(_)) => {
            Failed::Unanswered(kept, error)
        }
        _ => Failed::Broken(error),
    })
}

/// hyper does not give back what a server has refused, so the head is kept of what has no body. A body is gone.
fn kept(request: &Request<RequestBody>) -> Option<Box<Request<RequestBody>>> {
    if !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut kept = Request::new(RequestBody::Empty);
    *kept.method_mut() = request.method().clone();
    *kept.uri_mut() = request.uri().clone();
    *kept.headers_mut() = request.headers().clone();
    Some(Box::new(kept))
}

/// What became of a request that was not answered.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// The server did nothing with it, and the connection is as good as before (RFC 9113 section 8.7).
    Refused,
    /// The server did nothing with it, and takes no more on this connection (RFC 9113 section 6.8).
    Unprocessed,
    /// The connection broke; nobody knows what the server did.
    Lost,
    /// The server ended it on purpose.
    Ended,
}

fn fate(error: &hyper::Error) -> Fate {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            return match error.reason() {
                Some(h2::Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => Fate::Refused,
                Some(h2::Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => Fate::Unprocessed,
                _ if error.is_reset() && error.is_remote() => Fate::Ended,
                _ => Fate::Lost,
            };
        }
        source = cause.source();
    }
    Fate::Lost
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
