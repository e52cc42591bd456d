//! What holds for any client, however its bytes are cut.

use proptest::prelude::*;

use super::*;

/// A client that keeps to the protocol: streams on which it may still send, and those that it has ended but not reset.
#[derive(Debug, Default)]
struct Client {
    opened: u32,
    open: Vec<u32>,
    ended: Vec<u32>,
}

impl Client {
    /// What it sends next: a kind of frame, which of the streams that it may be sent on, a size, and whether it is the last.
    fn sends(&mut self, (kind, which, size, ends): (u8, prop::sample::Index, usize, bool)) -> Vec<u8> {
        let last = if ends { END_STREAM } else { 0 };
        match kind {
            0 | 1 => {
                let stream = 2 * self.opened + 1;
                self.opened += 1;
                if ends {
                    self.ended.push(stream)
                } else {
                    self.open.push(stream)
                }
                header_frames(stream, ends, size)
            }
            2 | 3 if !self.open.is_empty() => {
                let stream = self.take(which, ends);
                let (flags, mut payload) =
                    if size.is_multiple_of(2) { (PADDED, vec![(size % 9) as u8]) } else { (0, vec![]) };
                payload.extend(vec![b'x'; size]);
                frame_on(stream, DATA, flags | last, &payload)
            }
            // Trailers.
            4 if !self.open.is_empty() => header_frames(self.take(which, true), true, size),
            5 if !self.open.is_empty() => {
                let at = which.index(self.open.len());
                frame_on(self.open.swap_remove(at), RST_STREAM, 0, &[0, 0, 0, 8])
            }
            6 if !self.ended.is_empty() => {
                let at = which.index(self.ended.len());
                frame_on(self.ended.swap_remove(at), RST_STREAM, 0, &[0, 0, 0, 8])
            }
            7 => {
                // 0 is the connection.
                let stream = (2 * which.index(self.opened as usize + 1) as u32).saturating_sub(1);
                frame_on(stream, WINDOW_UPDATE, 0, &[0, 0, 0, 1])
            }
            8 => frame_on(2 * size as u32 + 1, 2, 0, &[0, 0, 0, 0, 7]),
            9 if ends => frame_on(0, SETTINGS, 1, &[]),
            9 => frame_on(0, SETTINGS, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff].repeat(size % 5)),
            10 => frame_on(0, 7, 0, &vec![0; 8 + size]),
            11 => frame_on(1, 0x10, 0xff, &vec![0xff; size]),
            _ => frame_on(0, PING, last, &[0; 8]),
        }
    }

    /// A stream on which it sends, perhaps for the last time.
    fn take(&mut self, which: prop::sample::Index, ends: bool) -> u32 {
        let stream = self.open[which.index(self.open.len())];
        if ends {
            self.open.retain(|open| *open != stream);
            self.ended.push(stream);
        }
        stream
    }
}

/// A header block in one frame or in two, with or without padding and priority.
fn header_frames(stream: u32, ends: bool, size: usize) -> Vec<u8> {
    let block = [&[0x82, 0x00, 1, b'a'][..], &integer(7, size), &vec![b'v'; size]].concat();
    let (first, rest) = block.split_at(if size.is_multiple_of(5) { block.len() } else { size % block.len() });
    let mut flags = if ends { END_STREAM } else { 0 };
    let mut payload = Vec::new();
    if size.is_multiple_of(2) {
        flags |= PADDED;
        payload.push(7);
    }
    if size.is_multiple_of(3) {
        flags |= PRIORITISED;
        payload.extend([0xff; 5]);
    }
    payload.extend(first);
    payload.extend(vec![0x40; if size.is_multiple_of(2) { 7 } else { 0 }]);
    if rest.is_empty() {
        return frame_on(stream, HEADERS, flags | END_HEADERS, &payload);
    }
    [frame_on(stream, HEADERS, flags, &payload), frame_on(stream, CONTINUATION, END_HEADERS, rest)].concat()
}

