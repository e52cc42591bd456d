//! A gateway with files of its own, and every way that they change.
//!
//! `rollgate.yml` has the entry points. Below `conf`: `main.yml` routes the load, `side.yml` and `again.yml` are unrelated,
//! `tls.yml` names a certificate and what else does not change, and `mount` is a mounted volume of Kubernetes'. Each file
//! that changes has a router whose host carries the file's generation and which the gateway answers itself: asked for it,
//! the gateway tells whether that generation is live.

mod change;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use rollgate_load::{Client, Failure, Shot};
use rollgate_testkit::{Backend, Gateway, Launch, tls::Authority};

pub use self::change::Kind;
use crate::options::Options;

/// The gateway, its backends and its files.
#[derive(Debug)]
pub struct Site {
    /// The gateway.
    pub gateway: Gateway,
    stable: Backend,
    canary: Backend,
    /// Only there to be connected to.
    _websocket: Backend,
    authority: Authority,
    generation: u32,
    recreated: u32,
    certificate: Vec<u8>,
}

/// The host that `main.yml` routes to the backends.
pub const HOST: &str = "soak.test";

/// The host that has a certificate.
pub const SECURE_HOST: &str = "secure.test";

/// The host behind which is a WebSocket server.
pub const WEBSOCKET_HOST: &str = "ws.test";

/// Words in lines of the log that tell of a problem in a file, as they have to.
pub const PROBLEMS: [&str; 4] = ["conf/", "site.crt", "rollgate.yml", "the change is refused"];

impl Site {
    /// Starts it.
    pub fn start(options: &Options) -> Self {
        let (stable, canary, websocket) = (letter('s'), letter('c'), Backend::websocket("ws"));
        let authority = Authority::new("soak");
        let identity = authority.issue(&[SECURE_HOST]);
        let launch = Launch::new(&statics(None))
            .file("conf/main.yml", &main(0, [1, 1], &stable, &canary))
            .file("conf/side.yml", &side(0, 1))
            .file("conf/again.yml", &marker("again", 0))
            .file("conf/tls.yml", &fixed(&stable, &websocket))
            .file("conf/mount/..0/dynamic.yml", &marker("mount", 0))
            .link("conf/mount/..data", "..0")
            .link("conf/mount/dynamic.yml", "..data/dynamic.yml")
            .file("certs/site.crt", &identity.cert_pem)
            .file("certs/site.key", &identity.key_pem);
        let gateway = launch.program(options.binary.to_str().expect("the binary's path is text")).start();
        Self {
            gateway,
            stable,
            canary,
            _websocket: websocket,
            authority,
            generation: 0,
            recreated: 0,
            certificate: identity.certificate.to_vec(),
        }
    }

    /// What the load asks for.
    pub fn shot() -> Shot {
        Shot::get(HOST, "/", 200)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.gateway.directory().join(name)
    }

    fn main(&self) -> String {
        let weights = [1 + self.generation % 3, 1 + self.generation % 2];
        main(self.generation, weights, &self.stable, &self.canary)
    }
}

/// A backend whose every answer is one letter.
pub fn letter(letter: char) -> Backend {
    Backend::canned(&letter.to_string(), format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{letter}"))
}

/// The host of a file's generation.
pub fn marker_host(file: &str, generation: u32) -> String {
    format!("{file}-{generation}.mark.test")
}

/// A configuration that has a file's marker alone.
pub fn marker(file: &str, generation: u32) -> String {
    format!("http:\n  routers:\n{}", marker_router(file, generation))
}

fn marker_router(file: &str, generation: u32) -> String {
    let host = marker_host(file, generation);
    format!("    {file}-marker: {{rule: 'Host(`{host}`)', service: noop@internal, entryPoints: [web]}}\n")
}

/// Asks for a marker on a connection that is kept until the answer has this status; an error after `patience`.
pub async fn becomes(address: SocketAddr, host: &str, status: u16, patience: Duration) -> Result<(), String> {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let asking = async {
        let mut client = Client::open(address).await?;
        while client.exchange(request.as_bytes()).await?.status != status {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    };
    match tokio::time::timeout(patience, asking).await {
        Ok(outcome) => outcome.map_err(|failure: Failure| format!("{host}: {failure:?}")),
        Err(_) => Err(format!("{host} does not answer {status} within {patience:?}")),
    }
}

/// What a host without a router gets.
pub const NO_ROUTER: u16 = 404;

/// What `noop@internal` answers.
pub const MARKED: u16 = 418;

fn statics(extra: Option<SocketAddr>) -> String {
    let extra = extra.map(|address| format!("  extra: {{address: '{address}'}}\n")).unwrap_or_default();
    format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0'}}
  websecure: {{address: '127.0.0.1:0'}}
  traefik: {{address: '127.0.0.1:0'}}
{extra}ping: {{}}
metrics: {{prometheus: {{}}}}
log: {{level: INFO}}
providers: {{file: {{directory: '@DIR@/conf'}}}}
"
    )
}

fn main(generation: u32, weights: [u32; 2], stable: &Backend, canary: &Backend) -> String {
    format!(
        "http:
  routers:
{}    main: {{rule: 'Host(`{HOST}`)', service: pro, entryPoints: [web]}}
  services:
    pro: {{weighted: {{services: [{{name: stable, weight: {}}}, {{name: canary, weight: {}}}]}}}}
    stable: {}
    canary: {}
",
        marker_router("main", generation),
        weights[0],
        weights[1],
        stable.load_balancer(),
        canary.load_balancer()
    )
}

fn side(generation: u32, routers: u32) -> String {
    use std::fmt::Write as _;
    let mut text = marker("side", generation);
    let mut services = String::from("  services:\n");
    for number in 0..routers {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    side-{number}: {{rule: 'Host(`side-{number}.test`)', service: side-{number}}}");
        let _ = writeln!(services, "    side-{number}: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:9'}}]}}}}");
    }
    text + &services
}

/// What does not change but for the certificate.
fn fixed(backend: &Backend, websocket: &Backend) -> String {
    format!(
        "tls:
  certificates: [{{certFile: '@DIR@/certs/site.crt', keyFile: '@DIR@/certs/site.key'}}]
http:
  routers:
    secure: {{rule: 'Host(`{SECURE_HOST}`)', service: secure, entryPoints: [websecure], tls: {{}}}}
    websocket: {{rule: 'Host(`{WEBSOCKET_HOST}`)', service: websocket, entryPoints: [web]}}
  services:
    secure: {}
    websocket: {}
",
        backend.load_balancer(),
        websocket.load_balancer()
    )
}
