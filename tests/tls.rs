//! TLS on both sides: which certificate, which protocol, who is let in.

#![cfg(test)]

use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch,
    client::tls,
    tls::{Authority, Identity, unverified_client},
};
use rustls::version::{TLS12, TLS13};

const ENTRY_POINTS: &str = "entryPoints:
  web: {address: '127.0.0.1:0'}
  websecure: {address: '127.0.0.1:0'}
  traefik: {address: '127.0.0.1:0'}
";

/// A gateway that serves `s` to every host over TLS (and in clear text on `web`), with these certificates and these lines
/// at the end of its configuration.
fn gateway(backend: &Backend, identities: &[(&str, &Identity)], more: &str) -> Gateway {
    let mut launch = Launch::empty();
    let mut certificates = String::new();
    for (name, identity) in identities {
        launch = with_identity(launch, name, identity);
        certificates.push_str(&format!("    - {{certFile: '@DIR@/{name}.crt', keyFile: '@DIR@/{name}.key'}}\n"));
    }
    let certificates = if certificates.is_empty() { String::new() } else { format!("  certificates:\n{certificates}") };
    let config = format!(
        "{ENTRY_POINTS}http:
  routers:
    plain: {{entryPoints: [web], rule: 'PathPrefix(`/`)', service: s}}
    secure: {{entryPoints: [websecure], rule: 'PathPrefix(`/`)', service: s, tls: {{}}}}
  services: {{s: {}}}
tls:
{certificates}  stores: {{}}
{more}",
        backend.load_balancer()
    );
    launch.config("rollgate.yml", &config).start()
}

fn with_identity(launch: Launch, name: &str, identity: &Identity) -> Launch {
    launch.file(&format!("{name}.crt"), &identity.cert_pem).file(&format!("{name}.key"), &identity.key_pem)
}

#[tokio::test]
async fn http_2_and_http_1_are_agreed_on_by_alpn() {
    let authority = Authority::new("ours");
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &[("a", &authority.issue(&["a.test"]))], "");
    for (offered, is_http2) in [(&["h2", "http/1.1"][..], true), (&["http/1.1"], false), (&["h2"], true), (&[], false)]
    {
        let address = gateway.address("websecure");
        let mut client = Connection::tls(address, "a.test", authority.client(offered)).await;
        assert_eq!(client.is_http2(), is_http2, "{offered:?}");
        let reply = client.ask(Ask::get("https://a.test/x")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.seen().header("x-forwarded-proto"), Some("https"));
    }
}

#[tokio::test]
async fn the_name_asked_for_picks_the_certificate() {
    let authority = Authority::new("ours");
    let (a, b) = (authority.issue(&["a.test"]), authority.issue(&["b.test", "bb.test"]));
    let (wild, exact) = (authority.issue(&["*.wild.test"]), authority.issue(&["exact.wild.test"]));
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &[("a", &a), ("b", &b), ("wild", &wild), ("exact", &exact)], "");
    for (name, identity) in [
        ("a.test", &a),
        ("b.test", &b),
        ("bb.test", &b),
        ("BB.test", &b),
        ("x.wild.test", &wild),
        ("exact.wild.test", &exact),
    ] {
        let client = Connection::tls(gateway.address("websecure"), name, unverified_client(&["h2"])).await;
        assert_eq!(client.certificate, identity.certificate.to_vec(), "{name}");
    }
}

#[tokio::test]
async fn unknown_names_get_the_default_certificate() {
    let authority = Authority::new("ours");
    let (a, default) = (authority.issue(&["a.test"]), authority.issue(&["default.test"]));
    let backend = Backend::echo("s");
    let launch = with_identity(with_identity(Launch::empty(), "a", &a), "default", &default);
    let config = format!(
        "{ENTRY_POINTS}http:
  routers: {{secure: {{entryPoints: [websecure], rule: 'PathPrefix(`/`)', service: s, tls: {{}}}}}}
  services: {{s: {}}}
tls:
  certificates: [{{certFile: '@DIR@/a.crt', keyFile: '@DIR@/a.key'}}]
  stores: {{default: {{defaultCertificate: {{certFile: '@DIR@/default.crt', keyFile: '@DIR@/default.key'}}}}}}
",
        backend.load_balancer()
    );
    let gateway = launch.config("rollgate.yml", &config).start();
    for (name, identity) in [("a.test", &a), ("unknown.test", &default), ("x.a.test", &default)] {
        let client = Connection::tls(gateway.address("websecure"), name, unverified_client(&[])).await;
        assert_eq!(client.certificate, identity.certificate.to_vec(), "{name}");
    }
}

#[tokio::test]
async fn without_any_certificate_one_is_made() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &[], "");
    let mut client = Connection::tls(gateway.address("websecure"), "a.test", unverified_client(&["h2"])).await;
    assert!(!client.certificate.is_empty());
    assert_eq!(client.ask(Ask::get("https://a.test/")).await.status, 200);
}

