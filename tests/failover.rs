//! A service that is down, or answers as it should not, has its requests answered by another.

#![cfg(test)]

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rollgate_testkit::{
    Ask, Backend, Gateway, Switched,
    backend::{Protocol, nobody},
    client::full,
    configuration,
    wait::eventually,
};

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
        gateway.server_is(&main.url(), false).await;
        assert_eq!(answers(&gateway, "f.test", 10).await, ["spare"; 10]);
        main.health(200);
        gateway.server_is(&main.url(), true).await;
        assert_eq!(answers(&gateway, "f.test", 10).await, ["main"; 10]);
        main.health(500);
        spare.health(500);
        gateway.server_is(&main.url(), false).await;
        gateway.server_is(&spare.url(), false).await;
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
    gateway.server_is(&main.url(), false).await;
    gateway.server_is(&spare.url(), false).await;
    assert_eq!(answers(&gateway, "w.test", 20).await, ["other"; 20]);
    assert_eq!(answers(&gateway, "o.test", 20).await, ["other"; 20]);
    spare.health(200);
    gateway.server_is(&spare.url(), true).await;
    assert_eq!(answers(&gateway, "o.test", 20).await, ["spare"; 20]);
}

#[tokio::test]
async fn a_reload_of_something_else_does_not_send_requests_back() {
    let (main, spare) = (Switched::new("main"), Switched::new("spare"));
    main.health(500);
    let config = configuration(&failover(&main, &spare, "").replace("50ms", "1h"));
    let gateway = Gateway::start(&config);
    gateway.server_is(&main.url(), false).await;
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
    gateway.server_is(&main.url(), false).await;
    assert_eq!(passed().await, [true, false, true]);
}

/// `f.test` leads to a failover from `main` to `spare`, neither checked, with these `errors`.
fn by_status(main: &str, spare: &Backend, errors: &str) -> String {
    format!(
        "http:
  routers: {{f: {{rule: Host(`f.test`), service: f}}}}
  services:
    main: {{loadBalancer: {{servers: [{{url: '{main}'}}]}}}}
    spare: {}
    f: {{failover: {{service: main, fallback: spare, errors: {errors}}}}}
",
        spare.load_balancer()
    )
}

