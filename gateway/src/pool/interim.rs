//! The interim answers (1xx) before an answer, counted in the bytes as they come: hyper reads past them, however many
//! they are, so a server could keep an exchange open for ever without ever answering.

mod http2;

pub(crate) use self::http2::Streams;

/// Counts them, whatever the protocol.
pub(crate) trait Count {
    /// Reads on.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Flood>;
}

/// Where the heads of one exchange stand. On the plain path it costs two comparisons, once per answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heads {
    place: Place,
    interim: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many bytes of `HTTP/1.1 1xx`.
    Status(u8),
    /// In the status line of what may be 101: its second digit, its third.
    Second,
    Third {
        switching: bool,
    },
    /// In the head of an interim answer; whether its line has just ended.
    Interim {
        line_end: bool,
    },
    /// In the answer itself, which is nobody's business here.
    Answer,
}

/// More interim answers came than an exchange may have.
#[derive(Debug, thiserror::Error)]
#[error("more than {MAX_INTERIM} interim answers")]
pub(crate) struct Flood;

impl Heads {
    /// Nothing has come.
    pub(crate) const START: Self = Self { place: Place::Status(0), interim: 0 };

    /// The answer itself has begun.
    pub(crate) fn passed(self) -> bool {
        self.place == Place::Answer
    }

    fn step(&mut self, byte: u8) -> Result<(), Flood> {
        self.place = match (self.place, byte) {
            // Empty lines before a status line are skipped by hyper too (RFC 9112 section 2.2).
            (Place::Status(0), b'\r' | b'\n') => Place::Status(0),
            (Place::Status(CLASS), b'1') => Place::Second,
            (Place::Status(CLASS), _) => Place::Answer,
            (Place::Status(at), _) => Place::Status(at + 1),
            (Place::Second, digit) => Place::Third { switching: digit == b'0' },
            // 101 is an answer.
            (Place::Third { switching: true }, b'1') => Place::Answer,
            (Place::Third { .. }, _) => {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(Flood);
                }
                Place::Interim { line_end: false }
            }
            (Place::Interim { line_end: true }, b'\n') => Place::Status(0),
            (Place::Interim { line_end }, byte) => {
                Place::Interim { line_end: byte == b'\n' || (line_end && byte == b'\r') }
            }
            (Place::Answer, _) => Place::Answer,
        };
        Ok(())
    }
}

impl Count for Heads {
    fn read(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        if self.place == Place::Status(0)
            && let [b'H', _, _, _, _, _, _, _, _, class, ..] = bytes
            && *class != b'1'
        {
            self.place = Place::Answer;
        }
        for byte in bytes {
            if self.passed() {
                break;
            }
            self.step(*byte)?;
        }
        Ok(())
    }
}

/// Servers send one or two (100, 103) where they send any.
pub(crate) const MAX_INTERIM: u8 = 16;
/// Where a status line's first digit stands: behind `HTTP/1.1 `.
const CLASS: u8 = 9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(pieces: &[&[u8]]) -> Result<Heads, Flood> {
        let mut heads = Heads::START;
        pieces.iter().try_for_each(|piece| heads.read(piece))?;
        Ok(heads)
    }

    #[test]
    fn an_answer_is_an_answer() {
        for answer in ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 404 \r\n\r\n", "HTTP/1.1 101 \r\n", "\r\n\r\nHTTP/1.1 500 E"] {
            assert!(after(&[answer.as_bytes()]).unwrap().passed(), "{answer}");
        }
        for nothing_yet in ["", "HTTP/1.1 ", "HTTP/1.1 1", "HTTP/1.1 10", "HTTP/1.1 103 E\r\nLink: x\r\n\r\n"] {
            assert!(!after(&[nothing_yet.as_bytes()]).unwrap().passed(), "{nothing_yet}");
        }
    }

    #[test]
    fn so_many_are_read_past_and_not_one_more() {
        for one in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 \r\na: b\r\n\r\n", "HTTP/1.1 102 \n\n"] {
            let most = one.repeat(MAX_INTERIM.into());
            assert!(after(&[most.as_bytes(), b"HTTP/1.1 200 OK\r\n"]).unwrap().passed());
            assert!(after(&[most.as_bytes(), one.as_bytes()]).is_err(), "{one}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_bytes_are_cut(interim in 0usize..20, cuts in proptest::collection::vec(0usize..600, 0..8)) {
            let bytes = "HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n".repeat(interim) + "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 100 ";
            let bytes = bytes.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut from = 0;
            let pieces: Vec<&[u8]> = cuts.into_iter().map(|to| { let piece = &bytes[from..to]; from = to; piece }).collect();
            prop_assert_eq!(after(&pieces).is_err(), interim > usize::from(MAX_INTERIM));
            prop_assert_eq!(after(&[bytes]).is_err(), interim > usize::from(MAX_INTERIM));
        }
    }
}
