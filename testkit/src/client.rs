//! HTTP clients: one request on a connection of its own ([`Ask`]), or many on one ([`Connection`]).

use std::{io, net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header::HOST};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{backend::Seen, wait::within};

/// Any body that clients and servers here send.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    UnsyncBoxBody::new(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// A body of `length` zero bytes in pieces of 64 KiB.
pub fn zeros(length: u64) -> Body {
    let piece = BytesMut::zeroed(65_536).freeze();
    let pieces = futures_util::stream::unfold(length, move |left| {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let frame = Frame::data(piece.slice(..take));
        async move { (left > 0).then(|| (Ok::<_, io::Error>(frame), left - take as u64)) }
    });
    UnsyncBoxBody::new(StreamBody::new(Box::pin(pieces)))
}

/// A body that fails after these bytes.
pub fn broken(bytes: impl Into<Bytes>) -> Body {
    let frames = [Ok(Frame::data(bytes.into())), Err(io::Error::other("no more"))];
    UnsyncBoxBody::new(StreamBody::new(futures_util::stream::iter(frames)))
}

/// A body whose frames come from a channel, so that a test decides when; it ends when the sender is dropped.
pub fn channel() -> (mpsc::UnboundedSender<Frame<Bytes>>, Body) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context).map(|frame| frame.map(Ok)));
    (sender, UnsyncBoxBody::new(StreamBody::new(frames)))
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// `http://host[:port]/path?query`; the host is what Host (or `:authority`) says, not where the request goes.
    pub url: String,
    /// More headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty sends none.
    pub body: Bytes,
}

impl Ask {
    /// A request without headers and body.
    pub fn new(method: &str, url: &str) -> Self {
        let method = method.parse().expect("the method is a token");
        Self { method, url: url.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// GET.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// One more header; `Host` replaces the URL's.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Over HTTP/1.1, on a connection of its own.
    pub async fn send(self, address: SocketAddr) -> Reply {
        Connection::http1(address).await.ask(self).await
    }

    /// Over HTTP/2 in clear text, on a connection of its own.
    pub async fn send_h2(self, address: SocketAddr) -> Reply {
        Connection::http2(address).await.ask(self).await
    }

    fn request(self, version: Version) -> Request<Body> {
        let mut request = Request::new(full(self.body));
        *request.method_mut() = self.method;
        let uri: Uri = self.url.parse().unwrap_or_else(|_| panic!("{} is no URL", self.url));
        let host = uri.authority().map(|authority| authority.as_str().to_owned());
        if version == Version::HTTP_11 {
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            *request.uri_mut() = target.parse().expect("a part of a URL is one");
            if let Some(host) = host {
                request.headers_mut().insert(HOST, host.parse().expect("an authority is a value"));
            }
        } else {
            *request.uri_mut() = uri;
        }
        for (name, value) in self.headers {
            let value: HeaderValue = value.parse().expect("the header's value is valid");
            if name.eq_ignore_ascii_case("host") {
                request.headers_mut().insert(HOST, value);
            } else {
                request.headers_mut().append(name.parse::<http::HeaderName>().expect("the name is valid"), value);
            }
        }
        request
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The protocol it came by.
    pub version: Version,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Trailers.
    pub trailers: HeaderMap,
}

impl Reply {
    /// Reads an answer to its end.
    pub async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let collected = within("the answer's body", body.collect()).await.expect("the body arrives whole");
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let body = collected.to_bytes();
        Self { status: head.status.as_u16(), version: head.version, headers: head.headers, body, trailers }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("the value is text"))
    }

    /// What the echo server saw.
    pub fn seen(&self) -> Seen {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} from no echo server: {}", self.status, self.text()))
    }
}

/// A client connection.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    /// The server's certificate as the handshake showed it; empty in clear text.
    pub certificate: Vec<u8>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    /// HTTP/1.1 in clear text.
    pub async fn http1(address: SocketAddr) -> Self {
        Self { sender: http1_over(connect(address).await).await, certificate: Vec::new() }
    }

    /// HTTP/2 in clear text, by prior knowledge.
    pub async fn http2(address: SocketAddr) -> Self {
        Self { sender: http2_over(connect(address).await).await, certificate: Vec::new() }
    }

    /// TLS, with the protocol that ALPN agreed on.
    pub async fn tls(address: SocketAddr, name: &str, config: ClientConfig) -> Self {
        let stream = tls(address, name, config).await.unwrap_or_else(|error| panic!("handshake for {name}: {error}"));
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default();
        let sender = match session.alpn_protocol() {
            Some(b"h2") => http2_over(stream).await,
            _ => http1_over(stream).await,
        };
        Self { sender, certificate }
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends one request and reads the answer to its end.
    pub async fn ask(&mut self, ask: Ask) -> Reply {
        let what = format!("{} {}", ask.method, ask.url);
        let request = ask.request(if self.is_http2() { Version::HTTP_2 } else { Version::HTTP_11 });
        let response = self.try_send(request).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        Reply::read(response).await
    }

    /// Sends a request as it is, the target in the protocol's own form; returns at the answer's head.
    ///
    /// # Errors
    /// What the connection says.
    pub async fn try_send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                within("the connection is ready", sender.ready()).await?;
                within("the answer's head", sender.send_request(request)).await
            }
            Sender::Http2(sender) => {
                within("the connection is ready", sender.ready()).await?;
                within("the answer's head", sender.send_request(request)).await
            }
        }
    }
}

/// A TLS connection without any HTTP on it.
///
/// # Errors
/// What the handshake says.
pub async fn tls(address: SocketAddr, name: &str, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("the name is valid");
    let connector = TlsConnector::from(Arc::new(config));
    within("the TLS handshake", connector.connect(name, connect(address).await)).await
}

/// A TCP connection without delay.
pub async fn connect(address: SocketAddr) -> TcpStream {
    let stream = within("a connection", TcpStream::connect(address)).await;
    let stream = stream.unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_nodelay(true).expect("a socket can do without delay");
    stream
}

async fn http1_over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Sender {
    let handshake = http1::Builder::new().handshake(TokioIo::new(stream));
    let (sender, connection) = within("HTTP/1.1 begins", handshake).await.expect("HTTP/1.1 begins");
    tokio::spawn(connection.with_upgrades());
    Sender::Http1(sender)
}

async fn http2_over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Sender {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).adaptive_window(true);
    let handshake = builder.handshake(TokioIo::new(stream));
    let (sender, connection) = within("HTTP/2 begins", handshake).await.expect("HTTP/2 begins");
    tokio::spawn(connection);
    Sender::Http2(sender)
}
