//! WebSockets and other upgrades go through as bytes, over HTTP/1.1 and over HTTP/2 (RFC 8441).

#![cfg(test)]

use std::time::Duration;

use bytes::Bytes;
use h2::ext::Protocol;
use http::Request;
use rollgate_testkit::{
    Backend, Gateway, RawConnection,
    client::connect,
    wait::{eventually, lasted, within},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A masked text frame "hello" (RFC 6455 section 5.7), and the same from a server.
const HELLO: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
const HELLO_BACK: &[u8] = b"\x81\x05Hello";

fn before(backend: &Backend) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ))
}

/// A tunnel over HTTP/2: what the client sends, and what it gets.
async fn extended_connect(gateway: &Gateway) -> (h2::SendStream<Bytes>, h2::RecvStream) {
    let (sender, connection) = h2::client::handshake(connect(gateway.web()).await).await.unwrap();
    tokio::spawn(connection);
    let mut sender = within("the connection is ready", sender.ready()).await.unwrap();
    eventually("the settings allow extended CONNECT", async || {
        sender.is_extended_connect_protocol_enabled().then_some(())
    })
    .await;
    let request = Request::connect("http://ws.test/chat")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    let (response, stream) = sender.send_request(request, false).unwrap();
    let response = within("the tunnel opens", response).await.unwrap();
    assert_eq!(response.status(), 200);
    (stream, response.into_body())
}

#[tokio::test]
async fn a_websocket_goes_through_http_1() {
    let backend = Backend::websocket("ws");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange(HANDSHAKE).await;
    assert_eq!(reply.status(), 101, "{reply:?}");
    assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(reply.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    for _ in 0..3 {
        client.write(HELLO).await;
        assert_eq!(client.read_exactly(HELLO_BACK.len()).await, HELLO_BACK);
    }
}

#[tokio::test]
async fn frames_sent_with_the_handshake_are_not_lost() {
    let backend = Backend::websocket("ws");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write([HANDSHAKE.as_bytes(), HELLO].concat()).await;
    assert_eq!(client.read_reply().await.status(), 101);
    assert_eq!(client.read_exactly(HELLO_BACK.len()).await, HELLO_BACK);
}

#[tokio::test]
async fn the_end_of_either_side_ends_the_other() {
    let backend = Backend::websocket("ws");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    assert_eq!(client.exchange(HANDSHAKE).await.status(), 101);
    assert_eq!(backend.open(), 1);
    drop(client);
    eventually("the upstream tunnel ends", async || (backend.open() == 0).then_some(())).await;

    let mut client = RawConnection::open(gateway.web()).await;
    assert_eq!(client.exchange(HANDSHAKE).await.status(), 101);
    // A masked close frame without a code: the server answers with its own and ends.
    client.write([0x88, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(client.read_to_end().await, [0x88, 0x00]);
}

#[tokio::test]
async fn a_websocket_goes_through_http_2() {
    let backend = Backend::websocket("ws");
    let gateway = before(&backend);
    let (mut stream, mut body) = extended_connect(&gateway).await;
    for _ in 0..3 {
        stream.send_data(Bytes::from_static(HELLO), false).unwrap();
        let mut back = Vec::new();
        while back.len() < HELLO_BACK.len() {
            let data = within("the echo comes back", body.data()).await.unwrap().unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            back.extend_from_slice(&data);
        }
        assert_eq!(back, HELLO_BACK);
    }
    stream.send_data(Bytes::new(), true).unwrap();
    drop((stream, body));
    eventually("the upstream tunnel ends", async || (backend.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn how_long_a_tunnel_lasts_is_no_latency() {
    let backend = Backend::websocket("ws");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', middlewares: [cb], service: s}}}}
  middlewares: {{cb: {{circuitBreaker: {{expression: LatencyAtQuantileMS(100.0) > 1000, minRequests: 1, checkPeriod: 1ns}}}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    let over_http2 = extended_connect(&gateway).await;
    let mut over_http1 = RawConnection::open(gateway.web()).await;
    assert_eq!(over_http1.exchange(HANDSHAKE).await.status(), 101);
    lasted(Duration::from_millis(1100)).await;
    drop((over_http2, over_http1));
    eventually("the tunnels have ended", async || (backend.open() == 0).then_some(())).await;
    eventually("both have been counted", async || {
        let counted = gateway.metrics().await.sum("traefik_router_requests_total", &[("router", "r@file")]);
        (counted == 2.0).then_some(())
    })
    .await;
    // Whatever was measured is looked at with the next one.
    let mut next = RawConnection::open(gateway.web()).await;
    assert_eq!(next.exchange(HANDSHAKE).await.status(), 101);
    assert_eq!(gateway.breaker(("router", "r@file")).await, "standby");
}

#[tokio::test]
async fn any_other_upgrade_is_a_tunnel_too() {
    let backend = Backend::raw("own", async |mut stream| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        assert!(head.contains("upgrade: own/1") && head.contains("connection: upgrade"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: own/1\r\n\r\nearly";
        stream.write_all(answer).await.ok();
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await.ok();
    });
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: own/1\r\n\r\n").await;
    assert_eq!(reply.status(), 101);
    assert_eq!(client.read_exactly(5).await, b"early");
    let bulk = vec![7; 1_000_000];
    let (mut reader, mut writer) = tokio::io::split(client.into_inner());
    let write = async {
        writer.write_all(&bulk).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let read = async { reader.read_to_end(&mut back).await.unwrap() };
    within("a tunnel carries a megabyte", async { tokio::join!(write, read) }).await;
    assert_eq!(back, bulk, "also what was sent before half of the tunnel ended");
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let backend = Backend::canned("s", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    for _ in 0..2 {
        let reply = client.exchange(HANDSHAKE).await;
        assert_eq!((reply.status(), reply.text().as_str()), (403, "no"));
    }
}

#[tokio::test]
async fn an_unasked_upgrade_is_a_bad_answer() {
    let backend =
        Backend::once("s", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let gateway = before(&backend);
    assert_eq!(gateway.get("http://h/").await.status, 502);
}

#[tokio::test]
async fn http_2_by_upgrade_is_never_forwarded() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    let reply = client.exchange(request).await;
    assert_eq!(reply.status(), 200, "an upgrade may be ignored");
    for name in ["\"upgrade\"", "\"http2-settings\""] {
        assert!(!reply.text().contains(name), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_websocket_says_so_in_the_forwarded_protocol() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange(HANDSHAKE).await;
    assert!(reply.text().contains("[\"x-forwarded-proto\",\"ws\"]"), "{}", reply.text());
}
