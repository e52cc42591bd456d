//! Rules of RFC 9113 whose breach h2 answers with PROTOCOL_ERROR, or not at all, where another error is due.
//!
//! They look at nothing but what the client sent, so no frame that is on its way the other way can make a client break
//! them that keeps to the protocol.

use super::layout::{
    ACK, DATA, END_STREAM, GOAWAY, HEADERS, Head, MAX_FRAME, PADDED, PING, PREFACE, PRIORITISED, PRIORITY,
    PRIORITY_FRAME, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};

/// A rule that the client has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a preface that is none")]
    Preface,
    #[error("a frame whose length is wrong for its type")]
    Length,
    #[error("an initial window above 2^31 - 1")]
    InitialWindow,
    #[error("a header block that ends within a field")]
    BlockEnd,
    #[error("a frame on a stream that the client has ended")]
    StreamEnded,
    #[error("PUSH_PROMISE from a client")]
    PushPromise,
}

impl Violation {
    /// The error that is due (RFC 9113 section 7).
    pub(crate) fn reason(self) -> h2::Reason {
        match self {
            Self::Length => h2::Reason::FRAME_SIZE_ERROR,
            Self::InitialWindow => h2::Reason::FLOW_CONTROL_ERROR,
            Self::BlockEnd => h2::Reason::COMPRESSION_ERROR,
            Self::StreamEnded => h2::Reason::STREAM_CLOSED,
            Self::Preface | Self::PushPromise => h2::Reason::PROTOCOL_ERROR,
        }
    }
}

/// A piece of the preface, of which `left` bytes were to come. h2 lets go of the connection without a word.
pub(super) fn check_preface(left: u32, piece: &[u8]) -> Result<(), Violation> {
    let rest = &PREFACE[PREFACE.len() - left as usize..];
    if rest.starts_with(piece) { Ok(()) } else { Err(Violation::Preface) }
}

/// What can be told from a frame's head alone: its length (RFC 9113 sections 4.2 and 6), and that clients do not push
/// (section 8.4).
pub(super) fn check_head(head: Head) -> Result<(), Violation> {
    let (length, flags) = (head.length(), head.flags());
    let padding = u32::from(flags & PADDED != 0);
    let fits = match head.kind() {
        DATA => length >= padding,
        HEADERS => length >= padding + if flags & PRIORITISED != 0 { PRIORITY } else { 0 },
        PRIORITY_FRAME => length == PRIORITY,
        RST_STREAM | WINDOW_UPDATE => length == 4,
        SETTINGS if flags & ACK != 0 => length == 0,
        SETTINGS => length % SETTING as u32 == 0,
        PUSH_PROMISE => return Err(Violation::PushPromise),
        PING => length == 8,
        GOAWAY => length >= 8,
        _ => true,
    };
    if fits && length <= MAX_FRAME { Ok(()) } else { Err(Violation::Length) }
}

/// Streams that the client has ended, the latest of them: DATA or HEADERS there are an error whatever has become of the
/// stream on our side (RFC 9113 section 5.1). What is not known here is judged by h2.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Twice the stream's number, and 1 if it was by RST_STREAM.
    streams: [u32; KEPT],
    next: u8,
}

impl Ended {
    /// A frame's head has come.
    ///
    /// DATA behind RST_STREAM is left to h2, which answers with RST_STREAM and goes on with the connection.
    pub(super) fn check(&mut self, head: Head) -> Result<(), Violation> {
        let (kind, stream) = (head.kind(), head.stream());
        let ends = match kind {
            DATA | HEADERS if stream != 0 => head.flags() & END_STREAM != 0,
            RST_STREAM if stream != 0 => true,
            _ => return Ok(()),
        };
        let by_reset = kind == RST_STREAM;
        match self.streams.iter().find(|&&ended| ended >> 1 == stream) {
            Some(&ended) if kind == HEADERS || (kind == DATA && ended & 1 == 0) => Err(Violation::StreamEnded),
            None if ends => {
                self.streams[usize::from(self.next)] = stream << 1 | u32::from(by_reset);
                self.next = (self.next + 1) % KEPT as u8;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Ended {
    /// The client has reset it, lately.
    pub(super) fn is_reset(&self, stream: u32) -> bool {
        self.streams.contains(&(stream << 1 | 1))
    }
}

/// The values of SETTINGS, which come in entries of six bytes (RFC 9113 section 6.5.1).
#[derive(Debug, Default)]
pub(super) struct Settings {
    entry: [u8; SETTING],
    have: u8,
}

impl Settings {
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        for &byte in bytes {
            self.entry[usize::from(self.have)] = byte;
            self.have = (self.have + 1) % SETTING as u8;
            let [first, second, value @ ..] = self.entry;
            let is_window = self.have == 0 && u16::from_be_bytes([first, second]) == INITIAL_WINDOW_SIZE;
            if is_window && u32::from_be_bytes(value) > MAX_WINDOW {
                return Err(Violation::InitialWindow);
            }
        }
        Ok(())
    }
}

/// Ended streams that are remembered: whoever goes on with one does so soon, and each costs an idle connection 4 bytes.
const KEPT: usize = 8;
/// An entry of SETTINGS.
const SETTING: usize = 6;
/// RFC 9113 section 6.5.2.
const INITIAL_WINDOW_SIZE: u16 = 4;
/// RFC 9113 section 6.9.1.
const MAX_WINDOW: u32 = (1 << 31) - 1;

#[cfg(test)]
mod tests;
