//! A client's connection: HTTP/1.1, one request at a time, with every way that it can fail told apart.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The first byte of its body; 0 without one.
    pub first: u8,
    /// Whether the connection ends with it.
    pub closes: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nobody accepts connections.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer closed before the answer was whole.
    Closed,
    /// Not within [`PATIENCE`].
    Late,
    /// What came is no answer with a length.
    Garbled,
}

/// How long a client waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// What became of the attempt.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|error| failure(&error))?;
        stream.set_nodelay(true).map_err(|error| failure(&error))?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request, which has to be whole, and reads its answer.
    ///
    /// # Errors
    /// What came instead.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.stream.write_all(request).await.map_err(|error| failure(&error))?;
        loop {
            if let Some((answer, length)) = whole(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(answer);
            }
            let read = self.stream.read_buf(&mut self.buffer).await.map_err(|error| failure(&error))?;
            if read == 0 {
                return Err(Failure::Closed);
            }
        }
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// What came instead of an answer.
pub async fn once(address: SocketAddr, request: &[u8], patience: Duration) -> Result<Answer, Failure> {
    let asked = async { Client::open(address).await?.exchange(request).await };
    tokio::time::timeout(patience, asked).await.unwrap_or(Err(Failure::Late))
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Failure::Reset,
        io::ErrorKind::TimedOut => Failure::Late,
        _ => Failure::Closed,
    }
}

/// The first answer and its length in bytes, once it is all there.
fn whole(buffer: &[u8]) -> Result<Option<(Answer, usize)>, Failure> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end]).map_err(|_| Failure::Garbled)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let (mut length, mut chunked, mut closes) = (None, false, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        }
    }
    let body = &buffer[end + 4..];
    let (first, length) = match (length, chunked) {
        (Some(length), false) if body.len() < length => return Ok(None),
        (Some(length), false) => (body.first().copied().filter(|_| length > 0), length),
        (None, true) => match chunks(body)? {
            Some(chunks) => chunks,
            None => return Ok(None),
        },
        _ => return Err(Failure::Garbled),
    };
    let answer = Answer { status: status.ok_or(Failure::Garbled)?, first: first.unwrap_or_default(), closes };
    Ok(Some((answer, end + 4 + length)))
}

/// The first byte of a body in chunks (RFC 9112 section 7.1) and what it takes with its chunks' sizes, once it is all there.
fn chunks(body: &[u8]) -> Result<Option<(Option<u8>, usize)>, Failure> {
    let (mut first, mut at) = (None, 0);
    loop {
        let Some(line) = body[at..].windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&body[at..at + line]).map_err(|_| Failure::Garbled)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| Failure::Garbled)?;
        let data = at + line + 2;
        let Some(end) = data.checked_add(size).and_then(|end| end.checked_add(2)) else { return Err(Failure::Garbled) };
        if body.len() < end {
            return Ok(None);
        }
        if body[end - 2..end] != *b"\r\n" {
            return Err(Failure::Garbled);
        }
        if size == 0 {
            return Ok(Some((first, end)));
        }
        first = first.or_else(|| body.get(data).copied());
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nokHTTP/1.1";
        let answer = Answer { status: 200, first: b'o', closes: true };
        assert_eq!(whole(bytes), Ok(Some((answer, bytes.len() - 8))));
        for length in 0..bytes.len() - 8 {
            assert_eq!(whole(&bytes[..length]), Ok(None), "{length}");
        }
    }

    #[test]
    fn a_body_in_chunks_is_read_too() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\na\r\n0123456789\r\n0\r\n\r\nHTTP/1.1";
        let answer = Answer { status: 200, first: b'o', closes: false };
        assert_eq!(whole(bytes), Ok(Some((answer, bytes.len() - 8))));
        for length in 0..bytes.len() - 8 {
            assert_eq!(whole(&bytes[..length]), Ok(None), "{length}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for bytes in [
            "PRI * HTTP/2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert_eq!(whole(bytes.as_bytes()), Err(Failure::Garbled), "{bytes}");
        }
    }
}
