//! A wall clock that jumps: nothing is timed by it.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use http::Response;
use rollgate_testkit::{Ask, Backend, Gateway, Launch, backend::Protocol, client::full, wait::eventually};
use tokio::sync::Notify;

/// libfaketime, whatever the architecture.
fn library() -> String {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let found = folders.map(|folder| format!("{folder}/faketime/libfaketimeMT.so.1"));
    found.into_iter().find(|path| Path::new(path).is_file()).expect("`cargo xtask setup` installs libfaketime")
}

/// A gateway whose wall clock is set by the file `clock`; its monotonic one is the machine's.
fn launch(configuration: &str) -> Gateway {
    Launch::new(configuration)
        .file("clock", "+0")
        .variable("LD_PRELOAD", &library())
        .variable("FAKETIME_TIMESTAMP_FILE", "@DIR@/clock")
        .variable("FAKETIME_NO_CACHE", "1")
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start()
}

/// What one access log line says: the hour in which the request began, and how long it took, in nanoseconds.
fn times(line: &str) -> (String, u64) {
    let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    let start = line["StartUTC"].as_str().expect("a line has its start");
    (start[..13].to_owned(), line["Duration"].as_u64().expect("a line has its duration"))
}

#[tokio::test]
async fn jumps_of_the_clock_cost_no_request_and_no_timeout() {
    static JUMPED: Notify = Notify::const_new();
    let slow = Backend::serve("slow", Protocol::Http1, |request: http::Request<hyper::body::Incoming>| async move {
        if request.uri().path() == "/never" {
            std::future::pending::<()>().await;
        }
        if request.uri().path() == "/slow" {
            JUMPED.notified().await;
        }
        Response::new(full("ok"))
    });
    let more = "accessLog: {format: json}\nserversTransport: {forwardingTimeouts: {responseHeaderTimeout: 2s}}";
    let gateway = launch(&super::configuration(&slow, more));
    let get = |path: &str| Ask::get(&format!("http://h{path}")).send(gateway.web());
    assert_eq!(get("/").await.status, 200);
    let mut asked = 1;
    // Far enough apart to be told from one another, also when the hour turns meanwhile.
    for clock in ["+5h", "-5h", "+0", "+24h"] {
        // Under way while it jumps.
        let began = Instant::now();
        let before = slow.requests();
        let (answered, never) = (tokio::spawn(get("/slow")), tokio::spawn(get("/never")));
        eventually("the server has both", async || (slow.requests() == before + 2).then_some(())).await;
        gateway.rewrite("clock", clock);
        for _ in 0..50 {
            assert_eq!(get("/").await.status, 200, "after {clock}");
        }
        JUMPED.notify_one();
        assert_eq!(answered.await.expect("it is answered").status, 200, "after {clock}");
        assert_eq!(never.await.expect("it is answered").status, 504, "after {clock}");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(1_900) && took < Duration::from_secs(10), "{took:?} after {clock}");
        asked += 52;
    }
    let lines = eventually("every request is logged", async || {
        let text = gateway.stdout();
        let lines: Vec<String> = text.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect();
        (lines.len() == asked).then_some(lines)
    })
    .await;
    let times: Vec<(String, u64)> = lines.iter().map(|line| times(line)).collect();
    let hours: BTreeSet<&str> = times.iter().map(|(hour, _)| &**hour).collect();
    assert!(hours.len() >= 4, "the clock did not jump: {hours:?}");
    assert!(times.iter().all(|(_, took)| *took < 10_000_000_000), "a duration is of another clock: {times:?}");
    let metrics = gateway.metrics().await;
    let sum = metrics.sum("traefik_service_request_duration_seconds_sum", &[]);
    assert!(sum > 4.0 * 2.0 && sum < 60.0, "{sum} s in all");
    assert_eq!(metrics.sum("rollgate_panics_total", &[]), 0.0);
}
