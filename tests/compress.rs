//! `compress`: what clients like, of what may be compressed, without holding anything back.

#![cfg(test)]

use std::io::Read;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, RawConnection, Reply,
    backend::Protocol,
    client::{channel, zeros},
    configuration,
    wait::{eventually, within},
};

fn dynamic(compress: &str, url: &str) -> String {
    format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [small]}}}}
  middlewares: {{small: {{compress: {compress}}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}
"
    )
}

fn gateway(compress: &str, url: &str) -> Gateway {
    Gateway::with(&dynamic(compress, url))
}

/// What a client reads of it.
fn decoded(reply: &Reply) -> Vec<u8> {
    let mut all = Vec::new();
    let bytes = &reply.body[..];
    match reply.header("content-encoding") {
        Some("gzip") => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut all).unwrap()),
        Some("br") => drop(brotli::Decompressor::new(bytes, 4096).read_to_end(&mut all).unwrap()),
        Some("zstd") => drop(zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut all).unwrap()),
        other => panic!("{other:?} is no coding"),
    }
    all
}

/// Of `length` bytes, and likes these codings.
fn ask(length: usize, accepted: &str) -> Ask {
    Ask::get("http://h/").header("echo-bytes", &length.to_string()).header("accept-encoding", accepted)
}

#[tokio::test]
async fn each_coding_is_what_it_says() {
    let (h1, h2) = (Backend::echo("h1"), Backend::h2c("h2"));
    for (backend, url) in [(&h1, h1.url()), (&h2, h2.url_as("h2c"))] {
        let gateway = gateway("{}", &url);
        for coding in ["gzip", "br", "zstd"] {
            for length in [1024, 100_000, 1_000_000] {
                let reply = gateway.ask(ask(length, coding)).await;
                assert_eq!(reply.header("content-encoding"), Some(coding), "{} {length}", backend.name);
                assert_eq!(decoded(&reply), vec![0; length]);
                assert_eq!((reply.header("vary"), reply.header("content-length")), (Some("Accept-Encoding"), None));
                let over_http2 = ask(length, coding).send_h2(gateway.web()).await;
                assert_eq!(decoded(&over_http2), vec![0; length]);
            }
        }
    }
}

#[tokio::test]
async fn client_and_configuration_choose() {
    let backend = Backend::echo("s");
    for (compress, accepted, coding) in [
        ("{}", "br, gzip, zstd", Some("gzip")),
        ("{}", "br, gzip;q=0.5", Some("br")),
        ("{encodings: [zstd, br]}", "br, gzip, zstd", Some("zstd")),
        ("{encodings: [br]}", "gzip", None),
        ("{defaultEncoding: zstd}", "*", Some("zstd")),
        ("{}", "gzip;q=0, *", Some("br")),
        ("{}", "identity", None),
        ("{excludedContentTypes: [Application/JSON]}", "gzip", None),
        ("{includedContentTypes: [application/json]}", "gzip", Some("gzip")),
        ("{includedContentTypes: [text/html]}", "gzip", None),
        ("{minResponseBodyBytes: 5001}", "gzip", None),
        ("{minResponseBodyBytes: 5000}", "gzip", Some("gzip")),
    ] {
        let gateway = gateway(compress, &backend.url());
        let reply = gateway.ask(ask(5000, accepted)).await;
        assert_eq!(reply.header("content-encoding"), coding, "{compress} {accepted}");
        if coding.is_none() {
            assert_eq!(reply.body.len(), 5000);
        }
    }
    let gateway = gateway("{defaultEncoding: br}", &backend.url());
    let silent = Ask::get("http://h/").header("echo-bytes", "5000");
    assert_eq!(gateway.ask(silent).await.header("content-encoding"), Some("br"));
}

#[tokio::test]
async fn what_must_stay_as_it_is_stays() {
    let backend = Backend::echo("s");
    let gateway = gateway("{}", &backend.url());
    for header in [
        "content-encoding: br",
        "cache-control: no-transform",
        "content-range: bytes 0-4999/10000",
        "content-digest: sha-256=:AAAA:",
    ] {
        let reply = gateway.ask(ask(5000, "gzip").header("echo-header", header)).await;
        assert_eq!((reply.body.len(), reply.header("vary")), (5000, None), "{header}");
    }
    for status in ["206", "304", "204"] {
        let reply = gateway.ask(ask(5000, "gzip").header("echo-status", status)).await;
        assert_eq!((reply.header("content-encoding"), reply.header("vary")), (None, None), "{status}");
    }
    // A client that wants none gets none, and caches are told that others might.
    let reply = gateway.ask(ask(5000, "")).await;
    assert_eq!((reply.body.len(), reply.header("vary")), (5000, Some("Accept-Encoding")));
    let tag = ask(5000, "gzip").header("echo-header", "etag: \"x\"").header("echo-header", "accept-ranges: bytes");
    let reply = gateway.ask(tag).await;
    assert_eq!((reply.header("etag"), reply.header("accept-ranges")), (Some("W/\"x\""), None));
    let mut head = ask(5000, "gzip");
    head.method = http::Method::HEAD;
    assert_eq!(gateway.ask(head).await.header("content-encoding"), None);
}

