//! A circuit breaker keeps requests from a backend that fails, says so, and lets them come back. What becomes of a version's
//! share is in `tripped_versions.rs`.

#![cfg(test)]

use std::time::Duration;

use http::Response;
use rollgate_testkit::{
    Ask, Backend, Gateway, RawConnection,
    backend::Protocol,
    client::full,
    configuration,
    wait::{eventually, lasted},
};

/// Trips at the tenth answer, and stays so for longer than a test lasts.
const LASTING: &str =
    "{circuitBreaker: {expression: NetworkErrorRatio() > 0.5, checkPeriod: 1ns, fallbackDuration: 1h}}";

/// Trips likewise, and is over within a second.
const BRIEF: &str = "{circuitBreaker: {expression: 'ResponseCodeRatio(500, 600, 0, 600) > 0.5', checkPeriod: 1ns, \
                     fallbackDuration: 300ms, recoveryDuration: 600ms}}";

/// A router `r` for `pro.coding` with these middlewares, in YAML's flow form, in their order: `cb` and what else there is.
fn behind(middlewares: &[(&str, &str)], url: &str) -> String {
    let names: Vec<&str> = middlewares.iter().map(|(name, _)| *name).collect();
    let middlewares: String = middlewares.iter().map(|(name, kind)| format!("    {name}: {kind}\n")).collect();
    format!(
        "http:
  routers:
    r: {{rule: 'Host(`pro.coding`)', middlewares: [{}], service: s}}
  middlewares:
{middlewares}  services:
    s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}
",
        names.join(", ")
    )
}

/// What the echo server is to answer with.
fn echo(status: u16) -> Ask {
    Ask::get("http://pro.coding/").header("echo-status", &status.to_string())
}

async fn statuses(gateway: &Gateway, ask: &Ask, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(gateway.ask(ask.clone()).await.status);
    }
    statuses
}

/// Ten answers of 502, which is when it trips.
async fn trip(gateway: &Gateway) {
    assert_eq!(statuses(gateway, &echo(502), 10).await, [502; 10]);
    is(gateway, "tripped").await;
}

async fn is(gateway: &Gateway, expected: &str) {
    assert_eq!(gateway.breaker(("router", "r@file")).await, expected);
}

async fn becomes(gateway: &Gateway, of: (&str, &str), expected: &str) {
    let what = format!("the breaker is {expected}");
    eventually(&what, async || (gateway.breaker(of).await == expected).then_some(())).await;
}

/// Lines of the log about breakers, without their times.
async fn logged(gateway: &Gateway, lines: usize) -> String {
    let about = || -> Vec<String> {
        let log = gateway.stderr();
        let lines = log.lines().filter(|line| line.contains("circuit breaker"));
        lines.map(|line| line.split_once("Z ").map_or(line, |(_, rest)| rest).trim().to_owned()).collect()
    };
    eventually("the log has its lines", async || (about().len() >= lines).then_some(())).await;
    about().join("\n")
}

#[tokio::test]
async fn it_answers_in_the_backends_place_with_the_headers_of_every_answer() {
    let backend = Backend::echo("s");
    let cors = "{headers: {accessControlAllowOriginList: ['https://a.coding'], addVaryHeader: true}}";
    let gateway = Gateway::with(&behind(&[("cors", cors), ("cb", LASTING)], &backend.url()));
    trip(&gateway).await;
    for _ in 0..20 {
        let reply = gateway.ask(echo(200).header("Origin", "https://a.coding")).await;
        assert_eq!((reply.status, reply.text().as_str()), (503, "Service Unavailable"));
        let wait: u64 = reply.header("retry-after").expect("it says when to come again").parse().unwrap();
        assert!((3_500..=3_600).contains(&wait), "{wait} s");
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.coding"));
        assert_eq!(reply.header("vary"), Some("Origin"));
    }
    assert_eq!(backend.requests(), 10, "none of them came to the backend");
    assert_eq!(
        logged(&gateway, 1).await,
        "WARN a circuit breaker tripped middleware=cb@file place=router r@file from=\"standby\" answers=10 \
         measured=\"NetworkErrorRatio() = 1\" fallback=3600s"
    );
}

#[tokio::test]
async fn the_response_code_is_the_operators() {
    let backend = Backend::echo("s");
    let coded = LASTING.replace("checkPeriod", "responseCode: 429, minRequests: 1, checkPeriod");
    let gateway = Gateway::with(&behind(&[("cb", &coded)], &backend.url()));
    assert_eq!(statuses(&gateway, &echo(504), 1).await, [504]);
    let reply = gateway.ask(echo(200)).await;
    assert_eq!((reply.status, reply.text().as_str()), (429, "Too Many Requests"));
}

