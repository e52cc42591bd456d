//! Protocol switches: WebSocket and whatever else HTTP/1.1 upgrades to (RFC 9110 section 7.8), also asked for over
//! HTTP/2 (RFC 8441). No byte passes before the server has said 101.

use std::rc::Rc;

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request, response};
use hyper::{
    body::Incoming,
    ext::Protocol as ExtendedProtocol,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use crate::{
    body::RequestBody, error::Error, exchange::Exchange, metrics::Outcome, pool::connect, relay, snapshot::LoadBalancer,
};

/// A client asks for another protocol.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The protocol's name, `websocket`.
    protocol: HeaderValue,
    client: OnUpgrade,
    /// Asked for by an extended CONNECT.
    http2: bool,
}

/// What came of it.
pub(crate) enum Forwarded {
    /// The server switched: this head goes to the client, then bytes go both ways ([`Wanted::tunnel`]).
    Switched(response::Parts, OnUpgrade),
    /// The server answered otherwise.
    Declined(Response<Incoming>),
}

/// Both ends of a switched connection, before they are open.
pub(crate) struct Tunnel {
    client: OnUpgrade,
    server: OnUpgrade,
}

/// Reads and removes the wish from a request's head. `h2c` and unknown `CONNECT`s are no wish that is granted.
pub(crate) fn wanted(parts: &mut request::Parts) -> Option<Wanted> {
    if parts.method == Method::CONNECT {
        let protocol = parts.extensions.remove::<ExtendedProtocol>()?;
        if !protocol.as_str().eq_ignore_ascii_case("websocket") {
            return None;
        }
        let client = parts.extensions.remove::<OnUpgrade>()?;
        return Some(Wanted { protocol: HeaderValue::from_static("websocket"), client, http2: true });
    }
    if parts.version != http::Version::HTTP_11 {
        return None;
    }
    let protocol = parts.headers.get(header::UPGRADE)?;
    let mut protocols = protocol.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    if protocols.any(|protocol| protocol.eq_ignore_ascii_case(b"h2c")) || !names_upgrade(&parts.headers) {
        return None;
    }
    let protocol = protocol.clone();
    let client = parts.extensions.remove::<OnUpgrade>()?;
    Some(Wanted { protocol, client, http2: false })
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    let mut tokens = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    tokens.any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
}

impl Wanted {
    pub(crate) fn is_websocket(&self) -> bool {
        self.protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
    }

    /// The client's end and the server's.
    pub(crate) fn tunnel(self, server: OnUpgrade) -> Tunnel {
        Tunnel { client: self.client, server }
    }
}

/// Asks a server, on a connection of its own that is never pooled.
pub(crate) async fn forward(
    exchange: &mut Exchange,
    balancer: &LoadBalancer,
    wanted: &Wanted,
    mut parts: request::Parts,
    body: RequestBody,
) -> Result<Forwarded, Error> {
    exchange.sent = false;
    let server = relay::choose(exchange, balancer, &parts.headers)?;
    relay::prepare(exchange, balancer, server, &mut parts)?;
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(header::UPGRADE, wanted.protocol.clone());
    let body = if wanted.http2 {
        as_http1(&mut parts, exchange);
        // What an extended CONNECT carries is the tunnel itself.
        RequestBody::Empty
    } else {
        body
    };
    let mut sender = connect::connect_for_upgrade(&exchange.connection.worker, &server.target).await?;
    let mut request = Request::from_parts(parts, body);
    relay::announce_body(&mut request);
    exchange.sent = true;
    let sent = sender.send_request(request).await;
    let mut response = sent.map_err(relay::blame)?;
    if let Some(in_flight) = &exchange.in_flight {
        in_flight.answered();
    }
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return relay::answer::check(response).map(Forwarded::Declined);
    }
    let server = hyper::upgrade::on(&mut response);
    let (mut parts, _) = response.into_parts();
    if wanted.http2 {
        parts.status = StatusCode::OK;
        for name in [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT] {
            parts.headers.remove(name);
        }
    } else {
        keep_upgrade_only(&mut parts.headers, wanted.protocol.clone());
    }
    Ok(Forwarded::Switched(parts, server))
}

/// An extended CONNECT has no key; the server of an HTTP/1.1 handshake wants one.
fn as_http1(parts: &mut request::Parts, exchange: &Exchange) {
    parts.method = Method::GET;
    let worker = &exchange.connection.worker;
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&worker.random().to_ne_bytes());
    nonce[8..].copy_from_slice(&worker.random().to_ne_bytes());
    let key = HeaderValue::try_from(STANDARD.encode(nonce)).expect("base64 is a header value");
    parts.headers.insert(header::SEC_WEBSOCKET_KEY, key);
    if !parts.headers.contains_key(header::SEC_WEBSOCKET_VERSION) {
        parts.headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
}

fn keep_upgrade_only(headers: &mut HeaderMap, asked: HeaderValue) {
    let protocol = headers.remove(header::UPGRADE).unwrap_or(asked);
    for name in [HeaderName::from_static("keep-alive"), header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

impl Tunnel {
    /// Copies both ways until both sides have ended, in a task of the worker. The exchange ends with it.
    pub(crate) fn start(self, exchange: Box<Exchange>) {
        let worker = exchange.connection.worker.clone();
        let (held, entry) = (worker.hold(), exchange.connection.entry.clone());
        tokio::task::spawn_local(async move {
            let copied = tokio::select! {
                copied = self.copy() => copied,
                () = worker.cut_off(&entry) => None,
            };
            finish(exchange, copied);
            drop(held);
        });
    }

    async fn copy(self) -> Option<(u64, u64)> {
        let (client, server) = tokio::try_join!(self.client, self.server).ok()?;
        let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
        let copied = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
        if copied.is_err() {
            end(&mut client).await;
            end(&mut server).await;
        }
        copied.ok()
    }
}

async fn end(side: &mut TokioIo<Upgraded>) {
    // The other side broke off; nothing better can be done than to say that it is over.
    drop(side.shutdown().await);
}

fn finish(mut exchange: Box<Exchange>, copied: Option<(u64, u64)>) {
    if let Some((up, down)) = copied {
        let counted: &Rc<_> = &exchange.request_bytes;
        counted.set(counted.get() + up);
        exchange.response_bytes += down;
    }
    exchange.outcome = Some(Outcome::Ok);
    exchange.complete();
}

/// Each direction's buffer: most WebSocket messages fit.
const BUFFER: usize = 8 * 1024;
