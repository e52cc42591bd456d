//! HTTP/1.1 as bytes: for what a well-behaved client would never send, and to see what really came back.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::{client, wait::within};

/// A connection of bytes.
#[derive(Debug)]
pub struct RawConnection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug, Clone, Default)]
pub struct RawReply {
    /// `HTTP/1.1 200 OK`.
    pub status_line: String,
    /// The header lines, names as they were written.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Vec<(String, String)>,
}

impl RawReply {
    /// The status; 0 if there is none.
    pub fn status(&self) -> u16 {
        self.status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The first value of a header, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl RawConnection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(client::connect(address).await)
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr().expect("it is connected")
    }

    /// Closes with a reset, as a client that crashed does.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("a socket can linger for no time");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawConnection<S> {
    /// On a stream that is there already.
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The stream. Panics if bytes were read that nobody took.
    pub fn into_inner(self) -> S {
        assert!(self.buffer.is_empty(), "{} bytes are left", self.buffer.len());
        self.stream
    }

    /// Sends bytes.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.expect("the peer takes the bytes");
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// Where the peer has closed.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        within("the peer takes bytes", self.stream.write_all(bytes.as_ref())).await?;
        self.stream.flush().await
    }

    /// Sends a request and reads its answer (one with a body, if its length says so).
    pub async fn exchange(&mut self, request: impl AsRef<[u8]>) -> RawReply {
        self.write(request).await;
        self.read_reply().await
    }

    /// Reads one answer; `status_line` is empty if the peer closed instead.
    pub async fn read_reply(&mut self) -> RawReply {
        let Some(head) = self.read_until(b"\r\n\r\n").await else {
            return RawReply::default();
        };
        let mut reply = parse_head(&head);
        let status = reply.status();
        if (100..200).contains(&status) || status == 204 || status == 304 {
            return reply;
        }
        let length = reply.header("content-length").map(|length| length.parse().expect("a length is a number"));
        if reply.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            self.read_chunks(&mut reply).await;
        } else if let Some(length) = length {
            reply.body = self.read_exactly(length).await;
        } else {
            reply.body = self.read_to_end().await;
        }
        reply
    }

    /// A head, up to and with its empty line; `None` if the peer closed or broke off before.
    pub async fn read_head(&mut self) -> Option<String> {
        let head = self.read_until(b"\r\n\r\n").await?;
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// Says that nothing more will be sent; goes on reading.
    pub async fn half_close(&mut self) {
        within("the stream is closed on one side", self.stream.shutdown()).await.expect("it is open");
    }

    /// Exactly so many bytes; fewer if the peer closed before.
    pub async fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.read_more().await {}
        let length = length.min(self.buffer.len());
        self.buffer.drain(..length).collect()
    }

    /// Everything until the peer closes.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        while self.read_more().await {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether the peer has closed without a further byte; waits for one or the other.
    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.read_more().await
    }

    async fn read_chunks(&mut self, reply: &mut RawReply) {
        loop {
            let line = self.read_until(b"\r\n").await.unwrap_or_else(|| panic!("a chunk is missing: {reply:?}"));
            let size = String::from_utf8_lossy(&line).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("{size} is no chunk size"));
            if size == 0 {
                break;
            }
            let chunk = self.read_exactly(size + 2).await;
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends with its line");
            reply.body.extend_from_slice(&chunk[..size]);
        }
        while let Some(line) = self.read_until(b"\r\n").await.filter(|line| line.len() > 2) {
            reply.trailers.extend(field(&String::from_utf8_lossy(&line)));
        }
    }

    /// Up to and with `end`; `None` if the peer closed before.
    async fn read_until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    async fn read_more(&mut self) -> bool {
        let read = within("the peer sends something or closes", self.stream.read_buf(&mut self.buffer)).await;
        read.is_ok_and(|read| read > 0)
    }
}

fn parse_head(head: &[u8]) -> RawReply {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end().split("\r\n");
    let status_line = lines.next().unwrap_or_default().to_owned();
    RawReply { status_line, headers: lines.filter_map(field).collect(), ..RawReply::default() }
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}
