//! Servers to stand behind the gateway. They run on a runtime of their own, so that a test may block.
//!
//! An echo server answers what it saw as JSON ([`Seen`]) and does what these request headers ask:
//!
//! | header | effect |
//! |---|---|
//! | `echo-status: 503` | the answer's status |
//! | `echo-header: K: V` | a header of the answer (may be repeated) |
//! | `echo-trailer: K: V` | a trailer of the answer |
//! | `echo-bytes: N` | N zero bytes as the body, streamed, instead of JSON |

mod echo;
mod sockets;
mod switched;
mod websocket;

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

pub use self::{echo::Seen, sockets::nobody, switched::Switched};
use crate::client::Body;

/// The runtime of every backend of the process.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("backend").enable_all().build().expect("a runtime can be built")
});

/// What a server speaks.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// HTTP/1.1 in clear text.
    Http1,
    /// HTTP/2 in clear text, prior knowledge only.
    H2c,
    /// TLS; HTTP/2 or HTTP/1.1 as ALPN says.
    Tls(Arc<ServerConfig>),
}

/// A server; it stops, and its connections end, when dropped.
#[derive(Debug)]
pub struct Backend {
    /// Its name, in the answer's `X-Backend`.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
}

impl Backend {
    /// An HTTP/1.1 echo server.
    pub fn echo(name: &str) -> Self {
        Self::echo_over(name, Protocol::Http1)
    }

    /// An HTTP/2 echo server in clear text.
    pub fn h2c(name: &str) -> Self {
        Self::echo_over(name, Protocol::H2c)
    }

    /// An echo server over TLS.
    pub fn tls(name: &str, config: ServerConfig) -> Self {
        Self::echo_over(name, Protocol::Tls(Arc::new(config)))
    }

    fn echo_over(name: &str, protocol: Protocol) -> Self {
        let named = name.to_owned();
        Self::serve(name, protocol, move |request| echo::answer(named.clone(), request))
    }

    /// A WebSocket echo server (HTTP/1.1 upgrade).
    pub fn websocket(name: &str) -> Self {
        Self::raw(name, websocket::echo)
    }

    /// A server whose answers `handler` gives.
    pub fn serve<H, F>(name: &str, protocol: Protocol, handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        let counted = move |request| {
            counting.requests.fetch_add(1, Ordering::SeqCst);
            handler(request)
        };
        Self::accept(name, counts, move |stream| connection(stream, protocol.clone(), counted.clone()))
    }

    /// A server that does what `handler` does with each connection.
    pub fn raw<H, F>(name: &str, handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::accept(name, Arc::new(Counts::default()), handler)
    }

    /// A server that answers every request with these bytes, kept alive, cheap enough for load. Requests have no body.
    pub fn canned(name: &str, answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::raw(name, move |stream| sockets::canned(stream, Arc::clone(&answer)))
    }

    /// [`Backend::canned`] whose sockets hold little, as if it were far away: what nobody takes costs it no time to write.
    pub fn canned_far(name: &str, answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::raw(name, move |stream| {
            socket2::SockRef::from(&stream).set_send_buffer_size(FAR).expect("a socket has options");
            sockets::canned(stream, Arc::clone(&answer))
        })
    }

    /// [`Backend::canned`] on another address of the loopback.
    pub fn canned_at(name: &str, address: SocketAddr, answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        let handler = move |stream| sockets::canned(stream, Arc::clone(&answer));
        Self::accept_at(name, address, Arc::new(Counts::default()), handler)
    }

    /// A server that reads one request head, answers these bytes, and ends the connection.
    pub fn once(name: &str, answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::raw(name, move |stream| sockets::once(stream, Arc::clone(&answer)))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL with another scheme.
    pub fn url_as(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// A `loadBalancer` with this server alone, in YAML's flow form.
    pub fn load_balancer(&self) -> String {
        format!("{{loadBalancer: {{servers: [{{url: \"{}\"}}]}}}}", self.url())
    }

    /// Requests begun so far (none are counted for raw servers).
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.counts.open.load(Ordering::SeqCst)
    }

    fn accept<H, F>(name: &str, counts: Arc<Counts>, handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::accept_at(name, ([127, 0, 0, 1], 0).into(), counts, handler)
    }

    fn accept_at<H, F>(name: &str, address: SocketAddr, counts: Arc<Counts>, handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(address).expect("a loopback port is free");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::clone(&counts);
        let accepting = RUNTIME.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("the runtime takes the socket");
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).ok();
                let open = Open::new(&shared);
                let handled = handler(stream);
                connections.spawn(async move {
                    handled.await;
                    drop(open);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { name: name.to_owned(), address, counts, accepting }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What the socket of a server that is far away holds, in bytes.
const FAR: usize = 32 * 1024;

/// An open connection, counted until it is dropped.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        counts.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection<H, F>(stream: TcpStream, protocol: Protocol, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    match protocol {
        Protocol::Http1 => http1(stream, handler).await,
        Protocol::H2c => http2(stream, handler).await,
        Protocol::Tls(config) => {
            let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else {
                return;
            };
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => http2(stream, handler).await,
                _ => http1(stream, handler).await,
            }
        }
    }
}

async fn http1<S, H, F>(stream: S, handler: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>>,
{
    let service = service_fn(move |request| {
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    // More than the gateway lets through: the limit under test is its own.
    builder.max_headers(1000);
    builder.serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn http2<S, H, F>(stream: S, handler: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).enable_connect_protocol();
    builder.serve_connection(TokioIo::new(stream), service).await.ok();
}
