//! What an HTTP/2 client sends, looked at while its bytes pass: frames that cost it nothing and the gateway work are
//! counted, each kind within a second's budget, and so are the fields of each header block before anybody decodes them.
//!
//! A decoder that is asked to keep a field of one byte (a reference to its table) allocates seventy for it, so a bound on
//! decoded bytes comes too late. Only frame heads, settings and the outline of header blocks are read; what is wrong with
//! them is for the HTTP/2 implementation to say, but where it would say the wrong thing ([`rules`]).
//!
//! Pure: it is fed bytes, cut anywhere, and the time. Cost: a few comparisons for each frame, a byte each for header
//! blocks, nothing for bodies.

mod answers;
mod fields;
pub(crate) mod layout;
mod rules;
pub(crate) mod walk;

use rollgate_config::static_config::Http2;

pub(crate) use self::layout::PREFACE;
use self::{
    answers::Answers,
    fields::Fields,
    layout::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Head, MAX_FRAME, PADDED, PING, PRIORITISED, PRIORITY,
        RST_STREAM, SETTINGS, WINDOW_UPDATE,
    },
    rules::{Ended, Settings, Violation, check_head, check_preface},
};

/// A connection's counts.
#[derive(Debug)]
pub(crate) struct Frames {
    budgets: Budgets,
    /// What is read at the moment, and how many bytes of it are to come.
    part: Part,
    left: u32,
    head: Head,
    settings: Settings,
    /// At the end of the header frame that is read.
    padding: u8,
    fields: Fields,
    /// A header block goes on in the next frame.
    within_block: bool,
    /// CONTINUATION frames of the header block that is read.
    continuations: u32,
    /// Coarse milliseconds at which the second began that is counted.
    since: u32,
    counts: Counts,
    /// Coarse milliseconds at which the frame, or the header block, began that is read.
    begun: u32,
    /// The highest stream that the client has opened.
    last_stream: u32,
    /// Streams on which it has nothing more to say.
    ended: Ended,
    answers: Answers,
}

/// What each kind of frame may be sent of within a second; 0 is no limit.
#[derive(Debug, Clone, Copy)]
struct Budgets {
    http2: Http2,
    fields: u32,
    continuations: u32,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    opened: u32,
    resets: u32,
    pings: u32,
    settings: u32,
    empty: u32,
    window_updates: u32,
    unused: u32,
    /// Bytes that were sent to the client.
    sent: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `PRI * HTTP/2.0...` (RFC 9113 section 3.4).
    Preface,
    Head,
    /// The length of a header frame's padding.
    PadLength,
    /// The priority in a header frame, five bytes.
    Priority,
    /// A piece of a header block.
    Block,
    Settings,
    Payload,
}

/// Why a connection ends at its client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Excess(#[from] Excess),
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// A budget that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    #[error("too many requests taken back")]
    Resets,
    #[error("too many PING frames")]
    Pings,
    #[error("too many SETTINGS frames")]
    Settings,
    #[error("too many empty frames")]
    EmptyFrames,
    #[error("too many WINDOW_UPDATE frames")]
    WindowUpdates,
    #[error("too many frames without a use")]
    UnusedFrames,
    #[error("too many header fields in one block")]
    HeaderFields,
    #[error("too many CONTINUATION frames in one block")]
    Continuations,
}

impl Excess {
    /// In `rollgate_refused_total{reason}`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Resets => "http2_resets",
            Self::Pings => "http2_pings",
            Self::Settings => "http2_settings",
            Self::EmptyFrames => "http2_empty_frames",
            Self::WindowUpdates => "http2_window_updates",
            Self::UnusedFrames => "http2_unused_frames",
            Self::HeaderFields => "http2_header_fields",
            Self::Continuations => "http2_continuations",
        }
    }
}

impl Fault {
    /// What GOAWAY tells the client (RFC 9113 section 7).
    pub(crate) fn reason(self) -> h2::Reason {
        match self {
            Self::Excess(_) => h2::Reason::ENHANCE_YOUR_CALM,
            Self::Violation(violation) => violation.reason(),
        }
    }
}

