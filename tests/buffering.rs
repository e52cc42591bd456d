//! `buffering`: a request is whole before a server hears of it, an answer before its client does, in bounded memory; and
//! the request goes once more when the expression says so.

#![cfg(test)]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, RawConnection,
    backend::Protocol,
    client::{Body, channel, full, zeros},
    configuration,
    wait::eventually,
};

fn dynamic(buffering: &str, urls: &[String]) -> String {
    let servers: Vec<String> = urls.iter().map(|url| format!("{{url: '{url}'}}")).collect();
    format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [whole]}}}}
  middlewares: {{whole: {{buffering: {buffering}}}}}
  services: {{s: {{loadBalancer: {{servers: [{}]}}}}}}
",
        servers.join(", ")
    )
}

fn gateway(buffering: &str, urls: &[String]) -> Gateway {
    Launch::new(&configuration(&dynamic(buffering, urls))).argument("--workers").argument("1").start()
}

const SMALL: &str = "{maxRequestBodyBytes: 1000000, memRequestBodyBytes: 1000, maxResponseBodyBytes: 1000000, memResponseBodyBytes: 1000}";

#[tokio::test]
async fn bodies_are_whole_and_have_a_length_on_both_sides() {
    let (h1, h2) = (Backend::echo("h1"), Backend::h2c("h2"));
    for (backend, url) in [(&h1, h1.url()), (&h2, h2.url_as("h2c"))] {
        let gateway = gateway(SMALL, &[url]);
        for length in [0, 1, 999, 1_001, 70_000, 1_000_000] {
            let mut client = Connection::http1(gateway.web()).await;
            let request = Request::post("/").header("host", "h").header("transfer-encoding", "chunked");
            let request = request.header("echo-bytes", length).body(zeros(0)).unwrap();
            let answer = client.try_send(request).await.unwrap();
            assert_eq!(answer.headers()["content-length"], length.to_string());
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), vec![0; length], "{}", backend.name);

            let (sender, body) = channel();
            sender.send(Frame::data(vec![7; length].into())).unwrap();
            drop(sender);
            let request = Request::post("/").header("host", "h").body(body).unwrap();
            let seen = rollgate_testkit::Reply::read(client.try_send(request).await.unwrap()).await.seen();
            assert_eq!((seen.body, seen.header("transfer-encoding")), (length as u64, None));
            assert_eq!(seen.header("content-length"), Some(&*length.to_string()), "{}", backend.name);
        }
    }
}

#[tokio::test]
async fn a_server_hears_of_a_request_only_when_it_is_whole() {
    let backend = Backend::echo("s");
    let gateway = gateway(SMALL, &[backend.url()]);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n").await;
    client.write(vec![b'x'; 1_999]).await;
    // Another one comes and goes meanwhile: if the first had reached the server, it would count by now.
    assert_eq!(gateway.get("http://h/").await.status, 200);
    assert_eq!(backend.requests(), 1);
    client.write("x").await;
    assert_eq!(client.read_reply().await.status(), 200);
    assert_eq!(backend.requests(), 2);
}

