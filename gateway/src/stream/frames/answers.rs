//! Answers whose end has not gone out. The gateway may be done with one for long while HTTP/2 holds its last piece back,
//! because the client opens no window for it. Cost: a look at the streams that are open, twice for each answer.

use super::layout::{DATA, END_STREAM, HEADERS, Head, RST_STREAM};

/// Their streams.
#[derive(Debug, Default)]
pub(super) struct Answers(Vec<u32>);

impl Answers {
    /// A frame goes out to the client.
    pub(super) fn sends(&mut self, head: Head) {
        match head.kind() {
            DATA | HEADERS if head.flags() & END_STREAM != 0 => self.end(head.stream()),
            RST_STREAM => self.end(head.stream()),
            HEADERS if !self.0.contains(&head.stream()) => self.0.push(head.stream()),
            _ => {}
        }
    }

    /// Nothing more goes out on this stream.
    pub(super) fn end(&mut self, stream: u32) {
        if let Some(at) = self.0.iter().position(|&open| open == stream) {
            self.0.swap_remove(at);
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.0.len() as u32
    }
}
