//! The beginning of an answer whose length nobody knows: whether it is long enough to be compressed.

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use crate::{
    body::{AnswerBody, Resumed},
    deadline,
    error::BodyError,
};

/// What is known of it.
pub(super) enum Beginning {
    /// Long enough, or it takes its time.
    Long(AnswerBody),
    /// Too short.
    Short(AnswerBody),
    /// Too short, and here it is.
    Whole(Bytes),
}

/// Takes at most so many bytes, and no longer than [`LONGEST`]: a stream that is slow is not held back.
pub(super) async fn of(mut body: AnswerBody, minimum: u64) -> Beginning {
    let mut begun = VecDeque::new();
    let mut length = 0;
    let by = Instant::now() + LONGEST;
    let ended = loop {
        if body.is_end_stream() {
            break true;
        }
        match deadline::met(by, body.frame()).await {
            Some(Some(frame)) => {
                let is_last = !frame.as_ref().is_ok_and(Frame::is_data);
                length += frame.as_ref().map_or(0, |frame| frame.data_ref().map_or(0, |data| data.len() as u64));
                begun.push_back(frame);
                if length >= minimum {
                    break false;
                }
                if is_last {
                    return Beginning::Short(AnswerBody::Filtered(Box::pin(Resumed::new(begun, None))));
                }
            }
            Some(None) => break true,
            None => break false,
        }
    };
    if ended && length < minimum {
        return Beginning::Whole(joined(begun));
    }
    Beginning::Long(AnswerBody::Filtered(Box::pin(Resumed::new(begun, Some(body)))))
}

fn joined(begun: VecDeque<Result<Frame<Bytes>, BodyError>>) -> Bytes {
    let mut pieces = begun.into_iter().filter_map(|frame| frame.ok()?.into_data().ok());
    let first = pieces.next().unwrap_or_default();
    let Some(second) = pieces.next() else { return first };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    pieces.for_each(|piece| all.extend_from_slice(&piece));
    all.freeze()
}

/// As long as an answer's head may wait for its body, where all else is there.
const LONGEST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use super::*;

    fn body(steps: Vec<Option<Result<Frame<Bytes>, BodyError>>>) -> AnswerBody {
        struct Steps(VecDeque<Option<Result<Frame<Bytes>, BodyError>>>);
        impl HttpBody for Steps {
            type Data = Bytes;
            type Error = BodyError;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
                match self.0.pop_front() {
                    Some(None) => Poll::Pending,
                    Some(frame) => Poll::Ready(frame),
                    None => Poll::Ready(None),
                }
            }
        }
        AnswerBody::Filtered(Box::pin(Steps(steps.into())))
    }

    fn data(text: &'static str) -> Option<Result<Frame<Bytes>, BodyError>> {
        Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
    }

    async fn rest(mut body: AnswerBody) -> String {
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) if frame.is_trailers() => text.push_str("[trailers]"),
                Ok(frame) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Err(error) => text.push_str(&format!("[{error}]")),
            }
        }
        text
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_early_is_short_and_what_goes_on_is_long() {
        let Beginning::Whole(whole) = of(body(vec![data("ab"), data("cd")]), 5).await else { panic!("it is short") };
        assert_eq!(whole, "abcd");
        let Beginning::Long(body_) = of(body(vec![data("ab"), data("cdef"), data("g")]), 5).await else {
            panic!("it is long")
        };
        assert_eq!(rest(body_).await, "abcdefg");
        let trailers = Some(Ok(Frame::trailers(http::HeaderMap::new())));
        let Beginning::Short(body_) = of(body(vec![data("ab"), trailers]), 5).await else { panic!("it is short") };
        assert_eq!(rest(body_).await, "ab[trailers]");
        let broken = Some(Err(BodyError::WriteTimeout));
        let Beginning::Short(body_) = of(body(vec![data("ab"), broken]), 5).await else { panic!("it is broken") };
        assert_eq!(rest(body_).await, "ab[the response took too long]");
    }

    /// Gives its second piece late.
    struct Late {
        pieces: VecDeque<&'static str>,
        waiting: Pin<Box<tokio::time::Sleep>>,
    }

    impl HttpBody for Late {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            if self.pieces.len() < 2 {
                ready!(self.waiting.as_mut().poll(cx));
            }
            Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_slow_is_not_waited_for() {
        for (late, is_waited_for) in [(LONGEST / 2, true), (LONGEST * 10, false)] {
            let began = Instant::now();
            let waiting = Box::pin(tokio::time::sleep(late));
            let body = AnswerBody::Filtered(Box::pin(Late { pieces: ["ab", "cd"].into(), waiting }));
            match of(body, 5).await {
                Beginning::Whole(whole) => assert!(is_waited_for && whole == "abcd"),
                Beginning::Short(_) => panic!("it has no trailers"),
                Beginning::Long(body) => {
                    assert!(!is_waited_for && began.elapsed() < LONGEST * 2);
                    assert_eq!(rest(body).await, "abcd");
                }
            }
        }
    }
}
