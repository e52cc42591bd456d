//! No descriptors left for the whole process: the service degrades, tells of it, and recovers.

use rollgate_testkit::{Ask, Backend, Gateway, RawConnection, wait::eventually};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::net::TcpStream;

use crate::configuration;

fn limit(gateway: &Gateway, descriptors: u64) {
    let id = i32::try_from(gateway.id()).ok().and_then(Pid::from_raw).expect("a process id is positive");
    // Raising the hard limit is not every root's right.
    let limits = Rlimit { current: Some(descriptors), ..getrlimit(Resource::Nofile) };
    prlimit(Some(id), Resource::Nofile, limits).expect("a limit can be set");
}

#[tokio::test]
async fn without_descriptors_the_internal_entry_point_answers_and_all_recovers() {
    let backend = Backend::echo("s");
    let gateway = Gateway::start(&configuration(&backend, "log: {level: INFO}"));
    let (web, internal) = (gateway.web(), gateway.address("traefik"));
    let mut early = RawConnection::open(web).await;
    assert_eq!(early.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
    limit(&gateway, 64);
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(web).await.expect("the kernel queues it"));
    }
    let refused = || async {
        let reply = Ask::get("http://h/metrics").send(internal).await;
        let metrics = rollgate_testkit::metrics::Metrics::parse(&reply.text());
        metrics.sum("rollgate_accept_failures_total", &[])
    };
    eventually("accepting fails, and the internal entry point says so", async || (refused().await > 0.0).then_some(()))
        .await;
    assert_eq!(Ask::get("http://h/ping").send(internal).await.status, 200);
    // Who was there before is served, over the connection to the server that is there already.
    assert_eq!(early.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
    // A change can wait until there are descriptors again; it is not lost.
    gateway.rewrite(
        "rollgate.yml",
        &configuration(&backend, "log: {level: INFO}").replace("PathPrefix(`/`)", "Path(`/b`)"),
    );
    drop(idle);
    eventually("what comes later is served, by the new configuration", async || {
        let status = gateway.get("http://h/b").await.status;
        let before = gateway.get("http://h/a").await.status;
        (status == 200 && before == 404).then_some(())
    })
    .await;
    assert_eq!(early.exchange("GET /b HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
}
