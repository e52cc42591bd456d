//! A router that wants a client's certificate is reached by connections that have shown one, and by no others.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, RawConnection,
    client::connect,
    tls::{Authority, Identity, unverified_client},
    wait::within,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

struct Lab {
    authority: Authority,
    client: Identity,
    gateway: Gateway,
    /// Kept so that it goes on serving.
    backend: Backend,
}

/// `strict` is what stands under `tls.options`, and `more` are more hosts of open routers.
fn config(backend: &Backend, options: &str) -> String {
    format!(
        "entryPoints: {{web: {{address: '127.0.0.1:0'}}, websecure: {{address: '127.0.0.1:0'}}, traefik: {{address: '127.0.0.1:0'}}}}
http:
  routers:
    open: {{entryPoints: [websecure], rule: 'Host(`open.test`)', service: s, tls: {{}}}}
    nowhere: {{entryPoints: [websecure], rule: 'PathPrefix(`/admin`)', priority: 1000, service: s, tls: {{options: strict}}}}
    torn: {{entryPoints: [websecure], rule: 'Host(`torn.test`) && Path(`/torn`)', service: s, tls: {{options: strict}}}}
    loose: {{entryPoints: [websecure], rule: 'Host(`torn.test`)', service: s, tls: {{}}}}
    late: {{entryPoints: [websecure], rule: 'Host(`late.test`)', service: s, tls: {{options: late}}}}
    strict: {{entryPoints: [websecure], rule: 'Host(`strict.test`) || Host(`*.wild.test`)', service: s, tls: {{options: strict}}}}
  services: {{s: {}}}
tls:
  certificates: [{{certFile: '@DIR@/all.crt', keyFile: '@DIR@/all.key'}}]
  options: {{strict: {STRICT}, {options}}}
",
        backend.load_balancer()
    )
}

const STRICT: &str = "{clientAuth: {caFiles: ['@DIR@/ca.crt'], clientAuthType: RequireAndVerifyClientCert}}";

impl Lab {
    fn start() -> Self {
        let authority = Authority::new("ours");
        let server = authority.issue(&["open.test", "late.test", "strict.test", "*.wild.test"]);
        let backend = Backend::echo("s");
        let launch = Launch::new(&config(&backend, "late: {}"));
        let launch = launch
            .file("all.crt", &server.cert_pem)
            .file("all.key", &server.key_pem)
            .file("ca.crt", &authority.pem)
            .file("rollgate.yml", &config(&backend, "late: {}"));
        let client = authority.issue(&["client"]);
        Self { gateway: launch.start(), authority, client, backend }
    }

    /// A client with or without its certificate.
    fn client(&self, alpn: &[&str], certificate: bool) -> ClientConfig {
        self.authority.client_with(alpn, rustls::ALL_VERSIONS, certificate.then_some(&self.client))
    }

    async fn connection(&self, name: &str, alpn: &[&str], certificate: bool) -> Connection {
        Connection::tls(self.gateway.address("websecure"), name, self.client(alpn, certificate)).await
    }

    async fn reload(&self, options: &str) {
        self.gateway.apply("rollgate.yml", &config(&self.backend, options)).await;
    }
}

#[tokio::test]
async fn the_host_is_looked_at_however_it_is_written() {
    let lab = Lab::start();
    for alpn in ["h2", "http/1.1"] {
        for host in [
            "strict.test",
            "STRICT.Test",
            "strict.test.",
            "strict.test:443",
            "Strict.TEST.:8443",
            "a.wild.test",
            "A.WILD.test.",
        ] {
            let mut client = lab.connection("open.test", &[alpn], false).await;
            let reply = client.ask(Ask::get(&format!("https://{host}/"))).await;
            assert_eq!(reply.status, 421, "{host} over {alpn} without a certificate");
            // It is the request that is misdirected, not the connection.
            assert_eq!(client.ask(Ask::get("https://open.test/")).await.status, 200, "{host} over {alpn}");

            let mut client = lab.connection("strict.test", &[alpn], true).await;
            assert_eq!(client.ask(Ask::get(&format!("https://{host}/"))).await.status, 200, "{host} over {alpn}");
        }
    }
    let mut nameless = unverified_client(&["http/1.1"]);
    nameless.enable_sni = false;
    let stream =
        rollgate_testkit::client::tls(lab.gateway.address("websecure"), "strict.test", nameless).await.unwrap();
    let mut raw = RawConnection::over(stream);
    for request in [
        "GET / HTTP/1.1\r\nHost: strict.test\r\n\r\n",
        "GET https://strict.test/ HTTP/1.1\r\nHost: strict.test\r\n\r\n",
        "GET https://STRICT.test/ HTTP/1.1\r\nHost: strict.TEST\r\n\r\n",
    ] {
        assert_eq!(raw.exchange(request).await.status(), 421, "{request}");
    }
    let refused = lab.gateway.metrics().await.sum("rollgate_refused_total", &[("reason", "misdirected")]);
    assert_eq!(refused, 17.0);
}

#[tokio::test]
async fn a_router_without_a_host_of_its_own_gets_its_certificate_all_the_same() {
    let lab = Lab::start();
    for alpn in ["h2", "http/1.1"] {
        let mut open = lab.connection("open.test", &[alpn], false).await;
        for (url, status) in [
            ("https://open.test/", 200),
            ("https://open.test/admin", 421),
            ("https://open.test/x/../admin", 421),
            ("https://elsewhere.test/admin", 421),
            ("https://torn.test/", 200),
            ("https://torn.test/torn", 421),
        ] {
            assert_eq!(open.ask(Ask::get(url)).await.status, status, "{url} over {alpn}");
        }
        let mut strict = lab.connection("strict.test", &[alpn], true).await;
        assert_eq!(strict.ask(Ask::get("https://strict.test/admin")).await.status, 200, "over {alpn}");
    }
}

