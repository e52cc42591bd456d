//! A body that comes as text and goes on as bytes (RFC 4648 section 4), without waiting for its end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};

use crate::error::BodyError;

/// What is decoded. Padding may stand within it: several texts, one behind the other, are one body.
#[derive(Debug)]
pub(crate) struct Decoded<B> {
    body: B,
    /// Fewer than four characters, which are a group only with what comes next.
    rest: BytesMut,
}

impl<B> Decoded<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, rest: BytesMut::new() }
    }

    fn decode(&mut self, data: &[u8]) -> Result<Bytes, BodyError> {
        // Lines may be folded.
        self.rest.extend(data.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        let whole = self.rest.split_to(self.rest.len() / GROUP * GROUP);
        let mut decoded = Vec::with_capacity(whole.len() / GROUP * 3);
        let mut left = &whole[..];
        while !left.is_empty() {
            let padding = left.iter().position(|byte| *byte == b'=');
            let end = padding.map_or(left.len(), |at| (at / GROUP + 1) * GROUP);
            BASE64_STANDARD.decode_vec(&left[..end], &mut decoded).map_err(|_| BodyError::Coding("base64"))?;
            left = &left[end..];
        }
        Ok(decoded.into())
    }
}

impl<B> HttpBody for Decoded<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)).transpose()? else {
                let cut = !std::mem::take(&mut this.rest).is_empty();
                return Poll::Ready(cut.then_some(Err(BodyError::Coding("base64"))));
            };
            match frame.into_data() {
                Ok(data) => {
                    let decoded = this.decode(&data)?;
                    if !decoded.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(decoded))));
                    }
                }
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }
}

/// Characters that are three bytes together.
const GROUP: usize = 4;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;

    struct Pieces(Vec<Vec<u8>>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let piece = (!self.0.is_empty()).then(|| self.0.remove(0));
            Poll::Ready(piece.map(|piece| Ok(Frame::data(piece.into()))))
        }
    }

    fn decoded(pieces: Vec<Vec<u8>>) -> Option<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let collected = runtime.block_on(Decoded::new(Pieces(pieces)).collect());
        collected.ok().map(|whole| whole.to_bytes().to_vec())
    }

    proptest! {
        #[test]
        fn texts_in_any_pieces_are_their_bytes(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
            length in 1..30_usize,
        ) {
            let text = texts.iter().map(|text| BASE64_STANDARD.encode(text)).collect::<String>();
            let pieces = text.as_bytes().chunks(length).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(decoded(pieces), Some(texts.concat()));
        }
    }

    #[test]
    fn what_is_none_is_an_error() {
        for (text, expected) in [
            ("aGVsbG8=", Some("hello")),
            ("aGVs\r\nbG8=", Some("hello")),
            ("aGVsbG8=aGVsbG8=", Some("hellohello")),
            ("aGVsbG8", None),
            ("aGVs!G8=", None),
            ("=aGV", None),
            ("a", None),
            ("", Some("")),
        ] {
            assert_eq!(decoded(vec![text.into()]).as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
