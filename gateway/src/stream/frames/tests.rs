use proptest::prelude::*;

use super::*;

const PREFACE_BYTES: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame on stream 1.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    bytes.extend_from_slice(payload);
    bytes
}

fn frames() -> Frames {
    let mut frames = Frames::new(Http2::default(), 128, 1 << 20);
    frames.received(PREFACE_BYTES, 0).unwrap();
    frames
}

/// How many of `one` pass within a second before the connection ends, and why.
fn until_excess(frames: &mut Frames, one: &[u8]) -> (u32, Excess) {
    for passed in 0..1_000_000 {
        if let Err(excess) = frames.received(one, 500) {
            return (passed, excess);
        }
    }
    panic!("no limit");
}

#[test]
fn each_kind_has_its_budget_for_a_second() {
    for (one, budget, excess) in [
        (frame(RST_STREAM, 0, &[0; 4]), 250, Excess::Resets),
        (frame(PING, 0, &[0; 8]), 100, Excess::Pings),
        (frame(SETTINGS, 0, &[]), 50, Excess::Settings),
        (frame(DATA, 0, &[]), 100, Excess::EmptyFrames),
        (frame(CONTINUATION, 0, &[]), 80, Excess::Continuations),
        (frame(HEADERS, 0, &[]), 100, Excess::EmptyFrames),
        (frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]), 1000, Excess::WindowUpdates),
        (frame(2, 0, &[0; 5]), 1000, Excess::UnusedFrames),
        (frame(0x10, 0, &[0; 5]), 1000, Excess::UnusedFrames),
    ] {
        assert_eq!(until_excess(&mut frames(), &one), (budget, excess));
    }
}

#[test]
fn the_next_second_begins_at_nothing() {
    let mut frames = frames();
    let ping = frame(PING, 0, &[0; 8]);
    for second in 1..50 {
        for _ in 0..100 {
            frames.received(&ping, second * 1000).unwrap();
        }
    }
    assert_eq!(frames.received(&ping, 49_999), Err(Excess::Pings));
}

#[test]
fn zero_is_no_limit() {
    let mut frames = Frames::new(Http2 { max_pings: 0, ..Http2::default() }, 128, 1 << 20);
    frames.received(PREFACE_BYTES, 0).unwrap();
    for _ in 0..10_000 {
        frames.received(&frame(PING, 0, &[0; 8]), 0).unwrap();
    }
}

#[test]
fn requests_that_are_not_taken_back_pay_for_those_that_are() {
    let (mut begun, reset) = (frames(), frame(RST_STREAM, 0, &[0; 4]));
    for _ in 0..1000 {
        begun.received(&frame(HEADERS, END_HEADERS | END_STREAM, &[0x82]), 500).unwrap();
    }
    assert_eq!(until_excess(&mut begun, &reset), (750, Excess::Resets));
    // Each one begun and taken back at once: rapid reset.
    let both = [frame(HEADERS, END_HEADERS | END_STREAM, &[0x82]), reset].concat();
    assert_eq!(until_excess(&mut frames(), &both), (500, Excess::Resets));
}

#[test]
fn what_answers_data_is_not_held_against_a_client() {
    let mut frames = frames();
    frames.sent(1 << 20);
    let update = frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]);
    assert_eq!(until_excess(&mut frames, &update), (1000 + (1 << 20) / 64, Excess::WindowUpdates));
}

#[test]
fn a_ping_does_not_earn_another_by_its_answer() {
    let (mut frames, ping) = (frames(), frame(PING, 0, &[0; 8]));
    let mut passed = 0;
    while frames.received(&ping, 500).is_ok() {
        frames.sent(17);
        passed += 1;
    }
    assert!(passed < 150, "{passed}");
}

#[test]
fn bodies_cost_no_budget() {
    let mut frames = frames();
    for _ in 0..10_000 {
        frames.received(&frame(DATA, 0, b"x"), 500).unwrap();
    }
    frames.received(&frame(DATA, END_STREAM, b""), 500).unwrap();
}

#[test]
fn references_of_one_byte_are_counted_as_fields() {
    let block = vec![0xbe; 512];
    frames().received(&frame(HEADERS, END_HEADERS, &block), 0).unwrap();
    let block = vec![0xbe; 513];
    assert_eq!(frames().received(&frame(HEADERS, END_HEADERS, &block), 0), Err(Excess::HeaderFields));
    // Over several frames it is one block, and the next one begins anew.
    let mut frames = frames();
    for _ in 0..3 {
        frames.received(&frame(HEADERS, 0, &vec![0xbe; 256]), 0).unwrap();
        frames.received(&frame(CONTINUATION, END_HEADERS, &vec![0xbe; 256]), 0).unwrap();
    }
    frames.received(&frame(HEADERS, 0, &vec![0xbe; 256]), 0).unwrap();
    let last = frame(CONTINUATION, END_HEADERS, &vec![0xbe; 257]);
    assert_eq!(frames.received(&last, 0), Err(Excess::HeaderFields));
}

#[test]
fn a_block_has_as_many_pieces_as_its_bytes_need_and_some_more() {
    for (bytes, pieces) in [(1, 5), (64 * 1024, 5), (1 << 20, 80)] {
        let mut frames = Frames::new(Http2::default(), 128, bytes);
        frames.received(PREFACE_BYTES, 0).unwrap();
        for _ in 0..2 {
            frames.received(&frame(HEADERS, 0, &[0x82]), 0).unwrap();
            for _ in 0..pieces {
                frames.received(&frame(CONTINUATION, 0, &[0x86]), 0).unwrap();
            }
        }
        assert_eq!(frames.received(&frame(CONTINUATION, 0, &[0x86]), 0), Err(Excess::Continuations), "{bytes}");
    }
}

#[test]
fn padding_and_priority_are_no_fields() {
    let mut payload = vec![200];
    payload.extend([0xff; 5]);
    payload.extend([0xbe; 512]);
    payload.extend([0xbe; 200]);
    let padded = frame(HEADERS, END_HEADERS | PADDED | PRIORITISED, &payload);
    frames().received(&padded, 0).unwrap();
    // More padding than payload, and no room for a priority: an error that is not ours.
    for payload in [&[255, 0x82][..], &[255], &[], &[0, 1, 2]] {
        let mut frames = frames();
        frames.received(&frame(HEADERS, END_HEADERS | PADDED | PRIORITISED, payload), 0).unwrap();
        frames.received(&frame(PING, 0, &[0; 8]), 0).unwrap();
        assert_eq!(frames.counts.pings, 1, "{payload:?}");
    }
}

#[test]
fn the_highest_stream_is_known() {
    let mut frames = frames();
    assert_eq!(frames.last_stream(), 0);
    for stream in [1, 7, 5] {
        let mut headers = frame(HEADERS, END_HEADERS, &[0x82]);
        headers[8] = stream;
        frames.received(&headers, 0).unwrap();
    }
    assert_eq!(frames.last_stream(), 7);
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
    fn every_cut_gives_the_same_counts(
        sent in proptest::collection::vec((0_u8..12, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..60),
        cuts in proptest::collection::vec(1_usize..50, 1..20),
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(|(kind, flags, payload)| frame(*kind, *flags, payload)).collect();
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
        if expected.is_ok() {
            prop_assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
        }
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
