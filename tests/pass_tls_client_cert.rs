//! `passTLSClientCert`: servers are told of the certificate that the client has shown, in Traefik's words, and by nobody else.

#![cfg(test)]

use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch,
    backend::Seen,
    client::tls,
    tls::{Authority, Identity},
};
use rustls::{
    ClientConfig, HandshakeKind, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Made with Go: several values of an attribute, two in one part of the name, every kind of text, many names, and an
/// intermediate authority; `client.info` is what Traefik's code makes of them.
const AUTHORITY: &str = include_str!("client_certificates/authority.pem");
const CHAIN: &str = include_str!("client_certificates/client.pem");
const KEY: &str = include_str!("client_certificates/client.key");
const INFO: &str = include_str!("client_certificates/client.info");

const CERTIFICATE: &str = "x-forwarded-tls-client-cert";
const ABOUT: &str = "x-forwarded-tls-client-cert-info";

/// Everything, and of the subject's and the issuer's names all.
const ALL: &str = "{pem: true, info: {notAfter: true, notBefore: true, sans: true, serialNumber: true, \
    subject: {country: true, province: true, locality: true, organization: true, organizationalUnit: true, \
    commonName: true, serialNumber: true, domainComponent: true}, \
    issuer: {country: true, province: true, locality: true, organization: true, commonName: true, serialNumber: true, \
    domainComponent: true}}}";

struct Tested {
    gateway: Gateway,
    backend: Backend,
    authority: Authority,
}

/// Clients may show a certificate of the fixture's authority (`also`: of others too); `web` is without TLS.
fn tested(pass: &str, forwarded: &str, kind: &str) -> Tested {
    let authority = Authority::new("ours");
    let (server, backend) = (authority.issue(&["a.test"]), Backend::echo("s"));
    let config = format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', forwardedHeaders: {forwarded}}}
  websecure: {{address: '127.0.0.1:0', forwardedHeaders: {forwarded}}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers:
    plain: {{entryPoints: [web], rule: 'PathPrefix(`/`)', service: s, middlewares: [pass]}}
    secure: {{entryPoints: [websecure], rule: 'PathPrefix(`/`)', service: s, tls: {{}}, middlewares: [pass]}}
    silent: {{entryPoints: [websecure], rule: 'Path(`/silent`)', priority: 100, service: s, tls: {{}}}}
  middlewares: {{pass: {{passTLSClientCert: {pass}}}}}
  services: {{s: {}}}
tls:
  certificates: [{{certFile: '@DIR@/a.crt', keyFile: '@DIR@/a.key'}}]
  options: {{default: {{clientAuth: {{caFiles: ['@DIR@/clients.crt'], clientAuthType: {kind}}}}}}}
",
        backend.load_balancer()
    );
    let launch = Launch::empty().file("a.crt", &server.cert_pem).file("a.key", &server.key_pem);
    let launch = launch.file("clients.crt", &format!("{AUTHORITY}{}", authority.pem));
    Tested { gateway: launch.config("rollgate.yml", &config).start(), backend, authority }
}

fn client() -> Identity {
    Identity::from_pem(CHAIN, KEY)
}

/// The certificates without their first and last lines and breaks.
fn bare(chain: &str) -> String {
    let certificates = chain.split("-----BEGIN CERTIFICATE-----").skip(1);
    let certificates = certificates.map(|one| one.replace("-----END CERTIFICATE-----", "").replace('\n', ""));
    certificates.collect::<Vec<_>>().join(",")
}

/// With headers that a client sets itself, in two ways to write them.
fn forging(path: &str) -> Ask {
    let ask = Ask::get(&format!("https://a.test{path}")).header(CERTIFICATE, "forged").header(CERTIFICATE, "again");
    ask.header(ABOUT, "forged").header("x_forwarded_tls_client_cert", "forged")
}

fn told(seen: &Seen) -> [Vec<&str>; 2] {
    assert!(seen.all("x_forwarded_tls_client_cert").is_empty());
    [seen.all(CERTIFICATE), seen.all(ABOUT)]
}

#[tokio::test]
async fn servers_are_told_of_the_whole_chain_in_traefiks_words() {
    let tested = tested(ALL, "{}", "RequireAndVerifyClientCert");
    let expected = bare(CHAIN);
    for (protocol, is_http2) in [("http/1.1", false), ("h2", true)] {
        let config = tested.authority.client_with(&[protocol], rustls::ALL_VERSIONS, Some(&client()));
        let mut connection = Connection::tls(tested.gateway.address("websecure"), "a.test", config).await;
        assert_eq!(connection.is_http2(), is_http2);
        // Each request of the connection, the first and a later one.
        for _ in 0..2 {
            let reply = connection.ask(forging("/")).await;
            assert_eq!(told(&reply.seen()), [[&*expected], [INFO.trim_end()]], "{protocol}");
        }
        let silent = connection.ask(forging("/silent")).await;
        assert_eq!(told(&silent.seen()), [[""; 0]; 2], "only where the middleware is");
    }
    assert_eq!(tested.backend.requests(), 6);
}

/// Asks once on a connection of its own, and reads what the server sent until it closes: tickets too.
async fn ask_once(tested: &Tested, config: &ClientConfig) -> (Option<HandshakeKind>, String) {
    let mut stream = tls(tested.gateway.address("websecure"), "a.test", config.clone()).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{ABOUT}: forged\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (stream.get_ref().1.handshake_kind(), answer)
}

#[tokio::test]
async fn a_resumed_session_still_knows_its_certificate() {
    let tested = tested(ALL, "{}", "VerifyClientCertIfGiven");
    for version in [&TLS12, &TLS13] as [&'static SupportedProtocolVersion; 2] {
        let identity = client();
        for (shown, identity) in [(true, Some(&identity)), (false, None)] {
            let config = tested.authority.client_with(&["http/1.1"], &[version], identity);
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let (was, answer) = ask_once(&tested, &config).await;
                assert_eq!(was, Some(kind), "{version:?}");
                assert_eq!(answer.contains(INFO.trim_end()), shown, "{version:?} {kind:?}: {answer}");
                assert_eq!(answer.contains(&bare(CHAIN)), shown, "{version:?} {kind:?}: {answer}");
                assert!(!answer.contains("forged"), "{version:?} {kind:?}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_certificate_nobody_says_that_there_was_one() {
    // `insecure` believes whoever asks, but not this.
    for forwarded in ["{}", "{insecure: true}"] {
        let tested = tested(ALL, forwarded, "RequestClientCert");
        let config = tested.authority.client(&["h2"]);
        let mut connection = Connection::tls(tested.gateway.address("websecure"), "a.test", config).await;
        assert_eq!(told(&connection.ask(forging("/")).await.seen()), [[""; 0]; 2], "{forwarded}");
        assert_eq!(told(&tested.gateway.ask(forging("/")).await.seen()), [[""; 0]; 2], "{forwarded}, without TLS");
    }
}

#[tokio::test]
async fn a_known_proxy_says_what_it_was_shown_and_is_overruled_by_its_own_certificate() {
    let tested = tested(ALL, "{trustedIPs: [127.0.0.1/32]}", "VerifyClientCertIfGiven");
    let plain = Ask::get("http://a.test/").header(CERTIFICATE, "of a client").header(ABOUT, "of a client");
    assert_eq!(told(&tested.gateway.ask(plain.clone()).await.seen()), [["of a client"]; 2]);
    let config = tested.authority.client_with(&["h2"], rustls::ALL_VERSIONS, Some(&client()));
    let mut connection = Connection::tls(tested.gateway.address("websecure"), "a.test", config).await;
    assert_eq!(told(&connection.ask(plain).await.seen()), [[&*bare(CHAIN)], [INFO.trim_end()]]);
}

#[tokio::test]
async fn what_is_chosen_is_told_also_of_certificates_that_nobody_verifies() {
    let chosen = "{info: {subject: {commonName: true}, sans: true}}";
    let tested = tested(chosen, "{}", "RequireAnyClientCert");
    let stranger = Authority::new("foreign").issue(&["client.test"]);
    // Behind its own certificate a client may send what it likes.
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let sending = Identity::from_pem(&format!("{}{junk}", stranger.cert_pem), &stranger.key_pem);
    let told_of_it = "Subject%3D%22CN%3Dclient.test%22%3BSAN%3D%22client.test%22";
    for (identity, expected) in [(stranger, told_of_it.to_owned()), (sending, format!("{told_of_it}%2C"))] {
        let config = tested.authority.client_with(&["h2"], rustls::ALL_VERSIONS, Some(&identity));
        let mut connection = Connection::tls(tested.gateway.address("websecure"), "a.test", config).await;
        assert_eq!(told(&connection.ask(forging("/")).await.seen()), [vec![], vec![&*expected]]);
    }
}
