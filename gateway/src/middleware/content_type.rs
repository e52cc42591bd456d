//! `contentType`: an answer without a `Content-Type` gets one that its beginning looks like, as Go's server does it.
//!
//! Without this middleware nothing is ever guessed. What has come of the body within [`LONGEST`] of the head is looked at,
//! [`sniff::LENGTH`] bytes at most; nothing is held back for more of it.

mod sniff;

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use crate::{
    body::{AnswerBody, Resumed},
    call::{Answered, Call, Way},
    deadline,
    error::{BodyError, Error},
};

/// Compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentType {
    auto_detect: bool,
}

impl ContentType {
    pub(super) fn new(auto_detect: bool) -> Self {
        Self { auto_detect }
    }

    /// Whether it does anything.
    pub(super) fn detects(self) -> bool {
        self.auto_detect
    }
}

/// Runs what is left of the way, and says what comes back if nobody else does.
pub(super) async fn run<'s>(call: &mut Call<'s>, way: Way<'s>) -> Result<Answered, Error> {
    let mark = call.mark();
    match call.run(way).await? {
        Answered::Response(response) => {
            let response = call.settle(response, mark);
            Ok(Answered::Response(typed(response).await))
        }
        answered => Ok(answered),
    }
}

async fn typed(response: Response<AnswerBody>) -> Response<AnswerBody> {
    let (mut parts, body) = response.into_parts();
    if !is_wanted(&parts) || body.is_end_stream() {
        return Response::from_parts(parts, body);
    }
    let (beginning, body) = beginning(body).await;
    if !beginning.is_empty() {
        let kind = HeaderValue::from_static(sniff::content_type(&beginning));
        parts.headers.insert(header::CONTENT_TYPE, kind);
    }
    Response::from_parts(parts, body)
}

/// A type that is there stays, an empty one too; the bytes of a coding say nothing of what is in it.
fn is_wanted(parts: &response::Parts) -> bool {
    let has_body =
        !parts.status.is_informational() && !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    has_body && !parts.headers.contains_key(header::CONTENT_TYPE) && !is_encoded(&parts.headers)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|coding| !coding.is_empty())
}

/// The first bytes, and the body that still has them: waits for the first frame, and takes what is there behind it.
async fn beginning(mut body: AnswerBody) -> (Bytes, AnswerBody) {
    if let AnswerBody::Whole(bytes) = &body {
        return (bytes.clone(), body);
    }
    let by = Instant::now() + LONGEST;
    let (mut begun, mut seen) = (VecDeque::new(), Vec::new());
    let Some(mut next) = deadline::met(by, body.frame()).await else { return (Bytes::new(), body) };
    while let Some(frame) = next.take() {
        let data = frame.as_ref().ok().and_then(Frame::data_ref);
        let goes_on = data.is_some();
        seen.extend(data.into_iter().flatten().take(sniff::LENGTH - seen.len()));
        begun.push_back(frame);
        if goes_on && seen.len() < sniff::LENGTH && !body.is_end_stream() {
            next = there(&mut body);
        }
    }
    (seen.into(), AnswerBody::Filtered(Box::pin(Resumed::new(begun, Some(body)))))
}

/// The next frame, if it need not be waited for.
fn there(body: &mut AnswerBody) -> Option<Result<Frame<Bytes>, BodyError>> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame,
        Poll::Pending => None,
    }
}

/// As long as an answer's head waits for its body: the time after which Traefik sends it (`flushInterval`).
const LONGEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
