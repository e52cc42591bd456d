//! `retry`: what a server does not answer, or not well, another one does; what may have been done is not done twice; a
//! body goes again without ever having been held back; and a service that fails is not loaded beyond its budget.

#![cfg(test)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, HostileBackend, Launch, RawConnection, Reply,
    backend::{Protocol, nobody},
    client::{Body, channel, full, zeros},
    configuration,
    wait::{eventually, within},
};

/// A gateway with a router whose middleware is this retry, before servers at these URLs.
fn gateway(retry: &str, urls: &[String]) -> Gateway {
    Launch::new(&configuration(&dynamic(retry, urls))).argument("--workers").argument("1").start()
}

fn dynamic(retry: &str, urls: &[String]) -> String {
    let servers: Vec<String> = urls.iter().map(|url| format!("{{url: '{url}'}}")).collect();
    format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [again]}}}}
  middlewares: {{again: {{retry: {retry}}}}}
  services: {{s: {{loadBalancer: {{servers: [{}]}}}}}}
",
        servers.join(", ")
    )
}

/// A server that answers its first requests with these statuses and all others with 200, each with the body that came.
fn statuses(name: &str, first: &'static [u16]) -> Backend {
    statuses_over(name, Protocol::Http1, first)
}

fn statuses_over(name: &str, protocol: Protocol, first: &'static [u16]) -> Backend {
    let asked = Arc::new(AtomicU64::new(0));
    Backend::serve(name, protocol, move |request: Request<Incoming>| {
        let number = asked.fetch_add(1, Ordering::SeqCst) as usize;
        async move {
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            answer(first.get(number).copied().unwrap_or(200), body)
        }
    })
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test]
async fn what_never_left_is_tried_elsewhere_whatever_its_method() {
    let backend = Backend::echo("there");
    let gateway = gateway("{attempts: 2}", &[nobody(), backend.url()]);
    for method in ["GET", "POST", "PATCH", "PURGE"] {
        for _ in 0..5 {
            let reply = gateway.ask(Ask::new(method, "http://h/").body("hello")).await;
            assert_eq!((reply.status, reply.seen().body), (200, 5), "{method}");
        }
    }
    let metrics = gateway.metrics().await;
    let retried = metrics.sum("traefik_service_retries_total", &[("service", "s@file")]);
    assert!((9.0..=11.0).contains(&retried), "each second request met nobody: {retried}");
    assert_eq!(metrics.sum("rollgate_retries_total", &[("service", "s@file"), ("outcome", "ok")]), retried);
    // As in Traefik, a service's own families count every attempt.
    assert_eq!(metrics.sum("traefik_service_requests_total", &[("code", "502")]), retried);
    assert_eq!(metrics.sum("traefik_router_requests_total", &[("code", "502")]), 0.0);
}

