//! A connection's first bytes: PROXY protocol, TLS, HTTP/2's preface or HTTP/1.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use bytes::{Buf, BytesMut};
use rustls::server::Acceptor;
use tokio::io::AsyncReadExt;
use tokio_rustls::LazyConfigAcceptor;

use super::TlsSession;
use crate::{
    authority,
    entry_point::EntryPoint,
    limits,
    metrics::TlsLabels,
    proxy_protocol::{self, Progress},
    stream::{Kind, Raw, frames::PREFACE, socket::Socket},
    tls::client_chain::ClientChain,
    worker::Worker,
};

/// A connection that is ready to speak HTTP.
pub(crate) struct Opened {
    pub(crate) kind: Kind,
    pub(crate) client: SocketAddr,
    pub(crate) tls: Option<TlsSession>,
    pub(crate) http2: bool,
}

/// Reads until it is clear what the client speaks. `None`: it closed, or said nothing in time.
pub(crate) async fn open(
    worker: &Rc<Worker>,
    entry: &EntryPoint,
    socket: Socket,
    peer: SocketAddr,
) -> io::Result<Option<Opened>> {
    let reading = limited(entry.settings.timeouts.header, first_bytes(entry, socket, peer));
    let read = tokio::select! {
        biased;
        read = reading => read.transpose()?.flatten(),
        // It has said nothing yet, and its entry point is ending.
        () = worker.no_longer_patient(entry) => None,
    };
    let Some(First { raw, client, speaks }) = read else { return Ok(None) };
    match speaks {
        Speaks::Http1 => Ok(Some(Opened { kind: Kind::Plain(raw), client, tls: None, http2: false })),
        Speaks::Http2 => Ok(Some(Opened { kind: Kind::Plain(raw), client, tls: None, http2: true })),
        Speaks::Tls => {
            // Boxed: or every connection would keep room for a handshake.
            let mut handshake = Box::pin(shake_hands(worker, entry, raw));
            // Lent: what has taken too long is counted before it is closed.
            match limited(entry.settings.timeouts.tls_handshake, handshake.as_mut()).await {
                Some(opened) => opened.map(|(kind, tls, http2)| Some(Opened { kind, client, tls: Some(tls), http2 })),
                None => {
                    worker.metrics.refused(limits::TLS_HANDSHAKE_TIMEOUT);
                    Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long"))
                }
            }
        }
    }
}

struct First {
    raw: Raw,
    client: SocketAddr,
    speaks: Speaks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
    Tls,
}

async fn first_bytes(entry: &EntryPoint, mut socket: Socket, peer: SocketAddr) -> io::Result<Option<First>> {
    let mut buffer = BytesMut::with_capacity(FIRST_READ);
    let mut client = peer;
    let proxy = entry.settings.proxy_protocol.as_ref();
    let mut expects_proxy = proxy.is_some();
    loop {
        if socket.read_buf(&mut buffer).await? == 0 {
            return Ok(None);
        }
        if expects_proxy {
            match proxy_protocol::parse(&buffer) {
                Progress::Incomplete => continue,
                Progress::Invalid(reason) => return Err(io::Error::new(io::ErrorKind::InvalidData, reason)),
                Progress::NotProxy => {}
                Progress::Complete { len, source } => {
                    buffer.advance(len);
                    // A stranger's header is read, since it is in the way, and not believed.
                    let believed = proxy.is_some_and(|trust| trust.covers(peer.ip()));
                    client = source.filter(|_| believed).unwrap_or(peer);
                }
            }
            expects_proxy = false;
            if buffer.is_empty() {
                continue;
            }
        }
        if let Some(speaks) = speaks(&buffer) {
            return Ok(Some(First { raw: Raw { socket, prefix: buffer.freeze() }, client, speaks }));
        }
    }
}

/// `None` while it may still be either HTTP.
fn speaks(bytes: &[u8]) -> Option<Speaks> {
    let compared = bytes.len().min(PREFACE.len());
    match bytes.first()? {
        &TLS_HANDSHAKE => Some(Speaks::Tls),
        _ if bytes[..compared] != PREFACE[..compared] => Some(Speaks::Http1),
        _ if compared == PREFACE.len() => Some(Speaks::Http2),
        _ => None,
    }
}

async fn shake_hands(worker: &Rc<Worker>, entry: &EntryPoint, raw: Raw) -> io::Result<(Kind, TlsSession, bool)> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), raw).await?;
    let snapshot = worker.snapshot(entry);
    let options = {
        let hello = start.client_hello();
        let name = hello.server_name().map(authority::canonical_host);
        snapshot.entry_points[entry.index].options_of(name.as_deref().unwrap_or_default())
    };
    let config = snapshot.tls.configs[usize::from(options.0)].clone();
    let tls = start.into_stream(config).await?;
    let session = tls.get_ref().1;
    let http2 = session.alpn_protocol() == Some(b"h2");
    let agreed = TlsSession {
        labels: TlsLabels::new(
            session.protocol_version(),
            session.negotiated_cipher_suite().map(|suite| suite.suite()),
        ),
        agreed: snapshot.tls.wants(options),
        client: ClientChain::of(session),
    };
    Ok((Kind::Tls(Box::new(tls)), agreed, http2))
}

/// `None` when the time (zero: none) is up.
async fn limited<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    if limit.is_zero() {
        return Some(work.await);
    }
    tokio::time::timeout(limit, work).await.ok()
}

/// The content type of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Most requests' heads, and every ClientHello but the largest.
const FIRST_READ: usize = 2048;
