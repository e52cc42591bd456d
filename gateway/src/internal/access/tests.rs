use http::HeaderValue;
use proptest::prelude::*;
use rollgate_config::static_config::{ClientCertificate, Token};

use super::*;

/// What a request is like, in words.
struct Sent {
    local: &'static str,
    method: &'static str,
    path: &'static str,
    lines: Vec<(&'static str, &'static str)>,
    certificate: Vec<String>,
}

fn sent(lines: &[(&'static str, &'static str)]) -> Sent {
    Sent { local: "127.0.0.1", method: "GET", path: "/api/v1/services", lines: lines.to_vec(), certificate: Vec::new() }
}

fn told(policy: &Policy, sent: &Sent) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in &sent.lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let facts = Facts {
        local: sent.local.parse().unwrap(),
        peer: ([192, 0, 2, 1], 1234).into(),
        method: &sent.method.parse().unwrap(),
        path: sent.path.split('?').next().unwrap(),
        query: sent.path.split_once('?').map(|(_, query)| query),
        headers: &headers,
        has_body: sent.method != "GET",
        tls: false,
        certificate: &sent.certificate,
    };
    match decide(policy, &Lockout::default(), &facts, Instant::now()) {
        Ok(caller) => format!("{} {}", caller.name, caller.role.name()),
        Err(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.code),
    }
}

fn token(name: &str, text: &str, role: Role) -> Token {
    let hash = digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap();
    Token { name: name.to_owned(), role, hash }
}

fn guarded() -> Policy {
    Policy::new(Some(&Api {
        hosts: vec!["gate.example.com".to_owned()],
        tokens: vec![
            token("looker", "rg_look", Role::Read),
            token("spinnaker", "rg_spin", Role::Operate),
            token("root", "rg_root", Role::Admin),
        ],
        client_certificates: vec![ClientCertificate { name: "spiffe://x/ci".to_owned(), role: Role::Operate }],
        ..Api::default()
    }))
}

const HERE: (&str, &str) = ("host", "127.0.0.1:8080");

#[test]
fn only_the_gateways_own_names_are_answered() {
    let open = Policy::new(Some(&Api { hosts: vec!["gate.example.com".to_owned()], ..Api::default() }));
    for (host, expected) in [
        ("127.0.0.1:8080", "loopback admin"),
        ("[::1]:8080", "loopback admin"),
        ("10.0.0.1", "loopback admin"),
        ("LocalHost:8080", "loopback admin"),
        ("Gate.Example.Com:443", "loopback admin"),
        ("gate.example.com.", "loopback admin"),
        ("evil.example.com", "403 foreign-host"),
        ("127.0.0.1.evil.example.com", "403 foreign-host"),
        ("", "403 foreign-host"),
        ("a b", "403 foreign-host"),
    ] {
        assert_eq!(told(&open, &sent(&[("host", host)])), expected, "{host}");
    }
    assert_eq!(told(&open, &sent(&[])), "403 foreign-host");
    assert_eq!(told(&open, &sent(&[HERE, HERE])), "403 foreign-host");
}

#[test]
fn pages_of_other_sites_reach_nothing() {
    let open = Policy::new(Some(&Api::default()));
    for (name, value, expected) in [
        ("origin", "http://127.0.0.1:8080", "loopback admin"),
        ("origin", "http://127.0.0.1:9090", "403 foreign-origin"),
        ("origin", "https://evil.example.com", "403 foreign-origin"),
        ("origin", "null", "403 foreign-origin"),
        ("origin", "", "403 foreign-origin"),
        ("sec-fetch-site", "same-origin", "loopback admin"),
        ("sec-fetch-site", "none", "loopback admin"),
        ("sec-fetch-site", "cross-site", "403 foreign-origin"),
        ("sec-fetch-site", "same-site", "403 foreign-origin"),
    ] {
        assert_eq!(told(&open, &sent(&[HERE, (name, value)])), expected, "{name}: {value}");
    }
    assert_eq!(told(&open, &sent(&[("host", "localhost"), ("origin", "http://localhost:80")])), "loopback admin");
}

