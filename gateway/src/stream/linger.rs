//! Closing on a client that may still be sending. A socket that is closed with unread bytes is reset, and the reset
//! overtakes the answer that says why; so the writing side is ended first, and what comes is read and thrown away until
//! the client has ended too, or for a while.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// How far it is.
#[derive(Debug, Default)]
pub(crate) struct Linger {
    ended: bool,
    thrown_away: usize,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    /// Ready when the stream can be let go of.
    pub(crate) fn poll<S>(&mut self, mut stream: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite,
    {
        if !self.ended {
            ready!(stream.as_mut().poll_shutdown(cx))?;
            self.ended = true;
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        if patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; SCRATCH];
        while self.thrown_away < BOUND {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(stream.as_mut().poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.thrown_away += buf.filled().len(),
                // It has ended, one way or the other.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// How long a client may take to read the answer and end. A connection that is refused is worth no more.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is read and thrown away at most: what a client has under way when it is refused, on a fast line.
const BOUND: usize = 1 << 20;
const SCRATCH: usize = 4096;

use std::future::Future as _;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn lingered(stream: tokio::io::DuplexStream) -> io::Result<()> {
        let (mut linger, mut stream) = (Linger::default(), stream);
        std::future::poll_fn(|cx| linger.poll(Pin::new(&mut stream), cx)).await
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_the_client_to_end_and_no_longer_than_its_patience() {
        let (near, mut far) = tokio::io::duplex(64);
        let lingering = tokio::spawn(lingered(near));
        far.write_all(&[7; 1000]).await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "its own side has ended");
        assert!(!lingering.is_finished());
        drop(far);
        lingering.await.unwrap().unwrap();

        let (near, _far) = tokio::io::duplex(64);
        let begin = tokio::time::Instant::now();
        lingered(near).await.unwrap();
        assert_eq!(begin.elapsed().as_millis() / 10, PATIENCE.as_millis() / 10);
    }

    #[tokio::test]
    async fn a_client_that_never_stops_is_left() {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let lingering = tokio::spawn(lingered(near));
        let mut sent = 0;
        while far.write_all(&[7; 4096]).await.is_ok() {
            sent += 4096;
            assert!(sent <= BOUND + 128 * 1024, "it is still read");
        }
        lingering.await.unwrap().unwrap();
    }
}