#[tokio::test]
async fn what_is_too_long_goes_nowhere() {
    let backend = Backend::echo("s");
    let gateway = gateway(SMALL, &[backend.url()]);
    let declared = Ask::new("POST", "http://h/").body(vec![0; 1_000_001]);
    assert_eq!(gateway.ask(declared).await.status, 413);
    let mut client = Connection::http1(gateway.web()).await;
    let (sender, body) = channel();
    for _ in 0..2 {
        sender.send(Frame::data(vec![0; 500_001].into())).unwrap();
    }
    let request = Request::post("/").header("host", "h").body(body).unwrap();
    assert_eq!(client.try_send(request).await.unwrap().status(), 413);
    assert_eq!(backend.requests(), 0);

    let reply = gateway.ask(Ask::get("http://h/").header("echo-bytes", "1000001")).await;
    assert_eq!((reply.status, reply.text().as_str()), (500, "Internal Server Error"));
    assert_eq!(gateway.ask(Ask::get("http://h/").header("echo-bytes", "1000000")).await.body.len(), 1_000_000);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let backend = Backend::once("s", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nbegun".as_bytes());
    let gateway = gateway(SMALL, &[backend.url()]);
    let reply = gateway.get("http://h/").await;
    assert_eq!((reply.status, reply.text().as_str()), (502, "Bad Gateway"));
}

#[tokio::test]
async fn what_has_no_body_and_trailers_go_through() {
    let backend = Backend::echo("s");
    let gateway = gateway(SMALL, &[backend.url()]);
    let mut head = Ask::get("http://h/");
    head.method = http::Method::HEAD;
    let reply = gateway.ask(head).await;
    let length: u64 = reply.header("content-length").unwrap().parse().unwrap();
    assert!(reply.status == 200 && length > 0, "of what a GET would get: {length}");
    assert_eq!(gateway.ask(Ask::get("http://h/").header("echo-status", "204")).await.status, 204);

    let ask = Ask::get("http://h/").header("echo-bytes", "5000").header("echo-trailer", "x-sum: 5");
    let reply = gateway.ask(ask.header("te", "trailers")).await;
    assert_eq!(reply.body.len(), 5_000);
    assert_eq!(
        (reply.trailers.get("x-sum"), reply.header("content-length")),
        (Some(&HeaderValue::from_static("5")), None)
    );
    let mut client = Connection::http1(gateway.web()).await;
    let (sender, body) = channel();
    sender.send(Frame::data(vec![0; 5_000].into())).unwrap();
    sender.send(Frame::trailers(HeaderMap::from_iter([("x-mine".parse().unwrap(), "1".parse().unwrap())]))).unwrap();
    drop(sender);
    let request = Request::post("/").header("host", "h").header("trailer", "x-mine").body(body).unwrap();
    let seen = rollgate_testkit::Reply::read(client.try_send(request).await.unwrap()).await.seen();
    assert_eq!((seen.body, seen.trailers), (5_000, vec![("x-mine".to_owned(), "1".to_owned())]));
}

/// Answers its first requests with these statuses and all others with 200, each with the length of the body that came.
fn statuses(name: &str, first: &'static [u16]) -> Backend {
    let asked = Arc::new(AtomicU64::new(0));
    Backend::serve(name, Protocol::Http1, move |request: Request<Incoming>| {
        let number = asked.fetch_add(1, Ordering::SeqCst) as usize;
        async move {
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let mut response: Response<Body> = Response::new(full(body.len().to_string()));
            *response.status_mut() = StatusCode::from_u16(first.get(number).copied().unwrap_or(200)).unwrap();
            response
        }
    })
}

#[tokio::test]
async fn the_expression_says_when_a_request_goes_once_more() {
    for (expression, first, status, asked) in [
        ("ResponseCode() == 503", &[503, 503][..], 200, 3),
        ("ResponseCode() >= 500 && Attempts() < 2", &[503, 503], 503, 2),
        ("IsNetworkError() && Attempts() <= 2", &[502, 504, 502], 502, 3),
        ("IsNetworkError() || ResponseCode() == 500", &[503], 503, 1),
        ("RequestMethod() == \\\"GET\\\" && ResponseCode() == 503", &[503], 503, 1),
        ("", &[502], 502, 1),
    ] {
        let backend = statuses("s", first);
        let config = format!("{{memRequestBodyBytes: 100, retryExpression: \"{expression}\"}}");
        let gateway = gateway(&config, &[backend.url()]);
        let body = Bytes::from(vec![0; 150_000]);
        let reply = gateway.ask(Ask::new("POST", "http://h/").body(body)).await;
        assert_eq!((reply.status, backend.requests()), (status, asked), "{expression}");
        assert_eq!(reply.text(), "150000", "each time the whole body");
    }
}

#[tokio::test]
async fn once_more_is_elsewhere_and_at_most_as_the_budget_allows() {
    let (bad, good) = (statuses("bad", &[503; 10]), statuses("good", &[]));
    let elsewhere = gateway("{retryExpression: 'ResponseCode() == 503'}", &[bad.url(), good.url()]);
    for _ in 0..2 {
        assert_eq!(elsewhere.get("http://h/").await.status, 200);
    }
    let failing = statuses("failing", &[503; 1000]);
    let gateway = gateway("{retryExpression: 'ResponseCode() == 503'}", &[failing.url()]);
    for _ in 0..100 {
        assert_eq!(gateway.get("http://h/").await.status, 503);
    }
    // A fifth more, and three a second for the few seconds that this takes at most.
    let more = failing.requests() - 100;
    println!("{more} further attempts of 100 requests");
    assert!((20..=60).contains(&more), "{more}");
}

#[tokio::test]
async fn many_long_bodies_cost_little_memory_and_leave_no_file() {
    const LENGTH: u64 = 64 * 1024 * 1024;
    let backend = Backend::echo("s");
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(&dynamic("{}", &[backend.url()]));
    let launch = Launch::new(&config).variable("TMPDIR", directory.path().to_str().unwrap());
    let gateway = launch.argument("--workers").argument("1").start();
    let before = gateway.peak_memory();
    let mut sendings = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let address = gateway.web();
        sendings.spawn(async move {
            let mut client = Connection::http1(address).await;
            let request = Request::post("/").header("host", "h").header("echo-bytes", LENGTH);
            let mut body = client.try_send(request.body(zeros(LENGTH)).unwrap()).await.unwrap().into_body();
            let mut received = 0;
            while let Some(frame) = body.frame().await {
                received += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
            }
            received
        });
    }
    assert_eq!(sendings.join_all().await, [LENGTH; 4]);
    let growth = gateway.peak_memory() - before;
    println!("{growth} KiB for 4 x 64 MiB each way");
    assert!(growth < 48 * 1024, "{growth} KiB more");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn where_no_file_can_be_made_the_client_is_told() {
    let backend = Backend::echo("s");
    let config = configuration(&dynamic(SMALL, &[backend.url()]));
    let gateway = Launch::new(&config).variable("TMPDIR", "/nowhere/at/all").start();
    for ask in [Ask::new("POST", "http://h/").body(vec![0; 5_000]), Ask::get("http://h/").header("echo-bytes", "5000")]
    {
        assert_eq!(gateway.ask(ask).await.status, 500);
    }
    assert_eq!(gateway.ask(Ask::get("http://h/").header("echo-bytes", "500")).await.body.len(), 500);
    let log = async || gateway.stderr().contains("a body cannot be kept in a file").then_some(());
    eventually("the log says why", log).await;
}

#[tokio::test]
async fn what_lies_in_files_is_bounded_for_all_requests_together() {
    let (gate, open) = tokio::sync::watch::channel(false);
    let backend = Backend::serve("s", Protocol::Http1, move |request: Request<Incoming>| {
        let mut open = open.clone();
        async move {
            let length = request.headers().get("x-bytes").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
            drop(request.into_body().collect().await);
            open.wait_for(|open| *open).await.expect("the gate outlives its server");
            let response: Response<Body> = Response::new(zeros(length));
            response
        }
    });
    let config = configuration(&dynamic(SMALL, &[backend.url()]));
    let gateway = Launch::new(&format!("{config}limits: {{maxBufferFileBytes: 100000}}\n")).start();
    let ask = |length| Ask::new("POST", "http://h/").body(vec![0; length]);
    let first = tokio::spawn(ask(90_000).send(gateway.web()));
    eventually("the server has the first", async || (backend.requests() == 1).then_some(())).await;
    let refused = gateway.ask(ask(90_000)).await;
    assert_eq!((refused.status, refused.header("connection")), (503, Some("close")));
    gate.send(true).unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    eventually("its file is gone", async || (gateway.ask(ask(90_000)).await.status == 200).then_some(())).await;
    let long = |length: &str| Ask::get("http://h/").header("x-bytes", length);
    assert_eq!(gateway.ask(long("90000")).await.body.len(), 90_000);
    let refused = async || {
        let metrics = gateway.metrics().await;
        metrics.sum("rollgate_refused_total", &[("reason", "buffer_files")])
    };
    let before = refused().await;
    assert!(before >= 1.0);
    assert_eq!(gateway.ask(long("100001")).await.status, 500);
    assert_eq!(refused().await, before + 1.0);
}