#[tokio::test]
async fn middlewares_before_and_behind_see_what_is_theirs() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [outer, small, inner]}}}}
  middlewares:
    small: {{compress: {{includedContentTypes: [text/html]}}}}
    inner: {{headers: {{customResponseHeaders: {{Content-Type: text/html}}}}}}
    outer: {{headers: {{customResponseHeaders: {{Content-Type: text/plain}}}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    let reply = gateway.ask(ask(5000, "gzip")).await;
    assert_eq!((reply.header("content-encoding"), reply.header("content-type")), (Some("gzip"), Some("text/plain")));
}

/// A server whose body the test sends, of this type; one answer.
fn streaming(kind: &'static str) -> (tokio::sync::mpsc::UnboundedSender<Frame<Bytes>>, Backend) {
    let (sender, body) = channel();
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let backend = Backend::serve("stream", Protocol::Http1, move |_: Request<Incoming>| {
        let mut response = Response::new(body.lock().unwrap().take().expect("it answers once"));
        response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        async move { response }
    });
    (sender, backend)
}

fn data(text: &str) -> Frame<Bytes> {
    Frame::data(Bytes::copy_from_slice(text.as_bytes()))
}

#[tokio::test]
async fn events_are_not_held_back() {
    for kind in ["text/event-stream", "text/plain"] {
        for over_http2 in [false, true] {
            let (sender, backend) = streaming(kind);
            let gateway = gateway("{}", &backend.url());
            let mut client = match over_http2 {
                true => Connection::http2(gateway.web()).await,
                false => Connection::http1(gateway.web()).await,
            };
            let uri = if over_http2 { "http://h/" } else { "/" };
            let request =
                Request::get(uri).header("host", "h").header("accept-encoding", "gzip").body(zeros(0)).unwrap();
            let answer = client.try_send(request).await.unwrap();
            assert_eq!(answer.headers()["content-encoding"], "gzip");
            let (mut body, mut coded, mut plain) = (answer.into_body(), Vec::new(), String::new());
            for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
                sender.send(data(event)).unwrap();
                plain.push_str(event);
                let mut so_far = vec![0; plain.len()];
                loop {
                    let frame = within("the event comes before the next one", body.frame()).await.unwrap().unwrap();
                    coded.extend_from_slice(frame.data_ref().unwrap());
                    if flate2::read::GzDecoder::new(&coded[..]).read_exact(&mut so_far).is_ok() {
                        break;
                    }
                }
                assert_eq!(String::from_utf8(so_far).unwrap(), plain, "{kind}");
            }
            drop(sender);
            let rest = within("the end", body.collect()).await.unwrap().to_bytes();
            coded.extend_from_slice(&rest);
            let mut whole = String::new();
            flate2::read::GzDecoder::new(&coded[..]).read_to_string(&mut whole).unwrap();
            assert_eq!(whole, plain, "and it is whole");
        }
    }
}

#[tokio::test]
async fn what_turns_out_to_be_short_is_not_compressed() {
    for (pieces, trailers, coding) in [
        (vec!["short"], false, None),
        (vec!["sh", "ort"], true, None),
        (vec![], false, None),
        (vec!["long"; 300], false, Some("gzip")),
    ] {
        let (sender, backend) = streaming("text/plain");
        let text = pieces.concat();
        pieces.iter().for_each(|piece| sender.send(data(piece)).unwrap());
        if trailers {
            let fields = [(HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))];
            sender.send(Frame::trailers(HeaderMap::from_iter(fields))).unwrap();
        }
        drop(sender);
        let gateway = gateway("{}", &backend.url());
        let ask = Ask::get("http://h/").header("accept-encoding", "gzip").header("te", "trailers");
        let reply = gateway.ask(ask).await;
        assert_eq!(reply.header("content-encoding"), coding, "{text}");
        let length = text.len().to_string();
        let known = (coding.is_none() && !trailers).then_some(&*length);
        assert_eq!(reply.header("content-length"), known, "{text}");
        assert_eq!(reply.trailers.contains_key("x-sum"), trailers);
        let plain = if coding.is_some() { decoded(&reply) } else { reply.body.to_vec() };
        assert_eq!(String::from_utf8(plain).unwrap(), text);
    }
}

