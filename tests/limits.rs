//! What a client may take of the gateway: each bound has a status, a count and an end.

#![cfg(test)]

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Gateway, Launch, RawConnection,
    backend::Protocol,
    client::{Connection, channel, full, zeros},
    tls::unverified_client,
    wait::{eventually, within},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
};

fn configuration(backend: &Backend, options: &str, roots: &str) -> String {
    format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', {options}}}
  traefik: {{address: '127.0.0.1:0'}}
log: {{level: INFO}}
{roots}
http:
  routers: {{all: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    )
}

/// A gateway whose `web` has these options and whose every request goes to `backend`.
fn with_options(backend: &Backend, options: &str) -> Gateway {
    Gateway::start(&configuration(backend, options, ""))
}

async fn refused(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metrics().await.sum("rollgate_refused_total", &[("reason", reason)])
}

/// Says that a body broke off, also where the server drops the request with it.
struct Told(Option<tokio::sync::mpsc::UnboundedSender<Result<u64, ()>>>);

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(told) = self.0.take() {
            told.send(Err(())).ok();
        }
    }
}

/// A server that says how each request's body ended.
fn reader() -> (Backend, tokio::sync::mpsc::UnboundedReceiver<Result<u64, ()>>) {
    let (told, ends) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::serve("s", Protocol::Http1, move |request: Request<Incoming>| {
        let mut told = Told(Some(told.clone()));
        async move {
            let body = request.into_body().collect().await;
            if let Ok(body) = body
                && let Some(told) = told.0.take()
            {
                told.send(Ok(body.to_bytes().len() as u64)).ok();
            }
            Response::new(full("read"))
        }
    });
    (backend, ends)
}

#[tokio::test]
async fn a_request_line_that_is_too_long_is_414() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "http: {maxRequestLineBytes: 1000}");
    // `GET ` and ` HTTP/1.1` are 13 bytes of it.
    for (path, status) in [(987, 200), (988, 414), (5000, 414)] {
        let ask = Ask::get(&format!("http://h/{}", "p".repeat(path - 1)));
        assert_eq!(gateway.ask(ask.clone()).await.status, status, "{path}");
        assert_eq!(ask.send_h2(gateway.web()).await.status, status, "{path}");
    }
    assert_eq!(refused(&gateway, "request_line").await, 4.0);
    assert_eq!(backend.requests(), 2);
}

#[tokio::test]
async fn a_body_that_says_itself_that_it_is_too_long_is_413_at_once() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "http: {maxBodyBytes: 1000}");
    let reply = gateway.ask(Ask::new("POST", "http://h/").body(vec![b'x'; 1000])).await;
    assert_eq!((reply.status, reply.seen().body), (200, 1000));
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n").await;
    assert_eq!((reply.status(), reply.text().as_str()), (413, "the request's body is too long\n"));
    assert!(client.is_closed().await, "what would follow is no request");
    let long = Ask::new("POST", "http://h/").body(vec![b'x'; 1001]);
    assert_eq!(long.send_h2(gateway.web()).await.status, 413);
    assert_eq!(refused(&gateway, "body_bytes").await, 2.0);
    assert_eq!((backend.requests(), backend.connections()), (1, 1), "no server has heard of them");
}

#[tokio::test]
async fn a_body_that_turns_out_to_be_too_long_is_cut_and_its_servers_connection_with_it() {
    for http2 in [false, true] {
        let (backend, mut ends) = reader();
        let gateway = with_options(&backend, "http: {maxBodyBytes: 100000}");
        let mut client =
            if http2 { Connection::http2(gateway.web()).await } else { Connection::http1(gateway.web()).await };
        let post = |body| {
            Request::builder()
                .method("POST")
                .uri(if http2 { "http://h/" } else { "/" })
                .header("Host", "h")
                .body(body)
                .unwrap()
        };
        let reply = client.try_send(post(zeros(100_000))).await.unwrap();
        assert_eq!(reply.status(), 200);
        drop(reply.into_body().collect().await.unwrap());
        assert_eq!(within("the body's end", ends.recv()).await, Some(Ok(100_000)));
        // As much as is still read of a client that was refused: one that sends more may be cut off before it reads why.
        let reply = client.try_send(post(zeros(1_000_000))).await.unwrap();
        assert_eq!(reply.status(), 413);
        // It may have been cut before a byte of it was sent.
        eventually("no connection with half a request is kept", async || (backend.open() == 0).then_some(())).await;
        assert!(ends.try_recv().is_ok_and(|end| end.is_err()) || backend.requests() == 1, "the server sees the cut");
        assert_eq!(refused(&gateway, "body_bytes").await, 1.0);
    }
}

