//! Answers what it saw.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use crate::client::{Body, full, zeros};

/// A request as the echo server saw it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    /// The server's name.
    pub backend: String,
    /// GET, POST...
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Every header line in order, names lower-cased; over HTTP/2 `:authority` comes as `host`.
    pub headers: Vec<(String, String)>,
    /// The body's length.
    pub body: u64,
    /// Every trailer.
    pub trailers: Vec<(String, String)>,
}

impl Seen {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.headers.iter().filter(|(key, _)| key == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    }
}

pub(super) async fn answer(name: String, request: Request<Incoming>) -> Response<Body> {
    let (head, mut body) = request.into_parts();
    let (mut length, mut trailers) = (0, HeaderMap::new());
    while let Some(Ok(frame)) = body.frame().await {
        match frame.into_data() {
            Ok(data) => length += data.len() as u64,
            Err(other) => trailers = other.into_trailers().unwrap_or_default(),
        }
    }
    let seen = Seen {
        backend: name.clone(),
        method: head.method.to_string(),
        uri: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
        version: format!("{:?}", head.version),
        headers: lines(&head.headers, head.uri.authority().map(|authority| authority.as_str())),
        body: length,
        trailers: lines(&trailers, None),
    };
    respond(&name, &head.headers, &seen)
}

fn respond(name: &str, asked: &HeaderMap, seen: &Seen) -> Response<Body> {
    let first = |name: &str| asked.get(name).and_then(|value| value.to_str().ok());
    let mut response = Response::new(match first("echo-bytes") {
        Some(length) => zeros(length.parse().expect("echo-bytes is a number")),
        None => full(serde_json::to_vec(seen).expect("a struct of texts is JSON")),
    });
    if let Some(status) = first("echo-status") {
        *response.status_mut() = StatusCode::from_bytes(status.as_bytes()).expect("echo-status is a status");
    }
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response.headers_mut().insert("x-backend", HeaderValue::from_str(name).expect("a name is a value"));
    for (key, value) in pairs(asked, "echo-header") {
        response.headers_mut().append(key, value);
    }
    let trailers = pairs(asked, "echo-trailer").collect::<HeaderMap>();
    if trailers.is_empty() {
        return response;
    }
    for name in trailers.keys() {
        response.headers_mut().append("trailer", HeaderValue::from_name(name.clone()));
    }
    response.map(|body| UnsyncBoxBody::new(body.with_trailers(std::future::ready(Some(Ok(trailers))))))
}

fn pairs<'a>(asked: &'a HeaderMap, name: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<'a> {
    asked.get_all(name).iter().filter_map(|line| {
        let (key, value) = line.to_str().ok()?.split_once(':')?;
        Some((key.trim().parse().ok()?, value.trim().parse().ok()?))
    })
}

fn lines(headers: &HeaderMap, authority: Option<&str>) -> Vec<(String, String)> {
    let host = authority.map(|authority| ("host".to_owned(), authority.to_owned()));
    let rest = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    host.into_iter().chain(rest).collect()
}
