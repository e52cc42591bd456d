use std::task::ready;

use super::*;

/// Pieces, each after so many milliseconds.
struct Pieces {
    left: VecDeque<(u64, Result<Frame<Bytes>, BodyError>)>,
    waiting: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some((late, _)) = self.left.front() else { return Poll::Ready(None) };
        let late = Duration::from_millis(*late);
        if !late.is_zero() {
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(late)));
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(self.left.pop_front().map(|(_, frame)| frame))
    }
}

fn data(late: u64, text: &'static str) -> (u64, Result<Frame<Bytes>, BodyError>) {
    (late, Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
}

fn answer(pieces: Vec<(u64, Result<Frame<Bytes>, BodyError>)>) -> Response<AnswerBody> {
    Response::new(AnswerBody::Filtered(Box::pin(Pieces { left: pieces.into(), waiting: None })))
}

fn kind(response: &Response<AnswerBody>) -> Option<&str> {
    Some(response.headers().get(header::CONTENT_TYPE)?.to_str().unwrap())
}

/// Everything of it, what is no data in brackets.
async fn read(response: Response<AnswerBody>) -> String {
    let (mut body, mut text) = (response.into_body(), String::new());
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) if frame.is_trailers() => text.push_str("[trailers]"),
            Ok(frame) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
            Err(error) => text.push_str(&format!("[{error}]")),
        }
    }
    text
}

const HTML: Option<&str> = Some("text/html; charset=utf-8");
const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

#[tokio::test(start_paused = true)]
async fn what_is_there_decides_and_nothing_of_it_is_lost() {
    let trailers = || (0, Ok(Frame::trailers(HeaderMap::new())));
    let broken = || (0, Err(BodyError::WriteTimeout));
    for (pieces, told, text) in [
        (vec![data(0, "<html>")], HTML, "<html>"),
        (vec![data(0, "<ht"), data(0, "ml>"), data(5000, "x")], HTML, "<html>x"),
        (vec![data(99, "<html>"), data(5000, "x")], HTML, "<html>x"),
        // What comes later is not waited for.
        (vec![data(0, "<ht"), data(1, "ml>")], TEXT, "<html>"),
        (vec![data(101, "<html>")], None, "<html>"),
        (vec![data(0, ""), data(0, "<html>"), trailers()], HTML, "<html>[trailers]"),
        (vec![trailers()], None, "[trailers]"),
        (vec![broken()], None, "[the response took too long]"),
        (vec![data(0, "<p>"), broken()], HTML, "<p>[the response took too long]"),
        (vec![], None, ""),
    ] {
        let began = Instant::now();
        let response = typed(answer(pieces)).await;
        assert!(began.elapsed() <= LONGEST * 2, "{text}");
        assert_eq!(kind(&response), told, "{text}");
        assert_eq!(read(response).await, text);
    }
}

#[tokio::test]
async fn only_an_answer_that_says_nothing_is_looked_at() {
    for (status, headers, told) in [
        (200, vec![], HTML),
        (404, vec![], HTML),
        (206, vec![], HTML),
        (304, vec![], None),
        (204, vec![], None),
        (200, vec![("content-type", "application/json")], Some("application/json")),
        (200, vec![("content-type", "")], Some("")),
        (200, vec![("content-encoding", "gzip")], None),
        (200, vec![("content-encoding", "")], HTML),
        (200, vec![("x-content-type-options", "nosniff")], HTML),
    ] {
        let mut response = Response::new(AnswerBody::Whole(Bytes::from_static(b"<html>")));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in &headers {
            response.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let response = typed(response).await;
        assert_eq!(kind(&response), told, "{status} {headers:?}");
        assert_eq!(read(response).await, "<html>");
    }
}

#[tokio::test]
async fn no_more_is_taken_than_what_decides() {
    const QUARTER: &str = "a text of a hundred and twenty-eight characters, which is a quarter of what is looked at by \
                           whoever wants to know what it is ...";
    let pieces = (0..10).map(|_| data(0, QUARTER));
    let response = typed(answer(pieces.collect())).await;
    let AnswerBody::Filtered(body) = response.into_body() else { panic!("it is made anew") };
    // Of the rest nobody says how long it is.
    assert_eq!(body.size_hint().lower(), 512);
}
