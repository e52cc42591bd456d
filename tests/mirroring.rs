//! `mirroring`: copies of requests go to other servers, and whatever those do, the client does not see it.

#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, HostileBackend, Launch, RawConnection, Recorder, Reply, Switched,
    backend::{Protocol, nobody},
    client::{Body, broken, channel, full, zeros},
    configuration,
    wait::{eventually, within},
};
use tokio::sync::mpsc;

/// `m.test` leads to a mirroring service before the main server and its mirrors, by name and percent.
fn dynamic(main: &str, keys: &str, mirrors: &[(&str, &str, u8)]) -> String {
    let list: Vec<String> =
        mirrors.iter().map(|(name, _, percent)| format!("{{name: {name}, percent: {percent}}}")).collect();
    let balancers = mirrors.iter().map(|(name, url, _)| format!("    {name}: {}\n", balancer(url)));
    format!(
        "http:
  routers: {{m: {{rule: Host(`m.test`), service: m}}}}
  services:
    m: {{mirroring: {{service: main, mirrors: [{}]{keys}}}}}
    main: {}
{}",
        list.join(", "),
        balancer(main),
        balancers.collect::<String>()
    )
}

fn balancer(url: &str) -> String {
    format!("{{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}")
}

/// How many copies for a mirror came to this.
async fn copies(gateway: &Gateway, mirror: &str, outcome: &str) -> f64 {
    let mirror = format!("{mirror}@file");
    let labels = [("service", "m@file"), ("mirror", &*mirror), ("outcome", outcome)];
    gateway.metrics().await.sum("rollgate_mirrored_total", &labels)
}

async fn copies_are(gateway: &Gateway, mirror: &str, outcome: &str, count: f64) {
    let what = format!("{count} copies for {mirror} are {outcome}");
    eventually(&what, async || (copies(gateway, mirror, outcome).await == count).then_some(())).await;
}

/// A server that reads the body and answers with this status.
fn answering(name: &str, status: u16) -> Backend {
    Backend::serve(name, Protocol::Http1, move |request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut response = Response::new(full(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    })
}

/// A server that tells of each piece of each body, and of the end of each body that ends as it should.
fn telling(protocol: Protocol) -> (Backend, mpsc::UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let backend = Backend::serve("telling", protocol, move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let mut body = request.into_body();
            let tell = |what: String| sender.send(what).unwrap();
            while let Some(frame) = body.frame().await {
                match frame.map(Frame::into_data) {
                    Ok(Ok(data)) if data.is_empty() => {}
                    Ok(Ok(data)) => tell(String::from_utf8_lossy(&data).into_owned()),
                    Ok(Err(frame)) => {
                        tell(format!("{:?}", frame.trailers_ref().and_then(|trailers| trailers.get("x-sum"))))
                    }
                    Err(_) => {
                        tell("broken".to_owned());
                        return Response::new(full(""));
                    }
                }
            }
            tell("end".to_owned());
            Response::new(full(""))
        }
    });
    (backend, receiver)
}

async fn told(receiver: &mut mpsc::UnboundedReceiver<String>) -> String {
    within("the server tells", receiver.recv()).await.unwrap()
}

#[tokio::test]
async fn a_mirror_gets_the_request_and_nobody_its_answer() {
    let (main, mirror) = (Backend::echo("main"), Recorder::answering("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"));
    let gateway = Gateway::with(&dynamic(&main.url(), "", &[("copy", &mirror.backend().url(), 100)]));
    let ask = Ask::new("PATCH", "http://m.test/a/b%20c?d=e").header("x-own", "1").header("cookie", "c=d");
    let reply = gateway.ask(ask.body("hello")).await;
    assert_eq!((reply.status, reply.header("x-backend")), (200, Some("main")));
    let copied = eventually("the copy comes", async || mirror.record().requests.pop()).await;
    let seen = reply.seen();
    assert_eq!((copied.method.as_str(), copied.target.as_str()), ("PATCH", "/a/b%20c?d=e"));
    assert_eq!(copied.body, b"hello");
    // But for the server, all is as it was sent to the main one.
    for name in ["host", "x-own", "cookie", "content-length", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] {
        assert_eq!(copied.header(name), seen.header(name), "{name}");
    }
    copies_are(&gateway, "copy", "error", 1.0).await;
    let metrics = gateway.metrics().await;
    let count = |family: &str, labels: &[(&str, &str)]| metrics.sum(family, labels);
    assert_eq!(count("traefik_entrypoint_requests_total", &[("entrypoint", "web")]), 1.0);
    assert_eq!(count("traefik_service_requests_total", &[("service", "main@file"), ("code", "200")]), 1.0);
    assert_eq!(count("traefik_service_requests_total", &[("service", "copy@file"), ("code", "500")]), 1.0);
    assert_eq!(count("traefik_service_requests_bytes_total", &[("service", "copy@file")]), 5.0);
}

