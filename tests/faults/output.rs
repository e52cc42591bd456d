//! Standard output and standard error that nobody reads: a log collector that hangs, or that has gone away.

use rollgate_testkit::{Backend, Gateway, Launch, Reader, wait::eventually};

use crate::configuration;

fn launch(reader: Reader) -> (Backend, Gateway) {
    let backend = Backend::echo("s");
    let logs = "log: {level: DEBUG}\naccessLog: {bufferingSize: 100}";
    let gateway = Launch::new(&configuration(&backend, logs)).reader(reader).start();
    gateway.address("traefik");
    (backend, gateway)
}

/// Lines for both logs: far more than a pipe holds, 64 KiB.
async fn talk(gateway: &Gateway) {
    for _ in 0..1_000 {
        // Refused requests are told of at this level.
        assert_eq!(gateway.get("http://h/%zz").await.status, 400);
        assert_eq!(gateway.get("http://h/").await.status, 200);
    }
}

#[tokio::test]
async fn a_reader_that_stops_costs_lines_and_no_request() {
    let (_backend, gateway) = launch(Reader::Stops);
    talk(&gateway).await;
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("rollgate_access_log_dropped_total", &[]) > 0.0, "the pipe was never full");
    // Nor does the end wait for it longer than for a moment.
    assert_eq!(gateway.terminate().code(), Some(0));
}

#[tokio::test]
async fn a_reader_that_goes_away_costs_lines_and_no_request() {
    let (_backend, gateway) = launch(Reader::Leaves);
    talk(&gateway).await;
    let lost = eventually("lines are counted as lost", async || {
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum("rollgate_panics_total", &[]), 0.0);
        Some(metrics.sum("rollgate_access_log_dropped_total", &[])).filter(|lost| *lost > 0.0)
    })
    .await;
    assert!(lost <= 2_000.0, "{lost}");
    assert_eq!(gateway.terminate().code(), Some(0));
}
