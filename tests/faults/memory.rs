//! A cgroup that is nearly full: what is new is refused, what is under way goes on, and all is as before when it is over.

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Backend, Gateway, Launch, RawConnection,
    backend::Protocol,
    client::{Connection, channel, full},
    command,
    wait::{eventually, within},
};

/// A gateway whose cgroup is of this many bytes, and whose use of it is what a file of the test says.
fn launch(backend: &Backend) -> Gateway {
    let binary = command::binary();
    let binary = binary.to_str().expect("the path is text");
    let mounting = "mount --bind @DIR@/cgroup /sys/fs/cgroup && exec \"$@\"";
    Launch::new(&super::configuration(backend, "log: {level: INFO}"))
        .file("cgroup/memory.max", "1000000000")
        .file("cgroup/memory.current", "500000000")
        .file("cgroup/memory.stat", "inactive_file 0")
        .program("/usr/bin/unshare")
        .arguments(&["--mount", "sh", "-c", mounting, "sh", binary, "run", "--config", "@DIR@/rollgate.yml"])
        .start()
}

#[tokio::test]
async fn near_the_cgroups_limit_new_work_is_refused_and_what_is_under_way_goes_on() {
    let backend = Backend::serve("s", Protocol::Http1, |request: Request<Incoming>| async move {
        let read = request.into_body().collect().await.map(|body| body.to_bytes().len());
        Response::new(full(format!("{read:?}")))
    });
    let gateway = launch(&backend);
    let refusing = async || gateway.metrics().await.sum("rollgate_memory_refusing", &[]) == 1.0;
    let limit = async || gateway.metrics().await.sum("rollgate_memory_bytes", &[("kind", "limit")]);
    eventually("the cgroup is looked at", async || (limit().await == 1e9).then_some(())).await;
    assert_eq!(gateway.get("http://h/").await.status, 200);

    let mut first = RawConnection::open(gateway.web()).await;
    first.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345").await;
    let mut second = Connection::http2(gateway.web()).await;
    let (rest, body) = channel();
    rest.send(Frame::data("12345".into())).unwrap();
    let request = Request::builder().method("POST").uri("http://h/").body(body).unwrap();
    let answer = tokio::spawn(async move { second.try_send(request).await });
    eventually("both are under way", async || (backend.requests() == 3).then_some(())).await;

    gateway.rewrite("cgroup/memory.current", "920000000");
    eventually("it is seen", async || refusing().await.then_some(())).await;
    let reply = gateway.get("http://h/").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));

    gateway.rewrite("cgroup/memory.current", "960000000");
    let log = "new connections are refused";
    eventually("it is seen", async || gateway.stderr().contains(log).then_some(())).await;
    let mut refused = RawConnection::open(gateway.web()).await;
    // It may be gone before it has said anything.
    refused.try_write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.ok();
    assert_eq!(refused.read_reply().await.status(), 0);

    let reply = first.exchange("67890").await;
    assert_eq!((reply.status(), reply.text().as_str()), (200, "Ok(10)"));
    rest.send(Frame::data("67890".into())).unwrap();
    drop(rest);
    let reply = within("the answer", answer).await.unwrap().unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.into_body().collect().await.unwrap().to_bytes(), "Ok(10)");

    // The level is left some way below where it began.
    gateway.rewrite("cgroup/memory.current", "860000000");
    eventually("it is seen", async || (!refusing().await).then_some(())).await;
    assert_eq!(gateway.get("http://h/").await.status, 200);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("rollgate_refused_total", &[("reason", "memory")]), 2.0);
    assert_eq!(backend.requests(), 4);
}