impl Frames {
    /// For a connection whose requests may have `max_fields` fields and `max_bytes` of them. It begins with the preface.
    pub(crate) fn new(http2: Http2, max_fields: usize, max_bytes: usize) -> Self {
        let fields = u32::try_from(max_fields).unwrap_or(u32::MAX).saturating_mul(FIELDS_ABUSE);
        let full_frames = u32::try_from(max_bytes / MAX_FRAME as usize).unwrap_or(u32::MAX);
        let continuations = full_frames.saturating_add(full_frames / 4).max(FEW_CONTINUATIONS);
        Self {
            budgets: Budgets { http2, fields, continuations },
            part: Part::Preface,
            left: PREFACE.len() as u32,
            head: Head::default(),
            settings: Settings::default(),
            padding: 0,
            fields: Fields::default(),
            within_block: false,
            continuations: 0,
            since: 0,
            counts: Counts::default(),
            begun: 0,
            last_stream: 0,
            ended: Ended::default(),
            answers: Answers::default(),
        }
    }

    /// The highest stream that the client has opened; 0 without any.
    pub(crate) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// The next byte is the first of a frame that goes on with nothing, or of the connection.
    fn begins(&self) -> bool {
        match self.part {
            Part::Preface => self.left == PREFACE.len() as u32,
            Part::Head => self.left == Head::LENGTH && !self.within_block,
            _ => false,
        }
    }

    /// Since when more of a header block, or of a frame, has to come; bodies have their own time.
    pub(crate) fn unfinished(&self) -> Option<u32> {
        let is_body = self.part == Part::Payload && self.head.kind() == DATA;
        (!is_body && !self.begins()).then_some(self.begun)
    }

    /// A frame goes to the client.
    pub(crate) fn sends(&mut self, head: Head) {
        // It may have been on its way when the client reset its stream, of which nothing more comes.
        if !self.ended.is_reset(head.stream()) {
            self.answers.sends(head);
        }
    }

    /// Answers that have begun to go out, and whose end has not.
    pub(crate) fn unended_answers(&self) -> u32 {
        self.answers.count()
    }

