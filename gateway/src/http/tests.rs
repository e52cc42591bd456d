//! A panic costs one request.

use std::{sync::Arc, time::Instant};

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2 as client2;
use rollgate_config::static_config::Static;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::LocalRuntime,
};

use super::*;
use crate::{
    body::AnswerBody,
    compile::Compiler,
    connection::{
        Registered,
        phase::{Phase, State},
    },
    entry_point,
    exchange::Exchange,
    listener::admission::Admission,
    metrics::Metrics,
    shared::{Bounds, Shared},
    snapshot::retired::Retired,
    stream::{Kind, Raw, socket::Socket},
    worker::Worker,
};

/// A worker without listeners, and its only entry point.
fn worker() -> (Rc<Worker>, Arc<EntryPoint>, Arc<Metrics>) {
    let statics = Static::default();
    let metrics = Arc::new(Metrics::new(None).unwrap());
    let entry_points = entry_point::unbound(&statics, &metrics);
    let entry = entry_points[0].clone();
    let mut compiler = Compiler::new(statics.clone(), entry_points, metrics.clone(), 1).unwrap();
    let snapshot = compiler.compile(&Default::default()).unwrap().snapshot;
    let bounds = Bounds {
        admission: Admission::new(&statics.limits, 1024),
        pressure: Arc::default(),
        replays: 1 << 20,
        mirrors: 1 << 20,
        encoders: 1 << 20,
        files: 0,
    };
    let shared = Shared::new((snapshot, Retired::new().0), &compiler, false, None, bounds, 503);
    (Worker::new(0, Arc::new(shared)), entry, metrics)
}

async fn handle(connection: Rc<Connection>, request: Request<Incoming>) -> Response<Body> {
    let exchange = Exchange::begin(&connection, request.method().clone(), Instant::now());
    tokio::task::yield_now().await;
    match request.uri().path() {
        "/panic" => panic!("on purpose"),
        "/body" => Response::new(Body::panicking(b"begun", exchange)),
        _ => Response::new(Body::new(AnswerBody::Whole(Bytes::from_static(b"fine")), exchange, Duration::ZERO)),
    }
}

/// The client's end of a connection that is served.
async fn connect(worker: &Rc<Worker>, entry: &Arc<EntryPoint>, is_http2: bool) -> TcpStream {
    connected(worker, entry, is_http2).await.0
}

/// Both ends of one.
async fn connected(worker: &Rc<Worker>, entry: &Arc<EntryPoint>, is_http2: bool) -> (TcpStream, Rc<Connection>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (tcp, peer) = listener.accept().await.unwrap();
    let phase = Arc::new(Phase::default());
    phase.enter(State::Idle);
    let raw = Raw { socket: Socket::Tcp(tcp), prefix: Bytes::new() };
    let stream = Stream::new(Kind::Plain(raw), phase.clone(), is_http2);
    let connection = Connection::new(worker, entry.clone(), (peer, None, is_http2), phase, (None, None));
    let serving = connection.clone();
    tokio::task::spawn_local(async move {
        let _registered = Registered::new(&serving);
        if is_http2 {
            http2(stream, serving, handle).await;
        } else {
            http1(stream, serving, handle).await;
        }
    });
    (client, connection)
}

/// A tick of the worker, a second after whatever was last.
async fn tick(connection: &Connection) {
    clock::renew(clock::at(Duration::from_millis(u64::from(clock::coarse()) + 1_000)));
    connection.check_time();
    // The connection's task is woken before this one goes on.
    tokio::task::yield_now().await;
}

fn panics(metrics: &Metrics) -> String {
    let text = String::from_utf8(metrics.encode(0)).unwrap();
    text.lines().find(|line| line.starts_with("rollgate_panics_total")).unwrap().to_owned()
}

