//! A body that is read to its end before it goes on: its beginning is kept in memory, the rest in a file.
//!
//! ```text
//! fill: body -> pieces in memory -> (too long for that, or the worker has no room for a whole piece) file, off the worker
//! Reading: the same bytes from the beginning, as often as wanted
//! ```
//!
//! Files have no name, so that nothing is left of them whatever happens. The worker waits for no disk: it is written and
//! read by the [helper's](crate::helper) threads, a piece at a time for each body.

mod disk;

use std::{
    fs::File,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

pub(crate) use self::disk::{AT_ONCE, Disk};
use super::replay::Room;
use crate::error::BodyError;

/// Bounds of one body, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// 0: none.
    pub(crate) most: u64,
    /// What is longer goes to a file.
    pub(crate) in_memory: u64,
}

/// Why a body could not be read to its end.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It is longer than it may be.
    TooLong,
    /// It broke off.
    Body(BodyError),
    /// The file could not be made or written.
    Disk(io::Error),
    /// As much lies in files as may.
    NoSpace,
}

/// One that was.
#[derive(Debug)]
pub(crate) struct Spool {
    pieces: Vec<Bytes>,
    /// Small pieces, put together.
    tail: BytesMut,
    in_memory: u64,
    room: Rc<Room>,
    /// Bytes that are taken of the room.
    held: u64,
    file: Option<Arc<File>>,
    in_file: u64,
    /// Bytes that are taken of the disk's space.
    on_disk: u64,
    /// For the file, until it is a piece.
    unwritten: BytesMut,
    /// What there was no room for, and is not worth a file.
    rest: Bytes,
    trailers: Option<HeaderMap>,
    disk: Disk,
}

impl Spool {
    /// Reads a body to its end. Where the worker has no room for what may be kept in memory, that goes to the file too, but
    /// for less than a piece: files are dear.
    ///
    /// # Errors
    /// See [`Failed`].
    pub(crate) async fn fill<B>(mut body: B, bounds: Bounds, room: &Rc<Room>, disk: &Disk) -> Result<Self, Failed>
    where
        B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
    {
        if bounds.is_exceeded_by(body.size_hint().lower()) {
            return Err(Failed::TooLong);
        }
        let mut spool = Self::empty(room, disk);
        while !body.is_end_stream() {
            let Some(frame) = body.frame().await else { break };
            match frame.map_err(Failed::Body)?.into_data() {
                Ok(data) => {
                    if bounds.is_exceeded_by(spool.length() + data.len() as u64) {
                        return Err(Failed::TooLong);
                    }
                    spool.put(data, bounds.in_memory).await?;
                }
                Err(frame) => spool.trailers = frame.into_trailers().ok(),
            }
        }
        spool.end(bounds.in_memory).await?;
        Ok(spool)
    }

    fn empty(room: &Rc<Room>, disk: &Disk) -> Self {
        Self {
            pieces: Vec::new(),
            tail: BytesMut::new(),
            in_memory: 0,
            room: room.clone(),
            held: 0,
            file: None,
            in_file: 0,
            on_disk: 0,
            unwritten: BytesMut::new(),
            rest: Bytes::new(),
            trailers: None,
            disk: disk.clone(),
        }
    }

    /// Bytes of data.
    pub(crate) fn length(&self) -> u64 {
        self.in_memory + self.in_file + (self.unwritten.len() + self.rest.len()) as u64
    }

    /// Whether something comes behind the data.
    pub(crate) fn has_trailers(&self) -> bool {
        self.trailers.is_some()
    }

    async fn put(&mut self, data: Bytes, in_memory: u64) -> Result<(), Failed> {
        // What once goes to the file goes on there, so that the order is kept.
        let begun = self.file.is_some() || !self.unwritten.is_empty();
        if !begun && self.in_memory + data.len() as u64 <= in_memory && self.keep(&data) {
            return Ok(());
        }
        self.unwritten.extend_from_slice(&data);
        if self.unwritten.len() >= PIECE { self.write().await } else { Ok(()) }
    }

