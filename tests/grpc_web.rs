//! `grpcWeb`: what browsers send is gRPC to a server that other people wrote, and what it answers can be read by browsers.

#![cfg(test)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Reply,
    backend::Protocol,
    client::{channel, zeros},
    command::python,
    wait::{eventually, within},
};

/// A gRPC server, killed when dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/grpc_check.py");
        let mut command = Command::new(python("grpc"));
        let mut process = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("server ").unwrap().parse().unwrap();
        Self { process, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn gateway(origins: &str, url: &str) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [web]}}}}
  middlewares: {{web: {{grpcWeb: {{allowOrigins: {origins}}}}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}
"
    ))
}

/// A call of the method with one message, as a browser makes it.
fn call(method: &str, message: &[u8], text: bool) -> Ask {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = [&[0][..], &length, message].concat();
    let kind = if text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
    let ask = Ask::new("POST", &format!("http://h/test.Service/{method}"));
    let ask = ask.header("content-type", kind).header("x-grpc-web", "1").header("origin", "https://a.test");
    ask.body(if text { BASE64_STANDARD.encode(body).into_bytes() } else { body })
}

/// The messages of an answer, and its trailers if it has a frame of them.
fn frames(reply: &Reply, text: bool) -> (Vec<Vec<u8>>, Option<String>) {
    let mut bytes = reply.body.to_vec();
    if text {
        // Padded pieces, one behind the other.
        let groups = bytes.chunks(4).map(|group| BASE64_STANDARD.decode(group).unwrap());
        bytes = groups.collect::<Vec<_>>().concat();
    }
    let (mut messages, mut trailers, mut left) = (Vec::new(), None, &bytes[..]);
    while let [flags, a, b, c, d, rest @ ..] = left {
        assert_eq!(trailers, None, "trailers are the last frame");
        let (frame, behind) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        match flags {
            0 => messages.push(frame.to_vec()),
            0x80 => trailers = Some(String::from_utf8(frame.to_vec()).unwrap()),
            other => panic!("{other} are no flags"),
        }
        left = behind;
    }
    assert!(left.is_empty());
    (messages, trailers)
}

#[tokio::test]
async fn calls_of_browsers_reach_a_grpc_server() {
    let server = Server::start();
    let gateway = gateway("['https://a.test']", &format!("h2c://127.0.0.1:{}", server.port));
    for text in [false, true] {
        for over_http2 in [false, true] {
            let ask = async |ask: Ask| match over_http2 {
                true => ask.send_h2(gateway.web()).await,
                false => ask.send(gateway.web()).await,
            };
            let reply = ask(call("Unary", b"hello", text).header("x-asked", "this")).await;
            assert_eq!((reply.status, reply.header("x-first")), (200, Some("this")));
            let kind = if text { "application/grpc-web-text" } else { "application/grpc-web" };
            assert_eq!(reply.header("content-type"), Some(kind));
            assert!(reply.trailers.is_empty());
            let (messages, trailers) = frames(&reply, text);
            assert_eq!(messages, [b"hello"]);
            let trailers = trailers.unwrap();
            for line in ["grpc-status: 0\r\n", "x-last: end\r\n"] {
                assert!(trailers.contains(line), "{trailers}");
            }
            assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.test"));
            assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
            let exposed = reply.header("access-control-expose-headers").unwrap();
            assert!(exposed.contains("x-first") && exposed.contains("grpc-status"), "{exposed}");

            let long = vec![7; 300_000];
            assert_eq!(frames(&ask(call("Unary", &long, text)).await, text).0, [long]);

            let (messages, trailers) = frames(&ask(call("FailLate", b"", text)).await, text);
            assert_eq!(messages, [b"one", b"two"]);
            let trailers = trailers.unwrap();
            assert!(trailers.contains("grpc-status: 8\r\n") && trailers.contains("x-why: late\r\n"), "{trailers}");

            // What a server says without any message stands in the head, or in the body's trailers.
            let reply = ask(call("Unknown", b"", text)).await;
            let (messages, trailers) = frames(&reply, text);
            assert_eq!(messages.len(), 0);
            let in_head = reply.header("grpc-status") == Some("12");
            let status = in_head || trailers.is_some_and(|trailers| trailers.contains("grpc-status: 12"));
            assert!(status, "{reply:?}");
        }
    }
    let reads = async || {
        let metrics = gateway.metrics().await;
        let code = |code| metrics.sum("traefik_router_requests_total", &[("code", code), ("protocol", "grpc-web")]);
        ((code("0"), code("8"), code("12")) == (8.0, 4.0, 4.0)).then_some(())
    };
    eventually("each counts by its gRPC status", reads).await;
}

