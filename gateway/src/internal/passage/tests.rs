use futures_util::{FutureExt as _, StreamExt as _, stream};
use http_body_util::StreamBody;

use super::*;

fn request() -> Request<Bytes> {
    Request::new(Bytes::new())
}

fn caller() -> Caller {
    Caller { name: "ci".into(), role: Role::Operate, address: ([127, 0, 0, 1], 1).into(), tls: false }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Shows that the control plane lives, as long as it is polled.
async fn beat(passage: &Passage) {
    loop {
        passage.beat(now());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a caller is told, and after how long, while the control plane lives.
async fn asked(passage: &Passage) -> (u16, String, Duration) {
    let began = tokio::time::Instant::now();
    passage.beat(now());
    let response = tokio::select! {
        response = passage.ask(request(), caller()) => response,
        () = beat(passage) => unreachable!("it goes on"),
    };
    let status = response.status().as_u16();
    let AnswerBody::Whole(body) = response.into_body() else { panic!("the gateway's own answers are whole") };
    (status, String::from_utf8_lossy(&body).into_owned(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn where_too_many_wait_one_more_is_told_so_and_not_asked_later() {
    let passage = Passage::default();
    let mut requests = passage.requests().unwrap();
    for _ in 0..WAITING {
        let asked = Asked { request: request(), caller: caller(), answer: oneshot::channel().0 };
        passage.requests.try_send(asked).expect("there is a place");
    }
    let (status, text, took) = asked(&passage).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("too many requests wait"), "{text}");
    assert!(took >= PLACE && took < PLACE * 2, "{took:?}");
    let mut waiting = 0;
    while requests.try_recv().is_ok() {
        waiting += 1;
    }
    assert_eq!(waiting, WAITING);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_and_is_not_answered_is_told_to_be_unknown() {
    let passage = Passage::default();
    let mut requests = passage.requests().unwrap();
    let (told, taken) = tokio::join!(asked(&passage), requests.recv());
    let (status, text, took) = told;
    assert_eq!(status, 503);
    assert!(text.contains("may or may not be done"), "{text}");
    assert!(took >= LONGEST && took < LONGEST + LOOK * 2, "{took:?}");
    assert!(taken.unwrap().answer.is_closed(), "whoever works on it can see that nobody waits");
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_shows_nothing_or_is_gone_is_told_of_within_a_second() {
    let passage = Passage::default();
    let requests = passage.requests().unwrap();
    passage.beat(now());
    let began = tokio::time::Instant::now();
    let response = passage.ask(request(), caller()).await;
    assert_eq!((response.status().as_u16(), began.elapsed() <= Duration::from_secs(1)), (503, true));
    let again = passage.ask(request(), caller()).now_or_never().expect("it is known by now");
    assert_eq!(again.status().as_u16(), 503);
    drop(requests);
    let (status, text, _) = asked(&passage).await;
    assert_eq!(status, 503);
    assert!(text.contains("has ended"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_ends_it() {
    let passage = Passage::default();
    let mut requests = passage.requests().unwrap();
    passage.beat(now());
    let (events, stream) = mpsc::channel::<Bytes>(1);
    let answering = async {
        let asked = requests.recv().await.unwrap();
        let stream = stream::unfold(stream, async |mut stream| Some((stream.recv().await?, stream)));
        let body = StreamBody::new(stream.map(|bytes| Ok(Frame::data(bytes))));
        asked.answer.send(Response::new(AdminBody::new(body))).expect("the client waits");
    };
    let (response, ()) = tokio::join!(passage.ask(request(), caller()), answering);
    events.send(Bytes::from_static(b"one")).await.unwrap();
    let AnswerBody::Filtered(mut body) = response.into_body() else { panic!("it is passed on") };
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    assert!(!events.is_closed());
    drop(body);
    events.closed().await;
    // Nor is one left over that nobody has taken.
    let left = passage.ask(request(), caller());
    assert!(left.now_or_never().is_none());
    assert!(requests.recv().await.unwrap().answer.is_closed());
}
