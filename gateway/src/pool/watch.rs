//! What passes between hyper and a server's socket, watched: whether a byte of the answer has come, how many interim
//! answers, and the bytes of a request that may have to be sent once more.
//!
//! hyper keeps nothing of a request that it has written. Cloning the head of each one would cost allocations on every
//! request for the one in a million that needs it; its bytes are copied into a buffer that the connection keeps.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::interim::{Count, Heads, Streams};

/// One connection's; shared by its stream and whoever has the connection.
#[derive(Debug)]
pub(crate) struct Watch {
    heads: Cell<Heads>,
    /// The next bytes that are written are a request's head, and are kept.
    keeping: Cell<bool>,
    head: RefCell<Vec<u8>>,
}

/// A stream that is watched.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    watch: Rc<Watch>,
}

/// A stream of which only interim answers are counted.
#[derive(Debug)]
pub(crate) struct Counted<S, C> {
    stream: S,
    count: C,
}

// === impl Watch ===

impl Watch {
    /// A request is about to be sent. `keep`: it has no body and may be sent once more if nothing comes back.
    pub(crate) fn begin(&self, keep: bool) {
        self.heads.set(Heads::START);
        self.keeping.set(keep);
        // Also where nothing is kept: what is here is another request's.
        self.head.borrow_mut().clear();
    }

    /// The head of the last request, if it was to be kept, was written, and no byte of an answer has come.
    pub(crate) fn unanswered(&self) -> Option<Vec<u8>> {
        let head = self.head.take();
        let whole = self.heads.get() == Heads::START && !self.keeping.get() && head.ends_with(b"\r\n\r\n");
        whole.then_some(head)
    }

    /// Called before each write, whatever comes of it.
    fn writing(&self, bytes: &[io::IoSlice<'_>]) {
        if self.keeping.replace(false) && bytes.iter().map(|bytes| bytes.len()).sum::<usize>() <= KEPT {
            let mut head = self.head.borrow_mut();
            bytes.iter().for_each(|bytes| head.extend_from_slice(bytes));
        }
    }
}

// === impl Watched ===

impl<S> Watched<S> {
    pub(crate) fn new(stream: S) -> (Self, Rc<Watch>) {
        let (heads, keeping) = (Cell::new(Heads::START), Cell::new(false));
        let watch = Rc::new(Watch { heads, keeping, head: RefCell::default() });
        (Self { stream, watch: watch.clone() }, watch)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let mut heads = self.watch.heads.get();
        if !heads.passed() {
            let read = heads.read(&buf.filled()[before..]);
            self.watch.heads.set(heads);
            read.map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.watch.writing(&[io::IoSlice::new(buf)]);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch.writing(bufs);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// === impl Counted ===

impl<S> Counted<S, Heads> {
    /// One on which one request is sent over HTTP/1.
    pub(crate) fn http1(stream: S) -> Self {
        Self { stream, count: Heads::START }
    }
}

impl<S> Counted<S, Streams> {
    pub(crate) fn http2(stream: S) -> Self {
        Self { stream, count: Streams::default() }
    }
}

impl<S: AsyncRead + Unpin, C: Count + Unpin> AsyncRead for Counted<S, C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.count.read(&buf.filled()[before..]).map_err(io::Error::other)?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, C: Unpin> AsyncWrite for Counted<S, C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The longest head that is kept: each idle connection has a buffer of what its longest one was.
const KEPT: usize = 16 * 1024;