#[tokio::test]
async fn messages_are_not_held_back() {
    for text in [false, true] {
        let (sender, body) = channel();
        let body = Arc::new(Mutex::new(Some(body)));
        let backend = Backend::serve("stream", Protocol::H2c, move |_: Request<Incoming>| {
            let mut response = Response::new(body.lock().unwrap().take().expect("it answers once"));
            response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            async move { response }
        });
        let gateway = gateway("['*']", &backend.url_as("h2c"));
        let mut client = Connection::http1(gateway.web()).await;
        let kind = if text { "application/grpc-web-text" } else { "application/grpc-web" };
        let request = Request::post("/test.Service/Count").header("host", "h").header("content-type", kind);
        let mut answer = client.try_send(request.body(zeros(0)).unwrap()).await.unwrap().into_body();
        for message in ["\0\0\0\0\x01a", "\0\0\0\0\x01b"] {
            sender.send(Frame::data(message.into())).unwrap();
            let frame = within("it comes before the next one", answer.frame()).await.unwrap().unwrap();
            let frame = frame.into_data().unwrap();
            let plain = if text { BASE64_STANDARD.decode(frame).unwrap() } else { frame.to_vec() };
            assert_eq!(plain, message.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_browser_asks_first_and_the_gateway_answers() {
    let backend = Backend::echo("s");
    let gateway = gateway("['https://a.test']", &backend.url());
    for (origin, allowed) in [("https://a.test", true), ("https://b.test", false)] {
        let ask = Ask::new("OPTIONS", "http://h/x").header("origin", origin);
        let ask = ask.header("access-control-request-method", "POST");
        let reply = gateway.ask(ask.header("access-control-request-headers", "content-type,x-grpc-web")).await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-origin"), allowed.then_some(origin));
        assert_eq!(reply.header("access-control-allow-headers"), allowed.then_some("content-type,x-grpc-web"));
        assert_eq!(reply.header("access-control-max-age"), allowed.then_some("600"));
    }
    assert_eq!(backend.requests(), 0);
    // Who does not ask for gRPC goes on as ever.
    let ask = Ask::new("OPTIONS", "http://h/x").header("access-control-request-method", "POST");
    assert_eq!(gateway.ask(ask).await.seen().method, "OPTIONS");
    let seen = gateway.ask(Ask::new("POST", "http://h/x").header("content-type", "text/plain").body("x")).await.seen();
    assert_eq!((seen.header("content-type"), seen.header("te")), (Some("text/plain"), None));
}

#[tokio::test]
async fn what_is_no_grpc_goes_out_as_it_is() {
    let backend = Backend::echo("s");
    let gateway = gateway("['https://a.test']", &backend.url());
    let reply = gateway.ask(call("Unary", b"hello", true)).await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let seen = reply.seen();
    assert_eq!((seen.header("content-type"), seen.body), (Some("application/grpc+proto"), 10));
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.test"));

    let broken = call("Unary", b"", true).body("no base64!!!");
    assert_eq!(gateway.ask(broken).await.status, 400);

    drop(backend);
    let nobody = async || {
        let reply = gateway.ask(call("Unary", b"hello", false)).await;
        (reply.status == 502).then_some(reply)
    };
    let reply = eventually("nobody is there", nobody).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.test"), "browsers may read why");
}
