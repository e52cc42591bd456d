//! A request's body that may be sent again: what passes is kept beside while it is sent, and never waited for.
//!
//! ```text
//! client -> Source, which keeps what it gives -> Replayed 1
//!                                             -> Replayed 2: what was kept, then the rest of the client's body
//! ```
//!
//! One sending has the body at a time: the next one cuts the one before off. What is kept is bounded for each request
//! and for all requests of a worker ([`Room`]); where a bound is reached the copy is dropped, the body goes on, and it
//! cannot be sent again.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::error::BodyError;

/// What whoever may want the body once more holds.
#[derive(Debug)]
pub(crate) struct Replay<B>(Rc<RefCell<Source<B>>>);

/// The body as one sending has it.
#[derive(Debug)]
pub(crate) struct Replayed<B> {
    source: Rc<RefCell<Source<B>>>,
    turn: u32,
}

/// Why a body cannot be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// More of it has passed than may be kept of a request.
    TooLong,
    /// The worker had no room for more.
    NoRoom,
    /// Reading it has failed.
    Broken,
    /// Nobody would want it again.
    Unwanted,
}

/// The bytes that a worker may keep for all bodies that are under way.
#[derive(Debug)]
pub(crate) struct Room {
    used: Cell<u64>,
    limit: u64,
}

/// Some of them, which are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Rc<Room>,
    bytes: u64,
}

#[derive(Debug)]
struct Source<B> {
    body: B,
    /// How long the whole body is, where it is known.
    total: Option<u64>,
    limit: u64,
    room: Rc<Room>,
    /// Bytes that are taken of the room.
    held: u64,
    pieces: Vec<Bytes>,
    /// Small pieces, put together.
    tail: BytesMut,
    trailers: Option<HeaderMap>,
    /// Bytes of data that the client's body has given.
    passed: u64,
    ended: bool,
    lost: Option<Lost>,
    /// Which sending has the body.
    turn: u32,
    /// What it has had: pieces that were kept before it, bytes, the trailers.
    given: usize,
    bytes_given: u64,
    trailers_given: bool,
    waker: Option<Waker>,
}

/// Makes of a body one that can be sent again as long as at most `limit` bytes of it have passed.
pub(crate) fn replayable<B: HttpBody>(body: B, limit: u64, room: &Rc<Room>) -> (Replay<B>, Replayed<B>) {
    let source = Rc::new(RefCell::new(Source {
        total: body.size_hint().exact(),
        body,
        limit,
        room: room.clone(),
        held: 0,
        pieces: Vec::new(),
        tail: BytesMut::new(),
        trailers: None,
        passed: 0,
        ended: false,
        lost: None,
        turn: 0,
        given: 0,
        bytes_given: 0,
        trailers_given: false,
        waker: None,
    }));
    (Replay(source.clone()), Replayed { source, turn: 0 })
}

// === impl Replay ===

impl<B> Replay<B> {
    /// The body from its beginning. The sending before is cut off.
    ///
    /// # Errors
    /// Something has passed that was not kept.
    pub(crate) fn again(&self) -> Result<Replayed<B>, Lost> {
        let mut source = self.0.borrow_mut();
        if let Some(lost) = source.lost {
            return Err(lost);
        }
        source.seal();
        source.turn += 1;
        (source.given, source.bytes_given, source.trailers_given) = (0, 0, false);
        if let Some(waker) = source.waker.take() {
            waker.wake();
        }
        Ok(Replayed { source: self.0.clone(), turn: source.turn })
    }

    /// Why it cannot be sent again, if so.
    pub(crate) fn lost(&self) -> Option<Lost> {
        self.0.borrow().lost
    }
}

impl<B> Drop for Replay<B> {
    fn drop(&mut self) {
        self.0.borrow_mut().lose(Lost::Unwanted);
    }
}

// === impl Replayed ===

impl<B> HttpBody for Replayed<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut source = self.source.borrow_mut();
        if source.turn == self.turn { source.poll(cx) } else { Poll::Ready(Some(Err(BodyError::Superseded))) }
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.borrow();
        source.turn == self.turn && source.is_at_end()
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.source.borrow();
        let left = source.total.map(|total| total.saturating_sub(source.bytes_given));
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

