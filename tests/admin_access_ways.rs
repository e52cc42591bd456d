//! Who may ask the admin API for what holds by every way in: both protocols, however a path, a host or a body is written.

#![cfg(test)]

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use rollgate_config::static_config::Token;
use rollgate_testkit::{
    Admin, Ask, Connection, Gateway, Launch, RawConnection, Reply, Told, configuration,
    tls::{Authority, Identity},
};
use rustls::ClientConfig;
use serde_json::{Value, json};

const READ: &str = "rg_0000000000000000000000000000000000000000read";
const OPERATE: &str = "rg_0000000000000000000000000000000000000operate";
const ADMIN: &str = "rg_000000000000000000000000000000000000000admin";

fn hash(token: &str) -> String {
    Token::hash_text(&digest(&SHA256, token.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

fn token(name: &str, role: &str, text: &str) -> String {
    format!("{{name: {name}, role: {role}, hash: '{}'}}", hash(text))
}

/// `api` with a token of each role, and what else it is to have.
fn with_tokens(more: &str) -> String {
    let tokens = [token("looker", "read", READ), token("ci", "operate", OPERATE), token("root", "admin", ADMIN)];
    format!("api: {{tokens: [{}]{more}}}\n", tokens.join(", "))
}

/// Two versions that nobody asks.
const SPLIT: &str = "http:
  routers:
    pro: {rule: Host(`pro.test`), service: pro}
  services:
    stable: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}
    canary: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}]}}
    pro: {weighted: {services: [{name: stable, weight: 1}, {name: canary, weight: 1}]}}
";

fn start(api: &str) -> Gateway {
    Gateway::start(&configuration(&format!("{api}{SPLIT}")))
}

/// A change that would be made if it were let through.
fn weights() -> Value {
    json!({"weights": {"stable": 7, "canary": 3}})
}

/// Whether anything was changed, as an administrator sees it.
async fn owner(admin: &Admin) -> String {
    let told = admin.get("/services/pro/weights").await.ok();
    told["owner"].as_str().expect("it has an owner").to_owned()
}

fn told(reply: Reply) -> Told {
    Told { status: reply.status, body: serde_json::from_slice(&reply.body).unwrap_or_default(), reply }
}

#[tokio::test]
async fn a_token_allows_what_its_role_says_and_the_audit_log_has_its_name() {
    let gateway = start(&with_tokens(""));
    let nobody = Admin::of(&gateway);
    let [reader, operator, root] = [READ, OPERATE, ADMIN].map(|token| nobody.with_token(token));
    let service = "/services/pro";
    for (method, path, body, allowed) in [
        ("GET", service.to_owned(), None, [true, true, true]),
        ("GET", "/audit".to_owned(), None, [true, true, true]),
        ("POST", "/explain".to_owned(), Some(json!({"url": "http://pro.test/"})), [true, true, true]),
        ("POST", "/check".to_owned(), Some(json!({"files": [{"name": "a.yml", "text": ""}]})), [true, true, true]),
        ("PUT", format!("{service}/weights"), Some(weights()), [false, true, true]),
        ("PATCH", format!("{service}/weights"), Some(json!({"weights": {"canary": 1}})), [false, true, true]),
        ("PUT", "/weights".to_owned(), Some(json!({"services": {"pro": weights()}})), [false, true, true]),
        ("PUT", format!("{service}/brake/canary"), Some(json!({})), [false, true, true]),
        ("DELETE", format!("{service}/weights"), None, [false, true, true]),
    ] {
        let ask = |admin: &Admin| match &body {
            None => admin.ask(method, &path),
            Some(body) => admin.ask(method, &path).header("content-type", "application/json").body(body.to_string()),
        };
        let refused = nobody.send(ask(&nobody)).await;
        assert_eq!(refused.problem(), (401, "unauthorized"), "{method} {path}");
        assert_eq!(refused.reply.header("www-authenticate"), Some("Bearer realm=\"rollgate\""));
        for (admin, allowed) in [&reader, &operator, &root].into_iter().zip(allowed) {
            let answer = admin.send(ask(admin)).await;
            match allowed {
                true => assert_eq!(answer.status, 200, "{method} {path}: {}", answer.reply.text()),
                false => {
                    assert_eq!(answer.problem(), (403, "forbidden"), "{method} {path}");
                    assert_eq!(answer.body["detail"], "looker has the role read; this needs operate");
                }
            }
        }
    }
    let log = root.get("/audit").await.ok();
    let actors: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|item| item["actor"].as_str().unwrap()).collect();
    assert!(actors.contains(&"ci") && actors.iter().all(|actor| ["ci", "root"].contains(actor)), "{actors:?}");
    assert_eq!(log["items"][0]["address"], "127.0.0.1");
}

