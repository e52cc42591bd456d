//! A new connection to a server: resolve, connect, TLS, HTTP handshake.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rollgate_config::dynamic::transport::ServersTransport;
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    Checked, Http1, Target, dial,
    target::Scheme,
    watch::{Counted, Watched},
};
use crate::{
    body::RequestBody, error::Error, http::LocalExecutor, resolver::Host, stream::socket::Socket,
    tls::client::Handshakes, worker::Worker,
};

/// A connection for an ordinary exchange; an HTTP/2 one is shared from then on.
pub(crate) async fn connect(worker: &Rc<Worker>, target: &Target) -> Result<Checked, Error> {
    let (tcp, address) = dial(worker, target).await?;
    match target.scheme {
        Scheme::Http => http1_over(tcp, address).await,
        Scheme::H2c => http2_over(worker, target, tcp, address).await,
        Scheme::Https => {
            let tls = handshake(target, tcp, |tls| &tls.any).await?;
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2_over(worker, target, tls, address).await
            } else {
                http1_over(tls, address).await
            }
        }
    }
}

/// A connection that is used for one upgrade (a WebSocket) and never pooled: HTTP/1.1 always.
pub(crate) async fn connect_for_upgrade(
    worker: &Worker,
    target: &Target,
) -> Result<http1::SendRequest<RequestBody>, Error> {
    let (tcp, _) = dial(worker, target).await?;
    match target.scheme {
        Scheme::Http | Scheme::H2c => upgradeable_over(tcp).await,
        Scheme::Https => upgradeable_over(handshake(target, tcp, |tls| &tls.http1).await?).await,
    }
}

/// A connected socket and the address it leads to.
async fn dial(worker: &Worker, target: &Target) -> Result<(Socket, Option<IpAddr>), Error> {
    #[cfg(feature = "in-memory")]
    if target.host == crate::memory::HOST {
        return Ok((Socket::Memory(crate::memory::dial()), None));
    }
    let limit = target.transport.config.dial_timeout;
    let connecting = connect_any(&target.place, target.port, worker.random());
    let connected = if limit.is_zero() {
        connecting.await
    } else {
        tokio::time::timeout(limit, connecting).await.map_err(|_| Error::ConnectTimeout)?
    };
    let (tcp, address) = connected.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Error::ConnectTimeout,
        _ => Error::Connect(error),
    })?;
    prepare(&tcp, &target.transport.config).map_err(Error::Connect)?;
    Ok((Socket::Tcp(tcp), Some(address)))
}

/// The first of the host's addresses that connects.
pub(crate) async fn connect_any(place: &Host, port: u16, random: u64) -> io::Result<(TcpStream, IpAddr)> {
    let connect = move |address| async move {
        let tcp = TcpStream::connect(SocketAddr::new(address, port)).await?;
        Ok((tcp, address))
    };
    match *place.addresses().await? {
        [only] => connect(only).await,
        ref several => dial::race(dial::order(several, random), connect, || tokio::time::sleep(dial::STAGGER)).await,
    }
}

/// Sets what the transport says about sockets.
pub(crate) fn prepare(tcp: &TcpStream, transport: &ServersTransport) -> io::Result<()> {
    // Requests and answers are written whole; waiting for more to send would only delay them.
    tcp.set_nodelay(true)?;
    let (alive, unacknowledged) = (transport.tcp_keep_alive, transport.tcp_user_timeout);
    let socket = SockRef::from(tcp);
    if !alive.is_zero() {
        // The kernel counts in seconds.
        let alive = Duration::from_secs(alive.as_secs().max(1));
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(alive).with_interval(alive))?;
    }
    if !unacknowledged.is_zero() {
        socket.set_tcp_user_timeout(Some(unacknowledged))?;
    }
    Ok(())
}

async fn handshake(
    target: &Target,
    tcp: Socket,
    config: impl FnOnce(&Handshakes) -> &Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<Socket>, Error> {
    let name = target.transport.server_name(&target.host).map_err(Error::UpstreamTls)?;
    let Some(tls) = &target.transport.tls else {
        return Err(Error::Unforwardable("its transport has no TLS"));
    };
    let connecting = TlsConnector::from(config(tls).clone()).connect(name, tcp);
    match tokio::time::timeout(TLS_HANDSHAKE, connecting).await {
        Ok(Ok(tls)) => Ok(tls),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(Error::UpstreamTls(error)),
        Ok(Err(error)) => Err(Error::Connect(error)),
        Err(_) => Err(Error::ConnectTimeout),
    }
}

async fn http1_over<S>(stream: S, address: Option<IpAddr>) -> Result<Checked, Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let (stream, watch) = Watched::new(stream);
    let (sender, connection) = http1_builder().handshake(TokioIo::new(stream)).await.map_err(Error::Upstream)?;
    // How it ended reaches the exchange that was on it; nobody else wants to know.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Checked::Http1(Http1 { sender, watch, address }))
}

async fn upgradeable_over<S>(stream: S) -> Result<http1::SendRequest<RequestBody>, Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(Counted::http1(stream));
    let (sender, connection) = http1_builder().handshake(stream).await.map_err(Error::Upstream)?;
    tokio::task::spawn_local(async move { drop(connection.with_upgrades().await) });
    Ok(sender)
}

/// An answer has at most 100 header lines; more is a broken one (502). That is hyper's own limit: where it is asked for, hyper makes
/// its table of lines on the heap, or fills it, for each answer.
fn http1_builder() -> http1::Builder {
    http1::Builder::new()
}

async fn http2_over<S>(
    worker: &Rc<Worker>,
    target: &Target,
    stream: S,
    address: Option<IpAddr>,
) -> Result<Checked, Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let config = &target.transport.config;
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST);
    if !config.read_idle_timeout.is_zero() {
        builder.keep_alive_interval(config.read_idle_timeout).keep_alive_timeout(config.ping_timeout);
    }
    let stream = TokioIo::new(Counted::http2(stream));
    let (sender, connection) = builder.handshake(stream).await.map_err(Error::Upstream)?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Checked::Http2(worker.pools.share(target, sender, address)))
}

/// A server that accepts but never shakes hands is as good as down.
pub(super) const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// One stream's receive window: what a slow client makes us hold at most.
const H2_STREAM_WINDOW: u32 = 1 << 20;
/// All streams' together.
const H2_CONNECTION_WINDOW: u32 = 4 << 20;
/// Bytes of header list a server may send.
const MAX_HEADER_LIST: u32 = 1 << 20;
