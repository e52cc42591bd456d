//! A server that fails requests is left out for a while; never so many that none is left, and never for a client's fault.

#![cfg(test)]

use rollgate_testkit::{Ask, Backend, Connection, Gateway, Switched, client, configuration, wait::eventually};

/// `s.test` leads to a load balancer of servers at these URLs, with these keys besides.
fn balanced(urls: &[String], keys: &str) -> String {
    let servers: Vec<String> = urls.iter().map(|url| format!("{{url: '{url}'}}")).collect();
    format!(
        "http:
  routers: {{s: {{rule: Host(`s.test`), service: s}}}}
  services:
    s: {{loadBalancer: {{servers: [{}], {keys}}}}}
",
        servers.join(", ")
    )
}

fn urls(servers: &[&Switched]) -> Vec<String> {
    servers.iter().map(|server| server.url()).collect()
}

async fn statuses(gateway: &Gateway, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(gateway.get("http://s.test/").await.status);
    }
    statuses
}

async fn up(gateway: &Gateway, url: &str) -> f64 {
    gateway.metrics().await.sum("traefik_service_server_up", &[("url", url)])
}

fn bad(statuses: &[u16]) -> usize {
    statuses.iter().filter(|status| **status != 200).count()
}

#[tokio::test]
async fn one_failure_is_enough_by_default() {
    let servers = [Switched::new("one"), Switched::new("two")];
    let [one, two] = servers.each_ref();
    two.answers(500);
    let gateway = Gateway::with(&balanced(&urls(&[one, two]), "passiveHealthCheck: {failureWindow: 1h}"));
    let statuses = statuses(&gateway, 40).await;
    assert_eq!((bad(&statuses), two.requests()), (1, 1), "{statuses:?}");
    assert_eq!((up(&gateway, &one.url()).await, up(&gateway, &two.url()).await), (1.0, 0.0));
    let changes = [("service", "s@file"), ("to", "down"), ("cause", "answers")];
    assert_eq!(gateway.metrics().await.sum("rollgate_server_changes_total", &changes), 1.0);
    gateway.logs("a server is left out").await;
}

#[tokio::test]
async fn one_that_cannot_be_reached_fails_too() {
    let good = Switched::new("good");
    let gone = Backend::echo("gone").url();
    let breaks = Backend::once("breaks", "HTTP/1.1 2").url();
    let gateway = Gateway::with(&balanced(
        &[good.url(), gone.clone(), breaks.clone()],
        "passiveHealthCheck: {failureWindow: 1h, maxEjectedPercent: 100}",
    ));
    let statuses = statuses(&gateway, 40).await;
    assert_eq!(bad(&statuses), 2, "{statuses:?}");
    assert_eq!((up(&gateway, &gone).await, up(&gateway, &breaks).await), (0.0, 0.0));
}

#[tokio::test]
async fn several_failures_must_follow_each_other() {
    let servers = [Switched::new("one"), Switched::new("two")];
    let [one, two] = servers.each_ref();
    let keys = "passiveHealthCheck: {failureWindow: 1h, maxFailedAttempts: 3}";
    let gateway = Gateway::with(&balanced(&urls(&[one, two]), keys));
    for round in 1..=5 {
        // Two in a row, and then a good one.
        two.answers(503);
        eventually("it has failed twice", async || {
            gateway.get("http://s.test/").await;
            (two.requests() >= 3 * round - 1).then_some(())
        })
        .await;
        two.answers(200);
        eventually("it has answered once", async || {
            gateway.get("http://s.test/").await;
            (two.requests() >= 3 * round).then_some(())
        })
        .await;
    }
    assert_eq!(up(&gateway, &two.url()).await, 1.0);
    two.answers(503);
    let statuses = statuses(&gateway, 40).await;
    assert_eq!((bad(&statuses), up(&gateway, &two.url()).await), (3, 0.0), "{statuses:?}");
}

#[tokio::test]
async fn it_comes_back_when_the_window_is_over() {
    let servers = [Switched::new("one"), Switched::new("two")];
    let [one, two] = servers.each_ref();
    two.answers(500);
    let gateway = Gateway::with(&balanced(&urls(&[one, two]), "passiveHealthCheck: {failureWindow: 300ms}"));
    eventually("it fails", async || (gateway.get("http://s.test/").await.status == 500).then_some(())).await;
    two.answers(200);
    let before = two.requests();
    eventually("it is asked again", async || {
        assert_eq!(gateway.get("http://s.test/").await.status, 200);
        (two.requests() > before).then_some(())
    })
    .await;
    assert_eq!(up(&gateway, &two.url()).await, 1.0);
}

#[tokio::test]
async fn a_good_probe_brings_it_back_and_time_alone_does_not() {
    let servers = [Switched::new("one"), Switched::new("two")];
    let [one, two] = servers.each_ref();
    two.answers(500);
    let keys = "passiveHealthCheck: {failureWindow: 1ms}, healthCheck: {path: /health, interval: 1000h}";
    let config = balanced(&urls(&[one, two]), keys);
    let gateway = Gateway::with(&config);
    eventually("both were asked", async || (one.probes() + two.probes() == 2).then_some(())).await;
    eventually("it fails", async || (gateway.get("http://s.test/").await.status == 500).then_some(())).await;
    let statuses = statuses(&gateway, 50).await;
    assert_eq!((bad(&statuses), two.requests()), (0, 1), "{statuses:?}");
    // Asked anew, at once.
    gateway.rewrite("rollgate.yml", &configuration(&config.replace("/health", "'/health?again'")));
    eventually("it is back", async || (up(&gateway, &two.url()).await == 1.0).then_some(())).await;
}

