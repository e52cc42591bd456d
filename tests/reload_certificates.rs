//! Certificates follow their files: a pair is replaced when the new one is whole and matches, and not a request before.

#![cfg(test)]

use std::{fs, os::unix::fs::symlink, time::Duration, time::Instant};

use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, RawConnection,
    client::tls,
    tls::{Authority, Identity, unverified_client},
    wait::eventually,
};
use rustls::HandshakeKind;

const STATIC: &str = "entryPoints:
  web: {address: '127.0.0.1:0'}
  websecure: {address: '127.0.0.1:0'}
  traefik: {address: '127.0.0.1:0'}
metrics: {prometheus: {}}
log: {level: INFO}
";

/// Below the 2 s at which files are looked at in any case.
const NOTICED: Duration = Duration::from_millis(1_500);

fn dynamic(backend: &Backend, tls: &str) -> String {
    format!(
        "http:
  routers:
    secure: {{entryPoints: [websecure], rule: 'PathPrefix(`/`)', service: s, tls: {{}}}}
    plain: {{entryPoints: [web], rule: 'PathPrefix(`/`)', service: s}}
  services: {{s: {}}}
tls:
{tls}",
        backend.load_balancer()
    )
}

const PAIR: &str = "  certificates: [{certFile: '@DIR@/certs/tls.crt', keyFile: '@DIR@/certs/tls.key'}]\n";

fn start(backend: &Backend, tls: &str, files: &[(&str, &str)]) -> Gateway {
    let launch = Launch::new(&format!("{STATIC}providers: {{file: {{directory: '@DIR@/conf'}}}}\n"));
    let launch = launch.file("conf/dynamic.yml", &dynamic(backend, tls));
    files.iter().fold(launch, |launch, (name, text)| launch.file(name, text)).start()
}

/// The certificate that a client is shown now.
async fn shown(gateway: &Gateway) -> Vec<u8> {
    Connection::tls(gateway.address("websecure"), "a.test", unverified_client(&["h2"])).await.certificate
}

async fn comes_to_be_shown(gateway: &Gateway, identity: &Identity, how: &str) {
    let changed = Instant::now();
    eventually(how, async || (shown(gateway).await == identity.certificate.to_vec()).then_some(())).await;
    assert!(changed.elapsed() < NOTICED, "{how}: it was only found by the clock");
}

async fn problems(gateway: &Gateway) -> f64 {
    gateway.metrics().await.sum("rollgate_config_problems", &[("provider", "file")])
}

async fn ready(gateway: &Gateway) -> String {
    let reply = Ask::get("http://localhost/ready").send(gateway.address("traefik")).await;
    assert_eq!(reply.status, 200);
    reply.text()
}

async fn is_told_of(gateway: &Gateway, what: &str) {
    eventually(&format!("/ready tells of {what}"), async || ready(gateway).await.contains(what).then_some(())).await;
    assert!(problems(gateway).await > 0.0);
    eventually(&format!("the log tells of {what}"), async || gateway.stderr().contains(what).then_some(())).await;
}

async fn nothing_is_wrong(gateway: &Gateway) {
    eventually("nothing is wrong", async || (problems(gateway).await == 0.0).then_some(())).await;
    assert_eq!(ready(gateway).await, "OK");
}

