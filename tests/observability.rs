//! What is counted and written down: metrics, health, the access log, our own log.

#![cfg(test)]

use std::path::PathBuf;

use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, configuration, metrics::Metrics, tls::unverified_client,
    wait::eventually,
};
use rustix::process::Signal;
use serde_json::Value;

fn dynamic(stable: &Backend, canary: &Backend) -> String {
    format!(
        "http:
  routers:
    pro: {{rule: 'Host(`pro.coding`)', service: pro}}
    gone: {{rule: 'Host(`gone.coding`)', service: gone}}
  services:
    pro: {{weighted: {{services: [{{name: stable, weight: 1}}, {{name: canary, weight: 3}}]}}}}
    stable: {}
    canary: {}
    gone: {{loadBalancer: {{servers: []}}}}
",
        stable.load_balancer(),
        canary.load_balancer()
    )
}

/// The first scrape of which `holds` is true.
async fn metrics(gateway: &Gateway, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
    eventually(what, async || Some(gateway.metrics().await).filter(&holds)).await
}

#[tokio::test]
async fn requests_are_counted_under_traefiks_names() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let gateway = Gateway::with(&dynamic(&stable, &canary));
    for _ in 0..40 {
        assert_eq!(gateway.get("http://pro.coding/").await.status, 200);
    }
    gateway.ask(Ask::new("POST", "http://pro.coding/").header("echo-status", "500").body("12345")).await;
    gateway.get("http://nowhere.coding/").await;
    let asked = [("entrypoint", "web")];
    let all = metrics(&gateway, "42 requests at the entry point", |metrics| {
        metrics.sum("traefik_entrypoint_requests_total", &asked) >= 42.0
    })
    .await;
    let count = |name: &str, labels: &[(&str, &str)]| all.sum(name, labels);
    assert_eq!(count("traefik_entrypoint_requests_total", &asked), 42.0);
    let ok = [("code", "200"), ("method", "GET"), ("protocol", "http"), ("entrypoint", "web")];
    assert_eq!(count("traefik_entrypoint_requests_total", &ok), 40.0);
    assert_eq!(count("traefik_entrypoint_requests_total", &[("code", "404")]), 1.0);
    assert_eq!(count("traefik_entrypoint_requests_total", &[("code", "500"), ("method", "POST")]), 1.0);
    assert_eq!(count("traefik_router_requests_total", &[("router", "pro@file"), ("code", "200")]), 40.0);
    assert_eq!(count("traefik_router_requests_total", &[]), 41.0);
    let services = ["stable@file", "canary@file"];
    let served = services.map(|service| count("traefik_service_requests_total", &[("service", service)]));
    assert_eq!(served[0] + served[1], 41.0);
    assert_eq!(served, [stable.requests() as f64, canary.requests() as f64]);
    for family in ["entrypoint", "router", "service"] {
        let name = |rest: &str| format!("traefik_{family}_{rest}");
        let total = if family == "entrypoint" { 42.0 } else { 41.0 };
        assert_eq!(count(&name("request_duration_seconds_count"), &[]), total, "{family}");
        assert!(count(&name("request_duration_seconds_sum"), &[]) > 0.0);
        for bucket in ["0.1", "0.3", "1.2", "5", "+Inf"] {
            assert!(all.has(&name("request_duration_seconds_bucket"), &[("le", bucket)]), "{family} {bucket}");
        }
        assert!(count(&name("requests_bytes_total"), &[]) >= 5.0, "{family}");
        assert!(count(&name("responses_bytes_total"), &[]) > 1000.0, "{family}");
    }
}

