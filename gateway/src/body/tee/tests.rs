use std::collections::VecDeque;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// A client's body: pieces of so many bytes, then trailers or nothing, or a failure.
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    end: End,
    total: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// It is known with the last piece that there is no more.
    Known,
    /// It has to be asked for.
    Asked,
    Trailers,
    Failure,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
        }
        Poll::Ready(match std::mem::replace(&mut self.end, End::Asked) {
            End::Known | End::Asked => None,
            End::Trailers => Some(Ok(Frame::trailers(trailers()))),
            End::Failure => Some(Err(BodyError::Idle)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.end == End::Known
    }

    fn size_hint(&self) -> SizeHint {
        let left = || self.pieces.iter().map(|piece| piece.len() as u64).sum();
        self.total.map_or_else(SizeHint::default, |_| SizeHint::with_exact(left()))
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))])
}

/// A body with a known length if there is nothing else to be told at its end.
fn body(lengths: &[usize], end: End) -> Pieces {
    let piece = |(place, length): (usize, &usize)| vec![place as u8; *length];
    let pieces: VecDeque<_> = lengths.iter().enumerate().map(piece).collect();
    let total = (end == End::Known).then(|| lengths.iter().sum::<usize>() as u64);
    Pieces { pieces, end, total }
}

fn room(limit: u64) -> Rc<Room> {
    Rc::new(Room::new(limit))
}

#[derive(Debug, Default, PartialEq, Clone)]
struct Got {
    bytes: Vec<u8>,
    trailers: bool,
    ended: bool,
    failed: bool,
}

/// Takes a frame if there is one; whether there may be more.
fn take<B: HttpBody<Data = Bytes, Error = BodyError> + Unpin>(body: &mut B, got: &mut Got) -> bool {
    if got.ended || got.failed {
        return false;
    }
    // hyper never polls what says that it is over.
    if body.is_end_stream() {
        got.ended = true;
        return false;
    }
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => return false,
        Poll::Ready(None) => got.ended = true,
        Poll::Ready(Some(Err(_))) => got.failed = true,
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => {
                got.bytes.extend_from_slice(&data);
                return true;
            }
            Err(_) => got.trailers = true,
        },
    }
    !(got.ended || got.failed)
}

fn all<B: HttpBody<Data = Bytes, Error = BodyError> + Unpin>(body: &mut B) -> Got {
    let mut got = Got::default();
    while take(body, &mut got) {}
    got
}

fn teed(body: Pieces, limit: u64, room: &Rc<Room>) -> (Tee<Pieces>, Copy) {
    let (tee, mut copies) = tee(body, 1, limit, room);
    (tee, copies.pop().unwrap())
}

#[test]
fn every_copy_is_as_the_body_and_none_waits_for_another() {
    for end in [End::Known, End::Asked, End::Trailers] {
        let room = room(1 << 20);
        let (mut tee, mut copies) = tee(body(&[5, 3_000, 0, 7], end), 2, u64::MAX, &room);
        let main = all(&mut tee);
        assert_eq!((main.bytes.len(), main.trailers, main.ended), (3_012, end == End::Trailers, true), "{end:?}");
        drop(tee);
        for copy in &mut copies {
            assert_eq!(all(copy), main, "{end:?}");
            assert_eq!(copy.fate().is(), None);
        }
        drop(copies);
        assert!(room.take(1 << 20), "all of the room is given back");
    }
}

#[test]
fn a_copy_that_is_asked_too_early_waits_and_is_woken() {
    struct Woken(std::sync::atomic::AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    for (end, pieces) in [(End::Known, 1), (End::Asked, 0), (End::Trailers, 0), (End::Failure, 0)] {
        let (mut tee, mut copy) = teed(body(&vec![1; pieces], end), u64::MAX, &room(1 << 20));
        let woken = std::sync::Arc::new(Woken(false.into()));
        let waker = std::sync::Arc::clone(&woken).into();
        assert!(Pin::new(&mut copy).poll_frame(&mut Context::from_waker(&waker)).is_pending());
        take(&mut tee, &mut Got::default());
        assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed), "{end:?}");
    }
}

#[test]
fn a_body_that_is_too_long_goes_on_and_its_copy_ends_in_failure() {
    let (mut tee, mut copy) = teed(body(&[4, 4], End::Asked), 7, &room(1 << 20));
    assert_eq!(all(&mut tee).bytes.len(), 8);
    let got = all(&mut copy);
    assert!(got.failed && !got.ended);
    assert_eq!(copy.fate().is(), Some(Lost::TooLong));
    let (mut tee, mut copy) = teed(body(&[4, 4], End::Asked), 8, &room(1 << 20));
    all(&mut tee);
    assert_eq!((all(&mut copy).bytes.len(), copy.fate().is()), (8, None));
}

#[test]
fn what_a_slow_mirror_has_not_taken_is_bounded() {
    let room = room(40_000);
    let (mut tee, mut copy) = teed(body(&[4_000; 10], End::Asked), u64::MAX, &room);
    let mut got = Got::default();
    take(&mut tee, &mut got);
    take(&mut tee, &mut got);
    assert_eq!(copy.fate().is(), None);
    take(&mut tee, &mut got);
    assert_eq!(copy.fate().is(), Some(Lost::NoRoom), "a quarter of the room is one copy's");
    assert!(all(&mut copy).failed);
    assert_eq!(all(&mut tee).bytes.len(), 28_000, "the body goes on");
    assert!(room.take(40_000), "what was kept is given back at once");
}

#[test]
fn a_mirror_that_keeps_up_gets_any_length() {
    let room = room(40_000);
    let (mut tee, mut copy) = teed(body(&[4_000; 100], End::Asked), u64::MAX, &room);
    let (mut main, mut got) = (Got::default(), Got::default());
    while take(&mut tee, &mut main) {
        take(&mut copy, &mut got);
    }
    take(&mut copy, &mut got);
    assert_eq!(got, main);
    assert_eq!(got.bytes.len(), 400_000);
}

