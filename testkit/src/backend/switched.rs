//! A server of which a test decides, at any time, whether it is healthy and what it answers.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};

use super::{Backend, Protocol};
use crate::client::{Body, full};

/// A server with a switch. `/health` and `grpc.health.v1.Health/Check` are answered as it stands; everything else gets
/// the server's name.
#[derive(Debug)]
pub struct Switched {
    /// The server.
    pub backend: Backend,
    switch: Arc<Switch>,
}

#[derive(Debug)]
struct Switch {
    /// A status; 0: no answer.
    health: AtomicU16,
    answers: AtomicU16,
    probes: AtomicU64,
    requests: AtomicU64,
    last: Mutex<Option<(http::request::Parts, Bytes)>>,
}

impl Switched {
    /// One that is healthy and answers 200, over HTTP/1.1.
    pub fn new(name: &str) -> Self {
        Self::over(name, Protocol::Http1)
    }

    /// The same over any protocol.
    pub fn over(name: &str, protocol: Protocol) -> Self {
        let switch = Arc::new(Switch {
            health: AtomicU16::new(200),
            answers: AtomicU16::new(200),
            probes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            last: Mutex::default(),
        });
        let (asked, named) = (Arc::clone(&switch), name.to_owned());
        let backend = Backend::serve(name, protocol, move |request| {
            let (switch, name) = (Arc::clone(&asked), named.clone());
            async move { switch.answer(&name, request).await }
        });
        Self { backend, switch }
    }

    /// From now on a probe gets this status; 0: no answer at all. For gRPC, 200 is SERVING, 404 that there is no such
    /// service, anything else NOT_SERVING.
    pub fn health(&self, status: u16) {
        self.switch.health.store(status, SeqCst);
    }

    /// From now on a request gets this status; 0: no answer at all.
    pub fn answers(&self, status: u16) {
        self.switch.answers.store(status, SeqCst);
    }

    /// Probes so far.
    pub fn probes(&self) -> u64 {
        self.switch.probes.load(SeqCst)
    }

    /// Other requests so far.
    pub fn requests(&self) -> u64 {
        self.switch.requests.load(SeqCst)
    }

    /// The last request or probe, whole.
    pub fn last(&self) -> Option<(http::request::Parts, Bytes)> {
        self.switch.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.backend.url()
    }
}

impl Switch {
    async fn answer(&self, name: &str, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((parts, body));
        let (count, status) = match &*path {
            "/health" | GRPC => (&self.probes, &self.health),
            _ => (&self.requests, &self.answers),
        };
        count.fetch_add(1, SeqCst);
        let status = status.load(SeqCst);
        if status == 0 {
            // Longer than any test.
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        if path == GRPC {
            return grpc(status);
        }
        let mut response = Response::new(full(name.to_owned()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a test says a status");
        response.headers_mut().insert("x-backend", HeaderValue::from_str(name).expect("a name is a value"));
        response
    }
}

const GRPC: &str = "/grpc.health.v1.Health/Check";

fn grpc(status: u16) -> Response<Body> {
    let trailers = |status| HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from(status))]);
    let mut response = if status == 404 {
        let mut response = Response::new(full(Bytes::new()));
        *response.headers_mut() = trailers(12);
        response
    } else {
        let serving = if status == 200 { 1 } else { 2 };
        let message = Frame::data(Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, serving]));
        let frames = [message, Frame::trailers(trailers(0))].map(Ok);
        Response::new(UnsyncBoxBody::new(StreamBody::new(futures_util::stream::iter(frames))))
    };
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
