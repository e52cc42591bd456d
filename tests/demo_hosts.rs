//! The demo: its hosts, its A/B header, its split; and the commands that the README begins with.

#![cfg(test)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::Response;
use rollgate_testkit::{Ask, Backend, Gateway, backend::Protocol, client::full, load, rollgate, wait::eventually};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The demo's configuration with its ports free and its servers ours.
struct Demo {
    gateway: Gateway,
    stable: Backend,
    canary: Backend,
    nodeport: Backend,
}

fn demo() -> Demo {
    demo_with(version("k8s-flask-canary", 'c'), &[])
}

fn version(name: &str, letter: char) -> Backend {
    Backend::canned(name, format!("HTTP/1.1 200 OK\r\nX-Backend: {name}\r\nContent-Length: 1\r\n\r\n{letter}"))
}

/// With another canary, and with some numbers changed.
fn demo_with(canary: Backend, changes: &[(&str, &str)]) -> Demo {
    let mut text = std::fs::read_to_string(format!("{ROOT}/examples/flask/rollgate.yml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let stable = version("k8s-flask", 's');
    let nodeport = version("k8s-flask-nodeport", 'n');
    let text = text
        .replace("127.0.0.1:8000", "127.0.0.1:0")
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("http://127.0.0.1:5001", &stable.url())
        .replace("http://127.0.0.1:5002", &canary.url())
        .replace("http://127.0.0.1:5003", &nodeport.url());
    Demo { gateway: Gateway::start(&text), stable, canary, nodeport }
}

#[tokio::test]
async fn the_development_host_leads_to_its_own_service() {
    let demo = demo();
    for _ in 0..20 {
        let reply = demo.gateway.get("http://dev.coding/").await;
        assert_eq!((reply.status, reply.header("x-backend")), (200, Some("k8s-flask-nodeport")));
    }
    assert_eq!(demo.stable.connections() + demo.canary.connections(), 0);
}

#[tokio::test]
async fn the_header_leads_to_the_canary() {
    let demo = demo();
    for _ in 0..50 {
        let ask = Ask::get("http://pro.coding/").header("X-Version", "canary");
        assert_eq!(demo.gateway.ask(ask).await.header("x-backend"), Some("k8s-flask-canary"));
    }
    assert_eq!(demo.stable.connections(), 0);
}

#[tokio::test]
async fn production_is_split_ninety_to_ten() {
    // This client asks for more than it may.
    let demo = demo_with(version("k8s-flask-canary", 'c'), &[("average: 500", "average: 0")]);
    let ask = b"GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n";
    let drawn = load::in_parallel(demo.gateway.web(), ask, 10_000, 4).await;
    let canaries = drawn.iter().filter(|&&letter| letter == b'c').count();
    let stables = drawn.iter().filter(|&&letter| letter == b's').count();
    assert_eq!(canaries + stables, 10_000);
    // Five standard deviations.
    assert!((850..=1150).contains(&canaries), "{canaries} of 10,000");
    assert_eq!(demo.nodeport.connections(), 0);
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_to_wait_on_the_production_host_alone() {
    let canary = version("k8s-flask-canary", 'c');
    let demo = demo_with(canary, &[("average: 500", "average: 1\n        period: 1h"), ("burst: 1000", "burst: 5")]);
    for number in 0..5 {
        // Both routers share the limit.
        let ask = Ask::get("http://pro.coding/");
        let ask = if number % 2 == 0 { ask.header("X-Version", "canary") } else { ask };
        assert_eq!(demo.gateway.ask(ask).await.status, 200);
    }
    let reply = demo.gateway.get("http://pro.coding/").await;
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(demo.gateway.get("http://dev.coding/").await.status, 200);
}

#[tokio::test]
async fn a_canary_that_fails_loses_its_share_to_the_stable_version_and_gets_it_back() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let canary = Backend::serve("k8s-flask-canary", Protocol::Http1, move |_| {
        let mut response = Response::new(full("c"));
        if is_broken.load(Ordering::SeqCst) {
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        async move { response }
    });
    let shorter = [("fallbackDuration: 5s", "fallbackDuration: 2s"), ("recoveryDuration: 5s", "recoveryDuration: 1s")];
    let demo = demo_with(canary, &shorter);
    let to_canary = || Ask::get("http://pro.coding/").header("X-Version", "canary");
    let turned_away = eventually("the breaker has tripped", async || {
        let reply = demo.gateway.ask(to_canary()).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    assert!(
        turned_away.header("retry-after").is_some(),
        "who wants the canary and no other is told when to come again"
    );
    let before = demo.canary.requests();
    for _ in 0..100 {
        let reply = demo.gateway.get("http://pro.coding/").await;
        assert_eq!((reply.status, reply.header("x-backend")), (200, Some("k8s-flask")));
    }
    assert_eq!(demo.canary.requests(), before);
    broken.store(false, Ordering::SeqCst);
    eventually("the canary has its share again", async || {
        let reply = demo.gateway.get("http://pro.coding/").await;
        assert_eq!(reply.status, 200, "nobody pays for the recovery");
        let metrics = demo.gateway.metrics().await;
        let standby = [("service", "k8s-flask-canary@file"), ("state", "standby")];
        let is_back = metrics.sum("rollgate_circuit_breaker_state", &standby) == 1.0;
        (is_back && reply.text() == "c").then_some(())
    })
    .await;
}

#[test]
fn the_demo_shows_a_breaker_that_trips_and_a_share_that_moves_and_comes_back() {
    let output = rollgate(ROOT, &["demo", "--seconds", "26"]);
    assert_eq!(output.code, 0, "{output:?}");
    let mut lines = output.stdout.lines();
    let mut comes = |what: &str, shows: &dyn Fn(&str) -> bool| {
        assert!(lines.any(shows), "{what} is not shown, or not in its turn:\n{}", output.stdout);
    };
    let canary =
        |line: &str| line.split("  ").find(|part| part.starts_with("k8s-flask-canary")).unwrap_or_default().to_owned();
    comes("the split", &|line| !canary(line).contains("(0.0%") && canary(line).contains("% of 10%)"));
    comes("the canary's failure", &|line| line.ends_with("; the canary fails"));
    comes("the trip", &|line| canary(line).contains("(0.0% of 10%) tripped"));
    comes("its end", &|line| line.ends_with("; all is well"));
    comes("the recovery", &|line| canary(line).contains("recovering"));
    comes("the split again", &|line| {
        let canary = canary(line);
        canary.contains("% of 10%)") && !canary.contains("(0.0%") && !canary.contains("recovering")
    });
}

#[tokio::test]
async fn other_hosts_are_not_found() {
    let demo = demo();
    let reply = demo.gateway.get("http://other.coding/").await;
    assert_eq!((reply.status, reply.text().as_str()), (404, "404 page not found\n"));
}

#[test]
fn the_demo_runs_without_a_terminal_and_says_what_to_try() {
    let output = rollgate(ROOT, &["demo", "--seconds", "3"]);
    assert_eq!(output.code, 0, "{output:?}");
    for told in [
        "curl",
        "Host: dev.coding",
        "Host: pro.coding",
        "X-Version: canary",
        "k8s-flask",
        "k8s-flask-canary",
        "k8s-flask-nodeport",
    ] {
        assert!(output.stdout.contains(told), "{told} is missing:\n{}", output.stdout);
    }
    assert!(!output.stdout.contains('\u{1b}'), "plain lines, no terminal's escapes:\n{}", output.stdout);
}

#[test]
fn explain_says_which_router_wins_and_what_each_version_gets() {
    let explain = |arguments: &[&str]| {
        let fixed = ["explain", "--config", "examples/flask/rollgate.yml", "--json"];
        let output = rollgate(ROOT, &[&fixed[..], arguments].concat());
        assert_eq!(output.code, 0, "{output:?}");
        let explained: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {output:?}"));
        explained
    };
    let plain = explain(&["http://pro.coding:8000/"]);
    assert_eq!(plain["entryPoint"], "web", "{plain:#}");
    assert_eq!(plain["router"]["name"], "pro@file", "{plain:#}");
    let text = plain["service"].to_string();
    for told in ["k8s-flask@file", "k8s-flask-canary@file", "0.9", "0.1"] {
        assert!(text.contains(told), "{told}: {plain:#}");
    }
    let header = explain(&["-H", "X-Version: canary", "http://pro.coding:8000/"]);
    assert_eq!(header["router"]["name"], "pro-canary@file", "{header:#}");
    let nobody = rollgate(ROOT, &["explain", "--config", "examples/flask/rollgate.yml", "http://nobody.coding:8000/"]);
    assert!(nobody.stdout.contains("404"), "{nobody:?}");
}

#[test]
fn explain_is_readable_without_json() {
    let output = rollgate(ROOT, &["explain", "--config", "examples/flask/rollgate.yml", "http://pro.coding:8000/"]);
    assert_eq!(output.code, 0, "{output:?}");
    for told in ["web", "pro@file", "k8s-flask", "90", "10"] {
        assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
    }
}
