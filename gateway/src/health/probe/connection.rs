//! A connection for one probe, and one exchange on it.

use std::{
    io,
    sync::{Arc, Weak},
};

use ::http::{HeaderValue, Request, Response, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::destination::Destination;
use crate::{
    health::fault::Fault,
    pool::{Targets, connect, target::Scheme},
    tls::client::Transport,
};

/// An answer; its connection ends with it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Ends,
}

/// The tasks of a connection, which end when nobody waits for them any more. HTTP/2 begins some of its own, that a server may
/// keep busy.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output: Send + 'static> + Send + 'static> Executor<F> for Ends {
    fn execute(&self, task: F) {
        self.0.lock().spawn(async move { drop(task.await) });
    }
}

/// What a connection's own tasks begin tasks with, for as long as it is there.
#[derive(Debug, Clone)]
struct Begins(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output: Send + 'static> + Send + 'static> Executor<F> for Begins {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            Ends(tasks).execute(task);
        }
    }
}

/// Sends a request, whose target and protocol are yet to be set, to where it is to go.
pub(super) async fn exchange(
    to: &Destination,
    transport: &Transport,
    targets: &Targets,
    host: &HeaderValue,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, Fault> {
    let tcp = connected(to, transport, targets).await.map_err(Fault::Connect)?;
    match to.scheme {
        Scheme::Http => over_http1(tcp, to, host, request).await,
        Scheme::H2c => over_http2(tcp, to, host, request).await,
        Scheme::Https => {
            let Some(tls) = &transport.tls else {
                return Err(Fault::Unaskable("its transport has no TLS".to_owned()));
            };
            // gRPC is HTTP/2; a server that offers both may choose.
            let name = transport.server_name(&to.host).map_err(Fault::Tls)?;
            let tls = TlsConnector::from(tls.any.clone()).connect(name, tcp).await.map_err(Fault::Tls)?;
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                over_http2(tls, to, host, request).await
            } else {
                request.headers_mut().remove(header::TE);
                over_http1(tls, to, host, request).await
            }
        }
    }
}

async fn connected(to: &Destination, transport: &Transport, targets: &Targets) -> io::Result<TcpStream> {
    let place = targets.place(&to.host);
    let (tcp, _) = connect::connect_any(&place, to.port, fastrand::u64(..)).await?;
    connect::prepare(&tcp, &transport.config)?;
    Ok(tcp)
}

async fn over_http1<S>(
    stream: S,
    to: &Destination,
    host: &HeaderValue,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    *request.uri_mut() = to.target.clone().into();
    request.headers_mut().insert(header::HOST, host.clone());
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let ends = Ends::default();
    ends.execute(connection);
    Ok(Answer { response: sender.send_request(request).await?, connection: ends })
}

async fn over_http2<S>(
    stream: S,
    to: &Destination,
    host: &HeaderValue,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    *request.uri_mut() = to.uri(host)?;
    let ends = Ends::default();
    let begins = Begins(Arc::downgrade(&ends.0));
    let (mut sender, connection) = http2::handshake(begins, TokioIo::new(stream)).await?;
    ends.execute(connection);
    Ok(Answer { response: sender.send_request(request).await?, connection: ends })
}
