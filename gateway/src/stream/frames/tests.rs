use super::{walk::Walk, *};

mod properties;

/// A frame on stream 1.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame_on(1, kind, flags, payload)
}

fn frame_on(stream: u32, kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A request without a body, the so-and-so-manyth of its connection.
fn request(number: u32) -> Vec<u8> {
    frame_on(2 * number + 1, HEADERS, END_HEADERS | END_STREAM, &[0x82])
}

fn frames() -> Frames {
    let mut frames = Frames::new(Http2::default(), 128, 1 << 20);
    frames.received(PREFACE, 0).unwrap();
    frames
}

/// How many of `one` pass within a second before the connection ends, and why.
fn until_fault(frames: &mut Frames, one: &[u8]) -> (u32, Fault) {
    until(frames, |_| one.to_vec())
}

/// The same of those that `next` makes.
fn until(frames: &mut Frames, next: impl Fn(u32) -> Vec<u8>) -> (u32, Fault) {
    for passed in 0..1_000_000 {
        if let Err(fault) = frames.received(&next(passed), 500) {
            return (passed, fault);
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
        assert_eq!(until_fault(&mut frames(), &one), (budget, excess.into()));
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
    assert_eq!(frames.received(&ping, 49_999), Err(Excess::Pings.into()));
}

#[test]
fn zero_is_no_limit() {
    let mut frames = Frames::new(Http2 { max_pings: 0, ..Http2::default() }, 128, 1 << 20);
    frames.received(PREFACE, 0).unwrap();
    for _ in 0..10_000 {
        frames.received(&frame(PING, 0, &[0; 8]), 0).unwrap();
    }
}

#[test]
fn requests_that_are_not_taken_back_pay_for_those_that_are() {
    let (mut begun, reset) = (frames(), frame(RST_STREAM, 0, &[0; 4]));
    for number in 0..1000 {
        begun.received(&request(number), 500).unwrap();
    }
    assert_eq!(until_fault(&mut begun, &reset), (750, Excess::Resets.into()));
    // Each one begun and taken back at once: rapid reset.
    let both = |number| [request(number), frame_on(2 * number + 1, RST_STREAM, 0, &[0; 4])].concat();
    assert_eq!(until(&mut frames(), both), (500, Excess::Resets.into()));
}

#[test]
fn what_answers_data_is_not_held_against_a_client() {
    let mut frames = frames();
    frames.sent(1 << 20);
    let update = frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]);
    assert_eq!(until_fault(&mut frames, &update), (1000 + (1 << 20) / 64, Excess::WindowUpdates.into()));
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
    assert_eq!(frames().received(&frame(HEADERS, END_HEADERS, &block), 0), Err(Excess::HeaderFields.into()));
    // Over several frames it is one block, and the next one begins anew.
    let mut frames = frames();
    for _ in 0..3 {
        frames.received(&frame(HEADERS, 0, &vec![0xbe; 256]), 0).unwrap();
        frames.received(&frame(CONTINUATION, END_HEADERS, &vec![0xbe; 256]), 0).unwrap();
    }
    frames.received(&frame(HEADERS, 0, &vec![0xbe; 256]), 0).unwrap();
    let last = frame(CONTINUATION, END_HEADERS, &vec![0xbe; 257]);
    assert_eq!(frames.received(&last, 0), Err(Excess::HeaderFields.into()));
}

#[test]
fn a_block_has_as_many_pieces_as_its_bytes_need_and_some_more() {
    for (bytes, pieces) in [(1, 5), (64 * 1024, 5), (1 << 20, 80)] {
        let mut frames = Frames::new(Http2::default(), 128, bytes);
        frames.received(PREFACE, 0).unwrap();
        for _ in 0..2 {
            frames.received(&frame(HEADERS, 0, &[0x82]), 0).unwrap();
            for _ in 0..pieces {
                frames.received(&frame(CONTINUATION, 0, &[0x86]), 0).unwrap();
            }
        }
        assert_eq!(frames.received(&frame(CONTINUATION, 0, &[0x86]), 0), Err(Excess::Continuations.into()), "{bytes}");
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
    // More padding than there is room for: an error that is not ours.
    for payload in [&[255, 0, 0, 0, 0, 0, 0x82][..], &[255, 0, 0, 0, 0, 0]] {
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

#[test]
fn a_block_ends_with_a_field() {
    let whole = [0x82, 0x40, 1, b'a', 0x7f, 0x01].iter().copied().chain([b'v'; 128]).collect::<Vec<u8>>();
    for cut in 0..=whole.len() {
        // Every end but those behind the first field and the last is within a field, in one frame or in two.
        let expected = if [0, 1, whole.len()].contains(&cut) { Ok(()) } else { Err(Violation::BlockEnd.into()) };
        assert_eq!(frames().received(&frame(HEADERS, END_HEADERS, &whole[..cut]), 0), expected, "{cut}");
        let mut frames = frames();
        frames.received(&frame(HEADERS, 0, &whole[..cut / 2]), 0).unwrap();
        let rest = frame(CONTINUATION, END_HEADERS, &whole[cut / 2..cut]);
        assert_eq!(frames.received(&rest, 0), expected, "{cut}");
    }
    // Padding is not the block's.
    let padded = frame(HEADERS, END_HEADERS | PADDED, &[3, 0x82, 0x40, 0x40, 0x40]);
    assert_eq!(frames().received(&padded, 0), Ok(()));
}

#[test]
fn a_preface_is_that_and_nothing_else() {
    let new = || Frames::new(Http2::default(), 128, 1 << 20);
    for at in 0..PREFACE.len() {
        let mut wrong = PREFACE.to_vec();
        wrong[at] ^= 0x20;
        for cut in 1..=PREFACE.len() {
            let mut frames = new();
            assert_eq!(PREFACE.chunks(cut).try_for_each(|piece| frames.received(piece, 0)), Ok(()));
            let mut frames = new();
            let verdict = wrong.chunks(cut).try_for_each(|piece| frames.received(piece, 0));
            assert_eq!(verdict, Err(Violation::Preface.into()), "{at} {cut}");
        }
    }
}

#[test]
fn what_breaks_into_a_block_is_not_told_that_the_stream_has_ended() {
    let (data, end) = (frame(DATA, END_STREAM, b"x"), frame(CONTINUATION, END_HEADERS, &[0x86]));
    for begin in [
        frame(HEADERS, END_STREAM, &[0x82]),
        [frame(HEADERS, END_STREAM, &[0x82]), frame(CONTINUATION, 0, &[0x84])].concat(),
    ] {
        assert_eq!(frames().received(&[&begin[..], &data].concat(), 0), Ok(()));
        let ended = Err(Violation::StreamEnded.into());
        assert_eq!(frames().received(&[&begin[..], &end, &data].concat(), 0), ended);
    }
}

#[test]
fn settings_are_read_wherever_they_are_cut() {
    let settings = |value: u32| {
        let mut payload = vec![0, 3, 0, 0, 0, 100, 0, 4];
        payload.extend(value.to_be_bytes());
        payload.extend([0, 6, 0xff, 0xff, 0xff, 0xff]);
        [frame_on(0, SETTINGS, 0, &payload), frame_on(0, SETTINGS, 1, &[]), frame_on(0, PING, 0, &[0; 8])].concat()
    };
    for (value, expected) in [(0, Ok(())), (0x7fff_ffff, Ok(())), (1 << 31, Err(Violation::InitialWindow.into()))] {
        for cut in 1..50 {
            let mut frames = frames();
            let verdict = settings(value).chunks(cut).try_for_each(|piece| frames.received(piece, 0));
            assert_eq!(verdict, expected, "{value} {cut}");
            assert_eq!(frames.counts.pings, u32::from(expected.is_ok()));
        }
    }
}

#[test]
fn what_is_not_whole_has_a_beginning() {
    let mut frames = Frames::new(Http2::default(), 128, 1 << 20);
    frames.received(&PREFACE[..5], 7).unwrap();
    assert_eq!(frames.unfinished(), Some(7));
    frames.received(&PREFACE[5..], 8).unwrap();
    assert_eq!(frames.unfinished(), None, "the next frame is the client's to send, or not");
    // Each byte is a read of its own; none of them is a new beginning.
    let block = [frame(HEADERS, END_STREAM, &[0x82]), frame(CONTINUATION, END_HEADERS, &[0x87])].concat();
    for (at, byte) in block[..block.len() - 1].iter().enumerate() {
        frames.received(&[*byte], 10 + at as u32).unwrap();
        assert_eq!(frames.unfinished(), Some(10), "after {} bytes", at + 1);
    }
    frames.received(&block[block.len() - 1..], 90).unwrap();
    assert_eq!(frames.unfinished(), None);
    // One frame after the other, never at an end when a read is: each has its own beginning.
    let ping = frame_on(0, PING, 0, &[0; 8]);
    for time in 100..110 {
        frames
            .received(&if time == 100 { ping[..12].to_vec() } else { [&ping[12..], &ping[..12]].concat() }, time)
            .unwrap();
        assert_eq!(frames.unfinished(), Some(time));
    }
    frames.received(&ping[12..], 110).unwrap();
    // A body has its own time.
    frames.received(&frame_on(3, DATA, 0, &[0; 100])[..50], 111).unwrap();
    assert_eq!(frames.unfinished(), None);
}

#[test]
fn an_answer_is_unended_until_its_end_has_gone_out_or_its_stream_is_reset() {
    let sends = |frames: &mut Frames, stream: u32, kind: u8, flags: u8| {
        let Ok(()) = Walk::default().pass(&frame_on(stream, kind, flags, &[0; 4]), |head| {
            frames.sends(head);
            Ok::<_, std::convert::Infallible>(())
        });
        frames.unended_answers()
    };
    let mut frames = frames();
    assert_eq!(sends(&mut frames, 1, HEADERS, END_HEADERS), 1);
    // An interim answer and its answer are one.
    assert_eq!(sends(&mut frames, 1, HEADERS, END_HEADERS), 1);
    assert_eq!(sends(&mut frames, 3, HEADERS, END_HEADERS), 2);
    assert_eq!(sends(&mut frames, 5, HEADERS, END_HEADERS | END_STREAM), 2);
    assert_eq!(sends(&mut frames, 1, DATA, 0), 2);
    assert_eq!(sends(&mut frames, 1, DATA, END_STREAM), 1);
    assert_eq!(sends(&mut frames, 3, RST_STREAM, 0), 0);
    assert_eq!(sends(&mut frames, 7, HEADERS, END_HEADERS), 1);
    frames.received(&frame_on(7, RST_STREAM, 0, &[0; 4]), 0).unwrap();
    assert_eq!(frames.unended_answers(), 0);
    // They have passed each other on the way.
    assert_eq!(sends(&mut frames, 7, HEADERS, END_HEADERS), 0);
}

#[test]
fn an_idle_connection_pays_little_for_it() {
    assert!(size_of::<Frames>() <= 192, "{}", size_of::<Frames>());
}
