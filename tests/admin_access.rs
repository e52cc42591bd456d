//! Who may ask the admin API for what, seen against the real binary.

#![cfg(test)]

use std::{net::SocketAddr, path::Path};

use rollgate_testkit::{
    Admin, Ask, Backend, Connection, Gateway, Launch, RawConnection, rollgate,
    tls::{Authority, Identity},
};
use serde_json::{Value, json};

/// A token as the command makes it.
struct Token {
    text: String,
    line: String,
}

fn token(name: &str, role: &str) -> Token {
    let output = rollgate(Path::new("."), &["token", "create", "--json", "--name", name, "--role", role]);
    assert_eq!(output.code, 0, "{output:?}");
    let made: Value = serde_json::from_str(&output.stdout).expect("it is JSON");
    let text = made["token"].as_str().expect("there is a token").to_owned();
    let hash = made["hash"].as_str().expect("there is a hash");
    Token { text, line: format!("{{name: {name}, role: {role}, hash: '{hash}'}}") }
}

fn configuration(internal: &str, api: &str) -> String {
    format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0'}}
  traefik: {{address: '{internal}'}}
ping: {{}}
metrics: {{prometheus: {{}}}}
log: {{level: DEBUG}}
api: {{{api}}}
http:
  routers: {{a: {{rule: Host(`a.test`), service: split}}}}
  services:
    stable: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:1'}}]}}}}
    canary: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:1'}}]}}}}
    split: {{weighted: {{services: [{{name: stable}}, {{name: canary}}]}}}}
"
    )
}

fn weights() -> Value {
    json!({"weights": {"stable": 9, "canary": 1}})
}

/// Every way into the admin API that there is.
const WAYS: [(&str, &str); 7] = [
    ("GET", "/api/v1/services"),
    ("PUT", "/api/v1/services/split/weights"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/live"),
    ("GET", "/api/rawdata"),
    ("PUT", "/api/providers/rest"),
];

async fn ask(address: SocketAddr, method: &str, path: &str, lines: &[(&str, &str)]) -> rollgate_testkit::Reply {
    let mut ask = Ask::new(method, &format!("http://127.0.0.1{path}"));
    if method != "GET" {
        ask = ask.header("content-type", "application/json").body(weights().to_string());
    }
    lines.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send(address).await
}

#[tokio::test]
async fn on_an_address_that_others_can_reach_nothing_is_served_without_credentials_but_probes_and_metrics() {
    let gateway = Gateway::start(&configuration("0.0.0.0:0", ""));
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.address("traefik").port()));
    for (method, path) in WAYS {
        let reply = ask(address, method, path, &[]).await;
        assert_eq!(reply.status, 403, "{method} {path}: {}", reply.text());
        assert!(reply.text().contains("rollgate token create"), "{}", reply.text());
    }
    for path in ["/ping", "/metrics", "/live", "/ready"] {
        assert_eq!(ask(address, "GET", path, &[]).await.status, 200, "{path}");
    }
    let text = gateway.metrics().await.text;
    assert!(text.contains("rollgate_refused_total{reason=\"forbidden\"} 7"), "{text}");
}

#[tokio::test]
async fn tokens_let_in_by_role_follow_the_file_and_are_found_nowhere() {
    let (looker, spinnaker, admin) = (token("looker", "read"), token("spinnaker", "operate"), token("root", "admin"));
    let lines = format!("tokens: [{}, {}, {}]", looker.line, spinnaker.line, admin.line);
    let gateway = Gateway::start(&configuration("0.0.0.0:0", &lines));
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.address("traefik").port()));
    let bearer = |token: &Token| format!("Bearer {}", token.text);
    let with = async |token: &Token, method: &str, path: &str| {
        ask(address, method, path, &[("authorization", &bearer(token))]).await.status
    };
    for (method, path) in WAYS {
        let reply = ask(address, method, path, &[]).await;
        assert_eq!(
            (reply.status, reply.header("www-authenticate")),
            (401, Some("Bearer realm=\"rollgate\"")),
            "{path}"
        );
    }
    for token in [&looker, &spinnaker, &admin] {
        assert_eq!(with(token, "GET", "/api/v1/services").await, 200);
    }
    assert_eq!(with(&looker, "PUT", "/api/v1/services/split/weights").await, 403);
    assert_eq!(with(&spinnaker, "PUT", "/api/v1/services/split/weights").await, 200);
    assert_eq!(with(&spinnaker, "PUT", "/api/providers/rest").await, 403);
    let audit = Admin::at(address).with_token(&looker.text).get("/audit").await.ok();
    assert_eq!((&audit["items"][0]["actor"], &audit["items"][0]["role"]), (&json!("spinnaker"), &json!("operate")));

    // One is taken out of the file: it is refused from then on.
    let without = format!("tokens: [{}, {}]", looker.line, admin.line);
    gateway.rewrite("rollgate.yml", &configuration("0.0.0.0:0", &without));
    rollgate_testkit::wait::eventually("the token is refused", async || {
        (with(&spinnaker, "GET", "/api/v1/services").await == 401).then_some(())
    })
    .await;
    assert_eq!(with(&looker, "GET", "/api/v1/services").await, 200);

    let shown = format!("{}{}{audit}", gateway.stderr(), gateway.stdout());
    for token in [&looker, &spinnaker, &admin] {
        assert!(!shown.contains(&token.text), "a token is shown");
    }
}

