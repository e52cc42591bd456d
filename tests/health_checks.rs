//! A server that its health check finds down gets no requests, from the first probe on and over every reload, and gets
//! them again when it is up.

#![cfg(test)]

use rollgate_testkit::{
    Ask, Backend, Gateway, Launch, RawConnection, Switched, backend::Protocol, configuration, tls::Authority,
    wait::eventually,
};

/// `s.test` leads to a load balancer of these servers, checked as it says.
fn checked(servers: &[&Switched], check: &str) -> String {
    let urls: Vec<String> = servers.iter().map(|server| format!("{{url: '{}'}}", server.url())).collect();
    balanced(&urls, check)
}

fn balanced(servers: &[String], check: &str) -> String {
    format!(
        "http:
  routers: {{s: {{rule: Host(`s.test`), service: s}}}}
  services:
    s: {{loadBalancer: {{servers: [{}], healthCheck: {check}}}}}
",
        servers.join(", ")
    )
}

/// Who answers so many requests, each on a connection of its own.
async fn answers(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        let reply = gateway.get("http://s.test/").await;
        names.push(if reply.status == 200 { reply.text() } else { reply.status.to_string() });
    }
    names
}

#[tokio::test]
async fn the_first_probe_comes_at_once() {
    let (good, bad) = (Switched::new("good"), Switched::new("bad"));
    bad.health(503);
    let gateway = Gateway::with(&checked(&[&good, &bad], "{path: /health, interval: 1000h}"));
    gateway.server_is(&bad.url(), false).await;
    let before = bad.requests();
    assert_eq!(answers(&gateway, 20).await, ["good"; 20]);
    assert_eq!(bad.requests(), before);
    assert_eq!((good.probes(), bad.probes()), (1, 1));
    let metrics = gateway.metrics().await;
    let changes = [("service", "s@file"), ("to", "down"), ("cause", "probe")];
    assert_eq!(metrics.sum("rollgate_server_changes_total", &changes), 1.0);
    assert_eq!(metrics.sum("rollgate_health_checks_total", &[("outcome", "error")]), 1.0);
    gateway.logs("a server is down").await;
    gateway.logs("503 Service Unavailable").await;
}

#[tokio::test]
async fn one_that_goes_down_gets_no_request_once_that_is_noticed_and_comes_back() {
    let (one, two) = (Switched::new("one"), Switched::new("two"));
    let gateway = Gateway::with(&checked(&[&one, &two], "{path: /health, interval: 50ms}"));
    let both = answers(&gateway, 10).await;
    assert!(both.contains(&"one".to_owned()) && both.contains(&"two".to_owned()), "{both:?}");
    two.health(500);
    gateway.server_is(&two.url(), false).await;
    // It could not answer any more either.
    two.answers(500);
    assert_eq!(answers(&gateway, 50).await, ["one"; 50]);
    two.answers(200);
    two.health(200);
    gateway.server_is(&two.url(), true).await;
    let both = answers(&gateway, 10).await;
    assert!(both.contains(&"two".to_owned()), "{both:?}");
}

#[tokio::test]
async fn a_reload_of_something_else_neither_forgets_nor_asks_again() {
    let (good, bad) = (Switched::new("good"), Switched::new("bad"));
    bad.health(503);
    let config = configuration(&checked(&[&good, &bad], "{path: /health, interval: 1000h}"));
    let gateway = Gateway::start(&config);
    gateway.server_is(&bad.url(), false).await;
    for round in 0..5 {
        let other = format!("routers: {{o{round}: {{rule: Host(`o{round}.test`), service: s}}, s:");
        gateway.rewrite("rollgate.yml", &config.replace("routers: {s:", &other));
        eventually("the other router is live", async || {
            (gateway.get(&format!("http://o{round}.test/")).await.status == 200).then_some(())
        })
        .await;
        assert_eq!(answers(&gateway, 10).await, ["good"; 10]);
    }
    assert_eq!((good.probes(), bad.probes()), (1, 1));
    assert_eq!(gateway.metrics().await.sum("traefik_service_server_up", &[("url", &bad.url())]), 0.0);
}

