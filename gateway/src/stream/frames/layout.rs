//! How HTTP/2 frames are laid out (RFC 9113 sections 4.1 and 6).

/// A frame's head, as it came.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Head([u8; Self::LENGTH as usize]);

impl Head {
    pub(super) const LENGTH: u32 = 9;

    /// Takes a piece of it, of which `left` bytes were to come.
    pub(super) fn fill(&mut self, left: u32, piece: &[u8]) {
        let at = (Self::LENGTH - left) as usize;
        self.0[at..at + piece.len()].copy_from_slice(piece);
    }

    /// Bytes that follow it.
    pub(crate) fn length(self) -> u32 {
        u32::from_be_bytes([0, self.0[0], self.0[1], self.0[2]])
    }

    pub(crate) fn kind(self) -> u8 {
        self.0[3]
    }

    pub(crate) fn flags(self) -> u8 {
        self.0[4]
    }

    pub(crate) fn stream(self) -> u32 {
        u32::from_be_bytes([self.0[5], self.0[6], self.0[7], self.0[8]]) & 0x7fff_ffff
    }
}

/// What a client begins with (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a frame carries at most, unless we ask for more, and we do not (RFC 9113 section 4.2).
pub(super) const MAX_FRAME: u32 = 16_384;
/// The bytes of a priority within HEADERS (RFC 9113 section 6.2).
pub(super) const PRIORITY: u32 = 5;

// Frame types, RFC 9113 section 6.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(super) const PRIORITY_FRAME: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

// Flags, RFC 9113 sections 6.1, 6.2 and 6.5.
pub(super) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITISED: u8 = 0x20;