#[tokio::test]
async fn answers_are_tried_again_by_status_and_method() {
    for (retry, method, status, requests) in [
        ("{attempts: 3, status: ['503']}", "GET", 200, 3),
        ("{attempts: 3, status: [500-599]}", "PUT", 200, 3),
        ("{attempts: 2, status: ['503']}", "GET", 503, 2),
        ("{attempts: 3, status: ['502']}", "GET", 503, 1),
        ("{attempts: 3}", "GET", 503, 1),
        ("{attempts: 3, status: ['503']}", "POST", 503, 1),
        ("{attempts: 3, status: ['503']}", "PATCH", 503, 1),
        ("{attempts: 3, status: ['503'], retryNonIdempotentMethod: true}", "POST", 200, 3),
        ("{attempts: 1, status: ['503']}", "GET", 503, 1),
        ("{attempts: 3, status: ['503'], timeout: 1ns}", "GET", 503, 1),
    ] {
        let backend = statuses("s", &[503, 503]);
        let gateway = gateway(retry, &[backend.url()]);
        let reply = gateway.ask(Ask::new(method, "http://h/").body("hello")).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, "hello"), "{retry} {method}");
        assert_eq!(backend.requests(), requests, "{retry} {method}");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_repeated_only_where_that_does_no_harm() {
    for (method, expected) in [("GET", "200"), ("PUT", "200"), ("POST", "502"), ("PURGE", "502")] {
        let hostile = HostileBackend::start().await;
        let gateway = gateway("{attempts: 2}", &[hostile.url()]);
        let mut client = RawConnection::open(gateway.web()).await;
        client.write(format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")).await;
        let (mut peer, _) = hostile.request().await;
        assert_eq!(peer.body(5).await, b"hello");
        peer.reset();
        if expected == "200" {
            let (mut peer, head) = hostile.request().await;
            assert!(head.contains("content-length: 5"), "{head}");
            assert_eq!(peer.body(5).await, b"hello");
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
        assert_eq!(client.read_reply().await.status().to_string(), expected, "{method}");
    }
}

#[tokio::test]
async fn another_try_keeps_the_version_and_changes_the_server() {
    // In each version one server fails; each request says which servers saw it.
    let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let server = |version: &'static str, status: u16| {
        let seen = seen.clone();
        Backend::serve(version, Protocol::Http1, move |request: Request<Incoming>| {
            let id = request.headers()["x-id"].to_str().unwrap().to_owned();
            seen.lock().unwrap().push((id, format!("{version} {status}")));
            async move { answer(status, version) }
        })
    };
    let servers = [server("stable", 503), server("stable", 200), server("canary", 503), server("canary", 200)];
    let pair = |one: usize| {
        let [a, b] = [&servers[one], &servers[one + 1]].map(|server| server.url());
        format!("{{loadBalancer: {{servers: [{{url: '{a}'}}, {{url: '{b}'}}]}}}}")
    };
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: split, middlewares: [again]}}}}
  middlewares: {{again: {{retry: {{attempts: 2, status: ['503'], budget: {{percent: 200}}}}}}}}
  services:
    split: {{weighted: {{services: [{{name: stable}}, {{name: canary}}]}}}}
    stable: {}
    canary: {}
",
        pair(0),
        pair(2)
    ));
    const REQUESTS: usize = 200;
    for id in 0..REQUESTS {
        let reply = gateway.ask(Ask::get("http://h/").header("x-id", &id.to_string())).await;
        assert_eq!(reply.status, 200, "{id}: {}", reply.text());
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let mut twice = 0;
    for id in 0..REQUESTS {
        let of_request: Vec<&str> =
            seen.iter().filter(|(of, _)| *of == id.to_string()).map(|(_, server)| server.as_str()).collect();
        match of_request[..] {
            ["stable 200"] | ["canary 200"] => {}
            ["stable 503", "stable 200"] | ["canary 503", "canary 200"] => twice += 1,
            _ => panic!("{id}: {of_request:?}"),
        }
    }
    assert!((60..=140).contains(&twice), "about half meet the failing server first: {twice}");
    // A draw is one, however often a request is sent.
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("rollgate_version_requests_total", &[]), REQUESTS as f64);
}

#[tokio::test]
async fn a_server_that_is_slow_loses_the_request_to_another() {
    let hostile = HostileBackend::start().await;
    let backend = Backend::echo("quick");
    let urls = [hostile.url(), backend.url()];
    let gateway = gateway("{attempts: 2, perTryTimeout: 200ms}", &urls);
    // Alternately the slow one comes first.
    for _ in 0..2 {
        assert_eq!(gateway.get("http://h/").await.seen().backend, "quick");
    }
    let mut timeouts = 0;
    for _ in 0..2 {
        let reply = gateway.ask(Ask::new("POST", "http://h/").body("x")).await;
        timeouts += u32::from(reply.status == 504);
    }
    assert_eq!(timeouts, 1, "what it may have done is not done twice");
}