// === impl Source ===

impl<B> Source<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.pieces.get(self.given).cloned() {
            self.given += 1;
            self.bytes_given += piece.len() as u64;
            self.let_go();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.ended {
            let trailers = self.trailers.clone().filter(|_| !self.trailers_given);
            self.trailers_given = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        self.waker = Some(cx.waker().clone());
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.passed += data.len() as u64;
                    self.bytes_given += data.len() as u64;
                    self.keep(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    (self.ended, self.trailers_given) = (true, true);
                    self.keep_trailers(trailers);
                }
            }
            Some(Err(_)) => self.lose(Lost::Broken),
            None => self.ended = true,
        }
        // It has had what it was given just now.
        self.given = self.pieces.len();
        Poll::Ready(frame)
    }

    fn is_at_end(&self) -> bool {
        let trailers_left = self.trailers.is_some() && !self.trailers_given;
        self.given == self.pieces.len() && if self.ended { !trailers_left } else { self.body.is_end_stream() }
    }
}

impl<B> Source<B> {
    fn keep(&mut self, data: &Bytes) {
        if self.lost.is_some() || data.is_empty() {
            return;
        }
        if self.passed > self.limit || self.total.is_some_and(|total| total > self.limit) {
            return self.lose(Lost::TooLong);
        }
        if data.len() >= SMALL {
            self.seal();
            if self.hold(data.len()) {
                self.pieces.push(data.clone());
            }
            return;
        }
        // On its own it would cost more than it holds.
        if self.tail.capacity() - self.tail.len() < data.len() {
            self.seal();
            if !self.hold(TAIL) {
                return;
            }
            self.tail = BytesMut::with_capacity(TAIL);
        }
        self.tail.extend_from_slice(data);
    }

    fn keep_trailers(&mut self, trailers: &HeaderMap) {
        if self.lost.is_none() {
            let fields = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD);
            if self.hold(fields.sum()) {
                self.trailers = Some(trailers.clone());
            }
        }
    }

    /// Makes a piece of the small ones, which the sending that has the body has had.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).freeze());
            self.given = self.pieces.len();
        }
    }

    /// Takes room; where there is none, it cannot be sent again.
    fn hold(&mut self, bytes: usize) -> bool {
        let held = self.room.take(bytes as u64);
        if held {
            self.held += bytes as u64;
        } else {
            self.lose(Lost::NoRoom);
        }
        held
    }

    fn lose(&mut self, lost: Lost) {
        if self.lost.is_none() {
            self.lost = Some(lost);
            self.let_go();
        }
    }

    /// Gives back what is kept, if nobody needs it any more.
    fn let_go(&mut self) {
        if self.lost.is_none() || self.given < self.pieces.len() {
            return;
        }
        (self.pieces, self.tail, self.given) = (Vec::new(), BytesMut::new(), 0);
        self.room.give(std::mem::take(&mut self.held));
    }
}

impl<B> Drop for Source<B> {
    fn drop(&mut self) {
        self.room.give(self.held);
    }
}

// === impl Room ===

impl Room {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: Cell::new(0), limit }
    }

    /// As many as there are.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes so many; none if there are not so many.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let used = self.used.get() + bytes;
        let fits = used <= self.limit;
        if fits {
            self.used.set(used);
        }
        fits
    }

    /// Gives back what was taken.
    pub(crate) fn give(&self, bytes: u64) {
        self.used.set(self.used.get() - bytes);
    }

    /// Takes so many for as long as something lasts.
    pub(crate) fn hold(self: &Rc<Self>, bytes: u64) -> Option<Held> {
        self.take(bytes).then(|| Held { room: self.clone(), bytes })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.give(self.bytes);
    }
}

/// Pieces from this size on are kept as they are, in bytes.
const SMALL: usize = 2 * 1024;
/// What smaller ones are put together in.
const TAIL: usize = 8 * 1024;
/// What a field costs beside its name and value.
const FIELD: usize = 64;

#[cfg(test)]
mod tests;