/// A server that reads the body and answers it back with this status.
fn answering(name: &str, status: u16) -> Backend {
    Backend::serve(name, Protocol::Http1, move |request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut response = Response::new(full(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    })
}

#[tokio::test]
async fn an_answer_with_a_status_that_is_not_to_be_given_goes_to_the_fallback_with_its_body() {
    for (errors, status, expected) in [
        ("{status: ['500-599']}", 503, 200),
        ("{status: ['404', '503']}", 404, 200),
        ("{status: ['404', '503']}", 500, 500),
        ("{status: ['503'], maxRequestBodyBytes: 5}", 503, 200),
        ("{status: ['503'], maxRequestBodyBytes: 4}", 503, 503),
        ("{status: []}", 503, 503),
    ] {
        let (main, spare) = (answering("main", status), answering("spare", 200));
        let gateway = Gateway::with(&by_status(&main.url(), &spare, errors));
        for method in ["POST", "GET"] {
            let reply = gateway.ask(Ask::new(method, "http://f.test/").body("hello")).await;
            assert_eq!((reply.status, reply.text().as_str()), (expected, "hello"), "{errors} {status} {method}");
        }
        assert_eq!((main.requests(), spare.requests()), (2, if expected == 200 { 2 } else { 0 }), "{errors}");
        // A request without a body always can be sent again.
        let reply = gateway.get("http://f.test/").await;
        assert_eq!(reply.status, if errors.contains("Bytes") { 200 } else { expected }, "{errors}");
    }
}

#[tokio::test]
async fn a_main_service_that_cannot_be_reached_counts_as_the_status_of_that() {
    let spare = answering("spare", 200);
    let gateway = Gateway::with(&by_status(&nobody(), &spare, "{status: ['502']}"));
    let reply = gateway.ask(Ask::new("POST", "http://f.test/").body("hello")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    let metrics = gateway.metrics().await;
    let requests =
        |service, code| metrics.sum("traefik_service_requests_total", &[("service", service), ("code", code)]);
    assert_eq!((requests("main@file", "502"), requests("spare@file", "200")), (1.0, 1.0));
    assert_eq!(metrics.sum("traefik_entrypoint_requests_total", &[("entrypoint", "web"), ("code", "502")]), 0.0);
}

#[tokio::test]
async fn the_fallbacks_answer_is_given_whatever_it_is_and_the_main_ones_where_there_is_no_fallback() {
    let (main, spare) = (answering("main", 503), answering("spare", 503));
    let config = by_status(&main.url(), &spare, "{status: ['503']}");
    let gateway = Gateway::with(&config);
    assert_eq!(gateway.get("http://f.test/").await.status, 503);
    assert_eq!((main.requests(), spare.requests()), (1, 1));
    let gateway = Gateway::with(&config.replace(&spare.load_balancer(), "{loadBalancer: {servers: []}}"));
    let reply = gateway.ask(Ask::new("POST", "http://f.test/").body("main's")).await;
    assert_eq!((reply.status, reply.text().as_str()), (503, "main's"));
}

#[tokio::test]
async fn a_version_that_failed_is_counted_so_though_the_fallback_has_answered() {
    let (main, spare) = (answering("main", 503), answering("spare", 200));
    let config = by_status(&main.url(), &spare, "{status: ['503']}");
    let config = config.replace("service: main, fallback", "service: w, fallback");
    let gateway = Gateway::with(&format!("{config}    w: {{weighted: {{services: [{{name: main}}]}}}}\n"));
    for _ in 0..3 {
        assert_eq!(gateway.get("http://f.test/").await.status, 200);
    }
    let metrics = gateway.metrics().await;
    let ended =
        |outcome| metrics.sum("rollgate_version_requests_total", &[("service", "w@file"), ("outcome", outcome)]);
    assert_eq!((ended("error"), ended("ok")), (3.0, 0.0));
}

#[tokio::test]
async fn a_client_is_not_sent_back_to_a_server_that_has_failed_it() {
    let (main, spare) = (answering("main", 503), answering("spare", 200));
    let config = by_status(&main.url(), &spare, "{status: ['503']}");
    let sticky = config.replace(
        &format!("[{{url: '{}'}}]", main.url()),
        &format!("[{{url: '{}'}}], sticky: {{cookie: {{name: c}}}}", main.url()),
    );
    let gateway = Gateway::with(&sticky);
    let reply = gateway.get("http://f.test/").await;
    assert_eq!((reply.status, reply.header("set-cookie")), (200, None));
    // Where the main one's answer is given, its cookie is.
    let gateway = Gateway::with(&sticky.replace("['503']", "['502']"));
    let reply = gateway.get("http://f.test/").await;
    assert!(reply.status == 503 && reply.header("set-cookie").is_some_and(|cookie| cookie.starts_with("c=")));
}

#[tokio::test]
async fn an_answer_of_the_fallbacks_middleware_is_not_the_main_services() {
    let (main, spare) = (answering("main", 503), answering("spare", 200));
    let config =
        by_status(&main.url(), &spare, "{status: ['503']}").replace("    spare: {", "    spare: {middlewares: [few], ");
    let few = "  middlewares: {few: {rateLimit: {average: 1, period: 1h, burst: 1}}}\n";
    let gateway = Gateway::with(&format!("{config}{few}"));
    assert_eq!(gateway.get("http://f.test/").await.status, 200);
    assert_eq!(gateway.get("http://f.test/").await.status, 429);
    let metrics = gateway.metrics().await;
    let requests = |service| metrics.sum("traefik_service_requests_total", &[("service", service)]);
    assert_eq!((requests("main@file"), requests("spare@file")), (2.0, 1.0));
    assert_eq!(metrics.sum("traefik_router_requests_total", &[("code", "429")]), 1.0);
}