#[tokio::test]
async fn a_reload_that_changes_its_own_service_does_not_forget_either() {
    let (good, bad) = (Switched::new("good"), Switched::new("bad"));
    bad.health(503);
    let config = configuration(&checked(&[&good, &bad], "{path: /health, interval: 1000h}"));
    let gateway = Gateway::start(&config);
    gateway.server_is(&bad.url(), false).await;
    // Another strategy and another interval; the probe is the same.
    let changed = config
        .replace("interval: 1000h", "interval: 2000h, timeout: 3s")
        .replace("servers:", "strategy: p2c, servers:");
    let generation = gateway.metrics().await.sum("traefik_config_reloads_total", &[]);
    gateway.rewrite("rollgate.yml", &changed);
    eventually("it is live", async || {
        (gateway.metrics().await.sum("traefik_config_reloads_total", &[]) > generation).then_some(())
    })
    .await;
    assert_eq!(answers(&gateway, 20).await, ["good"; 20]);
    assert_eq!((good.probes(), bad.probes()), (1, 1));
    // What is asked changes: it is asked at once, and what was found holds until there is an answer.
    gateway.rewrite("rollgate.yml", &changed.replace("path: /health", "path: /health?again"));
    eventually("both are asked again", async || ((good.probes(), bad.probes()) == (2, 2)).then_some(())).await;
    assert_eq!(answers(&gateway, 20).await, ["good"; 20]);
    // Without a check nobody is down.
    gateway
        .rewrite("rollgate.yml", &changed.replace(", healthCheck: {path: /health, interval: 2000h, timeout: 3s}", ""));
    gateway.server_is(&bad.url(), true).await;
    let both = answers(&gateway, 50).await;
    assert!(both.contains(&"bad".to_owned()), "{both:?}");
}

#[tokio::test]
async fn a_newcomer_gets_no_request_before_its_first_probe_was_good() {
    let (old, new) = (Switched::new("old"), Switched::new("new"));
    new.health(0);
    let check = "{path: /health, interval: 1000h, timeout: 1h}";
    let gateway = Gateway::with(&checked(&[&old], check));
    gateway.rewrite("rollgate.yml", &configuration(&checked(&[&old, &new], check)));
    eventually("the new one is asked", async || (new.probes() > 0).then_some(())).await;
    assert_eq!(answers(&gateway, 20).await, ["old"; 20]);
    assert_eq!(gateway.metrics().await.sum("traefik_service_server_up", &[("url", &new.url())]), 0.0);
    // It is asked anew, and answers.
    new.health(200);
    let check = check.replace("/health", "'/health?again'");
    gateway.rewrite("rollgate.yml", &configuration(&checked(&[&old, &new], &check)));
    gateway.server_is(&new.url(), true).await;
    let both = answers(&gateway, 10).await;
    assert!(both.contains(&"new".to_owned()), "{both:?}");
}