#[tokio::test]
async fn whoever_guesses_is_locked_out_and_others_are_not() {
    let looker = token("looker", "read");
    let gateway = Gateway::start(&configuration("127.0.0.1:0", &format!("tokens: [{}]", looker.line)));
    let address = gateway.address("traefik");
    for _ in 0..10 {
        let reply = ask(address, "GET", "/api/v1/services", &[("authorization", "Bearer rg_wrong")]).await;
        assert_eq!(reply.status, 401);
    }
    let right = format!("Bearer {}", looker.text);
    let reply = ask(address, "GET", "/api/v1/services", &[("authorization", &right)]).await;
    assert_eq!(reply.status, 429);
    let after: u64 = reply.header("retry-after").expect("it says when").parse().expect("in seconds");
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(ask(address, "GET", "/ping", &[]).await.status, 200);
}

#[tokio::test]
async fn pages_of_other_sites_and_other_names_reach_nothing_and_changes_are_json() {
    let gateway = Gateway::start(&configuration("127.0.0.1:0", "hosts: [gate.example.com]"));
    let address = gateway.address("traefik");
    let raw = async |lines: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "PUT /api/v1/services/split/weights HTTP/1.1\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let reply = RawConnection::open(address).await.exchange(head).await;
        (reply.status(), reply.text())
    };
    let (body, json) = (weights().to_string(), "Content-Type: application/json\r\n");
    for (lines, status, code) in [
        ("Host: evil.example.com\r\n", 403, "foreign-host"),
        ("Host: gate.example.com\r\nOrigin: https://evil.example.com\r\n", 403, "foreign-origin"),
        ("Host: gate.example.com\r\nOrigin: null\r\n", 403, "foreign-origin"),
        ("Host: gate.example.com\r\nSec-Fetch-Site: cross-site\r\n", 403, "foreign-origin"),
        ("Host: gate.example.com\r\nOrigin: http://gate.example.com\r\n", 200, "generation"),
        ("Host: localhost:8080\r\n", 200, "generation"),
    ] {
        let (found, text) = raw(&format!("{lines}{json}"), &body).await;
        assert!(found == status && text.contains(code), "{lines}: {found} {text}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let (status, text) = raw(&format!("Host: localhost\r\nContent-Type: {kind}\r\n"), &body).await;
        assert!(status == 415 && text.contains("unsupported-media-type"), "{kind}: {status} {text}");
    }
    let (status, _) = raw("Host: localhost\r\n", &body).await;
    assert_eq!(status, 415, "without a type");
    let long = format!("{{\"reason\": \"{}\"}}", "x".repeat((1 << 20) - 13));
    assert_eq!(long.len(), (1 << 20) + 1);
    let (status, text) = raw(&format!("Host: localhost\r\n{json}"), &long).await;
    assert!(status == 413 && text.contains("too-large"), "{status} {text}");
    // A foreign name may still ask whether it lives.
    let reply =
        RawConnection::open(address).await.exchange("GET /ping HTTP/1.1\r\nHost: evil.example.com\r\n\r\n").await;
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn over_tls_a_certificate_that_was_verified_lets_in_whom_it_names() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.issue(&["gate.test"]);
    let backend = Backend::echo("a");
    let text = |mode: &str| {
        format!(
            "entryPoints:
  web: {{address: '127.0.0.1:0'}}
  traefik: {{address: '0.0.0.0:0', http: {{tls: {{options: admins@file}}}}}}
api: {{hosts: [gate.test], clientCertificates: [{{name: ci.test, role: operate}}]}}
http:
  routers: {{a: {{rule: Host(`gate.test`), service: a, entryPoints: [traefik]}}}}
  services: {{a: {}}}
tls:
  certificates: [{{certFile: '@DIR@/s.crt', keyFile: '@DIR@/s.key'}}]
  options:
    admins: {{clientAuth: {{caFiles: ['@DIR@/ca.crt'], clientAuthType: {mode}}}}}
",
            backend.load_balancer()
        )
    };
    for (mode, verified) in [("VerifyClientCertIfGiven", true), ("RequestClientCert", false)] {
        let gateway = Launch::new(&text(mode))
            .file("s.crt", &server.cert_pem)
            .file("s.key", &server.key_pem)
            .file("ca.crt", &ours.pem)
            .start();
        let address = SocketAddr::from(([127, 0, 0, 1], gateway.address("traefik").port()));
        let asked = async |client| {
            let mut connection = Connection::tls(address, "gate.test", client).await;
            connection.ask(Ask::get("https://gate.test/api/v1/services")).await.status
        };
        let shows = |identity: &Identity| ours.client_with(&["http/1.1"], rustls::ALL_VERSIONS, Some(identity));
        assert_eq!(asked(shows(&ours.issue(&["ci.test"]))).await, if verified { 200 } else { 401 }, "{mode}");
        assert_eq!(asked(shows(&ours.issue(&["other.test"]))).await, 401, "{mode}");
        assert_eq!(asked(ours.client(&["http/1.1"])).await, 401, "{mode}");
        if !verified {
            // One that anybody may have made is shown, and not believed.
            assert_eq!(asked(shows(&theirs.issue(&["ci.test"]))).await, 401, "{mode}");
        }
    }
}
