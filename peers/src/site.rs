//! What stands around a peer: where it listens, its certificate, and the servers behind it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use rollgate_testkit::{Backend, backend::Protocol, client::full};
use tempfile::TempDir;

use crate::process::Running;

/// What a peer has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Hosts besides the one that is asked.
    pub hosts: usize,
    /// A header that chooses the canary, a rate limit, and a circuit breaker where there are such.
    pub policies: bool,
    /// Asked over TLS.
    pub tls: bool,
    /// What stands behind.
    pub behind: Behind,
}

/// Servers of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Two versions, nine requests in ten to the first.
    Versions,
    /// One that speaks gRPC.
    Grpc,
    /// One that sends every WebSocket message back.
    Websocket,
}

/// Plain requests to two versions.
pub const PLAIN: Job = Job { hosts: 0, policies: false, tls: false, behind: Behind::Versions };

/// All of it.
pub struct Site {
    folder: TempDir,
    /// The job.
    pub job: Job,
    stable: String,
    canary: String,
    _servers: Vec<Running>,
    _backend: Option<Backend>,
}

impl Site {
    /// Starts the servers.
    pub async fn build(job: Job) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        certificate(folder.path());
        let (mut servers, mut backend) = (Vec::new(), None);
        let [stable, canary] = match job.behind {
            Behind::Versions => {
                servers.push(versions(folder.path()).await);
                [STABLE, CANARY].map(|port| format!("127.0.0.1:{port}"))
            }
            Behind::Grpc => {
                let started = Backend::serve("grpc", Protocol::H2c, |request| async { grpc(request).await });
                let address = backend.insert(started).address.to_string();
                [address.clone(), address]
            }
            Behind::Websocket => {
                let address = backend.insert(Backend::websocket("websocket")).address.to_string();
                [address.clone(), address]
            }
        };
        Self { folder, job, stable, canary, _servers: servers, _backend: backend }
    }

    /// Where it is asked.
    pub fn port(&self) -> u16 {
        if self.job.tls { TLS } else { CLEAR }
    }

    /// Where it is asked in clear text.
    pub fn clear(&self) -> u16 {
        CLEAR
    }

    /// Where it is asked over TLS.
    pub fn tls(&self) -> u16 {
        TLS
    }

    /// The stable version's address, or that of the only server.
    pub fn stable(&self) -> &str {
        &self.stable
    }

    /// The canary's.
    pub fn canary(&self) -> &str {
        &self.canary
    }

    /// The certificate's file.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Its key's.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Both in one.
    pub fn both(&self) -> PathBuf {
        self.folder.path().join("both.pem")
    }

    /// A folder of its own for a peer.
    pub fn folder(&self, peer: &str) -> PathBuf {
        let folder = self.folder.path().join(peer);
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    /// The host that is asked.
    pub fn host(&self) -> String {
        // The last one, where a list is searched.
        if self.job.hosts == 0 { HOST.to_owned() } else { format!("h{}.coding", self.job.hosts - 1) }
    }

    /// Hosts besides the one of plain requests; the first is another one in each generation.
    pub fn hosts(&self, generation: u32) -> impl Iterator<Item = String> {
        let name = move |number| match number {
            0 => format!("g{generation}.coding"),
            _ => format!("h{number}.coding"),
        };
        (0..self.job.hosts).map(name)
    }
}

fn certificate(folder: &Path) {
    let names = "subjectAltName=DNS:pro.coding,DNS:*.coding,DNS:localhost,IP:127.0.0.1";
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args([
        "-days",
        "30",
        "-subj",
        "/CN=pro.coding",
        "-addext",
        names,
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]);
    let made = openssl.current_dir(folder).output().expect("openssl is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("it was made");
    fs::write(folder.join("both.pem"), read("cert.pem") + &read("key.pem")).expect("it can be written");
}

/// Both versions in one nginx, which nothing that is measured here is faster than.
async fn versions(folder: &Path) -> Running {
    let place = folder.join("versions");
    for (version, letter) in [("stable", b's'), ("canary", b'c')] {
        let files = place.join(version);
        fs::create_dir_all(&files).expect("a folder can be made");
        fs::write(files.join("1m"), vec![letter; 1 << 20]).expect("a file can be written");
    }
    let here = place.display();
    let server = |port: u16, name: &str, letter: &str| {
        format!(
            "server {{ listen 127.0.0.1:{port} backlog=4096; location /1m {{ root {here}/{name}; }} \
             location /ok {{ return 200 \"{}\"; }} location /seen {{ return 200 \"{SEEN}\"; }} }}",
            letter.repeat(BODY)
        )
    };
    let text = format!(
        "worker_processes 1; daemon off; user root; pid {here}/pid; error_log {here}/error crit;
events {{ worker_connections 20000; multi_accept on; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
client_body_temp_path {here}/t1; proxy_temp_path {here}/t2; fastcgi_temp_path {here}/t3; uwsgi_temp_path {here}/t4; scgi_temp_path {here}/t5;
{}
{} }}",
        server(STABLE, "stable", "s"),
        server(CANARY, "canary", "c")
    );
    let file = place.join("nginx.conf");
    fs::write(&file, text).expect("a file can be written");
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&file);
    let log = fs::File::create(place.join("log")).expect("a file can be made");
    let mut running = Running::beside("the versions' nginx", &command, log).expect("nginx is there");
    for port in [STABLE, CANARY] {
        running.listens(port).await.unwrap_or_else(|why| panic!("{why}"));
    }
    running
}

/// Answers as a unary method without a message.
async fn grpc(request: http::Request<hyper::body::Incoming>) -> Response<rollgate_testkit::client::Body> {
    request.into_body().collect().await.ok();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = full(vec![0, 0, 0, 0, 0]).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    response
}

/// The host of plain requests.
pub const HOST: &str = "pro.coding";

/// The body of a small answer, in bytes.
pub const BODY: usize = 1024;

/// What a version answers of a request.
const SEEN: &str = "$http_host|$http_x_forwarded_for|$http_x_forwarded_proto|$http_x_forwarded_host|$http_connection";

const CLEAR: u16 = 18_080;
const TLS: u16 = 18_443;
/// For those that have a page or an API of their own.
pub const INTERNAL: u16 = 18_081;
const STABLE: u16 = 19_001;
const CANARY: u16 = 19_002;