    /// Bytes went to the client: what it answers them with is not counted against it.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.counts.sent += bytes as u64;
    }

    /// Bytes came from the client at `now`, in coarse milliseconds.
    pub(crate) fn received(&mut self, mut bytes: &[u8], now: u32) -> Result<(), Fault> {
        if now.wrapping_sub(self.since) >= WINDOW {
            self.since = now;
            self.counts = Counts::default();
        }
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(self.left as usize));
            bytes = rest;
            if self.begins() {
                self.begun = now;
            }
            self.piece(piece)?;
        }
        Ok(())
    }

    /// Takes a piece of what is being read; at most the rest of it.
    fn piece(&mut self, piece: &[u8]) -> Result<(), Fault> {
        match self.part {
            Part::Preface => check_preface(self.left, piece)?,
            Part::Head => self.head.fill(self.left, piece),
            Part::PadLength => self.padding = piece[0],
            Part::Block => {
                self.fields.read(piece);
                if self.fields.count() > self.budgets.fields {
                    return Err(Excess::HeaderFields.into());
                }
            }
            Part::Settings => self.settings.read(piece)?,
            Part::Priority | Part::Payload => {}
        }
        self.left -= piece.len() as u32;
        while self.left == 0 {
            self.next()?;
        }
        Ok(())
    }

    /// What is being read is whole: what comes next?
    fn next(&mut self) -> Result<(), Fault> {
        match self.part {
            Part::Preface | Part::Settings | Part::Payload => self.enter(Part::Head, Head::LENGTH),
            Part::Head => return self.frame(),
            Part::PadLength => self.after_padding(self.head.length() - 1),
            Part::Priority => {
                let before = PRIORITY + u32::from(self.head.flags() & PADDED != 0);
                self.block(self.head.length().saturating_sub(before));
            }
            Part::Block => {
                if self.head.flags() & END_HEADERS != 0 && self.fields.is_within() {
                    return Err(Violation::BlockEnd.into());
                }
                self.enter(Part::Payload, self.padding.into());
            }
        }
        Ok(())
    }

    /// A frame's head is whole.
    fn frame(&mut self) -> Result<(), Fault> {
        let (length, flags) = (self.head.length(), self.head.flags());
        check_head(self.head)?;
        // Within a block only CONTINUATION may come, and that is the rule that anything else breaks; h2 knows it.
        if !self.within_block {
            self.ended.check(self.head)?;
        }
        self.count(length, flags)?;
        match self.head.kind() {
            HEADERS => {
                self.last_stream = self.last_stream.max(self.head.stream());
                (self.fields, self.continuations, self.padding) = (Fields::default(), 0, 0);
                self.within_block = flags & END_HEADERS == 0;
                if flags & PADDED != 0 && length > 0 {
                    self.enter(Part::PadLength, 1);
                } else {
                    self.after_padding(length);
                }
            }
            CONTINUATION => {
                self.continuations += 1;
                if self.continuations > self.budgets.continuations {
                    return Err(Excess::Continuations.into());
                }
                self.padding = 0;
                self.within_block = flags & END_HEADERS == 0;
                self.block(length);
            }
            SETTINGS => self.enter(Part::Settings, length),
            RST_STREAM => {
                self.answers.end(self.head.stream());
                self.enter(Part::Payload, length);
            }
            _ => self.enter(Part::Payload, length),
        }
        Ok(())
    }

    /// `left` bytes of a HEADERS frame follow, padding included.
    fn after_padding(&mut self, left: u32) {
        if self.head.flags() & PRIORITISED != 0 && left >= PRIORITY {
            self.enter(Part::Priority, PRIORITY);
        } else {
            self.block(left);
        }
    }

    /// A piece of a header block follows, and padding; more padding than there is room for is an error that is not ours.
    fn block(&mut self, left: u32) {
        self.padding = u8::try_from(left).map_or(self.padding, |left| left.min(self.padding));
        self.enter(Part::Block, left - u32::from(self.padding));
    }

    fn enter(&mut self, part: Part, left: u32) {
        (self.part, self.left) = (part, left);
    }

    fn count(&mut self, length: u32, flags: u8) -> Result<(), Excess> {
        let (counts, budgets) = (&mut self.counts, &self.budgets.http2);
        let earned = u32::try_from(counts.sent / SENT_FOR_ONE).unwrap_or(u32::MAX);
        let over = |count: &mut u32, budget: u32, earned: u32| {
            *count += 1;
            budget != 0 && *count > budget.saturating_add(earned)
        };
        let (is_over, excess) = match self.head.kind() {
            DATA if length == 0 && flags & END_STREAM == 0 => {
                (over(&mut counts.empty, budgets.max_empty_frames, 0), Excess::EmptyFrames)
            }
            DATA => return Ok(()),
            HEADERS | CONTINUATION => {
                counts.opened += u32::from(self.head.kind() == HEADERS);
                let idle = length == 0 && flags & END_HEADERS == 0;
                (idle && over(&mut counts.empty, budgets.max_empty_frames, 0), Excess::EmptyFrames)
            }
            RST_STREAM => (over(&mut counts.resets, budgets.max_resets, counts.opened / 2), Excess::Resets),
            SETTINGS => (over(&mut counts.settings, budgets.max_settings, 0), Excess::Settings),
            PING => (over(&mut counts.pings, budgets.max_pings, earned), Excess::Pings),
            WINDOW_UPDATE => {
                (over(&mut counts.window_updates, budgets.max_window_updates, earned), Excess::WindowUpdates)
            }
            _ => (over(&mut counts.unused, UNUSED_FRAMES, 0), Excess::UnusedFrames),
        };
        if is_over { Err(excess) } else { Ok(()) }
    }
}

/// What is counted is counted for so long, in milliseconds.
const WINDOW: u32 = 1000;
/// A client that is sent data answers with WINDOW_UPDATE, and some measure with PING: one for so many bytes.
const SENT_FOR_ONE: u64 = 64;
/// PRIORITY, and what is unknown, which must be ignored: browsers send a handful for each page.
const UNUSED_FRAMES: u32 = 1000;
/// So many times the fields that a request may have end the connection instead of the request: as with the bytes of a
/// header list in h2.
const FIELDS_ABUSE: u32 = 4;
/// A header block may be cut into so many more pieces, however small it may be.
const FEW_CONTINUATIONS: u32 = 5;

#[cfg(test)]
mod tests;
