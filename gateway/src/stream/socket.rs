//! A connected socket: TCP, or a pipe in memory where the whole path is measured without the kernel.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use smallvec::SmallVec;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Up to how many bytes are copied into one piece before they are written: a head with a small body. The kernel takes one
/// piece with less work than several, and more than that costs to copy.
const JOINED: usize = 2048;

/// One variant, and so no cost, in the binary.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(feature = "in-memory")]
    Memory(tokio::io::DuplexStream),
}

impl Socket {
    /// Whether reading would find something, an end or an error among it.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx).map(drop),
            #[cfg(feature = "in-memory")]
            Self::Memory(_) => Poll::Ready(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            #[cfg(feature = "in-memory")]
            Self::Memory(pipe) => Pin::new(pipe).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            #[cfg(feature = "in-memory")]
            Self::Memory(pipe) => Pin::new(pipe).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(tcp) => write_pieces(Pin::new(tcp), cx, bufs),
            #[cfg(feature = "in-memory")]
            Self::Memory(pipe) => Pin::new(pipe).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            #[cfg(feature = "in-memory")]
            Self::Memory(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}

/// One `send(2)` where that is cheaper than `writev(2)`.
fn write_pieces(tcp: Pin<&mut TcpStream>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
    if let [one] = bufs {
        return tcp.poll_write(cx, one);
    }
    if bufs.iter().map(|piece| piece.len()).sum::<usize>() > JOINED {
        return tcp.poll_write_vectored(cx, bufs);
    }
    let mut joined = SmallVec::<[u8; JOINED]>::new();
    bufs.iter().for_each(|piece| joined.extend_from_slice(piece));
    tcp.poll_write(cx, &joined)
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::IoSlice};

    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    /// What arrives of pieces that are written as one, and how many bytes were said to be written.
    async fn written(pieces: &[&[u8]]) -> (usize, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut socket = Socket::Tcp(tcp);
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let count = poll_fn(|cx| Pin::new(&mut socket).poll_write_vectored(cx, &slices)).await.unwrap();
        drop(socket);
        let mut arrived = Vec::new();
        peer.read_to_end(&mut arrived).await.unwrap();
        (count, arrived)
    }

    #[tokio::test]
    async fn pieces_arrive_in_order_however_they_are_written() {
        for length in [0, 1, 100, JOINED - 5, JOINED - 4, JOINED, 3 * JOINED] {
            let body: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
            let (count, arrived) = written(&[b"head", b"", &body]).await;
            assert_eq!((count, &arrived), (4 + length, &[b"head", &body[..]].concat()), "{length}");
            assert_eq!(written(&[&body]).await, (length, body));
        }
    }
}
