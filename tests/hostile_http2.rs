//! What a server may do to us over HTTP/2: refuse streams, go away, break off, fall silent.

#![cfg(test)]

use http::Request;
use rollgate_testkit::{
    Gateway, HostileBackend, Peer, RawConnection,
    wait::{eventually, within},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const EMPTY_POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

/// The server's end of a connection, as frames (RFC 9113 section 4).
struct Frames(Peer);

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const MAX_CONCURRENT_STREAMS: u16 = 3;

impl Frames {
    async fn accept(backend: &HostileBackend) -> Self {
        Self::accept_with(backend, &[]).await
    }

    async fn accept_with(backend: &HostileBackend, settings: &[(u16, u32)]) -> Self {
        let mut peer = backend.accept().await;
        assert_eq!(peer.body(24).await, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self(peer);
        let setting = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let settings: Vec<u8> = settings.iter().flat_map(setting).collect();
        frames.write(SETTINGS, 0, 0, &settings).await;
        frames
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.send(frame).await;
    }

    /// The next frame; `None` where the gateway has closed.
    async fn read(&mut self) -> Option<Frame> {
        let head = self.0.body(9).await;
        let [a, b, c, kind, flags, d, e, f, g] = head[..].try_into().ok()?;
        self.0.body(u32::from_be_bytes([0, a, b, c]) as usize).await;
        let frame = Frame { kind, flags, stream: u32::from_be_bytes([d, e, f, g]) };
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            self.write(SETTINGS, ACK, 0, &[]).await;
        }
        Some(frame)
    }

    /// Reads on to a frame of this kind.
    async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("the gateway goes on");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// The next request's stream.
    async fn request(&mut self) -> u32 {
        self.until(HEADERS).await.stream
    }

    /// A 200 without a body: `:status 200` is HPACK's eighth static entry.
    async fn answer(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88]).await;
    }

    async fn reset(&mut self, stream: u32, reason: u32) {
        self.write(RST_STREAM, 0, stream, &reason.to_be_bytes()).await;
    }

    async fn go_away(&mut self, last: u32) {
        self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat()).await;
    }
}

fn before(backend: &HostileBackend, timeouts: &str) -> Gateway {
    let config = rollgate_testkit::gateway::configuration(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{serversTransport: t, servers: [{{url: 'h2c://{}'}}]}}}}}}
  serversTransports: {{t: {{forwardingTimeouts: {{{timeouts}}}}}}}
",
        backend.address
    ));
    Gateway::start(&config.replace("level: INFO", "level: DEBUG"))
}

/// A client, and the connection to the server that its requests share from now on.
async fn with_a_shared_connection(gateway: &Gateway, backend: &HostileBackend) -> (RawConnection, Frames) {
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    let mut frames = Frames::accept(backend).await;
    let stream = frames.request().await;
    frames.answer(stream).await;
    assert_eq!(client.read_reply().await.status(), 200);
    (client, frames)
}

async fn repeated(gateway: &Gateway) -> f64 {
    gateway.metrics().await.sum("rollgate_upstream_repeated_total", &[("service", "s@file")])
}

#[tokio::test]
async fn a_refused_stream_is_sent_once_more_and_only_once() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    for request in [GET, EMPTY_POST] {
        client.write(request).await;
        let stream = frames.request().await;
        frames.reset(stream, REFUSED_STREAM).await;
        let again = frames.request().await;
        assert_eq!(again, stream + 2, "on the same connection");
        frames.answer(again).await;
        assert_eq!(client.read_reply().await.status(), 200, "{request}");
    }
    assert_eq!(repeated(&gateway).await, 2.0);
    client.write(GET).await;
    for _ in 0..2 {
        let stream = frames.request().await;
        frames.reset(stream, REFUSED_STREAM).await;
    }
    assert_eq!(client.read_reply().await.status(), 502);
    // A body is gone.
    client.write(POST).await;
    let stream = frames.request().await;
    frames.reset(stream, REFUSED_STREAM).await;
    assert_eq!(client.read_reply().await.status(), 502);
    assert_eq!(repeated(&gateway).await, 3.0);
}

#[tokio::test]
async fn a_stream_that_the_server_ended_is_not_sent_again() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    client.write(GET).await;
    let stream = frames.request().await;
    frames.reset(stream, INTERNAL_ERROR).await;
    assert_eq!(client.read_reply().await.status(), 502);
    assert_eq!(repeated(&gateway).await, 0.0);
}

#[tokio::test]
async fn what_a_server_that_goes_away_has_not_taken_up_is_sent_to_a_new_connection() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    for request in [GET, EMPTY_POST] {
        client.write(request).await;
        let stream = frames.request().await;
        frames.go_away(stream - 2).await;
        let mut fresh = Frames::accept(&backend).await;
        let again = fresh.request().await;
        fresh.answer(again).await;
        assert_eq!(client.read_reply().await.status(), 200, "{request}");
        frames = fresh;
        // So that the stream before the next one is there to be named.
        client.write(GET).await;
        let stream = frames.request().await;
        frames.answer(stream).await;
        assert_eq!(client.read_reply().await.status(), 200);
    }
    assert_eq!(repeated(&gateway).await, 2.0);
}

