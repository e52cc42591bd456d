use std::{collections::VecDeque, task::Poll};

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// A client's body in pieces, some of which have yet to come.
struct Pieces {
    steps: VecDeque<Step>,
    total: Option<u64>,
}

#[derive(Debug, Clone)]
enum Step {
    Data(Vec<u8>),
    Trailers,
    Wait,
    Error,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data.into()))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(trailers()))),
            Some(Step::Error) => Some(Err(BodyError::Idle)),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.total.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))])
}

fn body(steps: impl IntoIterator<Item = Step>) -> Pieces {
    Pieces { steps: steps.into_iter().collect(), total: None }
}

fn data(text: &str) -> Step {
    Step::Data(text.as_bytes().to_vec())
}

/// What one sending has got of a body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    bytes: Vec<u8>,
    trailers: Option<HeaderMap>,
    ended: bool,
    failed: Option<String>,
}

/// Takes at most so many frames.
fn take(sending: &mut Replayed<Pieces>, frames: usize) -> Got {
    let mut got = Got::default();
    let mut cx = Context::from_waker(Waker::noop());
    let mut taken = 0;
    while taken < frames {
        // hyper never polls what says that it is over.
        if sending.is_end_stream() {
            got.ended = true;
            break;
        }
        match Pin::new(&mut *sending).poll_frame(&mut cx) {
            Poll::Pending => continue,
            Poll::Ready(None) => got.ended = true,
            Poll::Ready(Some(Err(error))) => got.failed = Some(error.to_string()),
            Poll::Ready(Some(Ok(frame))) => {
                taken += 1;
                match frame.into_data() {
                    Ok(data) => got.bytes.extend_from_slice(&data),
                    Err(frame) => got.trailers = frame.into_trailers().ok(),
                }
                continue;
            }
        }
        break;
    }
    got
}

fn whole(bytes: &str) -> Got {
    Got { bytes: bytes.as_bytes().to_vec(), ended: true, ..Got::default() }
}

fn room(limit: u64) -> Rc<Room> {
    Rc::new(Room::new(limit))
}

#[test]
fn a_second_sending_has_what_was_kept_and_then_the_rest() {
    let (replay, mut first) =
        replayable(body([data("ab"), data("cd"), Step::Wait, data("ef"), Step::Trailers]), 10, &room(1 << 20));
    assert_eq!(take(&mut first, 2).bytes, b"abcd");
    let mut second = replay.again().unwrap();
    assert_eq!(take(&mut second, 9), Got { trailers: Some(trailers()), ..whole("abcdef") });
    let mut third = replay.again().unwrap();
    assert_eq!(take(&mut third, 9), Got { trailers: Some(trailers()), ..whole("abcdef") });
    assert!(third.is_end_stream());
}

#[test]
fn the_sending_before_is_cut_off() {
    let (replay, mut first) = replayable(body([data("ab"), data("cd")]), 10, &room(1 << 20));
    assert_eq!(take(&mut first, 1).bytes, b"ab");
    let mut second = replay.again().unwrap();
    let cut = take(&mut first, 1);
    assert_eq!((cut.bytes, cut.failed.as_deref()), (vec![], Some("the request is sent again")));
    assert!(!first.is_end_stream(), "it never looks whole");
    assert_eq!(take(&mut second, 9), whole("abcd"));
}

