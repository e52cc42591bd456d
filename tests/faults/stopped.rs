//! A process that is stopped for a while (a debugger, a frozen container, a machine that moves): what came in the
//! meantime is served, and nobody pays for the gateway's own absence.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Response;
use rollgate_testkit::{Backend, Gateway, RawConnection, backend::Protocol, client::full, wait::eventually};
use rustix::process::Signal;
use tokio::sync::Semaphore;

fn configuration(backend: &Backend) -> String {
    super::configuration(backend, "serversTransport: {forwardingTimeouts: {responseHeaderTimeout: 2s}}").replace(
        "web: {address: '127.0.0.1:0'}",
        "web: {address: '127.0.0.1:0', transport: {respondingTimeouts: {headerTimeout: 2s}}}",
    )
}

fn is_stopped(gateway: &Gateway) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", gateway.id())).expect("the gateway is alive");
    let status = |path: PathBuf| fs::read_to_string(path.join("status")).unwrap_or_default();
    threads.flatten().all(|thread| status(thread.path()).contains("State:\tT"))
}

/// Stopped for longer than any of the timeouts.
async fn until_late(since: Instant) {
    eventually("the timeouts have passed", async || (since.elapsed() > Duration::from_secs(4)).then_some(())).await;
}

#[tokio::test]
async fn what_happened_in_the_meantime_is_no_timeout() {
    let permits = Arc::new(Semaphore::new(0));
    let shared = permits.clone();
    let backend = Backend::serve("held", Protocol::Http1, move |_| {
        let permits = shared.clone();
        async move {
            permits.acquire().await.expect("it is never closed").forget();
            Response::new(full("done"))
        }
    });
    let gateway = Gateway::start(&configuration(&backend));
    let mut waiting = RawConnection::open(gateway.web()).await;
    waiting.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    eventually("the request arrives", async || (backend.requests() == 1).then_some(())).await;
    let mut half = RawConnection::open(gateway.web()).await;
    half.write("GET /half HTTP/1.1\r\n").await;
    let mut served = RawConnection::open(gateway.web()).await;
    served.write("GET /served HTTP/1.1\r\nHost: h\r\n\r\n").await;
    eventually("that one too", async || (backend.requests() == 2).then_some(())).await;
    gateway.signal(Signal::STOP);
    eventually("every thread is stopped", async || is_stopped(&gateway).then_some(())).await;
    let began = Instant::now();
    permits.add_permits(4);
    half.write("Host: h\r\n\r\n").await;
    let mut queued = RawConnection::open(gateway.web()).await;
    queued.write("GET /queued HTTP/1.1\r\nHost: h\r\n\r\n").await;
    until_late(began).await;
    gateway.signal(Signal::CONT);
    for (what, client) in
        [("waiting", &mut waiting), ("half", &mut half), ("served", &mut served), ("queued", &mut queued)]
    {
        assert_eq!(client.read_reply().await.status(), 200, "{what}");
    }
    assert_eq!(gateway.get("http://h/").await.status, 504, "timeouts still hold");
}