#[tokio::test]
async fn as_many_are_mirrored_as_the_percentage_says() {
    let (main, half, none) = (Backend::echo("main"), Backend::echo("half"), Backend::echo("none"));
    let mirrors = [("half", &*half.url(), 50), ("none", &*none.url(), 0)];
    let gateway = Gateway::with(&dynamic(&main.url(), "", &mirrors));
    let mut client = Connection::http1(gateway.web()).await;
    for _ in 0..1_000 {
        assert_eq!(client.ask(Ask::get("http://m.test/")).await.status, 200);
    }
    eventually("all copies have ended", async || {
        (copies(&gateway, "half", "ok").await == half.requests() as f64).then_some(())
    })
    .await;
    // Seven standard deviations of a binomial distribution.
    assert!((390..=610).contains(&half.requests()), "{}", half.requests());
    assert_eq!((main.requests(), none.requests()), (1_000, 0));
}

#[tokio::test]
async fn a_mirror_that_takes_nothing_delays_nobody_and_holds_little() {
    let (main, stalled) = (answering("main", 200), HostileBackend::start().await);
    let keys = ", timeout: 1s";
    let config = configuration(&dynamic(&main.url(), keys, &[("copy", &stalled.url(), 100)]));
    let limits = "limits: {maxMirrorBytes: 2097152}\n";
    let gateway = Launch::new(&format!("{limits}{config}")).argument("--workers").argument("1").start();
    let mut client = Connection::http1(gateway.web()).await;
    let body = vec![b'x'; 100_000];
    let began = Instant::now();
    for _ in 0..100 {
        let reply = client.ask(Ask::new("POST", "http://m.test/").body(body.clone())).await;
        assert_eq!((reply.status, reply.body.len()), (200, body.len()));
    }
    let took = began.elapsed();
    // The first copies hold all that copies may, for a second.
    assert!(copies(&gateway, "copy", "no_room").await > 50.0);
    eventually("every copy has ended", async || {
        let ended = copies(&gateway, "copy", "no_room").await + copies(&gateway, "copy", "late").await;
        (ended == 100.0).then_some(())
    })
    .await;
    assert!(copies(&gateway, "copy", "late").await > 5.0);
    assert!(took < Duration::from_secs(5), "{took:?} for a hundred requests beside a mirror that takes nothing");
    // What they held is free again.
    let before = copies(&gateway, "copy", "no_room").await;
    client.ask(Ask::get("http://m.test/")).await;
    copies_are(&gateway, "copy", "late", 101.0 - before).await;
}

#[tokio::test]
async fn a_gigabyte_passes_a_mirror_that_takes_nothing_in_bounded_memory() {
    const SIZE: u64 = 1 << 30;
    let counted = Backend::serve("big", Protocol::Http1, |request: Request<Incoming>| async move {
        let mut body = request.into_body();
        let mut length = 0_u64;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.into_data().map_or(0, |data| data.len() as u64);
        }
        Response::new(full(length.to_string()))
    });
    let stalled = HostileBackend::start().await;
    let gateway = Gateway::with(&dynamic(&counted.url(), "", &[("copy", &stalled.url(), 100)]));
    let before = gateway.peak_memory();
    let mut client = Connection::http1(gateway.web()).await;
    let request = Request::put("/").header("host", "m.test").body(zeros(SIZE)).unwrap();
    let reply = Reply::read(client.try_send(request).await.unwrap()).await;
    assert_eq!((reply.status, reply.text()), (200, SIZE.to_string()));
    // The mirror takes nothing, so it would not notice: its connection is closed.
    let mut peer = within("the mirror is connected to", stalled.accept()).await;
    let growth = gateway.peak_memory() - before;
    // A worker's copies may hold 32 MiB, one of them a quarter of that.
    assert!(growth < 32 * 1024, "{growth} KiB more");
    copies_are(&gateway, "copy", "no_room", 1.0).await;
    peer.head().await;
    while !peer.body(1 << 16).await.is_empty() {}
}

