//! A body that goes to one server and, as it passes, to others too.
//!
//! ```text
//! client -> Tee -> the server that answers
//!            |---> Copy: what has passed and not been taken yet -> a mirror
//!            '---> Copy ...
//! ```
//!
//! Nothing waits for a copy. What one has not taken is kept, within the [`Room`] of all of a worker's and a quarter of it
//! for one; where that is too little the copy is lost, and the body goes on.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use smallvec::SmallVec;

use super::replay::{Held, Room};
use crate::error::BodyError;

/// The body as the server that answers has it.
#[derive(Debug)]
pub(crate) struct Tee<B> {
    body: B,
    /// How long the whole body is, where it is known.
    total: Option<u64>,
    passed: u64,
    /// A body of more bytes is not copied.
    limit: u64,
    lines: SmallVec<[Rc<RefCell<Line>>; 2]>,
}

/// The body as a mirror has it.
#[derive(Debug)]
pub(crate) struct Copy {
    line: Rc<RefCell<Line>>,
    total: Option<u64>,
    given: u64,
    /// What is held for its request, for as long as a connection has it: a server that takes nothing may keep that for longer
    /// than its answer.
    held: Option<Rc<Held>>,
    /// Where its bytes are counted.
    bytes: Rc<Cell<u64>>,
}

/// What became of a copy; it outlives the copy.
#[derive(Debug)]
pub(crate) struct Fate(Rc<RefCell<Line>>);

/// Why a copy is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The body is longer than what is copied.
    TooLong,
    /// There was no room for what the mirror had not taken.
    NoRoom,
    /// The server that answers has not read the body to its end, or the client has not sent it.
    Broken,
    /// The mirror wanted no more of it.
    Unwanted,
}

/// Between the two.
#[derive(Debug)]
struct Line {
    pieces: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// Bytes that are taken of the room.
    held: u64,
    room: Rc<Room>,
    /// Nothing more will come.
    whole: bool,
    lost: Option<Lost>,
    waker: Option<Waker>,
    /// Of whoever waits for it to be lost.
    watcher: Option<Waker>,
}

/// Makes of a body one that goes to `copies` mirrors too, as long as it has at most `limit` bytes.
pub(crate) fn tee<B: HttpBody>(body: B, copies: usize, limit: u64, room: &Rc<Room>) -> (Tee<B>, SmallVec<[Copy; 2]>) {
    let total = body.size_hint().exact();
    let lines: SmallVec<[_; 2]> = (0..copies).map(|_| Rc::new(RefCell::new(Line::new(room)))).collect();
    let copies = lines
        .iter()
        .map(|line| Copy { line: line.clone(), total, given: 0, held: None, bytes: Rc::default() })
        .collect();
    let is_at_end = body.is_end_stream();
    let mut tee = Tee { body, total, passed: 0, limit, lines };
    // Then nobody asks for the end.
    if is_at_end {
        tee.end();
    }
    (tee, copies)
}

// === impl Tee ===

impl<B: HttpBody> Tee<B> {
    fn pass(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.passed += data.len() as u64;
            if self.passed > self.limit {
                return self.lose(Lost::TooLong);
            }
            self.lines.iter().for_each(|line| line.borrow_mut().push(data));
        } else if let Some(trailers) = frame.trailers_ref() {
            self.lines.iter().for_each(|line| line.borrow_mut().end_with(trailers));
        }
    }

    fn end(&mut self) {
        self.lines.drain(..).for_each(|line| line.borrow_mut().end());
    }

    fn lose(&mut self, lost: Lost) {
        self.lines.drain(..).for_each(|line| line.borrow_mut().lose(lost));
    }
}