#[test]
fn a_body_that_breaks_off_or_is_not_read_to_its_end_is_no_whole_copy() {
    let (mut tee, mut copy) = teed(body(&[4], End::Failure), u64::MAX, &room(1 << 20));
    assert!(all(&mut tee).failed);
    assert!(all(&mut copy).failed);
    assert_eq!(copy.fate().is(), Some(Lost::Broken));
    let (tee, mut copy) = teed(body(&[4], End::Asked), u64::MAX, &room(1 << 20));
    drop(tee);
    assert!(all(&mut copy).failed);
    assert_eq!(copy.fate().is(), Some(Lost::Broken));
}

#[test]
fn a_body_of_a_known_length_is_whole_when_it_has_passed() {
    let mut pieces = body(&[4, 4], End::Asked);
    pieces.total = Some(8);
    let (mut tee, mut copy) = teed(pieces, u64::MAX, &room(1 << 20));
    take(&mut tee, &mut Got::default());
    take(&mut tee, &mut Got::default());
    drop(tee);
    assert_eq!(all(&mut copy), Got { bytes: [[0; 4], [1; 4]].concat(), ended: true, ..Got::default() });
}

#[test]
fn a_body_that_is_at_its_end_already_is_a_whole_copy() {
    let mut empty = body(&[], End::Known);
    empty.total = None;
    let (tee, mut copy) = teed(empty, u64::MAX, &room(1 << 20));
    drop(tee);
    assert_eq!(all(&mut copy), Got { ended: true, ..Got::default() });
    assert_eq!(copy.fate().is(), None);
}

#[test]
fn a_copy_that_is_ended_holds_nothing_and_says_that_it_is_not_whole() {
    let room = room(1 << 20);
    let (mut tee, mut copy) = teed(body(&[4_000; 3], End::Known), u64::MAX, &room);
    all(&mut tee);
    copy.fate().end();
    assert!(room.take(1 << 20));
    room.give(1 << 20);
    assert!(all(&mut copy).failed);
    // One that has had all is whole.
    let (mut tee, mut copy) = teed(body(&[5], End::Known), u64::MAX, &room);
    all(&mut tee);
    assert_eq!(all(&mut copy).bytes.len(), 5);
    copy.fate().end();
    assert_eq!(copy.fate().is(), None);
}

#[test]
fn what_is_held_for_a_request_is_held_as_long_as_a_connection_has_its_body() {
    let room = room(1_000);
    let (mut tee, mut copy) = teed(body(&[5, 6], End::Known), u64::MAX, &room);
    let (held, bytes) = (Rc::new(room.hold(700).unwrap()), Rc::new(Cell::new(0)));
    copy.belongs_to(held.clone(), bytes.clone());
    drop(held);
    assert!(!room.take(400), "the copy holds it too");
    all(&mut tee);
    all(&mut copy);
    assert_eq!(bytes.get(), 11);
    drop(copy);
    assert!(room.take(1_000));
}

#[test]
fn a_mirror_that_has_caught_up_leaves_no_room_for_pieces_behind() {
    let (mut tee, mut copy) = teed(body(&[1; 1_000], End::Known), u64::MAX, &room(1 << 20));
    all(&mut tee);
    assert!(copy.line.borrow().pieces.capacity() >= 1_000);
    all(&mut copy);
    assert!(copy.line.borrow().pieces.capacity() <= MANY);
}

#[test]
fn nothing_is_kept_for_a_mirror_that_wants_no_more() {
    let room = room(1 << 20);
    let (mut tee, copy) = teed(body(&[4_000; 3], End::Asked), u64::MAX, &room);
    let fate = copy.fate();
    take(&mut tee, &mut Got::default());
    drop(copy);
    assert_eq!(fate.is(), Some(Lost::Unwanted));
    assert!(room.take(1 << 20));
    room.give(1 << 20);
    assert_eq!(all(&mut tee).bytes.len(), 8_000);
    assert!(room.take(1 << 20));
}

proptest! {
    /// However the two are asked: the body is as without a copy, and a copy is the same or has failed; nothing is held for it
    /// afterwards.
    #[test]
    fn a_copy_is_the_same_or_says_that_it_is_not(
        lengths in prop::collection::vec(0usize..5_000, 0..12),
        end in prop::sample::select(vec![End::Known, End::Asked, End::Trailers, End::Failure]),
        limit in 0u64..40_000,
        space in 0u64..100_000,
        turns in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let room = room(space);
        let alone = all(&mut body(&lengths, end));
        let (mut tee, mut copy) = teed(body(&lengths, end), limit, &room);
        let (mut main, mut got) = (Got::default(), Got::default());
        for of_main in turns {
            let _ = if of_main { take(&mut tee, &mut main) } else { take(&mut copy, &mut got) };
            prop_assert!(room.take(0), "never more than there is");
        }
        while !(main.ended || main.failed) {
            take(&mut tee, &mut main);
        }
        drop(tee);
        while !(got.ended || got.failed) {
            take(&mut copy, &mut got);
        }
        prop_assert_eq!(&main, &alone);
        match copy.fate().is() {
            None => prop_assert_eq!(&got, &alone),
            Some(lost) => {
                prop_assert!(got.failed && alone.bytes.starts_with(&got.bytes));
                let length = alone.bytes.len() as u64;
                prop_assert!(lost != Lost::TooLong || length > limit);
                prop_assert!(lost != Lost::Broken || end == End::Failure);
            }
        }
        drop(copy);
        prop_assert!(room.take(space));
    }
}