#[tokio::test]
async fn bodies_are_copied_as_they_pass_with_their_trailers() {
    for (protocol, scheme) in [(Protocol::Http1, "http"), (Protocol::H2c, "h2c")] {
        let ((main, mut at_main), (mirror, mut at_mirror)) = (telling(protocol.clone()), telling(protocol));
        let mirrors = [("copy", &*mirror.url_as(scheme), 100)];
        let gateway = Gateway::with(&dynamic(&main.url_as(scheme), "", &mirrors));
        for over_http2 in [false, true] {
            let web = gateway.web();
            let mut client = if over_http2 { Connection::http2(web).await } else { Connection::http1(web).await };
            let (sender, body) = channel();
            let request = Request::post("http://m.test/").header("host", "m.test").header("trailer", "x-sum");
            let request = request.header("te", "trailers").body(body).unwrap();
            let asked = tokio::spawn(async move { client.try_send(request).await.unwrap().status() });
            for piece in ["first", "second"] {
                sender.send(Frame::data(piece.into())).unwrap();
                assert_eq!((told(&mut at_main).await, told(&mut at_mirror).await), (piece.into(), piece.into()));
            }
            let trailers = [(http::HeaderName::from_static("x-sum"), http::HeaderValue::from_static("1"))];
            sender.send(Frame::trailers(trailers.into_iter().collect())).unwrap();
            drop(sender);
            let expected = "Some(\"1\")".to_owned();
            assert_eq!((told(&mut at_main).await, told(&mut at_mirror).await), (expected.clone(), expected));
            assert_eq!((told(&mut at_main).await, told(&mut at_mirror).await), ("end".into(), "end".into()));
            assert_eq!(asked.await.unwrap(), 200);
        }
        copies_are(&gateway, "copy", "ok", 2.0).await;
    }
}

#[tokio::test]
async fn a_longer_body_than_is_mirrored_goes_to_the_main_server_alone() {
    let (main, (mirror, mut at_mirror)) = (answering("main", 200), telling(Protocol::Http1));
    let gateway = Gateway::with(&dynamic(&main.url(), ", maxBodySize: 5", &[("copy", &mirror.url(), 100)]));
    assert_eq!(gateway.ask(Ask::new("POST", "http://m.test/").body("12345")).await.text(), "12345");
    assert_eq!((told(&mut at_mirror).await, told(&mut at_mirror).await), ("12345".into(), "end".into()));
    // How long it is, is known from the head.
    assert_eq!(gateway.ask(Ask::new("POST", "http://m.test/").body("123456")).await.text(), "123456");
    copies_are(&gateway, "copy", "too_long", 1.0).await;
    assert_eq!(mirror.requests(), 1);
    // It is found out on the way: the copy breaks off.
    let (sender, body) = channel();
    let request = Request::post("/").header("host", "m.test").body(body).unwrap();
    let mut client = Connection::http1(gateway.web()).await;
    let asked = tokio::spawn(async move { Reply::read(client.try_send(request).await.unwrap()).await });
    sender.send(Frame::data("1234".into())).unwrap();
    assert_eq!(told(&mut at_mirror).await, "1234");
    sender.send(Frame::data("56".into())).unwrap();
    assert_eq!(told(&mut at_mirror).await, "broken");
    drop(sender);
    assert_eq!(asked.await.unwrap().text(), "123456");
    copies_are(&gateway, "copy", "too_long", 2.0).await;
    copies_are(&gateway, "copy", "ok", 1.0).await;
}

#[tokio::test]
async fn without_bodies_a_mirror_gets_the_head_alone() {
    let (main, mirror) = (Backend::echo("main"), Backend::serve("copy", Protocol::Http1, seen_as_header));
    let gateway = Gateway::with(&dynamic(&main.url(), ", mirrorBody: false", &[("copy", &mirror.url(), 100)]));
    assert_eq!(gateway.ask(Ask::new("POST", "http://m.test/").body("hello")).await.seen().body, 5);
    copies_are(&gateway, "copy", "ok", 1.0).await;
}

