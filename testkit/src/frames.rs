//! HTTP/2 as frames: for what a well-behaved client would never send.

use std::{cell::Cell, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{client, wait::within};

/// DATA, RFC 9113 section 6.1.
pub const DATA: u8 = 0;
/// HEADERS.
pub const HEADERS: u8 = 1;
/// PRIORITY.
pub const PRIORITY: u8 = 2;
/// RST_STREAM.
pub const RST_STREAM: u8 = 3;
/// SETTINGS.
pub const SETTINGS: u8 = 4;
/// PING.
pub const PING: u8 = 6;
/// GOAWAY.
pub const GOAWAY: u8 = 7;
/// WINDOW_UPDATE.
pub const WINDOW_UPDATE: u8 = 8;
/// CONTINUATION.
pub const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS.
pub const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;

/// The error that a client is told who asks too much.
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A connection of frames; the preface and empty SETTINGS are sent.
#[derive(Debug)]
pub struct FrameConnection(TcpStream);

impl FrameConnection {
    /// Connects and begins.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, &[]).await
    }

    /// Connects and begins with these settings (RFC 9113 section 6.5.2).
    pub async fn open_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut connection = Self(client::connect(address).await);
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        let mut first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        first.extend(frame(SETTINGS, 0, 0, &payload));
        connection.send(&first).await.expect("a new connection takes bytes");
        connection
    }

    /// Sends bytes; frames, if [`frame`] made them.
    ///
    /// # Errors
    /// Where the peer has closed.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within("the peer takes bytes", self.0.write_all(bytes)).await
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        next_of(&mut self.0).await
    }

    /// Sends the bytes that `next` makes for each of so many rounds, until the peer says GOAWAY or takes no more, and
    /// reads meanwhile: what was said is lost to whoever only reads after a reset. Whatever came until the end.
    pub async fn flood(mut self, rounds: u32, mut next: impl FnMut(u32) -> Vec<u8>) -> Vec<Frame> {
        let (mut reading, mut writing) = self.0.split();
        let told = Cell::new(false);
        let sending = async {
            for round in 0..rounds {
                let sent = within("the peer takes bytes", writing.write_all(&next(round))).await;
                if told.get() || sent.is_err() {
                    break;
                }
                // Or all would be sent before anything is read.
                tokio::task::yield_now().await;
            }
            // Whether the peer still hears of it or not, it was the last.
            drop(writing.shutdown().await);
        };
        let hearing = async {
            let mut frames = Vec::new();
            while let Some(frame) = next_of(&mut reading).await {
                told.set(told.get() || frame.kind == GOAWAY);
                frames.push(frame);
            }
            frames
        };
        tokio::join!(sending, hearing).1
    }

    /// Whatever comes until the connection ends.
    pub async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}

async fn next_of(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    within("the peer sends something or closes", read(stream)).await.ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(Frame { kind: head[3], flags: head[4], stream: number, payload })
}

impl Frame {
    /// The error of a GOAWAY or a RST_STREAM.
    pub fn error(&self) -> Option<u32> {
        let at = match self.kind {
            GOAWAY => 4,
            RST_STREAM => 0,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?))
    }
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a GET, without any table (RFC 7541): `:path` and `:authority` as literals.
pub fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (index, value) in [(4, path), (1, "h")] {
        block.extend([index, u8::try_from(value.len()).expect("the text is short")]);
        block.extend(value.bytes());
    }
    block
}

/// A whole GET on a stream.
pub fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path))
}
