//! HTTP/2 writes every frame by itself; here those of one wake-up are gathered, and go out together as one write (and
//! one TLS record) when the connection's task has nothing more to say.
//!
//! `poll_flush` only promises: whoever drives the connection calls [`Outlet::poll_drain`] after each of its polls. What
//! is gathered is bounded, and past the bound writing waits for the socket, so that a client that does not read holds
//! no more than that.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose writes are gathered.
pub(crate) struct Gathered<S>(Rc<RefCell<Inner<S>>>);

/// The other end of the gathering: lets it out.
pub(crate) struct Outlet<S>(Rc<RefCell<Inner<S>>>);

struct Inner<S> {
    stream: S,
    waiting: Vec<u8>,
    /// How much of `waiting` the stream has taken.
    taken: usize,
}

/// A stream, gathered.
pub(crate) fn gather<S>(stream: S) -> (Gathered<S>, Outlet<S>) {
    let inner = Rc::new(RefCell::new(Inner { stream, waiting: Vec::new(), taken: 0 }));
    (Gathered(inner.clone()), Outlet(inner))
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// Writes what was gathered, and flushes it.
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        if inner.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(inner.poll_write_out(cx))?;
        Pin::new(&mut inner.stream).poll_flush(cx)
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.taken < self.waiting.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting[self.taken..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += written;
        }
        // An idle connection holds no buffer.
        self.waiting = Vec::new();
        self.taken = 0;
        Poll::Ready(Ok(()))
    }

    /// Makes room for more; pending while the bound is reached and the stream takes nothing.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.len() >= BOUND {
            ready!(self.poll_write_out(cx))?;
        }
        if self.waiting.capacity() == 0 {
            self.waiting.reserve(FIRST);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        inner.waiting.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        let before = inner.waiting.len();
        for buf in bufs {
            inner.waiting.extend_from_slice(buf);
        }
        Poll::Ready(Ok(inner.waiting.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_write_out(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

/// A buffer's first size: some headers and a small body.
const FIRST: usize = 4 * 1024;
/// Past this, writing waits for the socket. HTTP/2 hands over at most one frame more, 16 KiB.
const BOUND: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn writes_wait_for_the_drain_and_arrive_in_order() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut gathered, outlet) = gather(near);
        gathered.write_all(b"one ").await.unwrap();
        gathered.write_all(b"two").await.unwrap();
        gathered.flush().await.unwrap();
        let mut got = [0; 16];
        assert!(tokio::time::timeout(std::time::Duration::ZERO, far.read(&mut got)).await.is_err());
        std::future::poll_fn(|cx| outlet.poll_drain(cx)).await.unwrap();
        assert_eq!(far.read(&mut got).await.unwrap(), 7);
        assert_eq!(&got[..7], b"one two");
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_stops_the_writer_at_the_bound() {
        let (near, _far) = tokio::io::duplex(16);
        let (mut gathered, _outlet) = gather(near);
        let endless = async {
            loop {
                gathered.write_all(&[7; 4096]).await.unwrap();
            }
        };
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), endless).await.is_err());
        assert!(gathered.0.borrow().waiting.len() <= BOUND + 4096);
    }

    #[tokio::test]
    async fn shutdown_lets_out_what_is_left() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut gathered, _outlet) = gather(near);
        gathered.write_all(b"bye").await.unwrap();
        gathered.shutdown().await.unwrap();
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"bye");
    }
}
