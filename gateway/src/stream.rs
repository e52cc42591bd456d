//! A client's byte stream: plain or TLS, with the bytes that were read to find out which.

pub(crate) mod frames;
pub(crate) mod gather;
mod head;
mod linger;
pub(crate) mod socket;

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use self::{head::HeadWatch, linger::Linger, socket::Socket};
use crate::connection::phase::{Phase, State};

/// A socket and what was already read from it.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) socket: Socket,
    pub(crate) prefix: Bytes,
}

/// A client's stream as HTTP sees it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) kind: Kind,
    pub(crate) phase: Arc<Phase>,
    /// HTTP/2 frames between requests are not a request's head, so its connections have no such phase.
    heads: Option<HeadWatch>,
    /// The most fields that a head may have which is passed on.
    room: usize,
    /// What is not passed on, or comes once more; it was looked at.
    held: BytesMut,
    linger: Option<Box<Linger>>,
}

/// With or without TLS.
#[derive(Debug)]
pub(crate) enum Kind {
    Plain(Raw),
    Tls(Box<TlsStream<Raw>>),
}

/// What a client reads whose request head took too long (RFC 9110 section 15.5.9).
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 16\r\ncontent-type: text/plain\r\n\r\nRequest Timeout\n";

// === impl Raw ===

impl AsyncRead for Raw {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            if buf.remaining() < self.prefix.len() {
                buf.put_slice(&self.prefix.split_to(buf.remaining()));
            } else {
                // Taken, not split: an empty remainder would keep the buffer alive as long as the connection.
                buf.put_slice(&std::mem::take(&mut self.prefix));
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Raw {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

// === impl Stream ===

impl Stream {
    pub(crate) fn new(kind: Kind, phase: Arc<Phase>, http2: bool) -> Self {
        let heads = (!http2).then(HeadWatch::default);
        Self { kind, phase, heads, room: usize::MAX, held: BytesMut::new(), linger: None }
    }

    /// Whoever reads has room for so many fields of a head. The bytes with which one has more are held back, and the phase
    /// says so, but those behind a request that is being answered: they may be a tunnel's.
    pub(crate) fn has_room_for(&mut self, fields: usize) {
        self.room = fields;
    }

    /// Whoever reads from here on has room for any, and begins with `read`, which was read before.
    pub(crate) fn give_again(&mut self, mut read: BytesMut) {
        read.unsplit(std::mem::take(&mut self.held));
        (self.held, self.room) = (read, usize::MAX);
        self.phase.want_room(false);
    }

    /// Whether there is something to read from the socket, the client's end among it.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let raw = match &self.kind {
            Kind::Plain(raw) => raw,
            Kind::Tls(tls) => tls.get_ref().0,
        };
        let waits = raw.prefix.is_empty() && self.held.is_empty();
        if waits { raw.socket.poll_readable(cx) } else { Poll::Ready(()) }
    }

    /// Ends the writing side, reads what the client still sends until it has ended too, and lets go of it.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let linger = self.linger.get_or_insert_default();
        match &mut self.kind {
            Kind::Plain(raw) => linger.poll(Pin::new(raw), cx),
            Kind::Tls(tls) => linger.poll(Pin::new(tls.as_mut()), cx),
        }
    }

    fn poll_held(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.phase.wants_room() {
            return Poll::Pending;
        }
        self.phase.read();
        let length = self.held.len().min(buf.remaining());
        buf.put_slice(&self.held.split_to(length));
        if self.held.is_empty() {
            // An empty remainder would keep the buffer alive as long as the connection.
            self.held = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// The request head never came whole: says so and ends the stream.
    fn refuse_slow_head(&mut self, cx: &mut Context<'_>) -> io::Error {
        let sent = Pin::new(&mut *self).poll_write(cx, REQUEST_TIMEOUT);
        if matches!(sent, Poll::Ready(Ok(_))) {
            let _best_effort = Pin::new(self).poll_flush(cx);
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.phase.state() == State::Expired {
            return Poll::Ready(Err(self.refuse_slow_head(cx)));
        }
        if !self.held.is_empty() {
            return self.poll_held(buf);
        }
        let before = buf.filled().len();
        let Self { kind, phase, heads, room, held, .. } = &mut *self;
        ready!(match kind {
            Kind::Plain(raw) => Pin::new(raw).poll_read(cx, buf),
            Kind::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        })?;
        if let Some(watch) = heads {
            if phase.read() {
                watch.idle(phase);
            }
            let fields = watch.read(&buf.filled()[before..], phase);
            phase.stands_between_heads(watch.is_between_heads());
            if fields > *room && phase.state() == State::Head {
                held.extend_from_slice(&buf.filled()[before..]);
                buf.set_filled(before);
                phase.want_room(true);
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.kind {
            Kind::Plain(raw) => Pin::new(raw).poll_write(cx, buf),
            Kind::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        };
        self.phase.wrote(written.is_ready());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.kind {
            Kind::Plain(raw) => Pin::new(raw).poll_write_vectored(cx, bufs),
            Kind::Tls(tls) => Pin::new(tls.as_mut()).poll_write_vectored(cx, bufs),
        };
        self.phase.wrote(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Kind::Tls(tls) = &mut self.kind else { return Poll::Ready(Ok(())) };
        // TLS takes what is written into a buffer of its own first.
        let flushed = Pin::new(tls.as_mut()).poll_flush(cx);
        self.phase.wrote(flushed.is_ready());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper answers a head that it cannot read before the service hears of it: the state is still that of a head.
        let refused = self.heads.is_some() && self.phase.state() == State::Head;
        if refused || self.phase.lingers() {
            return self.poll_linger(cx);
        }
        let in_use = self.phase.state() == State::Busy;
        match &mut self.kind {
            // Only a tunnel is ever closed on one side alone. All else is closed at once after this, which says the
            // same with one system call less.
            Kind::Plain(_) if !in_use => Poll::Ready(Ok(())),
            Kind::Plain(raw) => Pin::new(raw).poll_shutdown(cx),
            Kind::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