#[tokio::test]
async fn with_all_servers_down_there_is_none_and_a_parent_gives_their_share_to_others() {
    let (one, two, other) = (Switched::new("one"), Switched::new("two"), Switched::new("other"));
    one.health(500);
    two.health(500);
    let check = "{path: /health, interval: 50ms}";
    let config = checked(&[&one, &two], check).replace(
        "routers: {",
        "routers: {w: {rule: Host(`w.test`), service: w}, n: {rule: Host(`n.test`), service: nested}, ",
    );
    let gateway = Gateway::with(&format!(
        "{config}    other: {}
    nested: {{weighted: {{services: [{{name: inner, weight: 99}}, {{name: other, weight: 1}}]}}}}
    inner: {{weighted: {{services: [{{name: s}}]}}}}
    w: {{weighted: {{services: [{{name: s, weight: 99}}, {{name: other, weight: 1}}], healthCheck: {{}}}}}}
",
        other.backend.load_balancer()
    ));
    gateway.server_is(&one.url(), false).await;
    gateway.server_is(&two.url(), false).await;
    let reply = gateway.get("http://s.test/").await;
    assert_eq!((reply.status, reply.text().as_str()), (503, "no available server\n"));
    for host in ["w.test", "n.test"] {
        for _ in 0..30 {
            let reply = gateway.get(&format!("http://{host}/")).await;
            assert_eq!((reply.status, reply.text().as_str()), (200, "other"), "{host}");
        }
    }
    one.health(200);
    gateway.server_is(&one.url(), true).await;
    assert_eq!(answers(&gateway, 5).await, ["one"; 5]);
    let mut names = Vec::new();
    for _ in 0..30 {
        names.push(gateway.get("http://w.test/").await.text());
    }
    assert!(names.contains(&"one".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_server_that_hangs_or_is_not_there_is_down() {
    let (hangs, good) = (Switched::new("hangs"), Switched::new("good"));
    hangs.health(0);
    let gone = Backend::echo("gone").url();
    let servers = [hangs.url(), gone.clone(), good.url()].map(|url| format!("{{url: '{url}'}}"));
    let gateway = Gateway::with(&balanced(&servers, "{path: /health, interval: 1s, timeout: 100ms}"));
    gateway.server_is(&hangs.url(), false).await;
    gateway.server_is(&gone, false).await;
    assert_eq!(answers(&gateway, 20).await, ["good"; 20]);
    gateway.logs("no answer within 100ms").await;
    gateway.logs("it cannot be connected to: Connection refused").await;
}

#[tokio::test]
async fn a_probe_asks_what_is_written() {
    let asked = Switched::new("asked");
    let elsewhere = Switched::new("elsewhere");
    asked.health(418);
    let port = asked.backend.address.port();
    let check = format!(
        "{{path: '/health?deep=1', method: OPTIONS, status: 418, port: {port}, hostname: health.internal,
           interval: 50ms, headers: {{X-Probe: yes please, Authorization: Bearer secret}}}}"
    );
    let gateway = Gateway::with(&checked(&[&elsewhere], &check));
    eventually("it is asked", async || (asked.probes() > 1).then_some(())).await;
    let (parts, body) = asked.last().unwrap();
    assert_eq!((parts.method.as_str(), parts.uri.to_string(), body.len()), ("OPTIONS", "/health?deep=1".to_owned(), 0));
    for (name, value) in [
        ("host", "health.internal"),
        ("x-probe", "yes please"),
        ("authorization", "Bearer secret"),
        ("user-agent", "Rollgate-HealthCheck"),
    ] {
        assert_eq!(parts.headers[name], value, "{name}");
    }
    gateway.server_is(&elsewhere.url(), true).await;
    asked.health(200);
    gateway.server_is(&elsewhere.url(), false).await;
}

#[tokio::test]
async fn redirects_are_followed_to_their_end_unless_that_is_turned_off() {
    let end = Switched::new("end");
    let location = format!("{}/health", end.url());
    let redirects =
        Backend::once("redirects", format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"));
    let around = Backend::once("around", "HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    let servers = [redirects.url(), around.url()].map(|url| format!("{{url: '{url}'}}"));
    end.health(404);
    let gateway = Gateway::with(&balanced(&servers, "{path: /health, interval: 50ms}"));
    gateway.server_is(&redirects.url(), false).await;
    gateway.server_is(&around.url(), false).await;
    gateway.logs("more than 10 redirects").await;
    end.health(200);
    gateway.server_is(&redirects.url(), true).await;
    end.health(404);
    gateway.server_is(&redirects.url(), false).await;
    gateway.rewrite(
        "rollgate.yml",
        &configuration(&balanced(&servers, "{path: /health, followRedirects: false, interval: 50ms}")),
    );
    gateway.server_is(&redirects.url(), true).await;
    gateway.server_is(&around.url(), true).await;
}

#[tokio::test]
async fn grpc_servers_say_whether_they_serve() {
    let (one, two) = (Switched::over("one", Protocol::H2c), Switched::over("two", Protocol::H2c));
    let servers = [&one, &two].map(|server| format!("{{url: '{}'}}", server.backend.url_as("h2c")));
    let gateway = Gateway::with(&balanced(&servers, "{mode: grpc, interval: 50ms}"));
    let url = two.backend.url_as("h2c");
    eventually("both are asked", async || (one.probes() > 0 && two.probes() > 0).then_some(())).await;
    let (parts, body) = two.last().unwrap();
    assert_eq!((parts.headers["content-type"].as_bytes(), &body[..]), (&b"application/grpc"[..], &[0; 5][..]));
    two.health(500);
    gateway.server_is(&url, false).await;
    gateway.logs("it says NOT_SERVING").await;
    two.health(200);
    gateway.server_is(&url, true).await;
    two.health(404);
    gateway.server_is(&url, false).await;
    gateway.logs("gRPC status 12 (it has no grpc.health.v1.Health)").await;
    assert_eq!(answers(&gateway, 20).await, ["one"; 20]);
}

#[tokio::test]
async fn probes_go_over_tls_with_the_transport_of_the_service() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&["127.0.0.1"]);
    let trusted = Switched::over("trusted", Protocol::Tls(identity.server(&["h2", "http/1.1"]).into()));
    let other = Authority::new("theirs").issue(&["127.0.0.1"]);
    let untrusted = Switched::over("untrusted", Protocol::Tls(other.server(&["http/1.1"]).into()));
    let urls = [&trusted, &untrusted].map(|server| server.backend.url_as("https"));
    let servers = urls.each_ref().map(|url| format!("{{url: '{url}'}}"));
    let config = balanced(&servers, "{path: /health, interval: 50ms}")
        .replace("loadBalancer: {", "loadBalancer: {serversTransport: t, ");
    let config = format!("{config}  serversTransports: {{t: {{rootCAs: ['@DIR@/ca.crt']}}}}\n");
    let gateway = Launch::new(&configuration(&config)).file("ca.crt", &authority.pem).start();
    gateway.server_is(&urls[1], false).await;
    gateway.server_is(&urls[0], true).await;
    gateway.logs("no TLS with it").await;
    assert_eq!(answers(&gateway, 10).await, ["trusted"; 10]);
    assert!(trusted.probes() > 0);
    trusted.health(500);
    gateway.server_is(&urls[0], false).await;
}

#[tokio::test]
async fn probes_go_on_while_the_gateway_is_asked_to_check_a_thousand_servers() {
    let (good, bad) = (Switched::new("good"), Switched::new("bad"));
    // Nobody listens there.
    let address = |number: u32| format!("{{url: 'http://127.1.{}.{}:1'}}", number / 250, number % 250 + 1);
    let mut servers: Vec<String> = (0..1_000).map(address).collect();
    servers.extend([&good, &bad].map(|server| format!("{{url: '{}'}}", server.url())));
    let gateway = Gateway::with(&balanced(&servers, "{path: /health, interval: 300ms}"));
    eventually("all are known", async || {
        (gateway.metrics().await.sum("traefik_service_server_up", &[("service", "s@file")]) == 2.0).then_some(())
    })
    .await;
    bad.health(500);
    gateway.server_is(&bad.url(), false).await;
    assert_eq!(answers(&gateway, 10).await, ["good"; 10]);
    let reply = Ask::get("http://localhost/ready").send(gateway.address("traefik")).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_server_that_lets_no_probe_end_keeps_no_connection() {
    // Its window is closed, and its answer has begun.
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    let head = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
    let hostile = Backend::raw("hostile", move |stream| async move {
        let mut peer = RawConnection::over(stream);
        peer.write(settings).await;
        peer.read_exactly(24).await;
        // Past the frames before the request's head, and that.
        let mut kind = 0;
        while kind != 1 {
            let frame = peer.read_exactly(9).await;
            let [0, long, short, is, ..] = frame[..] else { return };
            peer.read_exactly(usize::from(long) * 256 + usize::from(short)).await;
            kind = is;
        }
        peer.write(head).await;
        peer.read_to_end().await;
    });
    let _gateway = Gateway::with(&format!(
        "http:
  services: {{s: {{loadBalancer: {{servers: [{{url: 'h2c://{}'}}], healthCheck: {{mode: grpc, interval: 30ms, timeout: 100ms}}}}}}}}
",
        hostile.address
    ));
    eventually("it is asked often", async || (hostile.connections() >= 10).then_some(())).await;
    assert!(hostile.open() <= 3, "{} of {}", hostile.open(), hostile.connections());
}
