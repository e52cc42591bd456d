//! `contentType`: an answer without a type gets one by its beginning, where the middleware is and nowhere else.

#![cfg(test)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, RawConnection, Reply,
    backend::Protocol,
    client::{Body, channel, full},
    wait::within,
};

/// A server that answers what the path asks for.
fn backend(protocol: Protocol) -> Backend {
    Backend::serve("pages", protocol, async |request: Request<Incoming>| page(request.uri().path()))
}

fn page(path: &str) -> Response<Body> {
    let response = Response::builder();
    match path {
        "/page" => response.body(full("<!doctype html><p>hello")),
        "/picture" => response.body(full(&b"\x89PNG\r\n\x1A\n\0\0"[..])),
        "/bytes" => response.body(full(vec![0; 300_000])),
        "/text" => response.body(full("hello")),
        "/said" => response.header("content-type", "application/x-own").body(full("<html>")),
        "/coded" => response.header("content-encoding", "br").body(full("<html>")),
        "/missing" => response.status(404).body(full("<html>nothing")),
        "/empty" => response.body(full("")),
        "/unchanged" => response.status(304).body(full("")),
        other => panic!("{other}"),
    }
    .unwrap()
}

fn gateway(url: &str, middlewares: &str, chain: &str) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers:
    r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [{chain}]}}
    plain: {{rule: 'Host(`plain`)', service: s, priority: 100}}
  middlewares:
    guess: {{contentType: {{}}}}
{middlewares}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}
"
    ))
}

async fn ask(gateway: &Gateway, over_http2: bool, ask: Ask) -> Reply {
    if over_http2 { ask.send_h2(gateway.web()).await } else { ask.send(gateway.web()).await }
}

const KINDS: [(&str, Option<&str>); 9] = [
    ("/page", Some("text/html; charset=utf-8")),
    ("/picture", Some("image/png")),
    ("/bytes", Some("application/octet-stream")),
    ("/text", Some("text/plain; charset=utf-8")),
    ("/said", Some("application/x-own")),
    ("/coded", None),
    ("/missing", Some("text/html; charset=utf-8")),
    ("/empty", None),
    ("/unchanged", None),
];

#[tokio::test]
async fn answers_without_a_type_get_one_and_stay_what_they_are() {
    for (protocol, scheme) in [(Protocol::Http1, "http"), (Protocol::H2c, "h2c")] {
        let backend = backend(protocol);
        let gateway = gateway(&backend.url_as(scheme), "", "guess");
        for over_http2 in [false, true] {
            for (path, kind) in KINDS {
                let reply = ask(&gateway, over_http2, Ask::get(&format!("http://h{path}"))).await;
                assert_eq!(reply.header("content-type"), kind, "{path} {scheme} {over_http2}");
                let sent = http_body_util::BodyExt::collect(page(path).into_body()).await.unwrap().to_bytes();
                assert_eq!(reply.body, sent, "{path}");
                if path == "/bytes" {
                    assert_eq!(reply.header("content-length"), Some("300000"));
                }
                let plain = ask(&gateway, over_http2, Ask::get(&format!("http://plain{path}"))).await;
                let said = (path == "/said").then_some("application/x-own");
                assert_eq!(plain.header("content-type"), said, "{path}: nothing is guessed without the middleware");
            }
        }
        let head = ask(&gateway, false, Ask::new("HEAD", "http://h/page")).await;
        assert_eq!((head.status, head.header("content-type")), (200, None));
    }
}

#[tokio::test]
async fn it_can_be_written_and_do_nothing() {
    let backend = backend(Protocol::Http1);
    let gateway = gateway(&backend.url(), "    none: {contentType: {autoDetect: false}}", "none");
    assert_eq!(gateway.ask(Ask::get("http://h/page")).await.header("content-type"), None);
}

#[tokio::test]
async fn middlewares_behind_it_say_the_type_and_those_before_it_see_it() {
    let backend = backend(Protocol::Http1);
    let more = "    says: {headers: {customResponseHeaders: {Content-Type: text/x-said}}}
    refuses: {ipAllowList: {sourceRange: [192.0.2.0/24]}}
    small: {compress: {minResponseBodyBytes: 1, includedContentTypes: [text/html]}}";
    let told = gateway(&backend.url(), more, "guess, says");
    assert_eq!(told.ask(Ask::get("http://h/page")).await.header("content-type"), Some("text/x-said"));
    let refused = gateway(&backend.url(), more, "guess, refuses").ask(Ask::get("http://h/page")).await;
    assert_eq!((refused.status, refused.header("content-type")), (403, Some("text/plain; charset=utf-8")));
    let compressed = gateway(&backend.url(), more, "small, guess");
    let reply = compressed.ask(Ask::get("http://h/page").header("accept-encoding", "gzip")).await;
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
}

/// A server whose body the test sends; one answer.
fn streaming() -> (tokio::sync::mpsc::UnboundedSender<Frame<Bytes>>, Backend) {
    let (sender, body) = channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let backend = Backend::serve("stream", Protocol::Http1, move |_: Request<Incoming>| {
        let mut response = Response::new(body.lock().unwrap().take().expect("it answers once"));
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        async move { response }
    });
    (sender, backend)
}

#[tokio::test]
async fn a_stream_is_neither_held_back_nor_read_ahead() {
    let (sender, backend) = streaming();
    let gateway = gateway(&backend.url(), "", "guess");
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    sender.send(Frame::data(Bytes::from_static(b"<html>"))).unwrap();
    let head = client.read_head().await.unwrap();
    assert!(head.to_ascii_lowercase().contains("content-type: text/html; charset=utf-8\r\n"), "{head}");
    assert_eq!(client.read_exactly(11).await, b"6\r\n<html>\r\n");
    sender.send(Frame::data(Bytes::from_static(b"and more"))).unwrap();
    assert_eq!(client.read_exactly(13).await, b"8\r\nand more\r\n");
}

#[tokio::test]
async fn trailers_are_kept() {
    let (sender, backend) = streaming();
    let gateway = gateway(&backend.url(), "", "guess");
    let fields = [(HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))];
    sender.send(Frame::data(Bytes::from_static(b"<html>"))).unwrap();
    sender.send(Frame::trailers(HeaderMap::from_iter(fields))).unwrap();
    drop(sender);
    let reply = gateway.ask(Ask::get("http://h/").header("te", "trailers")).await;
    assert_eq!((reply.header("content-type"), &reply.body[..]), (Some("text/html; charset=utf-8"), &b"<html>"[..]));
    assert!(reply.trailers.contains_key("x-sum"));
}

#[tokio::test]
async fn a_head_whose_body_is_late_goes_out_without_a_type() {
    let (sender, backend) = streaming();
    let gateway = gateway(&backend.url(), "", "guess");
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let head = client.read_head().await.unwrap();
    assert!(!head.to_ascii_lowercase().contains("content-type"), "{head}");
    sender.send(Frame::data(Bytes::from_static(b"<html>"))).unwrap();
    assert_eq!(client.read_exactly(11).await, b"6\r\n<html>\r\n");
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_ends_the_exchange() {
    let (sender, backend) = streaming();
    let gateway = gateway(&backend.url(), "", "guess");
    let mut client = Connection::http1(gateway.web()).await;
    let asked = tokio::spawn(async move { client.ask(Ask::get("http://h/")).await });
    within("the server to be asked", async {
        while backend.requests() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    asked.abort();
    within("the server's connection to end", sender.closed()).await;
}