/// What a client that keeps to the protocol does.
fn steps() -> impl Strategy<Value = Vec<(u8, prop::sample::Index, usize, bool)>> {
    proptest::collection::vec((0_u8..13, any::<prop::sample::Index>(), 0_usize..300, any::<bool>()), 0..150)
}

/// Frames without budgets.
fn patient() -> Frames {
    let http2 = Http2 {
        max_resets: 0,
        max_pings: 0,
        max_settings: 0,
        max_empty_frames: 0,
        max_window_updates: 0,
        ..Http2::default()
    };
    let mut frames = Frames::new(http2, 128, 1 << 20);
    frames.received(PREFACE, 0).unwrap();
    frames
}

/// One representation of RFC 7541 section 6, and whether it is a field.
fn representation() -> impl Strategy<Value = (Vec<u8>, u32)> {
    let string = |length: usize, huffman: bool| {
        let mut bytes = integer(7, length);
        bytes[0] |= u8::from(huffman) << 7;
        bytes.extend(std::iter::repeat_n(0xbe, length));
        bytes
    };
    (0_usize..4, prop_oneof![Just(0), 1_usize..70, 70_usize..5000], 0_usize..400, 0_usize..400, any::<bool>()).prop_map(
        move |(kind, index, name, value, huffman)| {
            let (bits, first) = [(7, 0x80), (6, 0x40), (5, 0x20), (4, 0x10)][kind];
            let index = if kind == 0 { index.max(1) } else { index };
            let mut bytes = integer(bits, index);
            bytes[0] |= first;
            if kind == 1 || kind == 3 {
                if index == 0 {
                    bytes.extend(string(name, huffman));
                }
                bytes.extend(string(value, huffman));
            }
            (bytes, u32::from(kind != 2))
        },
    )
}

/// RFC 7541 section 5.1.
fn integer(bits: u32, value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![value as u8];
    }
    let (mut bytes, mut rest) = (vec![most as u8], value - most);
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}

proptest! {
    #[test]
    fn fields_are_counted_wherever_the_block_is_cut(
        representations in proptest::collection::vec(representation(), 0..40),
        cut in 1_usize..300,
    ) {
        let block: Vec<u8> = representations.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let expected: u32 = representations.iter().map(|(_, count)| count).sum();
        let mut fields = Fields::default();
        for piece in block.chunks(cut) {
            fields.read(piece);
        }
        prop_assert_eq!(fields.count(), expected);
    }

    #[test]
    fn whoever_keeps_to_the_protocol_is_not_refused(steps in steps(), cut in 1_usize..400) {
        let mut client = Client::default();
        let bytes: Vec<u8> = steps.into_iter().flat_map(|step| client.sends(step)).collect();
        let mut frames = patient();
        for piece in bytes.chunks(cut) {
            prop_assert_eq!(frames.received(piece, 1), Ok(()));
        }
        prop_assert_eq!(frames.last_stream(), (2 * client.opened).saturating_sub(1));
    }

    #[test]
    fn every_cut_gives_the_same_verdict_and_counts(
        steps in steps(),
        sent in proptest::collection::vec((0_u8..12, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..60),
        cuts in proptest::collection::vec(1_usize..50, 1..20),
    ) {
        let mut client = Client::default();
        let mut bytes: Vec<u8> = steps.into_iter().flat_map(|step| client.sends(step)).collect();
        bytes.extend(sent.iter().flat_map(|(kind, flags, payload)| frame(*kind, *flags, payload)));
        let mut whole = frames();
        let expected = whole.received(&bytes, 1);
        let mut pieces = frames();
        let (mut rest, mut cut, mut result) = (&bytes[..], cuts.iter().cycle(), Ok(()));
        while !rest.is_empty() && result.is_ok() {
            let (piece, after) = rest.split_at(rest.len().min(*cut.next().unwrap()));
            result = pieces.received(piece, 1);
            rest = after;
        }
        prop_assert_eq!(result, expected);
        prop_assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
    }

    #[test]
    fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cut in 1_usize..99) {
        let mut frames = frames();
        for piece in bytes.chunks(cut) {
            if frames.received(piece, 1).is_err() {
                break;
            }
        }
    }
}