#[tokio::test]
async fn labels_are_traefiks() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let gateway = Gateway::with(&dynamic(&stable, &canary));
    gateway.get("http://pro.coding/").await;
    let all = metrics(&gateway, "a request of the service", |metrics| {
        metrics.sum("traefik_service_requests_total", &[]) >= 1.0
    })
    .await;
    for (name, labels) in [
        ("traefik_entrypoint_requests_total", &["code", "entrypoint", "method", "protocol"][..]),
        ("traefik_router_requests_total", &["code", "method", "protocol", "router", "service"]),
        ("traefik_service_requests_total", &["code", "method", "protocol", "service"]),
        ("traefik_entrypoint_requests_bytes_total", &["code", "entrypoint", "method", "protocol"]),
        ("traefik_service_responses_bytes_total", &["code", "method", "protocol", "service"]),
        ("traefik_service_request_duration_seconds_count", &["code", "method", "protocol", "service"]),
        ("traefik_open_connections", &["entrypoint", "protocol"]),
        ("traefik_config_reloads_total", &[]),
        ("traefik_config_last_reload_success", &[]),
        ("rollgate_version_share", &["kind", "service", "version"]),
        ("rollgate_version_requests_total", &["outcome", "service", "version"]),
        ("rollgate_config_problems", &["provider"]),
    ] {
        assert!(all.has(name, &[]), "{name} is missing:\n{}", all.text);
        assert_eq!(all.labels(name), labels, "{name}");
    }
    for name in ["rollgate_panics_total", "process_resident_memory_bytes", "process_cpu_seconds_total"] {
        assert!(all.has(name, &[]), "{name} is missing");
    }
    assert_eq!(all.sum("rollgate_panics_total", &[]), 0.0);
    assert!(all.sum("traefik_config_last_reload_success", &[]) > 1_600_000_000.0, "a time in Unix seconds");
}

#[tokio::test]
async fn routers_are_counted_only_where_asked() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let config = configuration(&dynamic(&stable, &canary)).replace("{addRoutersLabels: true}", "{buckets: [0.5, 2]}");
    let gateway = Gateway::start(&config);
    gateway.get("http://pro.coding/").await;
    let all = metrics(&gateway, "a request of the service", |metrics| {
        metrics.sum("traefik_service_requests_total", &[]) >= 1.0
    })
    .await;
    assert!(!all.has("traefik_router_requests_total", &[]));
    assert!(all.has("traefik_service_request_duration_seconds_bucket", &[("le", "0.5")]));
    assert!(!all.has("traefik_service_request_duration_seconds_bucket", &[("le", "0.3")]));
}

#[tokio::test]
async fn versions_show_what_they_should_get_and_what_they_get() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let gateway = Gateway::with(&dynamic(&stable, &canary));
    for _ in 0..200 {
        assert_eq!(gateway.get("http://pro.coding/").await.status, 200);
    }
    let service = ("service", "pro@file");
    let all = metrics(&gateway, "200 requests of versions", |metrics| {
        metrics.sum("rollgate_version_requests_total", &[service]) >= 200.0
    })
    .await;
    for (version, share, backend) in [("stable@file", 0.25, &stable), ("canary@file", 0.75, &canary)] {
        let version = ("version", version);
        let target = all.sum("rollgate_version_share", &[service, version, ("kind", "target")]);
        assert!((target - share).abs() < 1e-6, "{version:?}: {target}");
        let actual = all.sum("rollgate_version_share", &[service, version, ("kind", "actual")]);
        assert!((actual - backend.requests() as f64 / 200.0).abs() < 0.02, "{version:?}: {actual}");
        let counted = all.sum("rollgate_version_requests_total", &[service, version]);
        assert_eq!(counted, backend.requests() as f64, "{version:?}");
    }
}

#[tokio::test]
async fn grpc_is_counted_by_its_own_status() {
    let backend = Backend::h2c("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}}}
",
        backend.url_as("h2c")
    ));
    let ask = Ask::new("POST", "http://h/pkg.Service/Call").header("content-type", "application/grpc");
    let reply = ask.header("echo-trailer", "grpc-status: 5").send_h2(gateway.web()).await;
    assert_eq!(reply.trailers["grpc-status"], "5");
    metrics(&gateway, "a call with its status", |metrics| {
        metrics.sum("traefik_service_requests_total", &[("protocol", "grpc"), ("code", "5")]) == 1.0
    })
    .await;
}

#[tokio::test]
async fn tls_connections_and_certificates_are_shown() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, tls: {{}}}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    let mut client = Connection::tls(gateway.web(), "h", unverified_client(&["h2"])).await;
    assert_eq!(client.ask(Ask::get("https://h/")).await.status, 200);
    let all = metrics(&gateway, "a request over TLS", |metrics| {
        metrics.sum("traefik_entrypoint_requests_tls_total", &[("entrypoint", "web")]) == 1.0
    })
    .await;
    assert!(all.has("traefik_entrypoint_requests_tls_total", &[("tls_version", "1.3")]), "{}", all.text);
    assert_eq!(all.labels("traefik_entrypoint_requests_tls_total"), ["entrypoint", "tls_cipher", "tls_version"]);
    assert_eq!(all.labels("traefik_service_requests_tls_total"), ["service", "tls_cipher", "tls_version"]);
    assert!(all.sum("traefik_open_connections", &[("entrypoint", "web")]) >= 1.0);
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    let mut client = rollgate_testkit::RawConnection::open(gateway.web()).await;
    assert_eq!(client.exchange("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n").await.status(), 400);
    let all = metrics(&gateway, "a refusal", |metrics| metrics.sum("rollgate_refused_total", &[]) >= 1.0).await;
    assert_eq!(all.labels("rollgate_refused_total"), ["reason"]);
}