#[tokio::test]
async fn only_an_administrator_replaces_configuration_whatever_way_the_path_is_written() {
    let gateway = start(&with_tokens(""));
    let address = gateway.address("traefik");
    for path in ["/api/providers/rest", "/api/./providers/rest", "/api/v1/../providers/rest", "/api/%70roviders/rest"] {
        let ask = |token: &str| {
            let ask = Ask::new("PUT", &format!("http://{address}{path}")).header("content-type", "application/json");
            ask.header("authorization", &format!("Bearer {token}")).body("{}").send(address)
        };
        for token in [READ, OPERATE] {
            let told = told(ask(token).await);
            assert_eq!(told.problem(), (403, "forbidden"), "{path}");
            assert!(told.body["detail"].as_str().unwrap().ends_with("this needs admin"), "{path}: {}", told.body);
        }
        assert!(![401, 403].contains(&ask(ADMIN).await.status), "{path}");
    }
}

/// Asks from another address of this machine.
async fn from(address: [u8; 4], to: SocketAddr, token: &str) -> u16 {
    let socket = tokio::net::TcpSocket::new_v4().expect("there are sockets");
    socket.bind((address, 0).into()).expect("the loopback has many addresses");
    let stream = socket.connect(to).await.expect("it listens");
    let ask = format!("GET /api/v1/services HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\n\r\n");
    RawConnection::over(stream).exchange(ask).await.status()
}

