//! An answer's body while it is compressed: a piece at a time, and what is there goes out where the server pauses.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};

use super::encoder::Encoder;
use crate::{
    body::{AnswerBody, replay::Held},
    error::BodyError,
};

/// See the module.
pub(super) struct Compressed<B = AnswerBody> {
    body: B,
    /// `None`: it has come to its end.
    encoder: Option<Encoder>,
    /// Its place among the worker's encoders, as long as it is there.
    place: Option<Held>,
    /// What of the last frame is not encoded yet.
    input: Bytes,
    /// Bytes that were encoded since the last end of a block.
    open: usize,
    /// A piece was encoded in this turn of the worker.
    worked: bool,
    /// What is left when the encoder has ended.
    last: Bytes,
    trailers: Option<HeaderMap>,
    /// Bytes of the server's.
    counted: Rc<Cell<u64>>,
}

impl<B> Compressed<B> {
    pub(super) fn new(body: B, encoder: Encoder, place: Held, counted: Rc<Cell<u64>>) -> Self {
        let (input, last) = (Bytes::new(), Bytes::new());
        let (encoder, place) = (Some(encoder), Some(place));
        Self { body, encoder, place, input, open: 0, worked: false, last, trailers: None, counted }
    }

    /// Encodes at most a piece of the input.
    fn work(&mut self) -> Result<(), BodyError> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let length = self.input.len().min(encoder.piece() - self.open);
        encoder.encode(&self.input[..length]).map_err(BodyError::Encoder)?;
        self.input.advance(length);
        self.open += length;
        if self.open == encoder.piece() {
            encoder.flush().map_err(BodyError::Encoder)?;
            (self.open, self.worked) = (0, true);
        }
        Ok(())
    }

    /// What is to go out now, if there is anything.
    fn pause(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        if std::mem::take(&mut self.open) > 0 {
            encoder.flush().map_err(BodyError::Encoder)?;
        }
        Ok((encoder.ready() > 0).then(|| Frame::data(encoder.take())))
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), BodyError> {
        if let Some(encoder) = self.encoder.take() {
            self.last = encoder.finish().map_err(BodyError::Encoder)?;
            self.place = None;
            self.trailers = trailers;
        }
        Ok(())
    }
}

impl<B> HttpBody for Compressed<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let Some(encoder) = &mut this.encoder else {
                if !this.last.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.last)))));
                }
                return Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            };
            if encoder.ready() >= FRAME {
                return Poll::Ready(Some(Ok(Frame::data(encoder.take()))));
            }
            if std::mem::take(&mut this.worked) {
                // Others have their turn, those for whom something has come meanwhile too: a task that only wakes itself is
                // run dozens of times before the worker looks at its sockets.
                let turn = std::pin::pin!(tokio::task::yield_now()).poll(cx);
                debug_assert!(turn.is_pending(), "it yields once");
                return Poll::Pending;
            }
            if !this.input.is_empty() {
                this.work()?;
                continue;
            }
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        this.counted.set(this.counted.get() + data.len() as u64);
                        this.input = data;
                    }
                    Err(frame) => this.end(frame.into_trailers().ok())?,
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => this.end(None)?,
                Poll::Pending => {
                    return this.pause()?.map_or(Poll::Pending, |frame| Poll::Ready(Some(Ok(frame))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.last.is_empty() && self.trailers.is_none()
    }
}

/// From so many bytes on they go out though the server has more.
const FRAME: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        task::{Wake, Waker},
    };

    use rollgate_config::dynamic::middleware::Encoding;

    use super::{super::encoder::tests::decoded, *};
    use crate::body::replay::Room;

    /// A server's body; `None` is a pause.
    struct Server(VecDeque<Option<Frame<Bytes>>>);

    impl HttpBody for Server {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            match self.0.pop_front() {
                Some(None) => Poll::Pending,
                Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
                None => Poll::Ready(None),
            }
        }
    }

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn compressed(encoding: Encoding, frames: Vec<Option<Frame<Bytes>>>) -> Compressed<Server> {
        let place = Rc::new(Room::new(1)).hold(1).unwrap();
        Compressed::new(Server(frames.into()), Encoder::new(encoding).unwrap(), place, Rc::default())
    }

    fn data(text: &str) -> Option<Frame<Bytes>> {
        Some(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[test]
    fn what_a_server_has_sent_goes_out_when_it_pauses() {
        for (name, encoding) in Encoding::ALL {
            let trailers = Frame::trailers(HeaderMap::new());
            let frames = vec![data("event: 1\n"), data("\n"), None, None, data("event: 2\n\n"), None, Some(trailers)];
            let mut body = compressed(encoding, frames);
            let mut cx = Context::from_waker(Waker::noop());
            let (mut coded, mut steps) = (Vec::new(), Vec::new());
            for _ in 0..9 {
                match Pin::new(&mut body).poll_frame(&mut cx) {
                    Poll::Pending => steps.push("pause".to_owned()),
                    Poll::Ready(None) => steps.push("end".to_owned()),
                    Poll::Ready(Some(frame)) => match frame.unwrap().into_data() {
                        Ok(data) => {
                            coded.extend_from_slice(&data);
                            steps.push(String::from_utf8(decoded(encoding, &coded)).unwrap());
                        }
                        Err(_) => steps.push("trailers".to_owned()),
                    },
                }
                if body.is_end_stream() {
                    break;
                }
            }
            let (one, two) = ("event: 1\n\n", "event: 1\n\nevent: 2\n\n");
            // The last frame ends what is whole already.
            assert_eq!(steps, [one, "pause", two, two, "trailers"], "{name}");
            assert_eq!(body.counted.get(), 20);
        }
    }

    #[test]
    fn between_pieces_others_have_their_turn_and_small_frames_go_out_together() {
        let text = "abcdefgh".repeat(16 * 1024);
        for (name, encoding) in Encoding::ALL {
            let mut body = compressed(encoding, vec![data(&text)]);
            let pieces = text.len().div_ceil(body.encoder.as_ref().unwrap().piece()) as u32;
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            let (mut coded, mut frames) = (Vec::new(), 0);
            while !body.is_end_stream() {
                if let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker)) {
                    coded.extend_from_slice(frame.unwrap().data_ref().unwrap());
                    frames += 1;
                }
            }
            assert_eq!(decoded(encoding, &coded), text.as_bytes(), "{name}");
            let turns = woken.0.load(Ordering::Relaxed);
            assert!((pieces - 1..=pieces).contains(&turns), "{name}: {turns} turns for {pieces} pieces");
            assert_eq!(frames, 1, "{name}");
        }
    }
}