#[test]
fn elsewhere_than_on_loopback_nobody_is_let_in_without_credentials() {
    let open = Policy::new(Some(&Api::default()));
    for (local, expected) in [
        ("127.0.0.1", "loopback admin"),
        ("::1", "loopback admin"),
        ("0.0.0.0", "403 forbidden"),
        ("10.0.0.1", "403 forbidden"),
        ("::", "403 forbidden"),
    ] {
        for (method, path) in
            [("GET", "/api/v1/services"), ("PUT", "/api/v1/weights"), ("GET", "/ready"), ("GET", "/api/rawdata")]
        {
            let mut sent = sent(&[HERE, ("content-type", "application/json")]);
            (sent.local, sent.method, sent.path) = (local, method, path);
            assert_eq!(told(&open, &sent), expected, "{local} {method} {path}");
        }
    }
}

#[test]
fn where_there_are_tokens_one_is_needed_everywhere() {
    let policy = guarded();
    for (line, expected) in [
        ("Bearer rg_look", "looker read"),
        ("bearer  rg_root", "root admin"),
        ("Bearer rg_loo", "401 unauthorized"),
        ("Bearer rg_look2", "401 unauthorized"),
        ("Bearer", "401 unauthorized"),
        ("Bearer ", "401 unauthorized"),
        ("Basic cmdfbG9vaw==", "401 unauthorized"),
        ("rg_look", "401 unauthorized"),
    ] {
        assert_eq!(told(&policy, &sent(&[HERE, ("authorization", line)])), expected, "{line}");
    }
    assert_eq!(told(&policy, &sent(&[HERE])), "401 unauthorized", "on loopback too");
    let twice = [HERE, ("authorization", "Bearer rg_look"), ("authorization", "Bearer rg_look")];
    assert_eq!(told(&policy, &sent(&twice)), "401 unauthorized");
}

#[test]
fn a_hook_takes_the_token_as_a_password_too_and_nothing_else_does() {
    let policy = guarded();
    // ROLLGATE:rg_spin, :rg_spin, rg_spin:, rg_spin, a:rg_look
    for (line, expected) in [
        ("Basic Uk9MTEdBVEU6cmdfc3Bpbg==", "spinnaker operate"),
        ("basic OnJnX3NwaW4=", "spinnaker operate"),
        ("Basic cmdfc3Bpbjo=", "401 unauthorized"),
        ("Basic cmdfc3Bpbg==", "401 unauthorized"),
        ("Basic YTpyZ19sb29r", "403 forbidden"),
        ("Bearer rg_spin", "spinnaker operate"),
    ] {
        let mut sent = sent(&[HERE, ("authorization", line), ("content-type", "application/json")]);
        (sent.method, sent.path) = ("POST", "/api/v1/hooks/flagger/watch-pro/rollout");
        assert_eq!(told(&policy, &sent), expected, "{line}");
        sent.path = "/api/v1/rollouts";
        let elsewhere = if line.starts_with("Bearer") { expected } else { "401 unauthorized" };
        assert_eq!(told(&policy, &sent), elsewhere, "{line}");
    }
}

#[test]
fn roles_allow_what_they_say() {
    let policy = guarded();
    for (method, path, expected) in [
        ("GET", "/api/v1/services", ["looker read", "spinnaker operate", "root admin"]),
        ("POST", "/api/v1/explain", ["looker read", "spinnaker operate", "root admin"]),
        ("POST", "/api/v1/check", ["looker read", "spinnaker operate", "root admin"]),
        ("POST", "/prometheus/api/v1/query", ["looker read", "spinnaker operate", "root admin"]),
        ("POST", "/kayenta/judge", ["looker read", "spinnaker operate", "root admin"]),
        ("PUT", "/prometheus/api/v1/query", ["403 forbidden", "spinnaker operate", "root admin"]),
        ("PUT", "/api/v1/weights", ["403 forbidden", "spinnaker operate", "root admin"]),
        ("DELETE", "/api/v1/services/a/brake/b", ["403 forbidden", "spinnaker operate", "root admin"]),
        ("PUT", "/api/providers/rest", ["403 forbidden", "403 forbidden", "root admin"]),
    ] {
        for (token, expected) in ["Bearer rg_look", "Bearer rg_spin", "Bearer rg_root"].into_iter().zip(expected) {
            let mut sent = sent(&[HERE, ("authorization", token), ("content-type", "application/json")]);
            (sent.method, sent.path) = (method, path);
            assert_eq!(told(&policy, &sent), expected, "{method} {path} {token}");
        }
    }
}