#[tokio::test]
async fn what_breaks_off_never_looks_whole() {
    let backend = Backend::once("s", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nbegun".as_bytes());
    let gateway = gateway("{}", &backend.url());
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let head = client.read_head().await.unwrap();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let body = client.read_to_end().await;
    assert!(!body.ends_with(b"0\r\n\r\n"), "{body:?}");
}

#[tokio::test]
async fn a_worker_serves_others_while_it_compresses() {
    // One worker, a big answer for whoever takes it as fast as it comes, and small requests between its pieces.
    const BIG: u64 = 20 * 1024 * 1024;
    let backend = Backend::echo("s");
    let config = configuration(&dynamic("{}", &backend.url()));
    let gateway = Launch::new(&config).argument("--workers").argument("1").start();
    let before = gateway.peak_memory();
    let mut big = Connection::http1(gateway.web()).await;
    let request = Request::get("/").header("host", "h").header("accept-encoding", "br").header("echo-bytes", BIG);
    let mut body = big.try_send(request.body(zeros(0)).unwrap()).await.unwrap().into_body();
    let reading = tokio::spawn(async move {
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            received += frame.unwrap().into_data().map_or(0, |data| data.len());
        }
        received
    });
    let mut small = Connection::http1(gateway.web()).await;
    let mut answered = 0;
    while !reading.is_finished() && answered < 1000 {
        assert_eq!(small.ask(Ask::get("http://h/")).await.status, 200);
        answered += 1;
    }
    assert!(answered >= 20, "{answered} requests while it compressed");
    let received = within("the big one comes whole", reading).await.unwrap();
    assert!(received > 0 && (received as u64) < BIG / 100, "{received}");
    let growth = gateway.peak_memory() - before;
    assert!(growth < 64 * 1024, "{growth} KiB more");
}

#[tokio::test]
async fn the_access_log_tells_what_came_and_what_went() {
    let backend = Backend::echo("s");
    let config = configuration(&dynamic("{}", &backend.url()));
    let gateway = Gateway::start(&format!("{config}accessLog: {{format: json}}\n"));
    let reply = gateway.ask(ask(50_000, "gzip")).await;
    let line = async || gateway.stdout().lines().find(|line| line.contains("OriginContentSize")).map(str::to_owned);
    let line: serde_json::Value = serde_json::from_str(&eventually("a line", line).await).unwrap();
    assert_eq!(line["OriginContentSize"], 50_000);
    assert_eq!(line["DownstreamContentSize"], reply.body.len());
}

#[tokio::test]
async fn what_finds_no_room_for_another_encoder_goes_out_as_it_is() {
    let (sender, body) = channel();
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let backend = Backend::serve("s", Protocol::Http1, move |request: Request<Incoming>| {
        let body = match request.uri().path() {
            "/stream" => body.lock().unwrap().take().expect("it is asked for once"),
            _ => zeros(5_000),
        };
        async move { Response::new(body) }
    });
    // There is room for one of gzip, and for none of Brotli.
    let config = configuration(&dynamic("{}", &backend.url()));
    let launch = Launch::new(&format!("{config}limits: {{maxCompressBytes: 400000}}\n"));
    let gateway = launch.argument("--workers").argument("1").start();
    let ask = |coding| Ask::get("http://h/").header("accept-encoding", coding);
    let skipped = async || gateway.metrics().await.sum("rollgate_compress_skipped_total", &[]);
    assert_eq!(gateway.ask(ask("gzip")).await.header("content-encoding"), Some("gzip"));
    assert_eq!(gateway.ask(ask("br")).await.header("content-encoding"), None);
    assert_eq!(skipped().await, 1.0);

    let mut client = Connection::http1(gateway.web()).await;
    let request = Request::get("/stream").header("host", "h").header("accept-encoding", "gzip").body(zeros(0)).unwrap();
    let stream = client.try_send(request).await.unwrap();
    assert_eq!(stream.headers()["content-encoding"], "gzip");
    sender.send(data("begun")).unwrap();
    let mut stream = stream.into_body();
    assert!(within("its beginning", stream.frame()).await.unwrap().unwrap().data_ref().is_some());

    let reply = gateway.ask(ask("gzip")).await;
    assert_eq!((reply.header("content-encoding"), reply.header("vary")), (None, Some("Accept-Encoding")));
    assert_eq!((reply.body, skipped().await), (vec![0; 5_000].into(), 2.0));

    // Its client goes away.
    drop((stream, client));
    let compressed = async || (gateway.ask(ask("gzip")).await.header("content-encoding") == Some("gzip")).then_some(());
    eventually("there is room again", compressed).await;
}