/// 200 to a request without a body and without a word of one.
async fn seen_as_header(request: Request<Incoming>) -> Response<Body> {
    let length = request.headers().get("content-length").map(|length| length.as_bytes().to_vec());
    let body = request.into_body().collect().await.map(|body| body.to_bytes().len());
    let is_bare = length.is_none_or(|length| length == b"0") && body.is_ok_and(|length| length == 0);
    let mut response = Response::new(full(""));
    *response.status_mut() = if is_bare { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    response
}

#[tokio::test]
async fn what_becomes_of_copies_is_seen_in_the_metrics_alone() {
    let (main, failing, missing) = (Backend::echo("main"), answering("failing", 503), answering("missing", 404));
    let nobody = nobody();
    let mirrors = [("failing", &*failing.url(), 100), ("missing", &*missing.url(), 100), ("nobody", &nobody, 100)];
    let gateway = Gateway::with(&dynamic(&main.url(), "", &mirrors));
    for _ in 0..3 {
        let reply = gateway.ask(Ask::new("POST", "http://m.test/").body("hello")).await;
        assert_eq!((reply.status, reply.seen().body), (200, 5));
    }
    copies_are(&gateway, "failing", "error", 3.0).await;
    copies_are(&gateway, "missing", "ok", 3.0).await;
    copies_are(&gateway, "nobody", "error", 3.0).await;
}

#[tokio::test]
async fn a_request_is_mirrored_once_however_often_it_is_tried() {
    let tries = Arc::new(AtomicU64::new(0));
    let main = Backend::serve("main", Protocol::Http1, move |_| {
        let status = if tries.fetch_add(1, SeqCst) % 3 == 2 { 200 } else { 503 };
        async move { Response::builder().status(status).body(full("")).unwrap() }
    });
    let mirror = Backend::echo("copy");
    let config = dynamic(&main.url(), "", &[("copy", &mirror.url(), 100)])
        .replace("service: m}", "service: m, middlewares: [again]}");
    let again = "  middlewares: {again: {retry: {attempts: 3, status: ['503'], budget: {minPerSecond: 100}}}}\n";
    let gateway = Gateway::with(&format!("{config}{again}"));
    for count in 1..=3 {
        assert_eq!(gateway.get("http://m.test/").await.status, 200);
        copies_are(&gateway, "copy", "ok", f64::from(count)).await;
    }
    assert_eq!((main.requests(), mirror.requests()), (9, 3));
}

#[tokio::test]
async fn a_websocket_is_not_mirrored() {
    let (main, mirror) = (Backend::websocket("main"), Backend::echo("copy"));
    let gateway = Gateway::with(&dynamic(&main.url(), "", &[("copy", &mirror.url(), 100)]));
    let mut client = RawConnection::open(gateway.web()).await;
    let request = "GET / HTTP/1.1\r\nHost: m.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(client.exchange(request).await.status(), 101);
    client.write(b"\x81\x82\0\0\0\0hi").await;
    assert_eq!(client.read_exactly(4).await, b"\x81\x02hi");
    assert_eq!((mirror.connections(), copies(&gateway, "copy", "ok").await), (0, 0.0));
}

#[tokio::test]
async fn a_mirroring_service_is_up_as_long_as_its_main_one_is() {
    let (main, mirror, spare) = (Switched::new("main"), Switched::new("copy"), Backend::echo("spare"));
    let checked = |server: &Switched| {
        let check = "healthCheck: {path: /health, interval: 50ms}";
        format!("{{loadBalancer: {{servers: [{{url: '{}'}}], {check}}}}}", server.url())
    };
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{m: {{rule: Host(`m.test`), service: f}}}}
  services:
    f: {{failover: {{service: m, fallback: spare}}}}
    m: {{mirroring: {{service: main, mirrors: [{{name: copy, percent: 100}}]}}}}
    main: {}
    copy: {}
    spare: {}
",
        checked(&main),
        checked(&mirror),
        spare.load_balancer()
    ));
    let down = async |server: &Switched| {
        server.health(500);
        gateway.server_is(&server.url(), false).await;
    };
    // A mirror that is down is no matter to anybody but itself.
    down(&mirror).await;
    assert_eq!(gateway.get("http://m.test/").await.text(), "main");
    copies_are(&gateway, "copy", "error", 1.0).await;
    assert_eq!(mirror.requests(), 0);
    down(&main).await;
    assert_eq!(gateway.get("http://m.test/").await.header("x-backend"), Some("spare"));
}