#[tokio::test]
async fn a_server_that_is_alone_is_never_left_out() {
    let one = Switched::new("one");
    one.answers(500);
    let gateway = Gateway::with(&balanced(&urls(&[&one]), "passiveHealthCheck: {}"));
    assert_eq!(statuses(&gateway, 20).await, [500; 20], "its own answers, not ours");
    assert_eq!(one.requests(), 20);
}

#[tokio::test]
async fn only_a_share_of_the_servers_is_left_out_at_a_time() {
    let servers = ["a", "b", "c", "d"].map(Switched::new);
    servers.iter().for_each(|server| server.answers(500));
    let all = servers.each_ref();
    let gateway = Gateway::with(&balanced(&urls(&all), "passiveHealthCheck: {failureWindow: 1h}"));
    let statuses = statuses(&gateway, 60).await;
    assert!(!statuses.contains(&503), "there is always one to ask: {statuses:?}");
    let down = gateway.metrics().await.sum("rollgate_server_changes_total", &[("to", "down")]);
    assert_eq!(down, 2.0, "half of them");
    // The two that were left out saw one request each.
    assert_eq!(servers.iter().filter(|server| server.requests() == 1).count(), 2);
}

#[tokio::test]
async fn when_the_others_are_down_by_their_probes_those_left_out_are_asked_again() {
    let servers = [Switched::new("one"), Switched::new("two")];
    let [one, two] = servers.each_ref();
    two.answers(500);
    let keys = "passiveHealthCheck: {failureWindow: 1h}, healthCheck: {path: /health, interval: 1000h, unhealthyInterval: 1000h}";
    let config = balanced(&urls(&[one, two]), keys);
    let gateway = Gateway::with(&config);
    eventually("both were asked", async || (one.probes() + two.probes() == 2).then_some(())).await;
    eventually("it fails", async || (gateway.get("http://s.test/").await.status == 500).then_some(())).await;
    two.answers(200);
    assert_eq!(up(&gateway, &two.url()).await, 0.0);
    one.health(500);
    two.health(0);
    gateway.rewrite("rollgate.yml", &configuration(&config.replace("/health", "'/health?again'")));
    eventually("one is down", async || (up(&gateway, &one.url()).await == 0.0).then_some(())).await;
    assert_eq!(statuses(&gateway, 20).await, [200; 20]);
    let changes = [("to", "up"), ("cause", "last_one")];
    assert_eq!(gateway.metrics().await.sum("rollgate_server_changes_total", &changes), 1.0);
}

#[tokio::test]
async fn a_reload_of_something_else_keeps_it_out() {
    let servers = [Switched::new("one"), Switched::new("two")];
    let [one, two] = servers.each_ref();
    two.answers(500);
    let config = configuration(&balanced(&urls(&[one, two]), "passiveHealthCheck: {failureWindow: 1h}"));
    let gateway = Gateway::start(&config);
    eventually("it fails", async || (gateway.get("http://s.test/").await.status == 500).then_some(())).await;
    for round in 0..3 {
        let other = format!("routers: {{o{round}: {{rule: Host(`o{round}.test`), service: s}}, s:");
        gateway.rewrite("rollgate.yml", &config.replace("routers: {s:", &other));
        eventually("the other router is live", async || {
            (gateway.get(&format!("http://o{round}.test/")).await.status == 200).then_some(())
        })
        .await;
        assert_eq!(statuses(&gateway, 20).await, [200; 20]);
    }
    assert_eq!(two.requests(), 1);
}

#[tokio::test]
async fn what_a_client_does_is_not_held_against_a_server() {
    let servers = [Switched::new("one"), Switched::new("two")];
    let [one, two] = servers.each_ref();
    let gateway = Gateway::with(&balanced(&urls(&[one, two]), "passiveHealthCheck: {failureWindow: 1h}"));
    // It goes away before there is an answer.
    servers.iter().for_each(|server| server.answers(0));
    for _ in 0..10 {
        let before = one.requests() + two.requests();
        let address = gateway.web();
        let asking = tokio::spawn(async move { Ask::get("http://s.test/").send(address).await });
        eventually("a server is asked", async || (one.requests() + two.requests() > before).then_some(())).await;
        asking.abort();
        drop(asking.await);
    }
    servers.iter().for_each(|server| server.answers(200));
    // It breaks its body off.
    for _ in 0..10 {
        let mut connection = Connection::http1(gateway.web()).await;
        let (sender, body) = client::channel();
        let request = http::Request::post("/").header("host", "s.test").body(body).unwrap();
        let asking = tokio::spawn(async move { connection.try_send(request).await.map(|_| ()) });
        sender.send(hyper::body::Frame::data("some".into())).unwrap();
        tokio::task::yield_now().await;
        asking.abort();
        drop(asking.await);
        drop(sender);
    }
    // It asks for what there is not.
    servers.iter().for_each(|server| server.answers(404));
    assert_eq!(statuses(&gateway, 10).await, [404; 10]);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("rollgate_server_changes_total", &[]), 0.0);
    assert_eq!(metrics.sum("traefik_service_server_up", &[]), 2.0);
}