impl<B> HttpBody for Tee<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.pass(frame),
            Some(Err(_)) => self.lose(Lost::Broken),
            None => self.end(),
        }
        // Then nobody asks for the end.
        if self.body.is_end_stream() {
            self.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Tee<B> {
    fn drop(&mut self) {
        // Nor where it has had as many bytes as it says.
        let is_whole = self.total == Some(self.passed);
        for line in self.lines.drain(..) {
            if is_whole { line.borrow_mut().end() } else { line.borrow_mut().lose(Lost::Broken) }
        }
    }
}

// === impl Copy ===

impl Copy {
    /// Holds that for as long as it lasts, and counts its bytes there.
    pub(crate) fn belongs_to(&mut self, held: Rc<Held>, bytes: Rc<Cell<u64>>) {
        (self.held, self.bytes) = (Some(held), bytes);
    }

    /// What will have become of it.
    pub(crate) fn fate(&self) -> Fate {
        Fate(self.line.clone())
    }
}

impl Fate {
    /// Returns when the copy can no longer become whole, though the mirror may not know, since it takes nothing.
    pub(crate) async fn lost(&self) -> Lost {
        poll_fn(|cx| {
            let mut line = self.0.borrow_mut();
            match line.lost {
                Some(lost) if lost != Lost::Unwanted => Poll::Ready(lost),
                _ => {
                    line.watcher = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Nothing is kept for it any more.
    pub(crate) fn end(&self) {
        let mut line = self.0.borrow_mut();
        line.whole = line.whole && line.pieces.is_empty() && line.trailers.is_none();
        line.lose(Lost::Unwanted);
    }

    #[cfg(test)]
    fn is(&self) -> Option<Lost> {
        self.0.borrow().lost
    }
}

impl HttpBody for Copy {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.line.borrow_mut().poll(cx));
        if let Some(Ok(frame)) = &frame {
            self.given += frame.data_ref().map_or(0, |data| data.len() as u64);
            self.bytes.set(self.given);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let line = self.line.borrow();
        line.whole && line.pieces.is_empty() && line.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.total.map(|total| total.saturating_sub(self.given));
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let is_whole = self.is_end_stream() || self.total == Some(self.given);
        if !is_whole {
            self.line.borrow_mut().lose(Lost::Unwanted);
        }
    }
}

// === impl Line ===

impl Line {
    fn new(room: &Rc<Room>) -> Self {
        let (pieces, room) = (VecDeque::new(), room.clone());
        Self { pieces, trailers: None, held: 0, room, whole: false, lost: None, waker: None, watcher: None }
    }

    fn push(&mut self, data: &Bytes) {
        if self.lost.is_some() || data.is_empty() || !self.hold(data.len()) {
            return;
        }
        // A small piece would keep alive the much larger one that it was read with.
        let piece = if data.len() < SMALL { Bytes::copy_from_slice(data) } else { data.clone() };
        self.pieces.push_back(piece);
        self.wake();
    }

    fn end_with(&mut self, trailers: &HeaderMap) {
        let bytes = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + FRAME as usize).sum();
        if self.lost.is_none() && self.hold(bytes) {
            self.trailers = Some(trailers.clone());
            self.end();
        }
    }

    fn end(&mut self) {
        if self.lost.is_none() {
            self.whole = true;
            self.wake();
        }
    }

    fn lose(&mut self, lost: Lost) {
        if self.lost.is_none() && !self.whole {
            self.lost = Some(lost);
            (self.pieces, self.trailers) = (VecDeque::new(), None);
            self.room.give(std::mem::take(&mut self.held));
            self.wake();
            if let Some(watcher) = self.watcher.take() {
                watcher.wake();
            }
        }
    }

    /// Takes room for a piece; where there is none, the copy is lost.
    fn hold(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64 + FRAME;
        let held = self.held + bytes <= self.room.limit() / 4 && self.room.take(bytes);
        if held {
            self.held += bytes;
        } else {
            self.lose(Lost::NoRoom);
        }
        held
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.pieces.pop_front() {
            self.give(piece.len());
            if self.pieces.is_empty() && self.pieces.capacity() > MANY {
                self.pieces = VecDeque::new();
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(trailers) = self.trailers.take() {
            self.room.give(std::mem::take(&mut self.held));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if self.whole {
            return Poll::Ready(None);
        }
        if self.lost.is_some() {
            return Poll::Ready(Some(Err(BodyError::Uncopied)));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn give(&mut self, bytes: usize) {
        let bytes = bytes as u64 + FRAME;
        self.held -= bytes;
        self.room.give(bytes);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.room.give(self.held);
    }
}

/// What a piece costs besides its bytes.
const FRAME: u64 = 96;
/// Places for pieces that are not worth giving back.
const MANY: usize = 64;
/// Pieces from this size on are kept as they are.
const SMALL: usize = 2 * 1024;

#[cfg(test)]
mod tests;
