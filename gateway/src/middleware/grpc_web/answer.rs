//! A gRPC answer as a browser can read it: trailers are a frame of the body.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};

use crate::{body::AnswerBody, error::BodyError};

/// See the module.
pub(super) struct Framed<B = AnswerBody> {
    body: B,
    text: bool,
    ended: bool,
    /// Where `grpc-status` goes, which nobody else sees in the body.
    status: Rc<Cell<Option<u16>>>,
}

impl<B> Framed<B> {
    pub(super) fn new(body: B, text: bool, status: Rc<Cell<Option<u16>>>) -> Self {
        Self { body, text, ended: false, status }
    }

    /// Each piece of text is padded, and so whole of its own, as the protocol allows.
    fn written(&self, bytes: Bytes) -> Frame<Bytes> {
        Frame::data(if self.text { BASE64_STANDARD.encode(bytes).into() } else { bytes })
    }
}

impl<B> HttpBody for Framed<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)).transpose()? else {
            this.ended = true;
            return Poll::Ready(None);
        };
        let bytes = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                this.ended = true;
                let trailers = frame.into_trailers().unwrap_or_default();
                let status = trailers.get("grpc-status").and_then(|status| status.to_str().ok()?.parse().ok());
                this.status.set(status);
                trailers_frame(&trailers)
            }
        };
        Poll::Ready(Some(Ok(this.written(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// Flags, length, and the fields as HTTP/1 writes them, in lower case.
fn trailers_frame(trailers: &HeaderMap) -> Bytes {
    let length: usize = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(TRAILERS);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    for (name, value) in trailers {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            frame.extend_from_slice(piece);
        }
    }
    frame.freeze()
}

/// The flag of a frame that holds trailers.
const TRAILERS: u8 = 0x80;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    struct Frames(std::collections::VecDeque<Result<Frame<Bytes>, BodyError>>);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn server(end: Option<Result<Frame<Bytes>, BodyError>>) -> Frames {
        let mut frames: std::collections::VecDeque<_> =
            ["\0\0\0\0\x05hello", "x"].map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).into();
        frames.extend(end);
        Frames(frames)
    }

    fn trailers() -> Option<Result<Frame<Bytes>, BodyError>> {
        let fields = [("grpc-status", "5"), ("grpc-message", "no%20such")];
        let fields = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Some(Ok(Frame::trailers(HeaderMap::from_iter(fields))))
    }

    #[test]
    fn trailers_are_the_last_frame_of_the_body() {
        let status = Rc::default();
        let whole = run(Framed::new(server(trailers()), false, Rc::clone(&status)).collect()).unwrap();
        let fields = b"grpc-status: 5\r\ngrpc-message: no%20such\r\n";
        let expected = [b"\0\0\0\0\x05hellox\x80\0\0\0".as_slice(), &[fields.len() as u8], fields].concat();
        assert!(whole.trailers().is_none());
        assert_eq!(whole.to_bytes(), expected);
        assert_eq!(status.get(), Some(5));
    }

    #[test]
    fn text_is_base64_piece_by_piece() {
        let mut body = Framed::new(server(trailers()), true, Rc::default());
        let pieces = run(async {
            let mut pieces = Vec::new();
            while let Some(frame) = body.frame().await {
                pieces.push(BASE64_STANDARD.decode(frame.unwrap().into_data().unwrap()).unwrap());
            }
            pieces
        });
        assert_eq!(
            (pieces.len(), pieces[0].as_slice(), pieces[1].as_slice()),
            (3, b"\0\0\0\0\x05hello".as_slice(), b"x".as_slice())
        );
        assert_eq!(pieces[2][0], TRAILERS);
    }

    #[test]
    fn what_breaks_off_is_not_made_whole() {
        let broken = Framed::new(server(Some(Err(BodyError::Idle))), false, Rc::default());
        assert!(run(broken.collect()).is_err());
        let without = run(Framed::new(server(None), false, Rc::default()).collect()).unwrap();
        assert_eq!(without.to_bytes(), "\0\0\0\0\x05hellox");
    }
}