#[tokio::test]
async fn a_copied_certificate_is_served_once_its_key_has_come_too() {
    let (authority, backend) = (Authority::new("ours"), Backend::echo("s"));
    let [old, new, newer] = [0, 1, 2].map(|_| authority.issue(&["a.test"]));
    let gateway = start(&backend, PAIR, &[("certs/tls.crt", &old.cert_pem), ("certs/tls.key", &old.key_pem)]);
    let certs = gateway.directory().join("certs");
    assert_eq!(shown(&gateway).await, old.certificate.to_vec());
    fs::write(certs.join("tls.crt"), &new.cert_pem).unwrap();
    is_told_of(&gateway, "tls.crt and ").await;
    assert!(ready(&gateway).await.contains("do not go together"));
    assert_eq!(shown(&gateway).await, old.certificate.to_vec(), "the old pair stays");
    // Everything else goes on being applied.
    let more = format!("{PAIR}  options: {{other: {{minVersion: VersionTLS13}}}}\n");
    let more = dynamic(&backend, &more).replace("plain:", "more: {rule: 'Host(`more.test`)', service: s}\n    plain:");
    gateway
        .rewrite("conf/dynamic.yml", &more.replace("entryPoints: [web], rule: 'PathPrefix(`/`)'", "rule: 'Path(`/`)'"));
    eventually("the change beside is live", async || {
        (gateway.get("http://more.test/x").await.status == 200 && gateway.get("http://a.test/x").await.status == 404)
            .then_some(())
    })
    .await;
    assert_eq!(shown(&gateway).await, old.certificate.to_vec());
    is_told_of(&gateway, "do not go together").await;
    fs::write(certs.join("tls.key"), &new.key_pem).unwrap();
    comes_to_be_shown(&gateway, &new, "the key has come").await;
    nothing_is_wrong(&gateway).await;
    // The other way round, and each in halves.
    fs::write(certs.join("tls.key"), &newer.key_pem[..50]).unwrap();
    is_told_of(&gateway, "no private key").await;
    fs::write(certs.join("tls.key"), &newer.key_pem).unwrap();
    fs::write(certs.join("tls.crt"), &newer.cert_pem[..50]).unwrap();
    is_told_of(&gateway, "certFile: ").await;
    assert_eq!(shown(&gateway).await, new.certificate.to_vec());
    fs::write(certs.join("tls.crt"), &newer.cert_pem).unwrap();
    comes_to_be_shown(&gateway, &newer, "the certificate has come").await;
    nothing_is_wrong(&gateway).await;
    fs::remove_file(certs.join("tls.crt")).unwrap();
    fs::remove_file(certs.join("tls.key")).unwrap();
    is_told_of(&gateway, "cannot read it").await;
    assert_eq!(shown(&gateway).await, newer.certificate.to_vec(), "also when they are gone");
}