#[tokio::test]
async fn what_a_server_that_goes_away_has_taken_up_is_finished() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    client.write(GET).await;
    let stream = frames.request().await;
    frames.go_away(stream).await;
    frames.answer(stream).await;
    assert_eq!(client.read_reply().await.status(), 200);
    client.write(GET).await;
    let mut fresh = Frames::accept(&backend).await;
    let stream = fresh.request().await;
    fresh.answer(stream).await;
    assert_eq!(client.read_reply().await.status(), 200);
    assert_eq!(repeated(&gateway).await, 0.0);
}

#[tokio::test]
async fn a_shared_connection_that_dies_unanswered_costs_an_idempotent_request_nothing() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    client.write(GET).await;
    frames.request().await;
    drop(frames);
    let mut fresh = Frames::accept(&backend).await;
    let stream = fresh.request().await;
    fresh.answer(stream).await;
    assert_eq!(client.read_reply().await.status(), 200);
    client.write(EMPTY_POST).await;
    fresh.request().await;
    drop(fresh);
    assert_eq!(client.read_reply().await.status(), 502);
    assert_eq!(repeated(&gateway).await, 1.0);
}

#[tokio::test]
async fn no_more_streams_are_opened_than_the_server_allows() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let stream = rollgate_testkit::client::connect(gateway.web()).await;
    let (sender, connection) = within("HTTP/2 begins", h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    #[expect(clippy::async_yields_async, reason = "the answer is waited for later")]
    let send = async || {
        let mut sender = within("a stream is free", sender.clone().ready()).await.unwrap();
        sender.send_request(Request::get("http://h/").body(()).unwrap(), true).unwrap().0
    };
    let first = send().await;
    let mut frames = Frames::accept_with(&backend, &[(MAX_CONCURRENT_STREAMS, 1)]).await;
    // The request, and the word that the settings have been taken.
    let (mut taken, mut open) = (false, None);
    while !taken || open.is_none() {
        let frame = frames.read().await.expect("the gateway goes on");
        taken |= frame.kind == SETTINGS && frame.flags & ACK != 0;
        open = if frame.kind == HEADERS { Some(frame.stream) } else { open };
    }
    let mut waiting = vec![first];
    for _ in 0..4 {
        waiting.push(send().await);
    }
    let mut most = 0;
    for answer in waiting {
        let stream = match open.take() {
            Some(stream) => stream,
            None => frames.request().await,
        };
        // Whatever else was opened meanwhile comes before the answer to this.
        frames.write(PING, 0, 0, b"12345678").await;
        loop {
            let frame = frames.read().await.expect("the gateway goes on");
            most += usize::from(frame.kind == HEADERS);
            if frame.kind == PING && frame.flags & ACK != 0 {
                break;
            }
        }
        frames.answer(stream).await;
        assert_eq!(within("an answer", answer).await.unwrap().status(), 200);
    }
    assert_eq!(most, 0, "streams beside the one that is allowed");
}

#[tokio::test]
async fn a_server_that_answers_no_ping_is_a_504_and_its_connection_is_not_used_again() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "readIdleTimeout: 200ms, pingTimeout: 300ms");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    client.write(EMPTY_POST).await;
    frames.request().await;
    frames.until(PING).await;
    assert_eq!(client.read_reply().await.status(), 504);
    client.write(GET).await;
    let mut fresh = Frames::accept(&backend).await;
    let stream = fresh.request().await;
    fresh.answer(stream).await;
    assert_eq!(client.read_reply().await.status(), 200);
}

#[tokio::test]
async fn a_body_that_is_reset_never_looks_whole() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    client.write(GET).await;
    let stream = frames.request().await;
    frames.write(HEADERS, END_HEADERS, stream, &[0x88]).await;
    frames.write(DATA, 0, stream, b"begun").await;
    assert!(client.read_head().await.is_some());
    assert_eq!(client.read_exactly(10).await, b"5\r\nbegun\r\n");
    frames.reset(stream, INTERNAL_ERROR).await;
    assert_eq!(client.read_to_end().await, b"", "no last chunk");
}

#[tokio::test]
async fn interim_answers_are_read_past_up_to_a_bound() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend, "");
    let (mut client, mut frames) = with_a_shared_connection(&gateway, &backend).await;
    // `:status: 103`, as a literal with the name of HPACK's eighth static entry.
    let hint = [0x08, 3, b'1', b'0', b'3'];
    client.write(GET).await;
    let stream = frames.request().await;
    for _ in 0..16 {
        frames.write(HEADERS, END_HEADERS, stream, &hint).await;
    }
    frames.answer(stream).await;
    assert_eq!(client.read_reply().await.status(), 200);
    // What may be the head of an answer with a body is one more.
    client.write(POST).await;
    let stream = frames.request().await;
    for _ in 0..18 {
        frames.write(HEADERS, END_HEADERS, stream, &hint).await;
    }
    let reply = client.read_reply().await;
    assert_eq!((reply.status(), reply.text().as_str()), (502, "Bad Gateway"));
    // Nobody asks on that connection again.
    client.write(GET).await;
    let mut fresh = Frames::accept(&backend).await;
    let stream = fresh.request().await;
    fresh.answer(stream).await;
    assert_eq!(client.read_reply().await.status(), 200);
    let tells =
        |line: &str| line.contains("error=the server's answer: ") && line.contains("more than 16 interim answers");
    eventually("the log tells the cause", async || gateway.stderr().lines().any(tells).then_some(())).await;
}