#[test]
fn what_waits_for_the_client_is_woken_to_be_cut_off() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    struct Woken(AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    struct Never;
    impl HttpBody for Never {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Pending
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let (replay, mut first) = replayable(Never, 10, &room(100));
    assert!(Pin::new(&mut first).poll_frame(&mut Context::from_waker(&waker)).is_pending());
    let second = replay.again();
    assert!(second.is_ok() && woken.0.load(Ordering::Relaxed));
}

#[test]
fn what_is_too_long_goes_on_and_is_not_sent_again() {
    let room = room(1 << 20);
    let (replay, mut first) = replayable(body([data("abcdef"), data("ghij"), data("k")]), 10, &room);
    assert_eq!(take(&mut first, 2).bytes, b"abcdefghij");
    assert!(replay.lost().is_none() && room.used.get() > 0);
    assert_eq!(take(&mut first, 9), whole("k"));
    assert_eq!((replay.again().err(), room.used.get()), (Some(Lost::TooLong), 0));
}

#[test]
fn what_says_that_it_is_too_long_is_not_kept_at_all() {
    let room = room(1 << 20);
    let (replay, mut first) = replayable(Pieces { total: Some(11), ..body([data("a")]) }, 10, &room);
    assert!(replay.again().is_ok(), "nothing has passed yet");
    drop(first);
    first = replay.again().unwrap();
    assert_eq!(first.size_hint().exact(), Some(11));
    assert_eq!(take(&mut first, 1).bytes, b"a");
    assert_eq!((replay.again().err(), first.size_hint().exact()), (Some(Lost::TooLong), Some(10)));
}

#[test]
fn where_the_worker_has_no_room_nothing_is_kept() {
    let room = room(3 * SMALL as u64);
    let piece = || Step::Data(vec![7; SMALL]);
    let (one, mut first) = replayable(body([piece(), piece()]), u64::MAX, &room);
    assert_eq!(take(&mut first, 2).bytes.len(), 2 * SMALL);
    let (two, mut second) = replayable(body([piece(), piece(), piece()]), u64::MAX, &room);
    assert_eq!(take(&mut second, 2).bytes.len(), 2 * SMALL);
    assert_eq!((one.lost(), two.lost()), (None, Some(Lost::NoRoom)));
    assert_eq!(room.used.get(), 2 * SMALL as u64, "what the other one had is free again");
    drop((one, first));
    assert_eq!(room.used.get(), 0);
    assert_eq!(take(&mut second, 9).bytes.len(), SMALL, "it goes on");
}

#[test]
fn an_error_of_the_clients_ends_it() {
    let (replay, mut first) = replayable(body([data("ab"), Step::Error]), 10, &room(1 << 20));
    assert_eq!(take(&mut first, 9).failed.as_deref(), Some("the request stopped arriving"));
    assert_eq!(replay.again().err(), Some(Lost::Broken));
}

#[test]
fn who_lets_go_gives_the_room_back_once_the_rest_is_sent() {
    let room = room(1 << 20);
    let (replay, mut first) = replayable(body([data("ab"), data("cd")]), 10, &room);
    assert_eq!(take(&mut first, 1).bytes, b"ab");
    let mut second = replay.again().unwrap();
    drop(replay);
    assert!(room.used.get() > 0, "the second has yet to send it");
    assert_eq!(take(&mut second, 1).bytes, b"ab");
    assert_eq!(room.used.get(), 0);
    assert_eq!(take(&mut second, 9), whole("cd"));
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![0..40_usize, Just(SMALL - 1), Just(SMALL), Just(TAIL), 3 * SMALL..4 * SMALL];
    let step = prop_oneof![4 => size.prop_map(|size| Step::Data(vec![0; size])), 1 => Just(Step::Wait)];
    (prop::collection::vec(step, 0..12), any::<bool>()).prop_map(|(mut steps, with_trailers)| {
        let mut next = 0_u8;
        for step in &mut steps {
            if let Step::Data(data) = step {
                data.iter_mut().for_each(|byte| {
                    next = next.wrapping_add(1);
                    *byte = next;
                });
            }
        }
        steps.extend(with_trailers.then_some(Step::Trailers));
        steps
    })
}

proptest! {
    #[test]
    fn every_sending_is_the_body_or_a_beginning_of_it(
        steps in steps(),
        known in any::<bool>(),
        limit in prop_oneof![Just(0_u64), 1..60_u64, Just(1 << 20)],
        space in prop_oneof![Just(0_u64), Just(TAIL as u64), Just(1 << 20)],
        sendings in prop::collection::vec(0..8_usize, 0..5),
    ) {
        let all: Vec<u8> = steps.iter().flat_map(|step| if let Step::Data(data) = step { data.clone() } else { Vec::new() }).collect();
        let with_trailers = matches!(steps.last(), Some(Step::Trailers));
        let room = room(space);
        let total = known.then_some(all.len() as u64);
        let (replay, mut sending) = replayable(Pieces { total, ..body(steps) }, limit, &room);
        let mut replay = Some(replay);
        let mut seen = 0;
        for frames in sendings {
            let got = take(&mut sending, frames);
            prop_assert!(all.starts_with(&got.bytes) && got.failed.is_none());
            prop_assert_eq!(sending.size_hint().exact(), total.map(|total| total - got.bytes.len() as u64));
            seen = seen.max(got.bytes.len() as u64);
            prop_assert!(room.used.get() <= space);
            match replay.as_ref().unwrap().again() {
                Ok(next) => sending = next,
                Err(lost) => {
                    prop_assert!(lost == Lost::TooLong && (seen > limit || total.is_some_and(|total| total > limit)) || lost == Lost::NoRoom && space < 1 << 20);
                    prop_assert_eq!(room.used.get(), 0);
                    // It goes on where it is.
                    let rest = take(&mut sending, usize::MAX);
                    prop_assert_eq!([got.bytes, rest.bytes].concat(), all);
                    prop_assert!(rest.ended);
                    return Ok(());
                }
            }
        }
        if with_trailers {
            drop(replay.take());
        }
        let got = take(&mut sending, usize::MAX);
        prop_assert_eq!(&got.bytes, &all);
        prop_assert_eq!(got.trailers.is_some(), with_trailers);
        drop((replay, sending));
        prop_assert_eq!(room.used.get(), 0);
    }
}
