//! `grpcWeb`: gRPC for browsers, which know neither HTTP/2's trailers nor, as text, bytes.
//!
//! ```text
//! application/grpc-web(-text) -> (base64) -> application/grpc -> server
//! client <- (base64) <- messages, trailers as the last frame <- server
//! ```
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>. Nothing is held back in either direction. A server's answer
//! that is no gRPC, and the gateway's own, go out as they are.

mod answer;
mod cors;

use http::{HeaderMap, HeaderValue, Method, Response, header, request};

use self::answer::Framed;
use super::{Note, note::Asked};
use crate::{
    body::{AnswerBody, RequestBody, base64::Decoded},
    call::{Answered, Call, Way},
    error::Error,
    snapshot::Step,
};

/// Compiled.
#[derive(Debug, Clone)]
pub(crate) struct GrpcWeb {
    origins: Vec<String>,
}

/// How a client writes its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Binary,
    Text,
}

impl GrpcWeb {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { origins: origins.to_vec() }
    }

    /// Answers what a browser asks first, and translates what comes then; all else goes on as it is.
    pub(crate) async fn run<'s>(&self, call: &mut Call<'s>, step: &'s Step, way: Way<'s>) -> Result<Answered, Error> {
        if cors::is_preflight(&call.parts) {
            return Ok(Answered::own(cors::preflight(&self.origins, &call.parts.headers)));
        }
        let Some(format) = Format::of(&call.parts) else { return call.run(way).await };
        let origin = call.parts.headers.get(header::ORIGIN).cloned();
        call.passage.passed(step, Note::Asked(Asked { origin, secure: false }));
        let mark = call.mark();
        format.translate(&mut call.parts);
        if format == Format::Text {
            let body = std::mem::replace(&mut call.body, RequestBody::Empty);
            call.body = RequestBody::made(Decoded::new(body));
        }
        match call.run(way).await? {
            Answered::Response(response) if is_grpc(response.headers()) => {
                let response = call.settle(response, mark);
                Ok(Answered::Response(format.answer(call, response)))
            }
            answered => Ok(answered),
        }
    }

    /// Says to the browser who may read the answer; the gateway's own too.
    pub(crate) fn response(&self, asked: &Asked, headers: &mut HeaderMap) {
        cors::response(&self.origins, asked.origin.as_ref(), headers);
    }
}

impl Format {
    fn of(parts: &request::Parts) -> Option<Self> {
        if parts.method != Method::POST {
            return None;
        }
        let kind = parts.headers.get(header::CONTENT_TYPE)?.as_bytes();
        match kind {
            _ if kind.starts_with(TEXT.as_bytes()) => Some(Self::Text),
            _ if kind.starts_with(BINARY.as_bytes()) => Some(Self::Binary),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Binary => BINARY,
            Self::Text => TEXT,
        }
    }

    /// Makes gRPC of the head of a request.
    fn translate(self, parts: &mut request::Parts) {
        replace_type(&mut parts.headers, self.name(), GRPC);
        // gRPC wants to be told that trailers may come.
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if self == Self::Text {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
    }

    fn answer(self, call: &mut Call<'_>, response: Response<AnswerBody>) -> Response<AnswerBody> {
        let (mut parts, body) = response.into_parts();
        replace_type(&mut parts.headers, GRPC, self.name());
        if http_body::Body::is_end_stream(&body) {
            // All that there is to say stands in the head.
            return Response::from_parts(parts, body);
        }
        parts.headers.remove(header::TRAILER);
        parts.headers.remove(header::CONTENT_LENGTH);
        let status = call.exchange.grpc_status_in_body();
        let body = Framed::new(body, self == Self::Text, status);
        Response::from_parts(parts, AnswerBody::Filtered(Box::pin(body)))
    }
}

/// Whether it is gRPC, and not for browsers already.
fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.as_bytes().strip_prefix(GRPC.as_bytes()));
    rest.is_some_and(|rest| rest.is_empty() || matches!(rest[0], b'+' | b';' | b' '))
}

/// `application/grpc+proto` for `application/grpc-web+proto`.
fn replace_type(headers: &mut HeaderMap, from: &str, to: &str) {
    let rest = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.as_bytes().strip_prefix(from.as_bytes()));
    if let Some(Ok(kind)) = rest.map(|rest| HeaderValue::from_bytes(&[to.as_bytes(), rest].concat())) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
}

const GRPC: &str = "application/grpc";
const BINARY: &str = "application/grpc-web";
const TEXT: &str = "application/grpc-web-text";