    /// Keeps it in memory, if the worker has room.
    fn keep(&mut self, data: &Bytes) -> bool {
        if data.len() >= SMALL {
            if !self.hold(data.len()) {
                return false;
            }
            self.seal();
            self.pieces.push(data.clone());
        } else {
            // On its own it would cost more than it holds.
            if self.tail.capacity() - self.tail.len() < data.len() {
                if !self.hold(TAIL) {
                    return false;
                }
                self.seal();
                self.tail = BytesMut::with_capacity(TAIL);
            }
            self.tail.extend_from_slice(data);
        }
        self.in_memory += data.len() as u64;
        true
    }

    fn hold(&mut self, bytes: usize) -> bool {
        let held = self.room.take(bytes as u64);
        if held {
            self.held += bytes as u64;
        }
        held
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).freeze());
        }
    }

    async fn write(&mut self) -> Result<(), Failed> {
        let length = self.unwritten.len() as u64;
        if !self.disk.take(length) {
            return Err(Failed::NoSpace);
        }
        self.on_disk += length;
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.file.insert(Arc::new(self.disk.file().await.map_err(Failed::Disk)?)).clone(),
        };
        let bytes = std::mem::take(&mut self.unwritten).freeze();
        self.disk.write(file, self.in_file, bytes).await.map_err(Failed::Disk)?;
        self.in_file += length;
        Ok(())
    }

    async fn end(&mut self, in_memory: u64) -> Result<(), Failed> {
        self.seal();
        if self.file.is_none() && self.length() <= in_memory {
            self.rest = std::mem::take(&mut self.unwritten).freeze();
        }
        if self.unwritten.is_empty() { Ok(()) } else { self.write().await }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.room.give(self.held);
        self.disk.give(self.on_disk);
    }
}

impl Bounds {
    fn is_exceeded_by(self, length: u64) -> bool {
        self.most > 0 && length > self.most
    }
}

/// The body once more, from its beginning.
pub(crate) struct Reading {
    spool: Rc<Spool>,
    /// Pieces that were given.
    given: usize,
    bytes_given: u64,
    trailers_given: bool,
    /// A piece of the file that is on its way.
    coming: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>>>>>,
}

impl Reading {
    pub(crate) fn new(spool: &Rc<Spool>) -> Self {
        Self { spool: spool.clone(), given: 0, bytes_given: 0, trailers_given: false, coming: None }
    }

    fn data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(piece) = self.spool.pieces.get(self.given).cloned() {
            self.given += 1;
            return Poll::Ready(Ok(piece));
        }
        if self.spool.file.is_none() {
            return Poll::Ready(Ok(self.spool.rest.clone()));
        }
        let coming = match &mut self.coming {
            Some(coming) => coming,
            None => {
                let spool = self.spool.clone();
                let at = self.bytes_given - spool.in_memory;
                let length = (spool.in_file - at).min(PIECE as u64) as usize;
                self.coming.insert(Box::pin(async move {
                    let file = spool.file.clone().ok_or(io::ErrorKind::NotFound)?;
                    spool.disk.read(file, at, length).await
                }))
            }
        };
        let piece = ready!(coming.as_mut().poll(cx));
        self.coming = None;
        Poll::Ready(piece)
    }
}

impl HttpBody for Reading {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.bytes_given < this.spool.length() {
            let data = ready!(this.data(cx)).map_err(BodyError::Disk);
            if let Ok(data) = &data {
                this.bytes_given += data.len() as u64;
            }
            return Poll::Ready(Some(data.map(Frame::data)));
        }
        let trailers = this.spool.trailers.clone().filter(|_| !this.trailers_given);
        this.trailers_given = true;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        let trailers_left = self.spool.has_trailers() && !self.trailers_given;
        self.bytes_given == self.spool.length() && !trailers_left
    }

    fn size_hint(&self) -> SizeHint {
        // Over HTTP/1 trailers need chunks, which hyper makes where no length is known.
        if self.spool.has_trailers() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.spool.length() - self.bytes_given)
    }
}

/// What is written to the file or read from it at a time.
const PIECE: usize = 64 * 1024;
/// Pieces from this size on are kept as they are, in bytes.
const SMALL: usize = 2 * 1024;
/// What smaller ones are put together in.
const TAIL: usize = 8 * 1024;

#[cfg(test)]
mod tests;