#[tokio::test]
async fn ten_wrong_tokens_lock_an_address_out_and_no_other() {
    let gateway = start(&with_tokens(""));
    let address = gateway.address("traefik");
    let (nobody, wrong) = (Admin::of(&gateway), Admin::of(&gateway).with_token("rg_wrong"));
    let right = nobody.with_token(READ);
    for _ in 0..20 {
        assert_eq!(nobody.get("/services").await.status, 401, "none at all is no attempt");
    }
    for _ in 0..9 {
        assert_eq!(wrong.get("/services").await.status, 401);
    }
    assert_eq!(right.get("/services").await.status, 200);
    assert_eq!(wrong.get("/services").await.status, 401);
    for admin in [&wrong, &right] {
        let refused = admin.get("/services").await;
        assert_eq!(refused.problem(), (429, "too-many-attempts"));
        let wait: u64 = refused.reply.header("retry-after").expect("it says when").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    // What a client says of itself does not make another one of it.
    let forwarded =
        right.ask("GET", "/services").header("x-forwarded-for", "192.0.2.1").header("x-real-ip", "192.0.2.1");
    assert_eq!(right.send(forwarded).await.status, 429);
    assert_eq!(from([127, 0, 0, 2], address, READ).await, 200, "others are not concerned");
    for path in ["/ping", "/metrics"] {
        assert_eq!(Ask::get(&format!("http://{address}{path}")).send(address).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_and_other_names_reach_nothing() {
    let gateway = start("api: {hosts: [gate.example.com]}\n");
    let (admin, address) = (Admin::of(&gateway), gateway.address("traefik"));
    let here = address.to_string();
    let foreign = format!("http://127.0.0.1:{}", address.port() ^ 1);
    let mut refused = 0;
    for (host, header, expected) in [
        (&*here, None, 200),
        ("localhost", None, 200),
        ("GATE.example.com.:8080", None, 200),
        ("rebound.example.org", None, 403),
        ("gate.example.com.example.org", None, 403),
        ("127.0.0.1.example.org:8080", None, 403),
        (&here, Some(("origin", format!("http://{here}"))), 200),
        ("gate.example.com", Some(("origin", "https://gate.example.com".to_owned())), 200),
        (&here, Some(("origin", "null".to_owned())), 403),
        (&here, Some(("origin", "https://example.org".to_owned())), 403),
        (&here, Some(("origin", foreign)), 403),
        (&here, Some(("origin", "http://gate.example.com".to_owned())), 403),
        (&here, Some(("sec-fetch-site", "cross-site".to_owned())), 403),
        (&here, Some(("sec-fetch-site", "same-site".to_owned())), 403),
        (&here, Some(("sec-fetch-site", "same-origin".to_owned())), 200),
    ] {
        for (method, path) in [("GET", "/api/v1/services"), ("PUT", "/api/v1/services/pro/weights")] {
            let mut ask = Ask::new(method, &format!("http://{host}{path}")).header("content-type", "application/json");
            if let Some((name, value)) = &header {
                ask = ask.header(name, value);
            }
            if method == "PUT" {
                ask = ask.body(
                    if expected == 200 { weights() } else { json!({"weights": {"stable": 9, "canary": 9}}) }
                        .to_string(),
                );
            }
            for reply in [ask.clone().send(address).await, ask.send_h2(address).await] {
                let what = format!("{method} {host} {header:?}");
                assert_eq!(reply.status, expected, "{what}: {}", reply.text());
                if expected == 403 {
                    let code = if header.is_some() { "foreign-origin" } else { "foreign-host" };
                    assert_eq!(told(reply).problem(), (403, code), "{what}");
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(refused, 9 * 4);
    let now = admin.get("/services/pro/weights").await.ok();
    assert_eq!(now["weights"]["stable@file"], "7", "none of the refused ones was done");
}

#[tokio::test]
async fn a_request_that_names_two_hosts_is_none() {
    let gateway = start("api: {}\n");
    let address = gateway.address("traefik");
    let put = "PUT /api/v1/services/pro/weights HTTP/1.1\r\n";
    for head in [
        format!("{put}Host: {address}\r\nHost: example.org\r\n"),
        format!("PUT http://example.org/api/v1/services/pro/weights HTTP/1.1\r\nHost: {address}\r\n"),
        format!("PUT http://{address}/api/v1/services/pro/weights HTTP/1.1\r\nHost: example.org\r\n"),
        put.to_owned(),
        format!("{put}Host: \r\n"),
        format!("{put}Host: user@{address}\r\n"),
    ] {
        let body = weights().to_string();
        let length = body.len();
        let request = format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let reply = RawConnection::open(address).await.exchange(request).await;
        assert_eq!(reply.status(), 400, "{head}");
    }
    let old = RawConnection::open(address).await.exchange("GET /api/v1/services HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status(), 403, "HTTP/1.0 needs none, this does");
    assert_eq!(owner(&Admin::of(&gateway)).await, "none");
}

#[tokio::test]
async fn what_is_no_json_changes_nothing() {
    let gateway = start("api: {}\n");
    let (admin, address) = (Admin::of(&gateway), gateway.address("traefik"));
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=a")]
    {
        for method in ["PUT", "PATCH"] {
            let ask = admin.ask(method, "/services/pro/weights").body(weights().to_string());
            let ask = kind.iter().fold(ask, |ask, kind| ask.header("content-type", kind));
            assert_eq!(admin.send(ask).await.problem(), (415, "unsupported-media-type"), "{method} {kind:?}");
        }
        // Without a length, too.
        let line = kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let body = weights().to_string();
        let request = format!(
            "PUT /api/v1/services/pro/weights HTTP/1.1\r\nHost: {address}\r\n{line}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        assert_eq!(RawConnection::open(address).await.exchange(request).await.status(), 415, "{kind:?}");
    }
    assert_eq!(owner(&admin).await, "none");
    let ask = admin.ask("PUT", "/services/pro/weights").header("content-type", "application/json; charset=utf-8");
    admin.send(ask.body(weights().to_string())).await.ok();
}

#[tokio::test]
async fn a_body_may_have_a_mebibyte_and_not_one_byte_more() {
    let gateway = start(&with_tokens(""));
    let (admin, address) = (Admin::of(&gateway).with_token(OPERATE), gateway.address("traefik"));
    let of = |length: usize| {
        let mut body = weights().to_string();
        body.extend(std::iter::repeat_n(' ', length - body.len()));
        body
    };
    let put = |length: usize| {
        let ask = admin.ask("PUT", "/services/pro/weights").header("content-type", "application/json");
        ask.body(of(length))
    };
    const MOST: usize = 1 << 20;
    for reply in [put(MOST + 1).send(address).await, put(MOST + 1).send_h2(address).await] {
        assert_eq!(told(reply).problem(), (413, "too-large"));
    }
    // In chunks, so that nobody knows beforehand.
    let chunk = of(MOST);
    let request = format!(
        "PUT /api/v1/services/pro/weights HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {OPERATE}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{MOST:x}\r\n{chunk}\r\n1\r\n \r\n0\r\n\r\n"
    );
    assert_eq!(RawConnection::open(address).await.exchange(request).await.status(), 413);
    assert_eq!(owner(&admin).await, "none");
    for reply in [put(MOST).send(address).await, put(MOST).send_h2(address).await] {
        told(reply).ok();
    }
    assert_eq!(owner(&admin).await, "api");
    // Who may not ask is told so before anything is read.
    let mut stranger = RawConnection::open(address).await;
    let head = format!(
        "PUT /api/v1/services/pro/weights HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        MOST + 1
    );
    assert_eq!(stranger.exchange(head).await.status(), 401);
}

/// `traefik` with TLS; what clients have to show is said by `kind`.
fn over_tls(kind: &str, server: &Identity, clients: &Authority) -> Gateway {
    let api = with_tokens(", hosts: [gate.test], clientCertificates: [{name: spinnaker.test, role: operate}]");
    let config = format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0'}}
  traefik: {{address: '127.0.0.1:0', http: {{tls: {{}}}}}}
{api}{SPLIT}tls:
  certificates: [{{certFile: '@DIR@/a.crt', keyFile: '@DIR@/a.key'}}]
  options: {{default: {{clientAuth: {{caFiles: ['@DIR@/clients.crt'], clientAuthType: {kind}}}}}}}
"
    );
    let launch = Launch::new(&config).file("a.crt", &server.cert_pem).file("a.key", &server.key_pem);
    launch.file("clients.crt", &clients.pem).start()
}

#[tokio::test]
async fn over_tls_a_certificate_lets_in_if_it_was_verified() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.issue(&["gate.test"]);
    let client =
        |protocol: &str, identity: Option<&Identity>| ours.client_with(&[protocol], rustls::ALL_VERSIONS, identity);
    let put = async |gateway: &Gateway, config: &ClientConfig, token: Option<&str>| {
        let mut connection = Connection::tls(gateway.address("traefik"), "gate.test", config.clone()).await;
        let ask = Ask::new("PUT", "https://gate.test/api/v1/services/pro/weights").body(weights().to_string());
        let ask = ask.header("content-type", "application/json");
        let ask = token.iter().fold(ask, |ask, token| ask.header("authorization", &format!("Bearer {token}")));
        told(connection.ask(ask).await)
    };
    let (spinnaker, somebody) = (ours.issue(&["spinnaker.test"]), ours.issue(&["somebody.test"]));
    let gateway = over_tls("VerifyClientCertIfGiven", &server, &ours);
    for protocol in ["http/1.1", "h2"] {
        let with = client(protocol, Some(&spinnaker));
        // The second connection resumes the first one's session.
        for _ in 0..2 {
            put(&gateway, &with, None).await.ok();
        }
        for (identity, token, expected) in [
            (None, None, (401, "unauthorized")),
            (Some(&somebody), None, (401, "unauthorized")),
            (Some(&somebody), Some(READ), (403, "forbidden")),
            (None, Some(READ), (403, "forbidden")),
        ] {
            assert_eq!(put(&gateway, &client(protocol, identity), token).await.problem(), expected, "{token:?}");
        }
        put(&gateway, &client(protocol, None), Some(OPERATE)).await.ok();
    }
    let mut connection = Connection::tls(gateway.address("traefik"), "gate.test", client("h2", Some(&spinnaker))).await;
    let log = told(connection.ask(Ask::get("https://gate.test/api/v1/audit")).await).ok();
    assert_eq!(log["items"][0]["actor"], "certificate spinnaker.test");
    drop(gateway);
    // With these, everybody can write what he likes into a certificate.
    let forged = theirs.issue(&["spinnaker.test"]);
    for kind in ["RequestClientCert", "RequireAnyClientCert"] {
        let gateway = over_tls(kind, &server, &ours);
        for identity in [&forged, &spinnaker] {
            let refused = put(&gateway, &client("http/1.1", Some(identity)), None).await;
            assert_eq!(refused.problem(), (401, "unauthorized"), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_was_verified_for_another_host_lets_nobody_in() {
    let (ours, partners) = (Authority::new("ours"), Authority::new("partners"));
    let server = ours.issue(&["gate.test", "partner.test"]);
    let api = with_tokens(", hosts: [gate.test], clientCertificates: [{name: spinnaker.test, role: operate}]");
    let partner =
        "    partner: {rule: Host(`partner.test`), entryPoints: [traefik], service: pro, tls: {options: partners}}\n";
    let split = SPLIT.replacen("  routers:\n", &format!("  routers:\n{partner}"), 1);
    assert!(split.contains(partner), "{split}");
    let config = format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0'}}
  traefik: {{address: '127.0.0.1:0', http: {{tls: {{}}}}}}
{api}{split}tls:
  certificates: [{{certFile: '@DIR@/a.crt', keyFile: '@DIR@/a.key'}}]
  options:
    default: {{clientAuth: {{caFiles: ['@DIR@/ours.crt'], clientAuthType: VerifyClientCertIfGiven}}}}
    partners: {{clientAuth: {{caFiles: ['@DIR@/partners.crt'], clientAuthType: VerifyClientCertIfGiven}}}}
"
    );
    let launch = Launch::new(&config).file("a.crt", &server.cert_pem).file("a.key", &server.key_pem);
    let gateway = launch.file("ours.crt", &ours.pem).file("partners.crt", &partners.pem).start();
    // A partner issues what he likes.
    let forged = partners.issue(&["spinnaker.test"]);
    let client = ours.client_with(&["http/1.1"], rustls::ALL_VERSIONS, Some(&forged));
    let asked = async |path: &str| {
        let mut connection = Connection::tls(gateway.address("traefik"), "partner.test", client.clone()).await;
        connection.ask(Ask::get(&format!("https://gate.test{path}"))).await
    };
    assert_eq!(asked("/api/v1/services").await.status, 421);
    assert_eq!(asked("/ready").await.status, 200);
    let ours = ours.client_with(&["http/1.1"], rustls::ALL_VERSIONS, Some(&ours.issue(&["spinnaker.test"])));
    let mut connection = Connection::tls(gateway.address("traefik"), "gate.test", ours).await;
    assert_eq!(connection.ask(Ask::get("https://gate.test/api/v1/services")).await.status, 200);
}

#[tokio::test]
async fn nothing_secret_is_written_down_or_told() {
    let config = configuration(&format!("{}accessLog: {{}}\n{SPLIT}", with_tokens("")));
    let gateway = Gateway::start(&config.replace("level: INFO", "level: TRACE"));
    let (admin, address) = (Admin::of(&gateway).with_token(ADMIN), gateway.address("traefik"));
    let wrong = "rg_wrong-and-secret";
    for value in
        [format!("Bearer {wrong}"), format!("Basic {wrong}"), wrong.to_owned(), format!("Bearer {wrong} {wrong}")]
    {
        let ask = Ask::new("GET", &format!("http://{address}/api/v1/services")).header("authorization", &value);
        let refused = told(ask.send(address).await);
        assert_eq!(refused.status, 401, "{value}");
        assert!(!refused.reply.text().contains("secret"), "{}", refused.reply.text());
    }
    let cookie = admin.ask("PUT", "/services/pro/weights").header("cookie", "session=cookie-and-secret");
    let cookie = cookie.header("content-type", "application/json").header("idempotency-key", "one");
    admin.send(cookie.body(weights().to_string())).await.ok();
    admin.change("PUT", "/services/pro/brake/canary", &json!({"reason": "why"})).await.ok();
    let mut shown = String::new();
    for path in ["/events?follow=false", "/audit", "/snapshot", "/services", "/entrypoints", "/openapi.json"] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        shown += &answer.reply.text();
    }
    for path in ["/api/rawdata", "/api/overview", "/metrics"] {
        let ask = Ask::get(&format!("http://{address}{path}")).header("authorization", &format!("Bearer {ADMIN}"));
        let reply = ask.send(address).await;
        assert_eq!(reply.status, 200, "{path}");
        shown += &reply.text();
    }
    assert!(shown.contains("weights.set") && shown.contains("brake.set"));
    gateway.logs("weights are live").await;
    shown += &gateway.stderr();
    shown += &gateway.stdout();
    let files = std::fs::read_dir(gateway.directory().join("state")).expect("there is a store");
    for file in files {
        let path = file.expect("it can be listed").path();
        if path.is_file() {
            shown += &String::from_utf8_lossy(&std::fs::read(&path).expect("it can be read"));
        }
    }
    assert!(shown.contains("weights.set") && shown.contains("SQLite format 3"), "the store was looked into");
    for secret in [READ, OPERATE, ADMIN, "and-secret"] {
        assert!(!shown.contains(secret), "{secret}");
        assert!(!shown.contains(&hash(secret)["sha256:".len()..]), "the hash of {secret}");
    }
}
