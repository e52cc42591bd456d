//! Looks at HTTP/1 heads while they pass, for what hyper takes away before it hands a request over: of
//! `Transfer-Encoding` beside `Content-Length` it keeps the former, of two `Content-Length` that agree one.
//!
//! Both are refused (RFC 9112 section 6.1 wants the first treated as an attack), so the [`Phase`] is told of them. It
//! follows heads from where a connection is idle, over pipelined requests without a body; behind a body it waits for the
//! connection to be idle again, and hyper's framing alone, which is sound, holds for what is not seen. Cost: one search
//! for line ends, and the first byte of each line.

use crate::connection::phase::{Ambiguity, Phase};

/// Where in a head the bytes are.
#[derive(Debug, Default)]
pub(crate) struct HeadWatch {
    state: State,
    /// Of the head that is under way.
    fields: usize,
    lengths: u8,
    codings: u8,
    /// A line whose end has not come yet: how it begins and how it ends. Empty, and without memory, where heads come
    /// whole.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A request line is next.
    #[default]
    Start,
    Fields,
    /// Behind a head with a body, or in what is no head at all.
    Lost,
}

impl HeadWatch {
    /// The connection is idle: what comes next begins a head, or goes on with one that is followed already.
    pub(crate) fn idle(&mut self, phase: &Phase) {
        if self.state == State::Lost {
            phase.clear_ambiguity();
            *self = Self::default();
        }
    }

    /// Bytes that came. Says how many fields the head with the most of them has until now.
    pub(crate) fn read(&mut self, bytes: &[u8], phase: &Phase) -> usize {
        let (mut from, mut most) = (0, 0);
        if self.state == State::Lost {
            return most;
        }
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[from..end];
            from = end + 1;
            if self.held.is_empty() {
                self.line(line, phase);
            } else {
                self.hold(line);
                let whole = std::mem::take(&mut self.held);
                self.line(&whole, phase);
            }
            most = most.max(self.fields);
            if self.state == State::Lost {
                return most;
            }
        }
        self.hold(&bytes[from..]);
        most
    }

    /// Whether nothing but whole heads without bodies has come.
    pub(crate) fn is_between_heads(&self) -> bool {
        self.state == State::Start && self.held.is_empty()
    }

    fn line(&mut self, line: &[u8], phase: &Phase) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.fields += usize::from(self.state == State::Fields);
        match (self.state, line) {
            // Empty lines may stand before a request line (RFC 9112 section 2.2).
            (State::Start, []) => {}
            (State::Start, _) => {
                let is_request = line.len() > VERSION.len() && line[..line.len() - 1].ends_with(VERSION);
                self.state = if is_request { State::Fields } else { State::Lost };
            }
            (State::Fields, []) => self.end_of_head(phase),
            (State::Fields, [b'c' | b'C', ..]) => {
                self.lengths = self.lengths.saturating_add(u8::from(is_field(line, b"content-length")));
            }
            (State::Fields, [b't' | b'T', ..]) => {
                self.codings = self.codings.saturating_add(u8::from(is_field(line, b"transfer-encoding")));
            }
            _ => {}
        }
    }

    fn end_of_head(&mut self, phase: &Phase) {
        match (self.codings, self.lengths) {
            (1.., 1..) => phase.found(Ambiguity::TwoFramings),
            (_, 2..) => phase.found(Ambiguity::TwoLengths),
            _ => {}
        }
        self.state = if self.codings + self.lengths == 0 { State::Start } else { State::Lost };
        (self.fields, self.lengths, self.codings) = (0, 0, 0);
    }

    fn hold(&mut self, part: &[u8]) {
        if part.len() <= 2 * KEPT {
            self.held.extend_from_slice(part);
        } else {
            self.held.extend_from_slice(&part[..KEPT]);
            self.held.extend_from_slice(&part[part.len() - KEPT..]);
        }
        if self.held.len() > 4 * KEPT {
            self.held.drain(KEPT..self.held.len() - KEPT);
        }
    }
}

fn is_field(line: &[u8], name: &[u8]) -> bool {
    line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name)
}

/// How a request line ends, but for its last digit.
const VERSION: &[u8] = b" HTTP/1.";
/// More than the names that are looked for, and than [`VERSION`].
const KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in bytes that come in these pieces.
    fn found(pieces: &[&[u8]]) -> Option<Ambiguity> {
        let (mut watch, phase) = (HeadWatch::default(), Phase::default());
        for piece in pieces {
            watch.read(piece, &phase);
        }
        phase.ambiguity()
    }

    const BOTH: &[u8] =
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    #[test]
    fn two_framings_are_seen_wherever_the_bytes_are_split() {
        for at in 0..=BOTH.len() {
            let seen = found(&[&BOTH[..at], &BOTH[at..]]);
            assert_eq!(seen, Some(Ambiguity::TwoFramings), "split at {at}");
        }
        let single: Vec<&[u8]> = BOTH.chunks(1).collect();
        assert_eq!(found(&single), Some(Ambiguity::TwoFramings));
    }

    #[test]
    fn what_is_looked_for_is_found_in_any_order_case_and_line_end() {
        let table: [(&[u8], Option<Ambiguity>); 10] = [
            (b"GET / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\ncontent-LENGTH:0\r\n\r\n", Some(Ambiguity::TwoFramings)),
            (b"GET / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 0\n\n", Some(Ambiguity::TwoFramings)),
            (b"\r\n\r\nGET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", Some(Ambiguity::TwoLengths)),
            (b"GET / HTTP/1.0\r\n\r\nPUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Some(Ambiguity::TwoFramings)),
            (b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nGET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", None),
            (b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n\r\nTransfer-Encoding: chunked\r\n\r\n", None),
            (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nContent-Length: 1\r\n\r\n", None),
            (b"GET / HTTP/1.1\r\nContent-Length-X: 1\r\nX-Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", None),
            (b"a line of a body\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", None),
            (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(found(&[bytes]), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_fields_of_a_head_are_counted_wherever_the_bytes_are_split() {
        let head = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\nGET / HTTP/1.1\r\nA: 1\r\n\r\n";
        for at in 0..=head.len() {
            let (mut watch, phase) = (HeadWatch::default(), Phase::default());
            let most = watch.read(&head[..at], &phase).max(watch.read(&head[at..], &phase));
            assert_eq!((most, watch.fields), (3, 0), "split at {at}");
        }
    }

    #[test]
    fn long_lines_are_not_kept() {
        let (mut watch, phase) = (HeadWatch::default(), Phase::default());
        for _ in 0..1000 {
            watch.read(&[b'a'; 1000], &phase);
            assert!(watch.held.len() <= 4 * KEPT);
        }
        watch.read(b" HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", &phase);
        assert_eq!(phase.ambiguity(), Some(Ambiguity::TwoLengths));
    }
}