#[tokio::test]
async fn a_body_of_which_nothing_more_comes_is_408() {
    let (backend, mut ends) = reader();
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {bodyIdleTimeout: 500ms}}");
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345").await;
    assert_eq!(reply.status(), 408);
    assert_eq!(within("the body's end", ends.recv()).await, Some(Err(())));

    let mut client = Connection::http2(gateway.web()).await;
    let (sender, body) = channel();
    sender.send(Frame::data("12345".into())).unwrap();
    let request = Request::builder().method("POST").uri("http://h/").body(body).unwrap();
    assert_eq!(client.try_send(request).await.unwrap().status(), 408);
    assert_eq!(refused(&gateway, "body_idle").await, 2.0);
    // The connection lives.
    assert_eq!(client.ask(Ask::get("http://h/")).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_end_in_time_is_408() {
    let (backend, _ends) = reader();
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {readTimeout: 500ms}}");
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345").await;
    assert_eq!(reply.status(), 408);
    assert_eq!(refused(&gateway, "read_timeout").await, 1.0);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for_and_one_that_waits_is() {
    let backend = Backend::echo("s");
    let (waiting, _ends) = reader();
    let gateway = Gateway::start(&format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', transport: {{respondingTimeouts: {{stallTimeout: 1s, bodyIdleTimeout: 0}}}}}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers:
    all: {{rule: 'PathPrefix(`/`)', service: s}}
    wait: {{rule: 'Path(`/wait`)', priority: 100, service: w}}
  services: {{s: {}, w: {}}}
",
        backend.load_balancer(),
        waiting.load_balancer()
    ));
    // Older than the other, and waiting for its server all the time.
    let mut patient = RawConnection::open(gateway.web()).await;
    patient.write("POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n").await;
    eventually("the server has the request", async || (waiting.requests() == 1).then_some(())).await;

    let mut stalled = RawConnection::open(gateway.web()).await;
    stalled.write("GET / HTTP/1.1\r\nHost: h\r\necho-bytes: 100000000\r\n\r\n").await;
    eventually("it is given up", async || (refused(&gateway, "stalled").await == 1.0).then_some(())).await;
    eventually("so is its server's connection", async || (backend.open() == 0).then_some(())).await;
    let got = stalled.read_to_end().await;
    assert!(!got.is_empty() && got.len() < 100_000_000, "{}", got.len());

    assert_eq!(patient.exchange("x").await.status(), 200);
    assert_eq!(refused(&gateway, "stalled").await, 1.0);
}

#[tokio::test]
async fn a_handshake_that_stands_still_is_ended() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {tlsHandshakeTimeout: 500ms}}");
    // The head of a handshake record, and nothing of the record.
    let mut client = RawConnection::open(gateway.web()).await;
    client.write([0x16, 3, 1, 2, 0, 1]).await;
    assert!(client.is_closed().await);
    assert_eq!(refused(&gateway, "tls_handshake_timeout").await, 1.0);
}

#[tokio::test]
async fn a_client_hello_may_come_in_any_pieces() {
    let backend = Backend::echo("s");
    let gateway = Gateway::start(&configuration(&backend, "http: {tls: {}}", ""));
    for fragment in [None, Some(32)] {
        let mut config = unverified_client(&["http/1.1"]);
        // Its messages, the ClientHello first, go out in records of so many bytes.
        config.max_fragment_size = fragment;
        let stream = Dripping(TcpStream::connect(gateway.web()).await.unwrap());
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("h").unwrap();
        let tls = within("the handshake", connector.connect(name, stream)).await.unwrap();
        let mut client = RawConnection::over(tls);
        assert_eq!(client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200, "{fragment:?}");
    }
}

/// Writes one byte at a time.
struct Dripping(TcpStream);

impl AsyncRead for Dripping {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Dripping {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.set_nodelay(true)?;
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn above_the_most_connections_accepting_waits() {
    let backend = Backend::echo("s");
    let config = configuration(&backend, "", "limits: {maxConnections: 2}");
    let gateway = Launch::new(&config).argument("--workers").argument("1").start();
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut first = RawConnection::open(gateway.web()).await;
    let mut second = RawConnection::open(gateway.web()).await;
    assert_eq!(first.exchange(get).await.status(), 200);
    assert_eq!(second.exchange(get).await.status(), 200);
    // In the kernel's queue, with its request.
    let mut third = RawConnection::open(gateway.web()).await;
    third.write(get).await;
    eventually("it is told", async || gateway.stderr().contains("accepting pauses").then_some(())).await;
    assert_eq!(first.exchange(get).await.status(), 200, "who is in is served");
    // Each scrape is a connection of its own.
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("rollgate_connections_total", &[("entrypoint", "web")]), 2.0);
    drop(second);
    assert_eq!(third.read_reply().await.status(), 200);
    eventually("it is told", async || gateway.stderr().contains("room for connections again").then_some(())).await;
}

#[tokio::test]
async fn one_address_has_no_more_connections_than_it_may() {
    let backend = Backend::echo("s");
    let options = "proxyProtocol: {trustedIPs: [127.0.0.3]}";
    let gateway = Gateway::start(&configuration(&backend, options, "limits: {maxConnectionsPerClient: 2}"));
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let open = async |from: &str, proxy: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let mut client = RawConnection::over(socket.connect(gateway.web()).await.unwrap());
        // A connection that is refused may be gone before it has said anything.
        client.try_write(format!("{proxy}{get}")).await.ok();
        let status = client.read_reply().await.status();
        (client, status)
    };
    let (first, status) = open("127.0.0.1", "").await;
    assert_eq!(status, 200);
    let (_second, status) = open("127.0.0.1", "").await;
    assert_eq!(status, 200);
    assert_eq!(open("127.0.0.1", "").await.1, 0, "closed without an answer");
    assert_eq!(refused(&gateway, "connections_per_client").await, 1.0);
    assert_eq!(open("127.0.0.2", "").await.1, 200, "another one is");
    // Behind a proxy that is believed, the client is who the proxy says.
    let (_kept, mut statuses) = (Vec::from([first]), Vec::new());
    let mut kept = Vec::new();
    for client in ["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", "127.0.0.1"] {
        let (connection, status) = open("127.0.0.3", &format!("PROXY TCP4 {client} 10.9.9.9 5000 80\r\n")).await;
        statuses.push(status);
        kept.push(connection);
    }
    assert_eq!(statuses, [200, 200, 0, 200, 0]);
    drop((_kept, _second));
    eventually("a place is given back", async || (open("127.0.0.1", "").await.1 == 200).then_some(())).await;
}