#[tokio::test]
async fn strict_names_refuse_what_no_certificate_covers() {
    let authority = Authority::new("ours");
    let a = authority.issue(&["a.test"]);
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &[("a", &a)], "  options: {default: {sniStrict: true}}\n");
    let address = gateway.address("websecure");
    assert!(tls(address, "a.test", unverified_client(&[])).await.is_ok());
    assert!(tls(address, "b.test", unverified_client(&[])).await.is_err());
    let mut nameless = unverified_client(&[]);
    nameless.enable_sni = false;
    assert!(tls(address, "a.test", nameless).await.is_err());
}

#[tokio::test]
async fn options_bound_versions_and_protocols() {
    let authority = Authority::new("ours");
    let a = authority.issue(&["a.test"]);
    let backend = Backend::echo("s");
    let more = "  options: {default: {minVersion: VersionTLS13, alpnProtocols: [http/1.1]}}\n";
    let gateway = gateway(&backend, &[("a", &a)], more);
    let address = gateway.address("websecure");
    let old = authority.client_with(&["http/1.1"], &[&TLS12], None);
    assert!(tls(address, "a.test", old).await.is_err());
    let new = authority.client_with(&["h2", "http/1.1"], &[&TLS13], None);
    let mut client = Connection::tls(address, "a.test", new).await;
    assert!(!client.is_http2());
    assert_eq!(client.ask(Ask::get("https://a.test/")).await.status, 200);
}

#[tokio::test]
async fn cipher_suites_are_the_ones_named() {
    let authority = Authority::new("ours");
    let a = authority.issue(&["a.test"]);
    let backend = Backend::echo("s");
    let more = "  options:
    default: {maxVersion: VersionTLS12, cipherSuites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]}\n";
    let gateway = gateway(&backend, &[("a", &a)], more);
    let stream = tls(gateway.address("websecure"), "a.test", authority.client(&[])).await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
}

#[tokio::test]
async fn client_certificates_are_verified() {
    let (authority, foreign) = (Authority::new("ours"), Authority::new("foreign"));
    let a = authority.issue(&["a.test"]);
    let (known, unknown) = (authority.issue(&["client"]), foreign.issue(&["client"]));
    for (kind, without, with_known, with_unknown) in [
        ("NoClientCert", true, true, true),
        ("RequestClientCert", true, true, true),
        ("RequireAnyClientCert", false, true, true),
        ("VerifyClientCertIfGiven", true, true, false),
        ("RequireAndVerifyClientCert", false, true, false),
    ] {
        let backend = Backend::echo("s");
        let launch = with_identity(Launch::empty(), "a", &a).file("ca.crt", &authority.pem);
        let config = format!(
            "{ENTRY_POINTS}http:
  routers: {{secure: {{entryPoints: [websecure], rule: 'PathPrefix(`/`)', service: s, tls: {{}}}}}}
  services: {{s: {}}}
tls:
  certificates: [{{certFile: '@DIR@/a.crt', keyFile: '@DIR@/a.key'}}]
  options: {{default: {{clientAuth: {{caFiles: ['@DIR@/ca.crt'], clientAuthType: {kind}}}}}}}
",
            backend.load_balancer()
        );
        let gateway = launch.config("rollgate.yml", &config).start();
        for (identity, passes) in [(None, without), (Some(&known), with_known), (Some(&unknown), with_unknown)] {
            // In TLS 1.3 the client hears of its refusal only when it reads.
            let client = authority.client_with(&[], &[&TLS12], identity);
            let answered = tls(gateway.address("websecure"), "a.test", client).await.is_ok();
            assert_eq!(answered, passes, "{kind} with {identity:?}");
        }
    }
}

#[tokio::test]
async fn a_host_with_other_tls_options_than_the_handshakes_is_misdirected() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&["open.test", "strict.test", "also.test"]);
    let backend = Backend::echo("s");
    let launch = with_identity(Launch::empty(), "all", &identity);
    let config = format!(
        "{ENTRY_POINTS}http:
  routers:
    open: {{entryPoints: [websecure], rule: 'Host(`open.test`)', service: s, tls: {{}}}}
    also: {{entryPoints: [websecure], rule: 'Host(`also.test`)', service: s, tls: {{}}}}
    strict: {{entryPoints: [websecure], rule: 'Host(`strict.test`)', service: s, tls: {{options: strict}}}}
  services: {{s: {}}}
tls:
  certificates: [{{certFile: '@DIR@/all.crt', keyFile: '@DIR@/all.key'}}]
  options: {{strict: {{minVersion: VersionTLS13}}}}
",
        backend.load_balancer()
    );
    let gateway = launch.config("rollgate.yml", &config).start();
    let address = gateway.address("websecure");
    for (name, host, status) in [
        ("open.test", "open.test", 200),
        ("open.test", "also.test", 200),
        ("strict.test", "strict.test", 200),
        ("open.test", "strict.test", 421),
        ("strict.test", "open.test", 421),
        ("open.test", "STRICT.test", 421),
    ] {
        for protocol in ["h2", "http/1.1"] {
            let mut client = Connection::tls(address, name, authority.client(&[protocol])).await;
            let reply = client.ask(Ask::get(&format!("https://{host}/"))).await;
            assert_eq!(reply.status, status, "handshake for {name}, request for {host}, {protocol}");
        }
    }
    let old = authority.client_with(&[], &[&TLS12], None);
    assert!(tls(address, "strict.test", old).await.is_err());
}

