//! HTTP/2 writes every frame by itself; here those of one wake-up are gathered, and go out together as one write (and
//! one TLS record) when the connection's task has nothing more to say.
//!
//! `poll_flush` only promises: whoever drives the connection calls [`Outlet::poll_drain`] after each of its polls. What
//! is gathered is bounded, and past the bound writing waits for the socket, so that a client that does not read holds
//! no more than that.

use std::{
    cell::RefCell,
    convert::Infallible,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Fault, Frames, layout::DATA, walk::Walk};
use crate::{clock, connection::phase::Phase};

/// A stream whose writes are gathered.
pub(crate) struct Gathered<S>(Rc<RefCell<Inner<S>>>);

/// The other end of the gathering: lets it out.
pub(crate) struct Outlet<S>(Rc<RefCell<Inner<S>>>);

struct Inner<S> {
    stream: S,
    frames: Frames,
    phase: Arc<Phase>,
    /// The frames that go out, and whether a body was among them since somebody asked.
    outgoing: Walk,
    moved: bool,
    /// What the client has done wrong: nothing more is read.
    fault: Option<Fault>,
    waiting: Vec<u8>,
    /// How much of `waiting` the stream has taken.
    taken: usize,
}

/// A stream, gathered, and its client's frames counted; `phase` is told how long one of them takes.
pub(crate) fn gather<S>(stream: S, frames: Frames, phase: Arc<Phase>) -> (Gathered<S>, Outlet<S>) {
    let outgoing = Walk::default();
    let inner = Inner { stream, frames, phase, outgoing, moved: false, fault: None, waiting: Vec::new(), taken: 0 };
    let inner = Rc::new(RefCell::new(inner));
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

impl<S> Outlet<S> {
    /// Whether something of a body has gone out since this was last asked: a stream had a window.
    pub(crate) fn moved(&self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().moved)
    }

    /// Answers that have begun to go out, and whose end has not.
    pub(crate) fn unended_answers(&self) -> u32 {
        self.0.borrow().frames.unended_answers()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outlet<S> {
    /// What the client has done wrong.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.0.borrow().fault
    }

    /// Tells the client why it is over, after all that was written before. What it still sends is read, within bounds:
    /// unread bytes would make the kernel take back what was said.
    pub(crate) async fn go_away(self, reason: h2::Reason) {
        {
            let mut inner = self.0.borrow_mut();
            let last_stream = inner.frames.last_stream();
            inner.waiting.extend_from_slice(&go_away(last_stream, reason));
        }
        let saying = async {
            std::future::poll_fn(|cx| self.poll_drain(cx)).await?;
            let mut left = UNHEARD;
            let mut bytes = vec![0; FIRST];
            while left > 0 {
                let mut buf = ReadBuf::new(&mut bytes);
                std::future::poll_fn(|cx| Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, &mut buf)).await?;
                match buf.filled().len() {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        // Whether it was heard or not, it is over.
        drop(tokio::time::timeout(LINGER, saying).await);
    }
}

/// GOAWAY (RFC 9113 section 6.8).
fn go_away(last_stream: u32, reason: h2::Reason) -> [u8; 17] {
    let mut frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    frame[9..13].copy_from_slice(&last_stream.to_be_bytes());
    frame[13..].copy_from_slice(&u32::from(reason).to_be_bytes());
    frame
}

impl<S> Inner<S> {
    fn take(&mut self, bytes: &[u8]) {
        let Self { outgoing, frames, moved, .. } = self;
        let Ok(()) = outgoing.pass(bytes, |head| {
            frames.sends(head);
            *moved |= head.kind() == DATA && head.length() > 0;
            Ok::<_, Infallible>(())
        });
        self.waiting.extend_from_slice(bytes);
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
            self.frames.sent(written);
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
        let mut inner = self.0.borrow_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut inner.stream).poll_read(cx, buf))?;
        if let Err(fault) = inner.frames.received(&buf.filled()[before..], clock::coarse()) {
            buf.set_filled(before);
            inner.fault = Some(fault);
            return Poll::Ready(Err(io::Error::other(fault)));
        }
        inner.phase.waits_for_more(inner.frames.unfinished());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        inner.take(buf);
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
            inner.take(buf);
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
/// What is still read of a client that was told why it is over: what was on its way.
const UNHEARD: usize = 1 << 20;
/// And for how long.
const LINGER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{super::frames::Excess, *};

    fn frames() -> Frames {
        Frames::new(Default::default(), 128, 1 << 20)
    }

    #[tokio::test]
    async fn writes_wait_for_the_drain_and_arrive_in_order() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut gathered, outlet) = gather(near, frames(), Arc::default());
        gathered.write_all(b"one ").await.unwrap();
        gathered.write_all(b"two").await.unwrap();
        gathered.flush().await.unwrap();
        let mut got = [0; 16];
        assert!(tokio::time::timeout(Duration::ZERO, far.read(&mut got)).await.is_err());
        std::future::poll_fn(|cx| outlet.poll_drain(cx)).await.unwrap();
        assert_eq!(far.read(&mut got).await.unwrap(), 7);
        assert_eq!(&got[..7], b"one two");
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_stops_the_writer_at_the_bound() {
        let (near, _far) = tokio::io::duplex(16);
        let (mut gathered, _outlet) = gather(near, frames(), Arc::default());
        let endless = async {
            loop {
                gathered.write_all(&[7; 4096]).await.unwrap();
            }
        };
        assert!(tokio::time::timeout(Duration::from_millis(20), endless).await.is_err());
        assert!(gathered.0.borrow().waiting.len() <= BOUND + 4096);
    }

    #[tokio::test]
    async fn shutdown_lets_out_what_is_left() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut gathered, _outlet) = gather(near, frames(), Arc::default());
        gathered.write_all(b"bye").await.unwrap();
        gathered.shutdown().await.unwrap();
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"bye");
    }

    #[tokio::test]
    async fn a_flood_ends_reading_and_is_told_so_after_what_was_said() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut gathered, outlet) = gather(near, frames(), Arc::default());
        far.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        far.write_all(&[0, 0, 1, 1, 5, 0, 0, 0, 9, 0x82]).await.unwrap();
        far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0].repeat(51)).await.unwrap();
        gathered.write_all(b"before").await.unwrap();
        let mut read = Vec::new();
        assert!(gathered.read_to_end(&mut read).await.is_err());
        assert_eq!(outlet.fault(), Some(Excess::Settings.into()));
        drop(gathered);
        let (_, heard) = tokio::join!(outlet.go_away(h2::Reason::ENHANCE_YOUR_CALM), async {
            let mut heard = vec![0; 23];
            far.read_exact(&mut heard).await.unwrap();
            drop(far);
            heard
        });
        assert_eq!(&heard[..6], b"before");
        assert_eq!(heard[6..], [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0xb]);
    }
}