#[tokio::test]
async fn a_server_that_refuses_connections_trips_it() {
    let gone = Backend::echo("s").url();
    let gateway = Gateway::with(&behind(&[("cb", LASTING)], &gone));
    assert_eq!(statuses(&gateway, &echo(200), 12).await[..], [[502; 10].as_slice(), &[503; 2]].concat());
}

#[tokio::test]
async fn answers_that_break_off_trip_it() {
    let broken = Backend::once("s", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it");
    let gateway = Gateway::with(&behind(&[("cb", LASTING)], &broken.url()));
    for _ in 0..10 {
        let mut client = RawConnection::open(gateway.web()).await;
        client.write("GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n").await;
        let answer = String::from_utf8(client.read_to_end().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    becomes(&gateway, ("router", "r@file"), "tripped").await;
}

#[tokio::test]
async fn answers_that_take_too_long_trip_it() {
    let slow = Backend::serve("s", Protocol::Http1, |_| async {
        lasted(Duration::from_millis(60)).await;
        Response::new(full("s"))
    });
    let breaker = LASTING.replace("NetworkErrorRatio() > 0.5", "LatencyAtQuantileMS(50.0) > 50");
    let gateway = Gateway::with(&behind(&[("cb", &breaker)], &slow.url()));
    assert_eq!(statuses(&gateway, &echo(200), 12).await[..], [[200; 10].as_slice(), &[503; 2]].concat());
    let log = logged(&gateway, 1).await;
    assert!(log.contains("measured=\"LatencyAtQuantileMS(50.0) = "), "{log}");
}

#[tokio::test]
async fn fewer_answers_than_there_must_be_do_not_trip_it() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&behind(&[("cb", LASTING)], &backend.url()));
    assert_eq!(statuses(&gateway, &echo(502), 9).await, [502; 9]);
    is(&gateway, "standby").await;
    // What is no error counts too, and the condition holds for all ten.
    assert_eq!(statuses(&gateway, &echo(200), 2).await, [200, 503]);
}

#[tokio::test]
async fn it_recovers_little_by_little() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&behind(&[("cb", &BRIEF.replace("600ms", "3s"))], &backend.url()));
    assert_eq!(statuses(&gateway, &echo(500), 10).await, [500; 10]);
    assert_eq!(gateway.ask(echo(200)).await.status, 503);
    let mut recovering = Vec::new();
    eventually("it is in standby again", async || {
        let before = gateway.breaker(("router", "r@file")).await;
        let reply = gateway.ask(echo(200)).await;
        let after = gateway.breaker(("router", "r@file")).await;
        if before == "recovering" && after == "recovering" {
            recovering.push(reply.status);
        }
        (before == "standby").then_some(())
    })
    .await;
    assert_eq!(statuses(&gateway, &echo(200), 20).await, [200; 20]);
    assert_eq!(recovering.first(), Some(&503), "the first one is denied: {recovering:?}");
    assert!(recovering.contains(&200), "some are let through: {recovering:?}");
    let allowed = recovering.iter().filter(|status| **status == 200).count();
    // Those at the borders are not among them.
    assert!(allowed * 2 <= recovering.len() + 4, "at most a half: {recovering:?}");
}

#[tokio::test]
async fn time_alone_brings_it_back_and_that_is_told() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&behind(&[("cb", BRIEF)], &backend.url()));
    assert_eq!(statuses(&gateway, &echo(500), 10).await, [500; 10]);
    // Without a request, and without a look at the metrics.
    let log = logged(&gateway, 3).await;
    assert_eq!(
        log,
        "WARN a circuit breaker tripped middleware=cb@file place=router r@file from=\"standby\" answers=10 \
         measured=\"ResponseCodeRatio(500, 600, 0, 600) = 1\" fallback=300ms\n\
         INFO a circuit breaker lets some requests through again middleware=cb@file place=router r@file recovery=600ms\n\
         INFO a circuit breaker lets all requests through again middleware=cb@file place=router r@file"
    );
    let metrics = gateway.metrics().await;
    for state in ["tripped", "recovering", "standby"] {
        let labels = [("middleware", "cb@file"), ("router", "r@file"), ("to", state)];
        assert_eq!(metrics.sum("rollgate_circuit_breaker_transitions_total", &labels), 1.0, "to {state}");
    }
    is(&gateway, "standby").await;
}

