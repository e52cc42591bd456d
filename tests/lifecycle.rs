//! How it ends, and how another one takes over: nothing that was accepted is lost.

#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response};
use rollgate_testkit::{
    Ask, Backend, Gateway, Launch, RawConnection,
    backend::Protocol,
    client::{connect, full},
    command,
    wait::{eventually, within},
};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixDatagram},
    sync::Semaphore,
};

/// A backend that answers a request once it is let; the permits.
fn held() -> (Backend, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let shared = permits.clone();
    let backend = Backend::serve("held", Protocol::Http1, move |_| {
        let permits = shared.clone();
        async move {
            permits.acquire().await.expect("it is never closed").forget();
            Response::new(full("done"))
        }
    });
    (backend, permits)
}

fn config(backend: &Backend, life_cycle: &str) -> String {
    format!(
        "entryPoints:
  web: {{address: \"127.0.0.1:0\", transport: {{lifeCycle: {{{life_cycle}}}}}}}
  traefik: {{address: \"127.0.0.1:0\"}}
ping: {{}}
metrics: {{prometheus: {{}}}}
log: {{level: INFO}}
http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    )
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn what_is_under_way_is_finished_and_told_to_close() {
    let (backend, permits) = held();
    let mut gateway = Gateway::start(&config(&backend, "graceTimeOut: 30s"));
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    eventually("the request arrives", async || (backend.requests() == 1).then_some(())).await;
    gateway.signal(Signal::TERM);
    eventually("nothing is accepted any more", async || TcpStream::connect(gateway.web()).await.err()).await;
    assert!(gateway.is_alive(), "it waits for what is under way");
    permits.add_permits(1);
    let reply = client.read_reply().await;
    assert_eq!((reply.status(), reply.header("connection")), (200, Some("close")), "{reply:?}");
    assert!(client.is_closed().await);
    assert_eq!(gateway.wait().code(), Some(0));
}

#[tokio::test]
async fn http_2_is_told_to_go_away_and_its_streams_finish() {
    let (backend, permits) = held();
    let mut gateway = Gateway::start(&config(&backend, "graceTimeOut: 30s"));
    let (mut sender, connection) = h2::client::handshake(connect(gateway.web()).await).await.unwrap();
    let driven = tokio::spawn(connection);
    let request = || Request::get("http://h/").body(()).unwrap();
    let (answer, _) = sender.send_request(request(), true).unwrap();
    eventually("the request arrives", async || (backend.requests() == 1).then_some(())).await;
    gateway.signal(Signal::TERM);
    eventually("GOAWAY comes", async || {
        let ready = sender.clone().ready().await;
        ready.err().filter(|error| error.is_go_away() && error.is_remote())
    })
    .await;
    permits.add_permits(1);
    assert_eq!(within("the stream's answer", answer).await.unwrap().status(), 200);
    drop(sender);
    within("the connection ends", driven).await.unwrap().unwrap();
    assert_eq!(gateway.wait().code(), Some(0));
}

#[tokio::test]
async fn probes_say_so_while_connections_are_still_accepted() {
    let backend = Backend::echo("s");
    let mut gateway = Gateway::start(&config(&backend, "requestAcceptGraceTimeout: 2s"));
    let internal = gateway.address("traefik");
    let ask = |path: &str| Ask::get(&format!("http://h{path}")).send(internal);
    assert_eq!((ask("/ping").await.status, ask("/ready").await.status), (200, 200));
    let began = Instant::now();
    gateway.signal(Signal::TERM);
    eventually("/ready says so", async || (ask("/ready").await.status == 503).then_some(())).await;
    assert_eq!((ask("/ping").await.status, ask("/live").await.status), (503, 200));
    let reply = gateway.get("http://h/").await;
    assert_eq!(
        (reply.status, reply.header("connection")),
        (200, None),
        "for requestAcceptGraceTimeout all is as it was"
    );
    assert_eq!(gateway.wait().code(), Some(0));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn what_waits_in_the_queue_is_answered() {
    let backend = Backend::echo("s");
    let mut gateway = Gateway::start(&config(&backend, ""));
    gateway.signal(Signal::STOP);
    let mut clients = Vec::new();
    for _ in 0..200 {
        // The kernel finishes the handshake; nobody accepts.
        let mut client = RawConnection::open(gateway.web()).await;
        client.write(GET).await;
        clients.push(client);
    }
    gateway.signal(Signal::TERM);
    gateway.signal(Signal::CONT);
    for mut client in clients {
        let reply = client.read_reply().await;
        assert_eq!(reply.status(), 200, "{reply:?}");
        // One that a worker has answered before the signal was looked at is not told, and ends all the same.
        assert!(reply.header("connection") == Some("close") || client.is_closed().await, "{reply:?}");
    }
    assert_eq!(gateway.wait().code(), Some(0));
}

#[tokio::test]
async fn each_entry_point_has_its_own_grace() {
    let (backend, _permits) = held();
    let more = "  slow: {address: \"127.0.0.1:0\", transport: {lifeCycle: {graceTimeOut: 60s}}}\n  traefik:";
    let config = config(&backend, "graceTimeOut: 1s").replacen("  traefik:", more, 1);
    let gateway = Gateway::start(&config);
    let (mut short, mut long) =
        (RawConnection::open(gateway.web()).await, RawConnection::open(gateway.address("slow")).await);
    short.write(GET).await;
    long.write(GET).await;
    eventually("both requests arrive", async || (backend.requests() == 2).then_some(())).await;
    gateway.signal(Signal::TERM);
    assert!(short.is_closed().await, "cut off after a second");
    let still = tokio::time::timeout(Duration::from_millis(300), long.is_closed()).await;
    assert!(still.is_err(), "the other one has a minute");
}

#[tokio::test]
async fn tunnels_go_on_until_the_grace_is_over() {
    let backend = Backend::websocket("ws");
    let mut gateway = Gateway::start(&config(&backend, "graceTimeOut: 2s"));
    let mut client = RawConnection::open(gateway.web()).await;
    let handshake = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(client.exchange(handshake).await.status(), 101);
    let began = Instant::now();
    gateway.signal(Signal::TERM);
    eventually("nothing is accepted any more", async || TcpStream::connect(gateway.web()).await.err()).await;
    client.write(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").await;
    assert_eq!(client.read_exactly(7).await, b"\x81\x05Hello", "the tunnel is open");
    assert!(client.is_closed().await);
    assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
    assert_eq!(gateway.wait().code(), Some(0));
}

#[tokio::test]
async fn told_twice_it_ends_at_once() {
    let (backend, _permits) = held();
    let mut gateway = Gateway::start(&config(&backend, "graceTimeOut: 300s"));
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    eventually("the request arrives", async || (backend.requests() == 1).then_some(())).await;
    gateway.signal(Signal::TERM);
    eventually("it is ending", async || gateway.stderr().contains("ending").then_some(())).await;
    gateway.signal(Signal::INT);
    assert_eq!(gateway.wait().code(), Some(1));
}

/// A client that opens a connection for each request, as fast as it can, until told to stop; the answers that were 200.
/// Anything else panics.
fn hammer(
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            let mut stream = TcpStream::connect(address).await.expect("a connection is accepted");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.expect("it is read");
            let mut answer = Vec::new();
            within("an answer", stream.read_to_end(&mut answer)).await.expect("it is answered");
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
            answered.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_binary_takes_over_without_a_failed_connection() {
    let backend = Backend::canned("s", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut gateway = Gateway::start(&config(&backend, ""));
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..8).map(|_| hammer(gateway.web(), stop.clone(), answered.clone())).collect();
    let more = async |count: u64| {
        let target = answered.load(Ordering::Relaxed) + count;
        eventually("requests are answered", async || (answered.load(Ordering::Relaxed) >= target).then_some(())).await;
    };
    more(200).await;
    gateway.signal(Signal::USR2);
    let successor = gateway.successor();
    assert_eq!(gateway.wait().code(), Some(0), "the old process ends well");
    more(200).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no connection failed");
    }
    successor.signal(Signal::TERM);
    successor.wait();
}

/// A client that keeps its connection for as long as it is let, and asks all the time; the answers that were 200.
fn keeps_alive(
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> tokio::task::JoinHandle<u32> {
    tokio::spawn(async move {
        let mut connections = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut client = RawConnection::open(address).await;
            connections += 1;
            while !stop.load(Ordering::Relaxed) {
                let reply = client.exchange(GET).await;
                assert_eq!(reply.status(), 200, "{reply:?}");
                answered.fetch_add(1, Ordering::Relaxed);
                if reply.header("connection") == Some("close") {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        connections
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_connections_move_to_the_new_binary_with_an_answer() {
    let backend = Backend::canned("s", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut gateway = Gateway::start(&config(&backend, ""));
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..16).map(|_| keeps_alive(gateway.web(), stop.clone(), answered.clone())).collect();
    let more = async |count: u64| {
        let target = answered.load(Ordering::Relaxed) + count;
        eventually("requests are answered", async || (answered.load(Ordering::Relaxed) >= target).then_some(())).await;
    };
    more(100).await;
    gateway.signal(Signal::USR2);
    let successor = gateway.successor();
    assert_eq!(gateway.wait().code(), Some(0), "the old process ends well");
    more(100).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.expect("no request failed"), 2, "one connection to each process");
    }
    successor.signal(Signal::TERM);
    successor.wait();
}

#[tokio::test]
async fn what_the_old_process_has_begun_it_finishes() {
    let (backend, permits) = held();
    let mut gateway = Gateway::start(&config(&backend, "graceTimeOut: 60s"));
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    eventually("the request arrives", async || (backend.requests() == 1).then_some(())).await;
    gateway.signal(Signal::USR2);
    let _successor = gateway.successor();
    eventually("the old one is ending", async || gateway.stderr().contains("handed_over=true").then_some(())).await;
    let mut second = RawConnection::open(gateway.web()).await;
    second.write(GET).await;
    eventually("the new one serves", async || (backend.requests() == 2).then_some(())).await;
    permits.add_permits(2);
    assert_eq!(client.read_reply().await.status(), 200);
    assert_eq!(second.read_reply().await.status(), 200);
    assert_eq!(gateway.wait().code(), Some(0));
}

#[tokio::test]
async fn a_new_binary_that_cannot_serve_costs_nothing() {
    let backend = Backend::echo("s");
    let launch = Launch::new(&config(&backend, ""));
    let program = launch.directory().join("rollgate");
    std::fs::copy(command::binary(), &program).unwrap();
    let mut gateway = launch.program("rollgate").start();
    for (broken, says) in [("#!/bin/sh\nexit 3\n", "exit status: 3"), ("not a program", "could not be started")] {
        // The file of a running program cannot be written to; it can be replaced.
        std::fs::remove_file(&program).unwrap();
        std::fs::write(&program, broken).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        gateway.signal(Signal::USR2);
        eventually(says, async || gateway.stderr().contains(says).then_some(())).await;
        assert_eq!(gateway.get("http://h/").await.status, 200);
    }
    // A configuration that has gone bad meanwhile, and the right program again.
    std::fs::remove_file(&program).unwrap();
    std::fs::copy(command::binary(), &program).unwrap();
    gateway.rewrite("rollgate.yml", "http: {routers: {r: {rule: nonsense}}}");
    gateway.signal(Signal::USR2);
    eventually("the old one serves on", async || {
        gateway.stderr().contains("before it served (exit status: 1)").then_some(())
    })
    .await;
    assert_eq!(gateway.get("http://h/").await.status, 200);
    assert!(gateway.is_alive());
}

#[tokio::test]
async fn the_supervisor_is_told_which_process_is_the_main_one() {
    let backend = Backend::echo("s");
    let launch = Launch::new(&config(&backend, "")).variable("NOTIFY_SOCKET", "@DIR@/notify");
    let notified = UnixDatagram::bind(launch.directory().join("notify")).unwrap();
    let told = async || {
        let mut text = [0; 256];
        let length = within("a notification", notified.recv(&mut text)).await.unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let mut gateway = launch.start();
    assert_eq!(told().await, format!("READY=1\nMAINPID={}", gateway.id()));
    gateway.signal(Signal::USR2);
    let successor = gateway.successor();
    assert_eq!(told().await, format!("READY=1\nMAINPID={}", successor.id()));
    assert_eq!(gateway.wait().code(), Some(0));
    successor.signal(Signal::TERM);
    assert_eq!(told().await, "STOPPING=1", "the old one has not said so: the service goes on");
    successor.wait();
}

#[tokio::test]
async fn the_first_process_of_a_container_refuses_to_hand_over() {
    let backend = Backend::echo("s");
    // The first process that the shell starts is the first of the new process namespace.
    let wrapper =
        format!("#!/bin/sh\nexec unshare --pid sh -c '{} \"$@\"; true' sh \"$@\"\n", command::binary().display());
    let launch = Launch::new(&config(&backend, "")).file("wrapper", &wrapper).program("wrapper");
    let path = launch.directory().join("wrapper");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let gateway = launch.start();
    let first = gateway.child();
    first.signal(Signal::USR2);
    eventually("it says so", async || gateway.stderr().contains("cannot hand over").then_some(())).await;
    assert_eq!(gateway.get("http://h/").await.status, 200);
}