#[test]
fn a_verified_certificate_lets_in_whom_it_names() {
    let policy = guarded();
    let mut with = sent(&[HERE]);
    with.certificate = vec!["ci".to_owned(), "spiffe://x/ci".to_owned()];
    assert_eq!(told(&policy, &with), "certificate spiffe://x/ci operate");
    with.certificate = vec!["spiffe://x/ci2".to_owned()];
    assert_eq!(told(&policy, &with), "401 unauthorized");
}

#[test]
fn changes_are_sent_as_json() {
    let open = Policy::new(Some(&Api::default()));
    for (kind, expected) in [
        ("application/json", "loopback admin"),
        ("Application/JSON; charset=utf-8", "loopback admin"),
        ("application/merge-patch+json", "loopback admin"),
        ("text/plain", "415 unsupported-media-type"),
        ("application/x-www-form-urlencoded", "415 unsupported-media-type"),
        ("text/json+json", "415 unsupported-media-type"),
        ("", "415 unsupported-media-type"),
    ] {
        let mut sent = sent(&[HERE, ("content-type", kind)]);
        sent.method = "PUT";
        assert_eq!(told(&open, &sent), expected, "{kind}");
    }
}

#[test]
fn queries_may_be_sent_as_a_form_and_nothing_else_may() {
    let open = Policy::new(Some(&Api::default()));
    for (path, expected) in [
        ("/prometheus/api/v1/query", "loopback admin"),
        ("/prometheus/api/v1/query_range", "loopback admin"),
        ("/prometheus/api/v1/other", "415 unsupported-media-type"),
        ("/kayenta/judge", "415 unsupported-media-type"),
        ("/api/v1/weights", "415 unsupported-media-type"),
    ] {
        let mut sent = sent(&[HERE, ("content-type", "application/x-www-form-urlencoded")]);
        (sent.method, sent.path) = ("POST", path);
        assert_eq!(told(&open, &sent), expected, "{path}");
    }
}

#[test]
fn paths_of_others_are_their_own_and_no_more() {
    for path in ["/prometheus/api/v1/query", "/prometheus/-/healthy", "/kayenta/judge"] {
        assert!(is_by_others(path), "{path}");
    }
    for path in ["/prometheus", "/prometheus/", "/prometheus/graph", "/kayenta", "/kayenta/judge/x", "/x/kayenta/judge"]
    {
        assert!(!is_by_others(path), "{path}");
    }
}

#[test]
fn after_ten_wrong_tokens_a_right_one_does_not_help() {
    let (policy, lockout, now) = (guarded(), Lockout::default(), Instant::now());
    let ask = |token: &'static str, certificate: &[String], now: Instant| {
        let headers: HeaderMap = [("host", "127.0.0.1"), ("authorization", token)]
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        let peer = ([192, 0, 2, 1], 1).into();
        let local = [127, 0, 0, 1].into();
        let facts = Facts {
            local,
            peer,
            method: &Method::GET,
            path: "/api",
            query: None,
            headers: &headers,
            has_body: false,
            tls: false,
            certificate,
        };
        decide(&policy, &lockout, &facts, now).map_err(|refusal| (refusal.status.as_u16(), refusal.retry_after))
    };
    for _ in 0..10 {
        assert_eq!(ask("Bearer wrong", &[], now).unwrap_err(), (401, None));
    }
    let later = now + std::time::Duration::from_secs(59);
    assert_eq!(ask("Bearer rg_root", &[], later).unwrap_err(), (429, Some(std::time::Duration::from_secs(1))));
    // Whoever shows a certificate has guessed nothing.
    assert_eq!(&*ask("Bearer wrong", &["spiffe://x/ci".to_owned()], later).unwrap().name, "certificate spiffe://x/ci");
    assert_eq!(ask("Bearer rg_root", &["spiffe://x/other".to_owned()], later).unwrap_err().0, 429);
    assert!(ask("Bearer rg_root", &[], now + std::time::Duration::from_secs(60)).is_ok());
}

