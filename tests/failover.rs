//! A service that is down, or answers as it should not, has its requests answered by another.

#![cfg(test)]

use rollgate_testkit::{Gateway, Switched, configuration, wait::eventually};

const CHECK: &str = "{path: /health, interval: 50ms}";

/// `f.test` leads to a failover from `main` to `spare`, both checked.
fn failover(main: &Switched, spare: &Switched, keys: &str) -> String {
    format!(
        "http:
  routers: {{f: {{rule: Host(`f.test`), service: f}}}}
  services:
    main: {{loadBalancer: {{servers: [{{url: '{}'}}], healthCheck: {CHECK}}}}}
    spare: {{loadBalancer: {{servers: [{{url: '{}'}}], healthCheck: {CHECK}}}}}
    f: {{failover: {{service: main, fallback: spare{keys}}}}}
",
        main.url(),
        spare.url()
    )
}

async fn is(gateway: &Gateway, server: &Switched, up: bool) {
    eventually(&format!("{} is {up}", server.backend.name), async || {
        let metrics = gateway.metrics().await;
        (metrics.sum("traefik_service_server_up", &[("url", &server.url())]) == f64::from(up)).then_some(())
    })
    .await;
}

/// Who answers, or with which status.
async fn answers(gateway: &Gateway, host: &str, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        let reply = gateway.get(&format!("http://{host}/")).await;
        names.push(if reply.status == 200 { reply.text() } else { reply.status.to_string() });
    }
    names
}

#[tokio::test]
async fn the_fallback_answers_while_the_main_service_is_down() {
    let (main, spare) = (Switched::new("main"), Switched::new("spare"));
    // Health reaches the failover whether or not it says `healthCheck`.
    for keys in ["", ", healthCheck: {}"] {
        main.health(200);
        spare.health(200);
        let gateway = Gateway::with(&failover(&main, &spare, keys));
        assert_eq!(answers(&gateway, "f.test", 10).await, ["main"; 10]);
        main.health(500);
        is(&gateway, &main, false).await;
        assert_eq!(answers(&gateway, "f.test", 10).await, ["spare"; 10]);
        main.health(200);
        is(&gateway, &main, true).await;
        assert_eq!(answers(&gateway, "f.test", 10).await, ["main"; 10]);
        main.health(500);
        spare.health(500);
        is(&gateway, &main, false).await;
        is(&gateway, &spare, false).await;
        let reply = gateway.get("http://f.test/").await;
        assert_eq!((reply.status, reply.text().as_str()), (503, "no available server\n"));
    }
}

#[tokio::test]
async fn a_main_service_without_servers_is_down_from_the_start() {
    let spare = Switched::new("spare");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{f: {{rule: Host(`f.test`), service: f}}}}
  services:
    main: {{loadBalancer: {{servers: []}}}}
    spare: {}
    f: {{failover: {{service: main, fallback: spare}}}}
",
        spare.backend.load_balancer()
    ));
    assert_eq!(answers(&gateway, "f.test", 5).await, ["spare"; 5]);
}

#[tokio::test]
async fn health_goes_up_through_every_kind_of_service() {
    let (main, spare, other) = (Switched::new("main"), Switched::new("spare"), Switched::new("other"));
    let config = failover(&main, &spare, "").replace(
        "routers: {",
        "routers: {w: {rule: Host(`w.test`), service: w}, o: {rule: Host(`o.test`), service: outer}, ",
    );
    let gateway = Gateway::with(&format!(
        "{config}    other: {}
    w: {{weighted: {{services: [{{name: f, weight: 99}}, {{name: other, weight: 1}}]}}}}
    inner: {{weighted: {{services: [{{name: f}}]}}}}
    outer: {{failover: {{service: inner, fallback: other}}}}
",
        other.backend.load_balancer()
    ));
    main.health(500);
    spare.health(500);
    is(&gateway, &main, false).await;
    is(&gateway, &spare, false).await;
    assert_eq!(answers(&gateway, "w.test", 20).await, ["other"; 20]);
    assert_eq!(answers(&gateway, "o.test", 20).await, ["other"; 20]);
    spare.health(200);
    is(&gateway, &spare, true).await;
    assert_eq!(answers(&gateway, "o.test", 20).await, ["spare"; 20]);
}

#[tokio::test]
async fn a_reload_of_something_else_does_not_send_requests_back() {
    let (main, spare) = (Switched::new("main"), Switched::new("spare"));
    main.health(500);
    let config = configuration(&failover(&main, &spare, "").replace("50ms", "1h"));
    let gateway = Gateway::start(&config);
    is(&gateway, &main, false).await;
    for round in 0..3 {
        let other = format!("routers: {{o{round}: {{rule: Host(`o{round}.test`), service: spare}}, f:");
        gateway.rewrite("rollgate.yml", &config.replace("routers: {f:", &other));
        eventually("the other router is live", async || {
            (gateway.get(&format!("http://o{round}.test/")).await.status == 200).then_some(())
        })
        .await;
        assert_eq!(answers(&gateway, "f.test", 10).await, ["spare"; 10]);
    }
    assert_eq!((main.requests(), main.probes()), (0, 1));
}

#[tokio::test]
async fn middlewares_of_every_service_on_the_way_run() {
    let (main, spare) = (Switched::new("main"), Switched::new("spare"));
    let mut config = failover(&main, &spare, "");
    for name in ["main", "spare", "f"] {
        config = config.replace(&format!("    {name}: {{"), &format!("    {name}: {{middlewares: [{name}], "));
    }
    let middleware = |name: &str| format!("    {name}: {{headers: {{customResponseHeaders: {{X-{name}: passed}}}}}}\n");
    let middlewares: String = ["main", "spare", "f"].map(middleware).concat();
    let gateway = Gateway::with(&format!("{config}  middlewares:\n{middlewares}"));
    let passed = async || {
        let reply = gateway.get("http://f.test/").await;
        ["x-f", "x-main", "x-spare"].map(|name| reply.header(name).is_some())
    };
    assert_eq!(passed().await, [true, true, false]);
    main.health(500);
    is(&gateway, &main, false).await;
    assert_eq!(passed().await, [true, false, true]);
}
