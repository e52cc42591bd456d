//! HTTP/2 frame by frame, with header blocks that no library would write: literals without an index, without Huffman.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::{client, frames::frame, wait::within};

/// A connection of frames; the preface and an empty SETTINGS have been sent.
#[derive(Debug)]
pub struct Frames<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type (RFC 9113 section 6).
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code.
    GoAway(u32),
    /// The peer closed without a word.
    Closed,
}

/// The type of DATA.
pub const DATA: u8 = 0;
/// The type of HEADERS.
pub const HEADERS: u8 = 1;
/// The type of PRIORITY.
pub const PRIORITY: u8 = 2;
/// The type of RST_STREAM.
pub const RST_STREAM: u8 = 3;
/// The type of SETTINGS.
pub const SETTINGS: u8 = 4;
/// The type of PUSH_PROMISE.
pub const PUSH_PROMISE: u8 = 5;
/// The type of PING.
pub const PING: u8 = 6;
/// The type of GOAWAY.
pub const GOAWAY: u8 = 7;
/// The type of WINDOW_UPDATE.
pub const WINDOW_UPDATE: u8 = 8;
/// The type of CONTINUATION.
pub const CONTINUATION: u8 = 9;
/// The flag END_STREAM, and ACK.
pub const END_STREAM: u8 = 1;
/// The flag END_HEADERS.
pub const END_HEADERS: u8 = 4;
/// The flag PADDED.
pub const PADDED: u8 = 8;

impl Frames {
    /// Connects in clear text.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(client::connect(address).await).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// On a stream that is there already, such as one of TLS.
    pub async fn over(stream: S) -> Self {
        let mut frames = Self { stream, buffer: Vec::new() };
        frames.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        frames.send(SETTINGS, 0, 0, []).await;
        frames
    }

    /// Sends bytes. A peer that no longer takes them is no failure.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        drop(within("the peer takes bytes", self.stream.write_all(bytes.as_ref())).await);
        drop(within("the peer takes bytes", self.stream.flush()).await);
    }

    /// Sends a frame.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) {
        self.write(frame(kind, flags, stream, payload.as_ref())).await;
    }

    /// Sends a whole header block in one HEADERS frame.
    pub async fn head(&mut self, stream: u32, fields: &[(&[u8], &[u8])], end_stream: bool) {
        let flags = END_HEADERS | if end_stream { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, block(fields)).await;
    }

    /// Sends a request with a body of one frame, both at once: they are read together.
    pub async fn request(&mut self, stream: u32, fields: &[(&[u8], &[u8])], body: &[u8]) {
        let head = frame(HEADERS, END_HEADERS, stream, &block(fields));
        self.write([head, frame(DATA, END_STREAM, stream, body)].concat()).await;
    }

    /// The next frame; `None` if the peer closed.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(length) = self.buffer.get(..3) {
                let length = usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]);
                if self.buffer.len() >= 9 + length {
                    let frame: Vec<u8> = self.buffer.drain(..9 + length).collect();
                    return Some(Frame {
                        kind: frame[3],
                        flags: frame[4],
                        stream: u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]),
                        payload: frame[9..].to_vec(),
                    });
                }
            }
            let read = within("the peer sends something or closes", self.stream.read_buf(&mut self.buffer)).await;
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Reads, and acknowledges SETTINGS, until it is clear what becomes of a stream.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        while let Some(frame) = self.next().await {
            match frame.kind {
                HEADERS if frame.stream == stream => return Outcome::Status(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => return Outcome::Reset(code(&frame.payload[..4])),
                GOAWAY => return Outcome::GoAway(code(&frame.payload[4..8])),
                SETTINGS if frame.flags & END_STREAM == 0 => self.send(SETTINGS, END_STREAM, 0, []).await,
                _ => {}
            }
        }
        Outcome::Closed
    }
}

/// A header block: each field a literal that is not indexed, as it stands.
pub fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// RFC 7541 section 5.1, with a prefix of seven bits.
fn integer(block: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return block.push(u8::try_from(value).expect("it is below 127"));
    }
    block.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).expect("it is below 256"));
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("it is below 128"));
}

fn code(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("a code has four bytes"))
}

/// `:status`, the first field of a connection's first answer: indexed, or a literal whose digits are in Huffman's code.
fn status(block: &[u8]) -> u16 {
    let mut block = block;
    // Changes of the table's size stand before the fields.
    while block.first().is_some_and(|byte| byte & 0xE0 == 0x20) {
        block = &block[1..];
    }
    match block {
        [indexed @ 0x88..=0x8E, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        [0x48 | 0x08 | 0x18, length, digits @ ..] if length & 0x80 != 0 => {
            huffman(&digits[..usize::from(length & 0x7F)])
        }
        [0x48 | 0x08 | 0x18, length, digits @ ..] => {
            let digits = String::from_utf8_lossy(&digits[..usize::from(*length)]).into_owned();
            digits.parse().unwrap_or_else(|_| panic!("{digits} is no status"))
        }
        other => panic!("no status at the head of {other:02x?}"),
    }
}

/// Three digits: 0 to 2 have five bits, the others six (RFC 7541 appendix B).
fn huffman(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0_u16, |number, bit| number << 1 | u16::from(*bit));
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let five = number(&bits[at..at + 5]);
        let digit = if five < 3 { five } else { number(&bits[at..at + 6]) - 0x19 + 3 };
        at += if five < 3 { 5 } else { 6 };
        status = status * 10 + digit;
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_in_every_form_that_they_come_in() {
        assert_eq!(status(&[0x88]), 200);
        assert_eq!(status(&[0x8C, 1, 2]), 400);
        assert_eq!(status(&[0x20, 0x8D]), 404);
        assert_eq!(status(b"\x48\x03421"), 421);
        // 302 and 501 in Huffman's code.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), 302);
        assert_eq!(status(&[0x48, 0x82, 0x6C, 0x01]), 501);
    }
}
