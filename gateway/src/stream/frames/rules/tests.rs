use super::*;

fn head(kind: u8, flags: u8, stream: u32, length: u32) -> Head {
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    let mut head = Head::default();
    head.fill(Head::LENGTH, &bytes);
    head
}

#[test]
fn each_kind_of_frame_has_its_lengths() {
    for (kind, flags, fit, unfit) in [
        (DATA, 0, &[0, 1, 16_384][..], &[16_385, 0xff_ffff][..]),
        (DATA, PADDED, &[1, 16_384], &[0, 16_385]),
        (HEADERS, 0, &[0, 1, 16_384], &[16_385]),
        (HEADERS, PADDED, &[1], &[0]),
        (HEADERS, PRIORITISED, &[5, 6], &[0, 4]),
        (HEADERS, PADDED | PRIORITISED, &[6, 7], &[0, 1, 5]),
        (PRIORITY_FRAME, 0, &[5], &[0, 4, 6]),
        (RST_STREAM, 0, &[4], &[0, 3, 5]),
        (SETTINGS, 0, &[0, 6, 12, 16_380], &[1, 5, 7, 16_386]),
        (SETTINGS, ACK, &[0], &[1, 6]),
        (PING, 0, &[8], &[0, 7, 9]),
        (PING, ACK, &[8], &[0, 7, 9]),
        (GOAWAY, 0, &[8, 9, 16_384], &[0, 7, 16_385]),
        (WINDOW_UPDATE, 0, &[4], &[0, 3, 5]),
        (9, 0, &[0, 1, 16_384], &[16_385]),
        // Unknown, such as PRIORITY_UPDATE.
        (0x10, 0xff, &[0, 1, 16_384], &[16_385]),
    ] {
        for &length in fit {
            assert_eq!(check_head(head(kind, flags, 1, length)), Ok(()), "{kind} {flags} {length}");
        }
        for &length in unfit {
            assert_eq!(check_head(head(kind, flags, 1, length)), Err(Violation::Length), "{kind} {flags} {length}");
        }
    }
    assert_eq!(check_head(head(PUSH_PROMISE, 0, 1, 4)), Err(Violation::PushPromise));
}

/// Feeds frames (kind, flags, stream) until one is refused: its place.
fn refused_at(frames: &[(u8, u8, u32)]) -> Option<usize> {
    let mut ended = Ended::default();
    frames.iter().position(|&(kind, flags, stream)| ended.check(head(kind, flags, stream, 4)).is_err())
}

#[test]
fn a_stream_that_the_client_has_ended_takes_no_data_and_no_headers() {
    for end in [(HEADERS, END_STREAM, 1), (DATA, END_STREAM, 1)] {
        for (more, is_refused) in [
            ((DATA, 0, 1), true),
            ((DATA, END_STREAM, 1), true),
            ((HEADERS, 0, 1), true),
            ((HEADERS, END_STREAM, 1), true),
            // What still may come (RFC 9113 section 5.1), and other streams.
            ((WINDOW_UPDATE, 0, 1), false),
            ((PRIORITY_FRAME, 0, 1), false),
            ((RST_STREAM, 0, 1), false),
            ((9, 4, 1), false),
            ((HEADERS, END_STREAM, 3), false),
            ((DATA, 0, 0), false),
        ] {
            assert_eq!(refused_at(&[end, more]), is_refused.then_some(1), "{end:?} {more:?}");
            // Taken back besides, it has still ended.
            assert_eq!(refused_at(&[end, (RST_STREAM, 0, 1), more]), is_refused.then_some(2), "{end:?} {more:?}");
        }
    }
}

#[test]
fn bodies_and_trailers_end_a_stream_once() {
    assert_eq!(refused_at(&[(HEADERS, 0, 1), (DATA, 0, 1), (DATA, 0, 1), (HEADERS, END_STREAM, 1)]), None);
    assert_eq!(refused_at(&[(HEADERS, 0, 1), (HEADERS, 0, 3), (DATA, END_STREAM, 3), (DATA, END_STREAM, 1)]), None);
    assert_eq!(refused_at(&[(HEADERS, 0, 1), (HEADERS, END_STREAM, 1), (HEADERS, END_STREAM, 1)]), Some(2));
}

#[test]
fn data_behind_a_reset_is_not_the_connections_end() {
    let reset = [(HEADERS, 0, 1), (RST_STREAM, 0, 1)];
    assert_eq!(refused_at(&[&reset[..], &[(DATA, 0, 1), (DATA, END_STREAM, 1), (DATA, 0, 1)]].concat()), None);
    assert_eq!(refused_at(&[&reset[..], &[(HEADERS, 0, 1)]].concat()), Some(2));
}

#[test]
fn the_last_few_ended_streams_are_known_and_no_other_is_taken_for_one() {
    let mut ended = Ended::default();
    let streams: Vec<u32> = (0..1000).map(|number| 2 * number + 1).chain([0x7fff_ffff]).collect();
    for &stream in &streams {
        assert_eq!(ended.check(head(HEADERS, 0, stream, 1)), Ok(()));
        assert_eq!(ended.check(head(DATA, END_STREAM, stream, 1)), Ok(()));
        assert_eq!(ended.check(head(RST_STREAM, 0, stream, 4)), Ok(()));
    }
    for &stream in &streams[streams.len() - KEPT..] {
        assert_eq!(ended.check(head(DATA, 0, stream, 1)), Err(Violation::StreamEnded), "{stream}");
    }
    for &stream in &streams[..streams.len() - KEPT] {
        assert_eq!(ended.check(head(DATA, 0, stream, 1)), Ok(()), "{stream}");
    }
}