#[tokio::test]
async fn without_descriptors_the_internal_entry_point_answers_and_nothing_spins() {
    let backend = Backend::echo("s");
    // Or those that wait for their heads would make room for the others.
    let options = "transport: {respondingTimeouts: {headerTimeout: 0}}";
    let config = configuration(&backend, options, "limits: {maxConnections: 100000}");
    let gateway = Launch::new(&config).descriptors(100).argument("--workers").argument("1").start();
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut clients = Vec::new();
    for _ in 0..150 {
        let mut client = RawConnection::open(gateway.web()).await;
        client.write("GET / HTTP/1.1\r\n").await;
        clients.push(client);
    }
    let failures = async || gateway.metrics().await.sum("rollgate_accept_failures_total", &[]);
    eventually("accepting fails", async || (failures().await > 1.0).then_some(())).await;
    let (began, spent, before) = (Instant::now(), gateway.processor_time(), failures().await);
    eventually("it is tried again, at its pace", async || (failures().await >= before + 10.0).then_some(())).await;
    let (wall, spent) = (began.elapsed(), gateway.processor_time() - spent);
    assert!(wall >= Duration::from_millis(500), "ten attempts within {wall:?}");
    // Most of it are the scrapes that were waited with.
    assert!(spent < wall.mul_f64(0.7), "{spent:?} of {wall:?}");
    // Every one of those that were let in is served when it asks, and the others when there is room.
    clients.truncate(10);
    clients.first_mut().expect("there are ten").write("Host: h\r\n\r\n").await;
    let mut late = RawConnection::open(gateway.web()).await;
    assert_eq!(late.exchange(get).await.status(), 200);
}

#[tokio::test]
async fn above_the_mark_of_memory_new_requests_are_503_and_what_is_under_way_goes_on() {
    let backend = Backend::echo("s");
    let used = with_options(&backend, "").memory() * 1024;
    // A fourth is in use: above the first mark, below the second.
    let limit = used * 4;
    let options = "http2: {maxConcurrentStreams: 100}";
    let roots = format!("limits: {{memory: {limit}, memoryRefuseAt: 10}}");
    let gateway = Gateway::start(&configuration(&backend, options, &roots));
    let refusing = async || gateway.metrics().await.sum("rollgate_memory_refusing", &[]) == 1.0;
    eventually("the memory is looked at", async || refusing().await.then_some(())).await;
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!((reply.status(), reply.text().as_str()), (503, "overloaded\n"));
    assert_eq!((reply.header("retry-after"), reply.header("connection")), (Some("5"), Some("close")));
    assert!(client.is_closed().await);
    assert_eq!(Ask::get("http://h/").send_h2(gateway.web()).await.status, 503);
    assert_eq!((backend.requests(), refused(&gateway, "memory").await), (0, 2.0));
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("rollgate_memory_bytes", &[("kind", "limit")]), limit as f64);
    let told = metrics.sum("rollgate_memory_bytes", &[("kind", "used")]);
    assert!((used as f64 / 2.0..used as f64 * 3.0).contains(&told), "{told} of about {used}");
    assert!(gateway.stderr().contains("new requests are refused"), "{}", gateway.stderr());
    // A connection on which nothing is under way gives its memory back.
    let mut idle = RawConnection::open(gateway.web()).await;
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn hardly_any_memory_left_refuses_connections_but_internal_ones() {
    let backend = Backend::echo("s");
    let gateway = Gateway::start(&configuration(&backend, "", "limits: {memory: 1000000}"));
    let refusing = async || gateway.metrics().await.sum("rollgate_memory_refusing", &[]) == 1.0;
    eventually("the memory is looked at", async || refusing().await.then_some(())).await;
    let mut client = RawConnection::open(gateway.web()).await;
    client.try_write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.ok();
    assert_eq!(client.read_reply().await.status(), 0);
    assert!(refused(&gateway, "memory").await >= 1.0);
}