#[tokio::test]
async fn the_metrics_name_the_breaker_and_its_place() {
    let backend = Backend::echo("s");
    let dynamic = behind(&[("cb", LASTING)], &backend.url());
    let gateway = Gateway::with(&dynamic.replace("s: {loadBalancer", "s: {middlewares: [cb], loadBalancer"));
    trip(&gateway).await;
    assert_eq!(gateway.ask(echo(200)).await.status, 503);
    let metrics = gateway.metrics().await;
    let lines: Vec<&str> = metrics.text.lines().filter(|line| line.starts_with("rollgate_circuit_breaker")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn every_place_has_a_breaker_of_its_own() {
    let backend = Backend::echo("s");
    let dynamic = behind(&[("cb", LASTING)], &backend.url());
    let other = "  routers:\n    other: {rule: 'Host(`other.coding`)', middlewares: [cb], service: s}\n";
    let gateway = Gateway::with(&dynamic.replace("  routers:\n", other));
    trip(&gateway).await;
    assert_eq!(gateway.get("http://other.coding/").await.status, 200);
    assert_eq!(gateway.breaker(("router", "other@file")).await, "standby");
}

#[tokio::test]
async fn its_state_outlives_a_reload() {
    let backend = Backend::echo("s");
    let before = behind(&[("cb", LASTING)], &backend.url());
    let gateway = Gateway::with(&before);
    trip(&gateway).await;
    // An unrelated router comes.
    let more = "  routers:\n    more: {rule: 'Host(`more.coding`)', service: s}\n";
    gateway.rewrite("rollgate.yml", &configuration(&before.replace("  routers:\n", more)));
    eventually("the new router serves", async || {
        (gateway.get("http://more.coding/").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(statuses(&gateway, &echo(200), 3).await, [503; 3]);
    // Its own middleware changes: other numbers hold for the state that is there.
    let shorter = LASTING.replace("1h", "100s");
    gateway.rewrite("rollgate.yml", &configuration(&behind(&[("cb", &shorter)], &backend.url())));
    let wait = eventually("the other duration holds", async || {
        let reply = gateway.ask(echo(200)).await;
        assert_eq!(reply.status, 503);
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        (wait <= 100).then_some(wait)
    })
    .await;
    assert!(wait > 40, "it is still the same trip, {wait} s");
    // Another condition is another breaker.
    let other = shorter.replace("> 0.5", "> 0.6");
    gateway.rewrite("rollgate.yml", &configuration(&behind(&[("cb", &other)], &backend.url())));
    eventually("it begins anew", async || (gateway.ask(echo(200)).await.status == 200).then_some(())).await;
    is(&gateway, "standby").await;
}

/// A page of `pages` for each 502, with the status 503.
const PAGES: &str =
    "{errors: {status: ['502'], statusRewrites: {'502': 503}, service: pages, errorRequestHeaders: []}}";

/// Like [`behind`], with a service of pages.
fn with_pages(middlewares: &[(&str, &str)], url: &str, pages: &Backend) -> String {
    format!("{}    pages: {}\n", behind(middlewares, url), pages.load_balancer())
}

#[tokio::test]
async fn it_learns_of_errors_that_have_a_page() {
    let (gone, pages) = (Backend::echo("s").url(), Backend::echo("pages"));
    let gateway = Gateway::with(&with_pages(&[("pages", PAGES), ("cb", LASTING)], &gone, &pages));
    assert_eq!(statuses(&gateway, &echo(200), 12).await, [503; 12]);
    is(&gateway, "tripped").await;
    assert_eq!(pages.requests(), 10, "what it answers itself has none");
}

#[tokio::test]
async fn it_learns_the_status_at_its_own_place_of_what_is_tried_again() {
    let (backend, pages) = (Backend::echo("s"), Backend::echo("pages"));
    let again = "{retry: {attempts: 2, status: ['503'], budget: {percent: 200}}}";
    let middlewares = [("again", again), ("pages", PAGES), ("cb", LASTING)];
    let gateway = Gateway::with(&with_pages(&middlewares, &backend.url(), &pages));
    assert_eq!(statuses(&gateway, &echo(502), 5).await, [503; 5]);
    assert_eq!(backend.requests(), 10);
    is(&gateway, "tripped").await;
}