#[tokio::test]
async fn the_internal_entry_point_tells_of_its_health() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &backend));
    let internal = gateway.address("traefik");
    for (path, status) in [("/ping", 200), ("/live", 200), ("/ready", 200), ("/metrics", 200), ("/other", 404)] {
        let reply = Ask::get(&format!("http://localhost{path}")).send(internal).await;
        assert_eq!(reply.status, status, "{path}");
    }
    assert_eq!(Ask::get("http://localhost/ping").send(internal).await.text(), "OK");
    let metrics = Ask::get("http://localhost/metrics").send(internal).await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"), "{metrics:?}");
    for path in ["/ping", "/metrics"] {
        assert_eq!(gateway.get(&format!("http://h{path}")).await.status, 404, "not on web");
    }
}

#[tokio::test]
async fn ping_goes_where_it_is_told_and_without_that_stays_inside() {
    let entry_points = "entryPoints: {web: {address: '127.0.0.1:0'}, traefik: {address: '127.0.0.1:0'}}\n";
    for (ping, on_web, inside) in [("", 404, 200), ("ping: {}", 404, 200), ("ping: {entryPoint: web}", 200, 404)] {
        let gateway = Gateway::start(&format!("{entry_points}{ping}\n"));
        assert_eq!(gateway.get("http://h/ping").await.status, on_web, "{ping}");
        let reply = Ask::get("http://h/ping").send(gateway.address("traefik")).await;
        assert_eq!(reply.status, inside, "{ping}");
    }
}

#[tokio::test]
async fn metrics_go_where_they_are_told_and_without_that_stay_inside() {
    let entry_points = "entryPoints: {web: {address: '127.0.0.1:0'}, traefik: {address: '127.0.0.1:0'}}\n";
    for (metrics, on_web, inside) in [
        ("", 404, 200),
        ("metrics: {prometheus: {}}", 404, 200),
        ("metrics: {prometheus: {entryPoint: web}}", 200, 404),
    ] {
        let gateway = Gateway::start(&format!("{entry_points}{metrics}\n"));
        assert_eq!(gateway.get("http://h/metrics").await.status, on_web, "{metrics}");
        let reply = Ask::get("http://h/metrics").send(gateway.address("traefik")).await;
        assert_eq!(reply.status, inside, "{metrics}");
    }
}

#[tokio::test]
async fn internal_services_can_be_routed_to() {
    let gateway = Gateway::start(
        "entryPoints:
  web: {address: '127.0.0.1:0'}
  traefik: {address: '127.0.0.1:0'}
ping: {manualRouting: true}
metrics: {prometheus: {manualRouting: true}}
http:
  routers:
    ping: {rule: 'Host(`ping.test`)', service: ping@internal}
    metrics: {rule: 'Host(`metrics.test`)', service: prometheus@internal}
    noop: {rule: 'Host(`noop.test`)', service: noop@internal}
",
    );
    assert_eq!(gateway.get("http://ping.test/").await.text(), "OK");
    let reply = gateway.get("http://metrics.test/any").await;
    assert!(reply.status == 200 && reply.text().contains("traefik_config_reloads_total"), "{}", reply.text());
    assert_eq!(gateway.get("http://noop.test/").await.status, 418);
    let internal = gateway.address("traefik");
    assert_eq!(Ask::get("http://h/ping").send(internal).await.status, 404, "only where a router leads");
    assert_eq!(Ask::get("http://h/metrics").send(internal).await.status, 404);
}

/// A gateway with this access log (YAML's flow form).
fn logging(backend: &Backend, access_log: &str) -> Gateway {
    let config = format!("{}accessLog: {access_log}\n", configuration(&dynamic(backend, backend)));
    Launch::new(&config).start()
}