#[tokio::test]
async fn a_session_ticket_outlives_a_reload_and_a_new_certificate() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (authority, backend) = (Authority::new("ours"), Backend::echo("s"));
    let [old, new] = [0, 1].map(|_| authority.issue(&["a.test"]));
    let gateway = start(&backend, PAIR, &[("certs/tls.crt", &old.cert_pem), ("certs/tls.key", &old.key_pem)]);
    // The sessions that it remembers go with the configuration.
    let config = authority.client(&["http/1.1"]);
    let kind = async || {
        let mut stream = tls(gateway.address("websecure"), "a.test", config.clone()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        stream.get_ref().1.handshake_kind()
    };
    assert_eq!(kind().await, Some(HandshakeKind::Full));
    assert_eq!(kind().await, Some(HandshakeKind::Resumed));
    gateway.rewrite("certs/tls.crt", &new.cert_pem);
    gateway.rewrite("certs/tls.key", &new.key_pem);
    comes_to_be_shown(&gateway, &new, "the new pair").await;
    assert_eq!(kind().await, Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn a_mounted_secret_that_swaps_its_link_is_served() {
    let (authority, backend) = (Authority::new("ours"), Backend::echo("s"));
    let versions = [0, 1, 2].map(|_| authority.issue(&["a.test"]));
    let launch = Launch::new(&format!("{STATIC}providers: {{file: {{directory: '@DIR@/conf'}}}}\n"));
    let launch = launch.file("conf/dynamic.yml", &dynamic(&backend, PAIR));
    let launch =
        launch.file("certs/..0/tls.crt", &versions[0].cert_pem).file("certs/..0/tls.key", &versions[0].key_pem);
    let launch = launch.link("certs/..data", "..0");
    let launch = launch.link("certs/tls.crt", "..data/tls.crt").link("certs/tls.key", "..data/tls.key");
    let gateway = launch.start();
    let certs = gateway.directory().join("certs");
    for (number, identity) in versions.iter().enumerate().skip(1) {
        let folder = certs.join(format!("..{number}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("tls.crt"), &identity.cert_pem).unwrap();
        fs::write(folder.join("tls.key"), &identity.key_pem).unwrap();
        symlink(format!("..{number}"), certs.join("..data_tmp")).unwrap();
        fs::rename(certs.join("..data_tmp"), certs.join("..data")).unwrap();
        fs::remove_dir_all(certs.join(format!("..{}", number - 1))).unwrap();
        comes_to_be_shown(&gateway, identity, &format!("version {number}")).await;
    }
    nothing_is_wrong(&gateway).await;
}

#[tokio::test]
async fn a_configuration_that_names_a_pair_before_it_is_there_waits_for_it() {
    let (authority, backend) = (Authority::new("ours"), Backend::echo("s"));
    let [old, new] = [0, 1].map(|_| authority.issue(&["a.test"]));
    let gateway = start(&backend, PAIR, &[("certs/tls.crt", &old.cert_pem), ("certs/tls.key", &old.key_pem)]);
    let later = PAIR.replace("certs/", "later/");
    gateway.rewrite("conf/dynamic.yml", &dynamic(&backend, &later));
    is_told_of(&gateway, "later/tls.crt: cannot read it").await;
    assert!(ready(&gateway).await.contains("dynamic.yml: its last good text serves on"));
    assert_eq!(shown(&gateway).await, old.certificate.to_vec());
    let folder = gateway.directory().join("later");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("tls.crt"), &new.cert_pem).unwrap();
    fs::write(folder.join("tls.key"), &new.key_pem).unwrap();
    comes_to_be_shown(&gateway, &new, "it has come").await;
    nothing_is_wrong(&gateway).await;
}

#[tokio::test]
async fn authorities_of_clients_follow_their_file() {
    let (ours, first, second) = (Authority::new("ours"), Authority::new("first"), Authority::new("second"));
    let backend = Backend::echo("s");
    let identity = ours.issue(&["a.test"]);
    let options = format!("{PAIR}  options: {{default: {{clientAuth: {{caFiles: ['@DIR@/certs/ca.crt']}}}}}}\n");
    let files =
        [("certs/tls.crt", &*identity.cert_pem), ("certs/tls.key", &identity.key_pem), ("certs/ca.crt", &first.pem)];
    let gateway = start(&backend, &options, &files);
    let is_let_in = async |client: &Identity| {
        let config = ours.client_with(&["http/1.1"], rustls::ALL_VERSIONS, Some(client));
        let Ok(mut stream) = tls(gateway.address("websecure"), "a.test", config).await else { return false };
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        let mut answer = Vec::new();
        stream.write_all(request).await.is_ok()
            && stream.read_to_end(&mut answer).await.is_ok()
            && answer.starts_with(b"HTTP/1.1 200")
    };
    let clients = [first.issue(&["client"]), second.issue(&["client"])];
    assert_eq!((is_let_in(&clients[0]).await, is_let_in(&clients[1]).await), (true, false));
    fs::write(gateway.directory().join("certs/ca.crt"), "half").unwrap();
    is_told_of(&gateway, "clientAuth.caFiles: ").await;
    assert!(is_let_in(&clients[0]).await, "the one that was good last serves on");
    fs::write(gateway.directory().join("certs/ca.crt"), &second.pem).unwrap();
    eventually("the other one is trusted", async || is_let_in(&clients[1]).await.then_some(())).await;
    assert!(!is_let_in(&clients[0]).await);
    nothing_is_wrong(&gateway).await;
}

#[tokio::test]
async fn authorities_of_servers_follow_their_file_and_other_transports_keep_their_connections() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let plain = Backend::echo("plain");
    let secure = Backend::tls("secure", second.issue(&["127.0.0.1"]).server(&["http/1.1"]));
    let text = format!(
        "http:
  routers:
    plain: {{entryPoints: [web], rule: 'Host(`plain.test`)', service: plain}}
    secure: {{entryPoints: [web], rule: 'Host(`secure.test`)', service: secure}}
  services:
    plain: {}
    secure: {{loadBalancer: {{serversTransport: t, servers: [{{url: '{}'}}]}}}}
  serversTransports: {{t: {{rootCAs: ['@DIR@/certs/ca.crt']}}}}
",
        plain.load_balancer(),
        secure.url_as("https"),
    );
    let launch = Launch::new(&format!("{STATIC}providers: {{file: {{directory: '@DIR@/conf'}}}}\n"));
    let gateway = launch.file("conf/dynamic.yml", &text).file("certs/ca.crt", &first.pem).start();
    // On one connection, and so on one worker, which has connections to servers of its own.
    let (mut client, ask) = (RawConnection::open(gateway.web()).await, "GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n");
    assert_eq!(client.exchange(ask).await.status(), 200);
    let connections = plain.connections();
    assert_eq!(gateway.get("http://secure.test/").await.status, 500, "its authority is not trusted");
    fs::write(gateway.directory().join("certs/ca.crt"), &second.pem).unwrap();
    eventually("its authority is trusted", async || {
        (gateway.get("http://secure.test/").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(client.exchange(ask).await.status(), 200);
    assert_eq!(plain.connections(), connections, "the pooled connection outlives it");
}