#[tokio::test]
async fn a_client_hello_in_pieces_is_read_whole() {
    let lab = Lab::start();
    let address = lab.gateway.address("websecure");
    for records in [true, false] {
        for size in [1, 5, 64] {
            let shaken = shaken(address, "open.test", lab.client(&["http/1.1"], false), records, size).await;
            let mut raw = RawConnection::over(shaken.unwrap());
            let get = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(raw.exchange(get("open.test")).await.status(), 200, "{records} {size}");
            assert_eq!(raw.exchange(get("strict.test")).await.status(), 421, "{records} {size}");

            let shaken = shaken_and_heard(address, "strict.test", lab.client(&[], false), records, size).await;
            assert!(shaken.is_err(), "the name in pieces still wants a certificate: {records} {size}");
            assert!(shaken_and_heard(address, "strict.test", lab.client(&[], true), records, size).await.is_ok());
        }
    }
}

#[tokio::test]
async fn a_demand_that_comes_later_holds_for_connections_and_sessions_of_before() {
    let lab = Lab::start();
    let address = lab.gateway.address("websecure");
    let session = lab.client(&["http/1.1"], false);
    let mut open = Connection::tls(address, "late.test", session.clone()).await;
    assert_eq!(open.ask(Ask::get("https://late.test/")).await.status, 200);
    let mut strict = lab.connection("strict.test", &["http/1.1"], true).await;

    // Options that stand before the others, by name, change nothing for anybody.
    lab.reload("aaa: {minVersion: VersionTLS13}, late: {}").await;
    assert_eq!(open.ask(Ask::get("https://late.test/")).await.status, 200);
    assert_eq!(strict.ask(Ask::get("https://strict.test/")).await.status, 200);
    assert_eq!(open.ask(Ask::get("https://strict.test/")).await.status, 421);
    let again = shaken_and_heard(address, "late.test", session.clone(), false, usize::MAX).await.unwrap();
    assert_eq!(
        again,
        Some(rustls::HandshakeKind::Resumed),
        "the ticket is good, so that what follows proves something"
    );

    lab.reload(&format!("late: {STRICT}")).await;
    assert_eq!(open.ask(Ask::get("https://late.test/")).await.status, 421);
    assert_eq!(strict.ask(Ask::get("https://strict.test/")).await.status, 200);
    let refused = shaken_and_heard(address, "late.test", session, false, usize::MAX).await;
    assert!(refused.is_err(), "a session without a certificate is not resumed: {refused:?}");
    let mut known = lab.connection("late.test", &["http/1.1"], true).await;
    assert_eq!(known.ask(Ask::get("https://late.test/")).await.status, 200);
}

/// A handshake whose ClientHello goes out in pieces of this size, each a TLS record or a TCP segment of its own.
async fn shaken(
    address: std::net::SocketAddr,
    name: &str,
    config: ClientConfig,
    records: bool,
    size: usize,
) -> io::Result<TlsStream<InPieces>> {
    let stream = InPieces { stream: connect(address).await, pieces: None, records, size };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within("the handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// The same, and what the server makes of it, which in TLS 1.3 the client hears after its own side is done.
async fn shaken_and_heard(
    address: std::net::SocketAddr,
    name: &str,
    config: ClientConfig,
    records: bool,
    size: usize,
) -> io::Result<Option<rustls::HandshakeKind>> {
    let stream = shaken(address, name, config, records, size).await?;
    let kind = stream.get_ref().1.handshake_kind();
    let mut raw = RawConnection::over(stream);
    raw.try_write(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")).await?;
    match raw.read_reply().await.status() {
        200 => Ok(kind),
        _ => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// A stream whose first write goes out in pieces.
struct InPieces {
    stream: TcpStream,
    /// What is left of the first write.
    pieces: Option<Vec<Vec<u8>>>,
    records: bool,
    size: usize,
}

impl InPieces {
    fn cut(&self, hello: &[u8]) -> Vec<Vec<u8>> {
        if !self.records {
            return hello.chunks(self.size.min(hello.len())).map(<[u8]>::to_vec).collect();
        }
        let (header, body) = hello.split_at(5);
        let record = |piece: &[u8]| [&header[..3], &(piece.len() as u16).to_be_bytes(), piece].concat();
        body.chunks(self.size.min(body.len())).map(record).collect()
    }
}

impl AsyncWrite for InPieces {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.pieces.is_none() {
            let mut pieces = self.cut(buf);
            pieces.reverse();
            self.pieces = Some(pieces);
        }
        while let Some(piece) = self.pieces.as_mut().and_then(Vec::pop) {
            match Pin::new(&mut self.stream).poll_write(cx, &piece)? {
                Poll::Ready(written) => {
                    assert_eq!(written, piece.len(), "a new socket takes a few bytes");
                    if self.pieces.as_ref().is_some_and(Vec::is_empty) {
                        return Poll::Ready(Ok(buf.len()));
                    }
                }
                Poll::Pending => {
                    self.pieces.as_mut().expect("it is there").push(piece);
                    return Poll::Pending;
                }
            }
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for InPieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}