/// The log's lines, once there are so many.
async fn lines(path: PathBuf, count: usize) -> Vec<String> {
    eventually(&format!("{count} lines in the access log"), async || {
        let text = std::fs::read_to_string(&path).ok()?;
        let lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
        (lines.len() >= count && text.ends_with('\n')).then_some(lines)
    })
    .await
}

fn asked() -> Ask {
    Ask::get("http://pro.coding/x?y=1").header("User-Agent", "test/1").header("Referer", "http://from.test/")
}

#[tokio::test]
async fn the_common_access_log_is_traefiks() {
    let backend = Backend::echo("s");
    let gateway = logging(
        &backend,
        "{filePath: '@DIR@/access.log', fields: {headers: {names: {User-Agent: keep, Referer: keep}}}}",
    );
    let size = gateway.ask(asked()).await.body.len();
    gateway.get("http://nowhere.test/").await;
    let lines = lines(gateway.directory().join("access.log"), 2).await;
    let (begin, rest) = lines[0].split_once(" [").unwrap();
    assert_eq!(begin, "127.0.0.1 - -");
    let (time, rest) = rest.split_once("] ").unwrap();
    // 02/Jan/2006:15:04:05 -0700
    assert_eq!((time.len(), &time[2..3], &time[6..7], &time[11..12]), (26, "/", "/", ":"), "{time}");
    let expected = format!(
        "\"GET /x?y=1 HTTP/1.1\" 200 {size} \"http://from.test/\" \"test/1\" 1 \"pro@file\" \"{}\" ",
        backend.url()
    );
    let duration = rest.strip_prefix(&expected).unwrap_or_else(|| panic!("{rest}\nis not\n{expected}"));
    duration.strip_suffix("ms").and_then(|number| number.parse::<u64>().ok()).unwrap_or_else(|| panic!("{duration}"));
    assert!(lines[1].contains("\"GET / HTTP/1.1\" 404 19 \"-\" \"-\" 2 \"-\" \"-\" "), "{}", lines[1]);
}

#[tokio::test]
async fn the_json_access_log_has_traefiks_fields() {
    let backend = Backend::echo("s");
    let gateway = logging(
        &backend,
        "{filePath: '@DIR@/access.log', format: json, fields: {headers: {names: {User-Agent: keep, Referer: redact}}}}",
    );
    let ask = Ask::new("POST", "http://pro.coding:81/x?y=1").header("User-Agent", "test/1");
    gateway.ask(ask.header("Referer", "http://from.test/").header("Accept", "*/*").body("12345")).await;
    let lines = lines(gateway.directory().join("access.log"), 1).await;
    let entry: Value = serde_json::from_str(&lines[0]).unwrap_or_else(|_| panic!("no JSON: {}", lines[0]));
    for (name, value) in [
        ("ClientHost", Value::from("127.0.0.1")),
        ("RequestMethod", "POST".into()),
        ("RequestPath", "/x?y=1".into()),
        ("RequestProtocol", "HTTP/1.1".into()),
        ("RequestScheme", "http".into()),
        ("RequestAddr", "pro.coding:81".into()),
        ("RequestHost", "pro.coding".into()),
        ("RequestPort", "81".into()),
        ("RequestContentSize", 5.into()),
        ("RequestCount", 1.into()),
        ("DownstreamStatus", 200.into()),
        ("OriginStatus", 200.into()),
        ("RetryAttempts", 0.into()),
        ("RouterName", "pro@file".into()),
        ("ServiceURL", backend.url().into()),
        ("ServiceAddr", backend.address.to_string().into()),
        ("entryPointName", "web".into()),
        ("request_User-Agent", "test/1".into()),
        ("request_Referer", "REDACTED".into()),
    ] {
        assert_eq!(entry.get(name), Some(&value), "{name} in {}", lines[0]);
    }
    for name in [
        "StartUTC",
        "StartLocal",
        "Duration",
        "OriginDuration",
        "Overhead",
        "DownstreamContentSize",
        "time",
        "level",
        "msg",
    ] {
        assert!(entry.get(name).is_some(), "{name} is missing in {}", lines[0]);
    }
    let service = entry["ServiceName"].as_str().unwrap();
    assert!(["stable@file", "canary@file"].contains(&service), "{service}");
    assert!(entry["Duration"].as_u64().unwrap() > 1000, "nanoseconds");
    assert!(entry.get("request_Accept").is_none(), "headers are dropped by default");
}