#[tokio::test]
async fn routers_with_tls_serve_no_clear_text_and_others_no_tls() {
    let backend = Backend::echo("s");
    let config = format!(
        "{ENTRY_POINTS}http:
  routers:
    secure: {{rule: 'Path(`/secure`)', service: s, tls: {{}}}}
    plain: {{rule: 'Path(`/plain`)', service: s}}
  services: {{s: {}}}
",
        backend.load_balancer()
    );
    let gateway = Gateway::start(&config);
    assert_eq!(gateway.get("http://h/plain").await.status, 200);
    assert_eq!(gateway.get("http://h/secure").await.status, 404);
    let mut client = Connection::tls(gateway.web(), "h", unverified_client(&[])).await;
    assert_eq!(client.ask(Ask::get("https://h/secure")).await.status, 200);
    assert_eq!(client.ask(Ask::get("https://h/plain")).await.status, 404);
}

#[tokio::test]
async fn tls_of_the_entry_point_holds_for_its_routers() {
    let backend = Backend::echo("s");
    let config = format!(
        "entryPoints:
  websecure: {{address: '127.0.0.1:0', http: {{tls: {{}}}}}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    );
    let gateway = Gateway::start(&config);
    let mut client = Connection::tls(gateway.address("websecure"), "h", unverified_client(&["h2"])).await;
    assert_eq!(client.ask(Ask::get("https://h/")).await.status, 200);
}

#[tokio::test]
async fn servers_are_reached_over_tls_and_verified() {
    let (authority, foreign) = (Authority::new("ours"), Authority::new("foreign"));
    let identity = authority.issue(&["upstream.test", "127.0.0.1"]);
    let h2 = Backend::tls("h2", identity.server(&["h2", "http/1.1"]));
    let h1 = Backend::tls("h1", identity.server(&["http/1.1"]));
    let wrong = Backend::tls("wrong", foreign.issue(&["127.0.0.1"]).server(&[]));
    let other = Backend::tls("other", authority.issue(&["other.test"]).server(&[]));
    let service = |backend: &Backend, transport: &str| {
        let url = backend.url_as("https");
        format!("{{loadBalancer: {{serversTransport: {transport}, servers: [{{url: '{url}'}}]}}}}")
    };
    let config = format!(
        "{ENTRY_POINTS}http:
  routers:
    h2: {{rule: 'Host(`h2`)', service: h2}}
    h1: {{rule: 'Host(`h1`)', service: h1}}
    only1: {{rule: 'Host(`only1`)', service: only1}}
    wrong: {{rule: 'Host(`wrong`)', service: wrong}}
    careless: {{rule: 'Host(`careless`)', service: careless}}
    other: {{rule: 'Host(`other`)', service: other}}
    named: {{rule: 'Host(`named`)', service: named}}
  services:
    h2: {}
    h1: {}
    only1: {}
    wrong: {}
    careless: {}
    other: {}
    named: {}
  serversTransports:
    ours: {{rootCAs: ['@DIR@/ca.crt']}}
    only1: {{rootCAs: ['@DIR@/ca.crt'], disableHTTP2: true}}
    careless: {{insecureSkipVerify: true}}
    named: {{rootCAs: ['@DIR@/ca.crt'], serverName: other.test}}
",
        service(&h2, "ours"),
        service(&h1, "ours"),
        service(&h2, "only1"),
        service(&wrong, "ours"),
        service(&wrong, "careless"),
        service(&other, "ours"),
        service(&other, "named")
    );
    let gateway = Launch::empty().file("ca.crt", &authority.pem).config("rollgate.yml", &config).start();
    for (host, version) in
        [("h2", "HTTP/2.0"), ("h1", "HTTP/1.1"), ("only1", "HTTP/1.1"), ("careless", "HTTP/1.1"), ("named", "HTTP/1.1")]
    {
        let reply = gateway.get(&format!("http://{host}/")).await;
        assert_eq!(reply.status, 200, "{host}: {}", reply.text());
        let seen = reply.seen();
        assert_eq!((seen.version.as_str(), seen.all("host")), (version, vec![host]), "{host}");
    }
    for host in ["wrong", "other"] {
        let reply = gateway.get(&format!("http://{host}/")).await;
        assert!(matches!(reply.status, 500 | 502), "{host}: {}", reply.status);
    }
}
