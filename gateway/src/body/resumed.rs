//! An answer's body of which the beginning has been looked at.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::AnswerBody;
use crate::error::BodyError;

/// What has been taken of it, and the rest.
pub(crate) struct Resumed {
    begun: VecDeque<Result<Frame<Bytes>, BodyError>>,
    /// `None`: that was all.
    body: Option<AnswerBody>,
}

impl Resumed {
    pub(crate) fn new(begun: VecDeque<Result<Frame<Bytes>, BodyError>>, body: Option<AnswerBody>) -> Self {
        Self { begun, body }
    }
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.begun.pop_front() {
            return Poll::Ready(Some(frame));
        }
        match &mut self.body {
            None => Poll::Ready(None),
            Some(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_empty() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint);
        let data = self.begun.iter().map_while(|frame| frame.as_ref().ok()?.data_ref());
        let (frames, bytes) = data.fold((0, 0), |(frames, bytes), data| (frames + 1, bytes + data.len() as u64));
        let mut hint = SizeHint::new();
        hint.set_lower(bytes + rest.lower());
        // With trailers it has to be framed as one whose length nobody knows.
        if let Some(upper) = rest.upper().filter(|_| frames == self.begun.len()) {
            hint.set_upper(bytes + upper);
        }
        hint
    }
}
