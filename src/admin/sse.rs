//! Server-sent events (WHATWG HTML, "Parsing an event stream"), off a blocking reader. Lines end with LF or CRLF, as the
//! gateway writes them. An event that breaks off is none: the next connection brings it whole.

use std::io::{self, BufRead, BufReader, Read};

/// Events as they come.
#[derive(Debug)]
pub(super) struct EventReader<R> {
    lines: BufReader<R>,
    /// Where to go on: the last id that came.
    last_id: Option<String>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
}

impl<R: Read> EventReader<R> {
    /// Events of a stream that begins after `last_id`.
    pub(super) fn new(stream: R, last_id: Option<String>) -> Self {
        Self { lines: BufReader::new(stream), last_id }
    }

    /// The id to go on after.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The next event; none at the end of the stream.
    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event { kind: String::new(), data: String::new() };
        let mut id = None;
        loop {
            let Some(line) = self.line(MOST_BYTES - event.data.len())? else { return Ok(None) };
            if line.is_empty() {
                // An id alone moves the place on and is no event.
                if let Some(id) = id.take() {
                    self.last_id = Some(id);
                }
                if event.data.is_empty() {
                    event.kind.clear();
                    continue;
                }
                event.data.pop();
                return Ok(Some(event));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.kind = value.to_owned(),
                "data" => {
                    event.data.push_str(value);
                    event.data.push('\n');
                }
                // It goes into a header again.
                "id" if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => id = Some(value.to_owned()),
                _ => {}
            }
        }
    }

    fn line(&mut self, most: usize) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        self.lines.by_ref().take(most as u64).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return match line.len() + 1 >= most {
                true => Err(io::Error::other(format!("an event is larger than {MOST_BYTES} bytes"))),
                false => Ok(None),
            };
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

/// What an event may have at most, in bytes.
const MOST_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Option<String>) {
        let mut reader = EventReader::new(text.as_bytes(), None);
        let mut events = Vec::new();
        while let Some(event) = reader.next().unwrap() {
            events.push((event.kind, event.data));
        }
        (events, reader.last_id().map(str::to_owned))
    }

    #[test]
    fn events_have_a_type_and_data() {
        let (events, last) = read(": hello\n\nid: e-1\nevent: brake.set\ndata: {\ndata: }\n\nid:e-2\r\ndata:x\r\n\r\n");
        assert_eq!(events, [("brake.set".into(), "{\n}".into()), (String::new(), "x".into())]);
        assert_eq!(last.as_deref(), Some("e-2"));
    }

    #[test]
    fn an_event_that_breaks_off_is_none_and_does_not_move_the_place() {
        let (events, last) = read("id: e-1\ndata: a\n\nid: e-2\ndata: b\n");
        assert_eq!(events, [(String::new(), "a".into())]);
        assert_eq!(last.as_deref(), Some("e-1"));
    }

    #[test]
    fn an_id_alone_moves_the_place() {
        assert_eq!(read("id: e-9\n\n"), (vec![], Some("e-9".into())));
        assert_eq!(read("id: e\u{1b}9\n\n"), (vec![], None));
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let endless = "data: x\n".repeat(MOST_BYTES);
        assert!(EventReader::new(endless.as_bytes(), None).next().is_err());
        let line = "x".repeat(MOST_BYTES + 1);
        assert!(EventReader::new(line.as_bytes(), None).next().is_err());
    }
}