#[tokio::test]
async fn the_generic_access_log_is_the_combined_format() {
    let backend = Backend::echo("s");
    let gateway =
        logging(&backend, "{filePath: '@DIR@/access.log', format: genericCLF, fields: {headers: {defaultMode: keep}}}");
    let size = gateway.ask(asked()).await.body.len();
    let lines = lines(gateway.directory().join("access.log"), 1).await;
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{}", lines[0]);
    let end = format!("] \"GET /x?y=1 HTTP/1.1\" 200 {size} \"http://from.test/\" \"test/1\"");
    assert!(lines[0].ends_with(&end), "{}\ndoes not end with\n{end}", lines[0]);
}

#[tokio::test]
async fn the_access_log_goes_to_standard_output_by_default() {
    let backend = Backend::echo("s");
    let gateway = logging(&backend, "{}");
    gateway.ask(asked()).await;
    eventually("a line on standard output", async || {
        gateway.stdout().contains("\"GET /x?y=1 HTTP/1.1\" 200").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_client_writes_cannot_forge_a_line() {
    let backend = Backend::echo("s");
    let gateway = logging(&backend, "{filePath: '@DIR@/access.log', fields: {headers: {defaultMode: keep}}}");
    let ask = Ask::get("http://pro.coding/").header("User-Agent", "a\" 200 \"b\\\t");
    gateway.ask(ask).await;
    gateway.get("http://pro.coding/last").await;
    let lines = lines(gateway.directory().join("access.log"), 2).await;
    assert_eq!(lines.len(), 2);
    assert!(!lines[0].contains("\"a\" 200 \"b"), "{}", lines[0]);
}

#[tokio::test]
async fn the_access_log_keeps_what_its_filters_let_through() {
    let backend = Backend::echo("s");
    let gateway = logging(&backend, "{filePath: '@DIR@/access.log', filters: {statusCodes: ['404', '500-599']}}");
    for status in ["200", "404", "204", "503", "403"] {
        gateway.ask(Ask::get(&format!("http://pro.coding/{status}")).header("echo-status", status)).await;
    }
    gateway.ask(Ask::get("http://pro.coding/last").header("echo-status", "599")).await;
    let lines = lines(gateway.directory().join("access.log"), 3).await;
    for (line, path) in lines.iter().zip(["/404", "/503", "/last"]) {
        assert!(line.contains(&format!("\"GET {path} ")), "{line}");
    }
}

#[tokio::test]
async fn sigusr1_reopens_the_access_log() {
    let backend = Backend::echo("s");
    let gateway = logging(&backend, "{filePath: '@DIR@/access.log'}");
    let (path, moved) = (gateway.directory().join("access.log"), gateway.directory().join("access.log.1"));
    gateway.get("http://pro.coding/before").await;
    lines(path.clone(), 1).await;
    std::fs::rename(&path, &moved).unwrap();
    gateway.signal(Signal::USR1);
    eventually("the file is there anew", async || path.exists().then_some(())).await;
    gateway.get("http://pro.coding/after").await;
    let after = lines(path, 1).await;
    assert!(after[0].contains("/after"), "{after:?}");
    assert_eq!(lines(moved, 1).await.len(), 1);
}

/// A gateway with this log (YAML's flow form) whose dynamic file has just become a broken one.
fn complaining(log: &str) -> Gateway {
    let backend = Backend::echo("s");
    let config = format!(
        "entryPoints: {{web: {{address: '127.0.0.1:0'}}, traefik: {{address: '127.0.0.1:0'}}}}
log: {log}
providers: {{file: {{filename: '@DIR@/dynamic.yml'}}}}
"
    );
    let gateway = Launch::new(&config).file("dynamic.yml", &dynamic(&backend, &backend)).start();
    gateway.rewrite("dynamic.yml", "htp: {}\n");
    gateway
}

#[tokio::test]
async fn our_own_log_is_json_where_asked() {
    let gateway = complaining("{format: json}");
    eventually("the problem is logged", async || gateway.stderr().contains("htp").then_some(())).await;
    for line in gateway.stderr().lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(entry.get("level").is_some(), "{line}");
    }
}

#[tokio::test]
async fn our_own_log_goes_to_its_file() {
    let gateway = complaining("{level: INFO, filePath: '@DIR@/rollgate.log'}");
    eventually("the problem is logged", async || {
        let text = std::fs::read_to_string(gateway.directory().join("rollgate.log")).ok()?;
        text.contains("htp").then_some(())
    })
    .await;
    assert_eq!(gateway.stderr(), "");
}
