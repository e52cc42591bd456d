//! Over HTTP/2 they are HEADERS that do not end their stream (RFC 9113 section 8.1): every one of a stream but the last,
//! which may be the answer's own, since trailers end theirs. What they say is not read.

use std::collections::HashMap;

use super::{Count, Flood, MAX_INTERIM};
use crate::stream::frames::{
    layout::{DATA, END_STREAM, HEADERS, Head, RST_STREAM},
    walk::Walk,
};

/// A connection's streams on which the server goes on.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    walk: Walk,
    /// HEADERS of each so far.
    heads: HashMap<u32, u8>,
}

impl Count for Streams {
    fn read(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        let heads = &mut self.heads;
        self.walk.pass(bytes, |head| count(heads, head))
    }
}

fn count(heads: &mut HashMap<u32, u8>, head: Head) -> Result<(), Flood> {
    let stream = head.stream();
    match head.kind() {
        DATA | HEADERS if head.flags() & END_STREAM != 0 => drop(heads.remove(&stream)),
        RST_STREAM => drop(heads.remove(&stream)),
        HEADERS => {
            let so_far = heads.entry(stream).or_default();
            *so_far += 1;
            if *so_far > MAX_INTERIM + 1 {
                return Err(Flood);
            }
            if heads.len() > KEPT {
                // Of those that the gateway has reset nothing more is heard. The newest half stays: numbers are odd.
                heads.retain(|kept, _| kept.saturating_add(KEPT as u32) > stream);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Streams that are counted at a time: more than a server may be asked on one connection at once, as a rule.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32) -> Vec<u8> {
        [&[0, 0, 2, kind, flags][..], &stream.to_be_bytes(), &[0x88, 0]].concat()
    }

    #[test]
    fn so_many_are_read_past_and_not_one_more() {
        let most = frame(HEADERS, 4, 1).repeat(usize::from(MAX_INTERIM) + 1);
        for end in [frame(DATA, END_STREAM, 1), frame(HEADERS, END_STREAM | 4, 1), frame(RST_STREAM, 0, 1)] {
            let mut streams = Streams::default();
            for _ in 0..2 {
                streams.read(&most).unwrap();
                streams.read(&frame(DATA, 0, 1)).unwrap();
                streams.read(&end).unwrap();
            }
            assert!(streams.heads.is_empty());
            streams.read(&most).unwrap();
            assert!(streams.read(&frame(HEADERS, 4, 1)).is_err());
        }
    }

    #[test]
    fn each_stream_has_its_own() {
        let mut streams = Streams::default();
        for _ in 0..=MAX_INTERIM {
            for stream in [1, 3, 5] {
                streams.read(&frame(HEADERS, 4, stream)).unwrap();
            }
        }
        assert!(streams.read(&frame(HEADERS, 4, 3)).is_err());
    }

    #[test]
    fn streams_of_which_nothing_more_is_heard_are_forgotten() {
        let mut streams = Streams::default();
        for stream in (1..1_000_000).step_by(2) {
            streams.read(&frame(HEADERS, 4, stream)).unwrap();
            assert!(streams.heads.len() <= KEPT + 1);
        }
    }
}