#[test]
fn a_questions_secret_answers_that_question_and_nothing_else() {
    let guarded = guarded();
    let nonce = "?nonce=0123456789abcdef0123456789abcdef";
    for (method, path, expected) in [
        ("GET", "/api/v1/rollouts/r1/approval", "link read"),
        ("POST", "/api/v1/rollouts/r1/approve", "link read"),
        ("POST", "/api/v1/rollouts/r1/deny", "link read"),
        ("POST", "/api/v1/rollouts/r1/abort", "401 unauthorized"),
        ("GET", "/api/v1/rollouts/r1/approve", "401 unauthorized"),
        ("POST", "/api/v1/rollouts//approve", "401 unauthorized"),
        ("POST", "/api/v1/rollouts/r1/approve/x", "401 unauthorized"),
        ("GET", "/api/v1/rollouts/r1", "401 unauthorized"),
        ("PUT", "/api/v1/services/approve", "401 unauthorized"),
    ] {
        let path: &'static str = format!("{path}{nonce}").leak();
        let sent = Sent { method, path, ..sent(&[HERE, ("content-type", "application/json")]) };
        assert_eq!(told(&guarded, &sent), expected, "{method} {path}");
    }
    for query in [
        "",
        "?nonce=",
        "?nonce=0123",
        "?nonce=0123456789abcdef0123456789abcdeg",
        "?x=1&nonce=0123456789abcdef0123456789abcdef",
    ] {
        let path: &'static str = format!("/api/v1/rollouts/r1/approve{query}").leak();
        let sent = Sent { method: "POST", path, ..sent(&[HERE, ("content-type", "application/json")]) };
        assert_eq!(told(&guarded, &sent), "401 unauthorized", "{query}");
    }
    // Its pages come from here, as all others.
    let path: &'static str = format!("/api/v1/rollouts/r1/approve{nonce}").leak();
    let foreign = Sent {
        method: "POST",
        path,
        ..sent(&[HERE, ("content-type", "application/json"), ("sec-fetch-site", "cross-site")])
    };
    assert_eq!(told(&guarded, &foreign), "403 foreign-origin");
}

#[test]
fn nothing_secret_is_shown() {
    assert!(!format!("{:?}", guarded()).contains("hash"));
    let refusal = Refusal::new(StatusCode::FORBIDDEN, "forbidden", "No", "why".to_owned());
    let response =
        Refusal { challenge: true, retry_after: Some(std::time::Duration::from_millis(1)), ..refusal }.response();
    insta::assert_snapshot!(format!("{response:?}"), @r#"Response { status: 403, version: HTTP/1.1, headers: {"content-type": "application/problem+json", "retry-after": "1", "www-authenticate": "Bearer realm=\"rollgate\""}, body: b"{\"detail\":\"why\",\"status\":403,\"title\":\"No\",\"type\":\"urn:rollgate:problem:forbidden\"}" }"#);
}

proptest! {
    #[test]
    fn whatever_is_sent_is_decided(host in "\\PC{0,20}", origin in "\\PC{0,20}", authorization in "\\PC{0,20}") {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin), (header::AUTHORIZATION, authorization)] {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(name, value);
            }
        }
        let peer = ([192, 0, 2, 1], 1).into();
        let (local, certificate) = ([10, 0, 0, 1].into(), &[][..]);
        let facts = Facts { local, peer, method: &Method::PUT, path: "/api", query: None, headers: &headers, has_body: true, tls: false, certificate };
        prop_assert!(decide(&guarded(), &Lockout::default(), &facts, Instant::now()).is_err());
    }
}