async fn exchange(client: &mut TcpStream, path: &str, end: &[u8]) -> String {
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(end) && client.read_buf(&mut answer).await.unwrap() > 0 {}
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_panic_costs_one_request_over_http1() {
    LocalRuntime::new().unwrap().block_on(async {
        let (worker, entry, metrics) = worker();
        let mut other = connect(&worker, &entry, false).await;
        let mut client = connect(&worker, &entry, false).await;
        let answer = exchange(&mut client, "/panic", b"Internal Server Error").await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        let answer = exchange(&mut client, "/", b"fine").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "the connection lives: {answer}");
        assert_eq!((panics(&metrics).as_str(), worker.open_connections()), ("rollgate_panics_total 1", 2));
        // The head may be out: that the body is not whole can only be seen by the end of the connection.
        let answer = exchange(&mut client, "/body", b"\r\n0\r\n\r\n").await;
        assert!(!answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
        assert_eq!((panics(&metrics).as_str(), worker.open_connections()), ("rollgate_panics_total 2", 1));
        assert!(exchange(&mut other, "/", b"fine").await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_panic_costs_one_request_over_http2() {
    LocalRuntime::new().unwrap().block_on(async {
        let (worker, entry, metrics) = worker();
        let client = connect(&worker, &entry, true).await;
        let (mut sender, connection) = client2::handshake(LocalExecutor, TokioIo::new(client)).await.unwrap();
        tokio::task::spawn_local(async move { drop(connection.await) });
        let mut get = async |path: &str| {
            let request = Request::get(format!("http://h{path}")).body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            (response.status().as_u16(), response.into_body().collect().await.map(|body| body.to_bytes()))
        };
        let (status, body) = get("/panic").await;
        assert_eq!((status, body.unwrap()), (500, Bytes::from_static(b"Internal Server Error")));
        let (status, body) = get("/body").await;
        assert!(status == 200 && body.is_err(), "the stream ends, and not as if it were whole: {body:?}");
        let (status, body) = get("/").await;
        assert_eq!((status, body.unwrap()), (200, Bytes::from_static(b"fine")));
        assert_eq!((panics(&metrics).as_str(), worker.open_connections()), ("rollgate_panics_total 2", 1));
    });
}

#[test]
fn who_waits_for_long_is_parked_and_served_as_before() {
    LocalRuntime::new().unwrap().block_on(async {
        let (worker, entry, _) = worker();
        let (mut client, connection) = connected(&worker, &entry, false).await;
        tick(&connection).await;
        assert!(!connection.is_parked(), "it has not asked yet");
        for _ in 0..3 {
            assert!(exchange(&mut client, "/", b"fine").await.starts_with("HTTP/1.1 200 "));
            assert!(!connection.is_parked());
            tick(&connection).await;
            assert!(connection.is_parked());
            tick(&connection).await;
        }
        client.shutdown().await.unwrap();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(worker.open_connections(), 0);
    });
}

#[test]
fn who_is_parked_holds_no_buffer() {
    const MANY: u64 = 20;
    let runtime = LocalRuntime::new().unwrap();
    let (worker, entry, _) = worker();
    let mut kept = Vec::with_capacity(MANY as usize + 1);
    let mut park_one = async || {
        let (mut client, connection) = connected(&worker, &entry, false).await;
        assert!(exchange(&mut client, "/", b"fine").await.starts_with("HTTP/1.1 200 "));
        tick(&connection).await;
        assert!(connection.is_parked());
        kept.push((client, connection));
    };
    runtime.block_on(park_one());
    let held = allocation_counter::measure(|| (0..MANY).for_each(|_| runtime.block_on(park_one())));
    let each = held.bytes_current / MANY as i64;
    assert!(
        each < 8192,
        "{each} bytes for a connection, the client's side of it included: more than hyper's buffer alone"
    );
}

#[test]
fn who_has_begun_a_request_is_not_parked() {
    LocalRuntime::new().unwrap().block_on(async {
        let (worker, entry, _) = worker();
        let (mut client, connection) = connected(&worker, &entry, false).await;
        let whole = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        // The second one's beginning comes with the first, and so before it is answered.
        client.write_all(format!("{whole}{}", &whole[..20]).as_bytes()).await.unwrap();
        let mut answer = [0; 512];
        assert!(client.read(&mut answer).await.unwrap() > 0);
        tick(&connection).await;
        assert!(!connection.is_parked());
        client.write_all(&whole.as_bytes()[20..]).await.unwrap();
        assert!(client.read(&mut answer).await.unwrap() > 0 && answer.starts_with(b"HTTP/1.1 200 "));
        tick(&connection).await;
        assert!(connection.is_parked());
    });
}

#[test]
fn who_has_sent_a_body_is_parked_after_the_next_request_without_one() {
    LocalRuntime::new().unwrap().block_on(async {
        let (worker, entry, _) = worker();
        let (mut client, connection) = connected(&worker, &entry, false).await;
        client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody").await.unwrap();
        let mut answer = [0; 512];
        assert!(client.read(&mut answer).await.unwrap() > 0 && answer.starts_with(b"HTTP/1.1 200 "));
        tick(&connection).await;
        assert!(!connection.is_parked(), "what belongs to the body is not known");
        assert!(exchange(&mut client, "/", b"fine").await.starts_with("HTTP/1.1 200 "));
        tick(&connection).await;
        assert!(connection.is_parked());
    });
}

#[test]
fn who_is_parked_is_told_to_end() {
    LocalRuntime::new().unwrap().block_on(async {
        let (worker, entry, _) = worker();
        for ends in [Connection::close_gracefully, Connection::close_now] {
            let (mut client, connection) = connected(&worker, &entry, false).await;
            exchange(&mut client, "/", b"fine").await;
            tick(&connection).await;
            assert!(connection.is_parked());
            ends(&connection);
            assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(worker.open_connections(), 0);
        }
    });
}