#[tokio::test]
async fn a_request_that_streams_is_not_held_back() {
    // A server that answers each piece as it comes, as a gRPC stream does.
    let backend = Backend::serve("stream", Protocol::H2c, |request: Request<Incoming>| async move {
        let (sender, body) = channel();
        let mut incoming = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = incoming.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                if sender.send(Frame::data(data)).is_err() {
                    return;
                }
            }
        });
        Response::new(body)
    });
    let retry = "{attempts: 3, status: ['503'], retryNonIdempotentMethod: true}";
    let gateway = gateway(retry, &[backend.url_as("h2c")]);
    let mut client = Connection::http2(gateway.web()).await;
    let (sender, body) = channel();
    sender.send(Frame::data("first".into())).unwrap();
    let request = Request::post("http://h/Stream").header("content-type", "application/grpc").body(body).unwrap();
    let mut answer = client.try_send(request).await.unwrap().into_body();
    for piece in ["first", "second", "third"] {
        let frame = within("the piece comes back before the next is sent", answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
        let next = if piece == "first" { "second" } else { "third" };
        if piece != "third" {
            sender.send(Frame::data(next.into())).unwrap();
        }
    }
    drop(sender);
    while let Some(frame) = within("its end", answer.frame()).await {
        assert!(frame.unwrap().into_data().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_body_goes_again_and_then_goes_on() {
    for over_http2 in [false, true] {
        // The first answers when it has seen the half; what it has been sent goes to the second, and then the rest.
        let hasty = Backend::serve("hasty", Protocol::Http1, |request: Request<Incoming>| async move {
            let mut body = request.into_body();
            body.frame().await.unwrap().unwrap();
            answer(503, "too much")
        });
        let patient = statuses("patient", &[]);
        let gateway = gateway("{attempts: 2, status: ['503']}", &[hasty.url(), patient.url()]);
        let mut whole = 0;
        for _ in 0..2 {
            let (sender, body) = channel();
            sender.send(Frame::data("half ".into())).unwrap();
            let (asked, at_first) = (hasty.requests(), patient.requests());
            let mut client = match over_http2 {
                true => Connection::http2(gateway.web()).await,
                false => Connection::http1(gateway.web()).await,
            };
            let uri = if over_http2 { "http://h/" } else { "/" };
            let request = Request::put(uri).header("host", "h").body(body).unwrap();
            let reply = tokio::spawn(async move { Reply::read(client.try_send(request).await.unwrap()).await });
            eventually("the second one has it", async || (patient.requests() > at_first).then_some(())).await;
            sender.send(Frame::data("and half".into())).unwrap();
            drop(sender);
            let reply = within("the answer", reply).await.unwrap();
            assert_eq!((reply.status, reply.text().as_str()), (200, "half and half"));
            whole += hasty.requests() - asked;
        }
        assert_eq!(whole, 1, "one of the two met the hasty one first");
    }
}

#[tokio::test]
async fn trailers_go_again_too() {
    let backend = Backend::h2c("s");
    let failing = statuses_over("f", Protocol::H2c, &[503; 64]);
    let gateway = gateway("{attempts: 2, status: ['503']}", &[failing.url_as("h2c"), backend.url_as("h2c")]);
    for _ in 0..2 {
        let (sender, body) = channel();
        sender.send(Frame::data("data".into())).unwrap();
        let trailers = [(http::HeaderName::from_static("x-sum"), http::HeaderValue::from_static("1"))];
        sender.send(Frame::trailers(trailers.into_iter().collect())).unwrap();
        drop(sender);
        let mut client = Connection::http2(gateway.web()).await;
        let request = Request::put("http://h/").header("te", "trailers").body(body).unwrap();
        let seen = Reply::read(client.try_send(request).await.unwrap()).await.seen();
        assert_eq!((seen.body, seen.trailers), (4, vec![("x-sum".to_owned(), "1".to_owned())]));
    }
    assert_eq!(failing.requests(), 1);
}

#[tokio::test]
async fn a_gigabyte_goes_up_in_bounded_memory_and_is_not_tried_again() {
    const SIZE: u64 = 1 << 30;
    let backend = Backend::serve("big", Protocol::Http1, |request: Request<Incoming>| async move {
        let mut body = request.into_body();
        let mut length = 0_u64;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.into_data().map_or(0, |data| data.len() as u64);
        }
        answer(503, length.to_string())
    });
    let gateway = gateway("{attempts: 3, status: ['503'], maxRequestBodyBytes: -1}", &[backend.url()]);
    let before = gateway.peak_memory();
    let mut client = Connection::http1(gateway.web()).await;
    let request = Request::put("/").header("host", "h").body(zeros(SIZE)).unwrap();
    let reply = Reply::read(client.try_send(request).await.unwrap()).await;
    assert_eq!((reply.status, reply.text(), backend.requests()), (503, SIZE.to_string(), 1));
    let growth = gateway.peak_memory() - before;
    // 128 MiB may be kept (limits.maxReplayBytes), by all workers together.
    assert!(growth < 192 * 1024, "{growth} KiB more");
    let labels = [("service", "s@file"), ("reason", "room")];
    assert_eq!(gateway.metrics().await.sum("rollgate_retries_skipped_total", &labels), 1.0);
}

#[tokio::test]
async fn a_body_that_is_longer_than_is_kept_goes_once() {
    let backend = statuses("s", &[503, 503]);
    let retry = "{attempts: 3, status: ['503'], maxRequestBodyBytes: 1000}";
    let gateway = gateway(retry, &[backend.url()]);
    let reply = gateway.ask(Ask::new("PUT", "http://h/").body(vec![b'x'; 1001])).await;
    assert_eq!((reply.status, reply.body.len(), backend.requests()), (503, 1001, 1));
    let labels = [("service", "s@file"), ("reason", "body")];
    assert_eq!(gateway.metrics().await.sum("rollgate_retries_skipped_total", &labels), 1.0);
    let reply = gateway.ask(Ask::new("PUT", "http://h/").body(vec![b'x'; 1000])).await;
    assert_eq!((reply.status, reply.body.len(), backend.requests()), (200, 1000, 3));
}

#[tokio::test]
async fn a_service_that_fails_everything_is_asked_a_fifth_more_and_three_times_a_second() {
    let backend = Backend::serve("s", Protocol::Http1, |_| async { answer(500, "no") });
    let gateway = gateway("{attempts: 4, status: ['500']}", &[backend.url()]);
    const REQUESTS: u64 = 1_500;
    let began = Instant::now();
    let clients = (0..5).map(|_| {
        let web = gateway.web();
        tokio::spawn(async move {
            let mut client = Connection::http1(web).await;
            for _ in 0..REQUESTS / 5 {
                assert_eq!(client.ask(Ask::get("http://h/")).await.status, 500);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    let asked = backend.requests() as f64;
    let bound = 1.2 * REQUESTS as f64 + 3.0 * (seconds + 1.0);
    println!("{asked} attempts for {REQUESTS} requests in {seconds:.2} s, at most {bound:.0}");
    assert!(asked <= bound, "{asked} of at most {bound}");
    assert!(asked >= 1.15 * REQUESTS as f64, "{asked}: and the budget is used");
    let metrics = gateway.metrics().await;
    let skipped = metrics.sum("rollgate_retries_skipped_total", &[("reason", "budget"), ("service", "s@file")]);
    assert!(skipped >= 0.9 * REQUESTS as f64, "{skipped}");
    assert_eq!(metrics.sum("rollgate_retries_total", &[("outcome", "error")]), asked - REQUESTS as f64);
}

#[tokio::test]
async fn a_reload_of_something_else_leaves_the_budget_as_it_is() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = failing.clone();
    let backend = Backend::serve("s", Protocol::Http1, move |_| {
        let status = if fails.load(Ordering::SeqCst) { 500 } else { 200 };
        async move { answer(status, "") }
    });
    // Two requests pay for an attempt, and nothing else does.
    let retry = "{attempts: 2, status: ['500'], budget: {percent: 50, minPerSecond: 0}}";
    let dynamic = dynamic(retry, &[backend.url()]);
    let gateway = Launch::new(&configuration("providers: {file: {filename: '@DIR@/dynamic.yml'}}\n"))
        .file("dynamic.yml", &dynamic)
        .start();
    for _ in 0..20 {
        assert_eq!(gateway.get("http://h/").await.status, 200);
    }
    let other = "  routers: {other: {rule: 'Host(`other`)', service: s}, r:";
    gateway.apply("dynamic.yml", &dynamic.replace("  routers: {r:", other)).await;
    failing.store(true, Ordering::SeqCst);
    let asked = backend.requests();
    assert_eq!(gateway.get("http://h/").await.status, 500);
    assert_eq!(backend.requests() - asked, 2, "what the requests before were worth is still there");
}

#[tokio::test]
async fn the_connection_of_an_answer_that_is_thrown_away_is_used_again() {
    let backend = statuses("s", &[503; 40]);
    let gateway = gateway("{attempts: 2, status: ['503'], budget: {percent: 200}}", &[backend.url()]);
    let mut client = Connection::http1(gateway.web()).await;
    for _ in 0..20 {
        client.ask(Ask::get("http://h/")).await;
    }
    assert_eq!(backend.requests(), 40);
    assert!(backend.connections() <= 2, "{} connections", backend.connections());
}

#[tokio::test]
async fn the_access_log_says_how_often() {
    let backend = statuses("s", &[503, 503]);
    let config = configuration(&dynamic("{attempts: 3, status: ['503']}", &[backend.url()]));
    let gateway = Gateway::start(&format!("{config}accessLog: {{format: json, filters: {{retryAttempts: true}}}}\n"));
    assert_eq!(gateway.get("http://h/twice").await.status, 200);
    let line = async || gateway.stdout().lines().find(|line| line.contains("/twice")).map(str::to_owned);
    let line: serde_json::Value = serde_json::from_str(&eventually("a line", line).await).unwrap();
    assert_eq!(
        (&line["RetryAttempts"], &line["OriginStatus"], &line["DownstreamStatus"]),
        (&2.into(), &200.into(), &200.into())
    );
}

#[tokio::test]
async fn attempts_wait_for_each_other_as_the_interval_says() {
    let backend = statuses("s", &[503, 503]);
    let gateway = gateway("{attempts: 3, status: ['503'], initialInterval: 200ms}", &[backend.url()]);
    let began = Instant::now();
    assert_eq!(gateway.get("http://h/").await.status, 200);
    // 200 ms and 283 ms, each at least half of it.
    assert!(began.elapsed() >= Duration::from_millis(240), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_websocket_is_opened_elsewhere() {
    let backend = Backend::websocket("there");
    let gateway = gateway("{attempts: 2}", &[nobody(), backend.url()]);
    for _ in 0..2 {
        let mut client = RawConnection::open(gateway.web()).await;
        let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        assert_eq!(client.exchange(request).await.status(), 101);
        // An unmasked-by-zeros text frame "hi" comes back.
        client.write(b"\x81\x82\0\0\0\0hi").await;
        assert_eq!(client.read_exactly(4).await, b"\x81\x02hi");
    }
}

#[tokio::test]
async fn an_attempt_that_is_thrown_away_holds_no_place_whatever_stands_between() {
    for between in ["{compress: {}}", "{errors: {status: ['503'], service: none}}"] {
        let backend = statuses("s", &[503]);
        let gateway = Gateway::with(&format!(
            "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [again, between, one]}}}}
  middlewares:
    again: {{retry: {{attempts: 2, status: ['503']}}}}
    between: {between}
    one: {{inFlightReq: {{amount: 1}}}}
  services:
    s: {}
    none: {{loadBalancer: {{servers: []}}}}
",
            backend.load_balancer()
        ));
        assert_eq!((gateway.get("http://h/").await.status, backend.requests()), (200, 2), "{between}");
    }
}