#[tokio::test]
async fn a_mirror_may_be_any_service_and_has_its_own_middlewares() {
    let (main, one, other) = (Backend::echo("main"), Recorder::start(), Recorder::start());
    let urls = [one.backend().url(), other.backend().url()];
    let mirrors = [("one", &*urls[0], 0), ("other", &*urls[1], 0)];
    let config = dynamic(&main.url(), "", &mirrors).replace("mirrors: [", "mirrors: [{name: split, percent: 100}, ");
    let gateway = Gateway::with(&format!(
        "{config}    split: {{middlewares: [mark], weighted: {{services: [{{name: one}}, {{name: other}}]}}}}
  middlewares: {{mark: {{headers: {{customRequestHeaders: {{X-Copy: 'yes'}}}}}}}}
"
    ));
    for _ in 0..40 {
        assert_eq!(gateway.get("http://m.test/").await.seen().header("x-copy"), None);
    }
    copies_are(&gateway, "split", "ok", 40.0).await;
    let requests = [one.record().requests, other.record().requests];
    assert_eq!(requests[0].len() + requests[1].len(), 40);
    for requests in requests {
        assert!(!requests.is_empty() && requests.iter().all(|request| request.header("x-copy") == Some("yes")));
    }
}

#[tokio::test]
async fn a_reload_loses_no_copy_and_no_count() {
    let (main, (mirror, mut at_mirror)) = (answering("main", 200), telling(Protocol::Http1));
    let config = configuration(&dynamic(&main.url(), "", &[("copy", &mirror.url(), 100)]));
    let gateway = Gateway::start(&config);
    let (sender, body) = channel();
    let request = Request::post("/").header("host", "m.test").body(body).unwrap();
    let mut client = Connection::http1(gateway.web()).await;
    let asked = tokio::spawn(async move { client.try_send(request).await.unwrap().status() });
    sender.send(Frame::data("before".into())).unwrap();
    assert_eq!(told(&mut at_mirror).await, "before");
    let other = config.replace("routers: {m:", "routers: {o: {rule: Host(`o.test`), service: main}, m:");
    gateway.rewrite("rollgate.yml", &other);
    eventually("the other router is live", async || (gateway.get("http://o.test/").await.status == 200).then_some(()))
        .await;
    sender.send(Frame::data("after".into())).unwrap();
    assert_eq!(told(&mut at_mirror).await, "after");
    drop(sender);
    assert_eq!(told(&mut at_mirror).await, "end");
    assert_eq!(asked.await.unwrap(), 200);
    copies_are(&gateway, "copy", "ok", 1.0).await;
    gateway.get("http://m.test/").await;
    copies_are(&gateway, "copy", "ok", 2.0).await;
}

#[tokio::test]
async fn a_copy_whose_answer_stops_or_breaks_off_ends_and_the_worker_goes_on() {
    // The answer begins, and then nothing comes, or its stream fails.
    let stalling = Backend::serve("stalling", Protocol::H2c, |request: Request<Incoming>| async move {
        if request.uri().path() == "/fails" {
            return Response::new(broken("begun"));
        }
        let (sender, body) = channel();
        sender.send(Frame::data("begun".into())).unwrap();
        tokio::spawn(async move { sender.closed().await });
        Response::new(body)
    });
    let main = Backend::echo("main");
    let text = dynamic(&main.url(), ", timeout: 1s", &[("copy", &stalling.url_as("h2c"), 100)]);
    let gateway = Launch::new(&configuration(&text)).argument("--workers").argument("1").start();
    for path in ["fails", "stalls"] {
        assert_eq!(gateway.get(&format!("http://m.test/{path}")).await.status, 200);
    }
    copies_are(&gateway, "copy", "error", 1.0).await;
    copies_are(&gateway, "copy", "late", 1.0).await;
    let before = gateway.processor_time();
    rollgate_testkit::wait::lasted(Duration::from_millis(300)).await;
    assert!(gateway.processor_time() - before < Duration::from_millis(150), "nothing is busy any more");
}
