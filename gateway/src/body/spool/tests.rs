use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::helper::Helper;

/// Gives its pieces, then trailers, if it has some, or breaks off.
struct Source {
    pieces: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    breaks: bool,
}

impl HttpBody for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match self.pieces.pop_front() {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if self.breaks => Some(Err(BodyError::Idle)),
            None => self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }
}

fn source(lengths: &[usize]) -> Source {
    let pieces = lengths.iter().enumerate().map(|(at, length)| Bytes::from(vec![at as u8; *length])).collect();
    Source { pieces, trailers: None, breaks: false }
}

fn room(bytes: u64) -> Rc<Room> {
    Rc::new(Room::new(bytes))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn read(spool: &Rc<Spool>) -> (Vec<u8>, Option<HeaderMap>) {
    let collected = Reading::new(spool).collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    (collected.to_bytes().to_vec(), trailers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_read_is_what_came_wherever_it_was_kept(
        lengths in prop::collection::vec(prop_oneof![0..50_usize, 1_500..3_000_usize, 60_000..140_000_usize], 0..12),
        in_memory in prop_oneof![Just(1_u64), 1..200_000_u64, Just(1 << 30)],
        free in prop_oneof![Just(0_u64), 0..200_000_u64, Just(1 << 30)],
        trailers: bool,
    ) {
        run(async {
            let (disk, room) = (Disk::new(&Helper::default(), 0), room(free));
            let mut body = source(&lengths);
            let whole: Vec<u8> = body.pieces.iter().flatten().copied().collect();
            body.trailers = trailers.then(|| HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]));
            let sent = body.trailers.clone();
            let spool = Rc::new(Spool::fill(body, Bounds { most: 0, in_memory }, &room, &disk).await.unwrap());
            assert_eq!(spool.length(), whole.len() as u64);
            assert!(spool.in_memory <= in_memory.min(free));
            let beyond = spool.length() - spool.in_memory;
            assert_eq!(spool.file.is_some(), beyond >= PIECE as u64 || beyond > 0 && spool.length() > in_memory);
            for _ in 0..2 {
                let (bytes, trailers) = read(&spool).await;
                assert!(bytes == whole && trailers == sent);
            }
            drop(spool);
            assert!(room.take(free), "all of the room is given back");
        });
    }
}

#[test]
fn what_is_too_long_or_breaks_off_is_told() {
    run(async {
        let (disk, room) = (Disk::new(&Helper::default(), 0), room(1 << 20));
        for (most, in_memory, fits) in [(100, 1000, true), (99, 1000, false), (100, 10, true), (99, 10, false)] {
            let filled = Spool::fill(source(&[50, 50]), Bounds { most, in_memory }, &room, &disk).await;
            assert_eq!(filled.is_ok(), fits, "{most} {in_memory}");
            assert!(fits || matches!(filled, Err(Failed::TooLong)));
        }
        let broken = Source { breaks: true, ..source(&[50]) };
        let bounds = Bounds { most: 0, in_memory: 1000 };
        assert!(matches!(Spool::fill(broken, bounds, &room, &disk).await, Err(Failed::Body(BodyError::Idle))));
        assert!(room.take(1 << 20), "nothing is kept of them");
    });
}

#[test]
fn its_length_is_known_but_for_trailers() {
    run(async {
        let (disk, room) = (Disk::new(&Helper::default(), 0), room(1 << 20));
        let bounds = Bounds { most: 0, in_memory: 100 };
        let spool = Rc::new(Spool::fill(source(&[90, 90]), bounds, &room, &disk).await.unwrap());
        let mut reading = Reading::new(&spool);
        assert_eq!(reading.size_hint().exact(), Some(180));
        assert_eq!(reading.frame().await.unwrap().unwrap().into_data().unwrap().len(), 90);
        assert_eq!((reading.size_hint().exact(), reading.is_end_stream()), (Some(90), false));
        reading.frame().await.unwrap().unwrap();
        assert!(reading.is_end_stream());
        let body = Source { trailers: Some(HeaderMap::new()), ..source(&[90]) };
        let spool = Rc::new(Spool::fill(body, bounds, &room, &disk).await.unwrap());
        assert_eq!(Reading::new(&spool).size_hint().exact(), None);
    });
}

#[test]
fn what_lies_in_files_is_bounded_and_given_back() {
    run(async {
        let (disk, room) = (Disk::new(&Helper::default(), 100_000), room(0));
        let bounds = Bounds { most: 0, in_memory: 1 << 20 };
        let fill = async |length: usize| Spool::fill(source(&[length]), bounds, &room, &disk).await;
        let first = fill(90_000).await.unwrap();
        assert!(matches!(fill(90_000).await, Err(Failed::NoSpace)));
        assert!(fill(PIECE - 1).await.is_ok(), "it needs no file");
        drop(first);
        assert!(fill(100_000).await.is_ok(), "all of the space is given back");
        assert!(matches!(fill(100_001).await, Err(Failed::NoSpace)));
        assert!(disk.take(100_000), "nothing is kept of what has failed");
    });
}
