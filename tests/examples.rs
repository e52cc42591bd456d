//! Every folder of examples/ compiles, runs and answers.

#![cfg(test)]

use std::{collections::BTreeSet, fs, path::Path};

use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, RawConnection, Reply,
    backend::Protocol,
    rollgate,
    tls::{Authority, unverified_client},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// An example, running: its ports free, its servers on ports 5001 and up ours.
struct Example {
    gateway: Gateway,
    backends: Vec<Backend>,
}

/// The names of all folders.
fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(format!("{ROOT}/examples")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// A copy of the example, with what it needs, in a directory of its own. Returns the configuration's path in it.
fn copy(name: &str, change: impl Fn(String) -> String) -> (Launch, String) {
    let mut launch = Launch::empty();
    let mut config = None;
    let mut folders = vec![Path::new(ROOT).join("examples").join(name)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let place = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
            launch = launch.file(&place, &change(fs::read_to_string(&path).unwrap()));
            if path.file_stem().is_some_and(|stem| stem == "rollgate") {
                config = Some(place);
            }
        }
    }
    if name == "tls" {
        let authority = Authority::new("example");
        for (file, host) in [("shop", "shop.example.test"), ("tenants", "*.tenants.example.test")] {
            let identity = authority.issue(&[host]);
            launch = launch
                .file(&format!("examples/tls/certs/{file}.pem"), &identity.cert_pem)
                .file(&format!("examples/tls/certs/{file}.key"), &identity.key_pem);
        }
    }
    (launch, config.unwrap_or_else(|| panic!("examples/{name} has no rollgate.yml, .toml or .json")))
}

fn start(name: &str, protocol: Protocol) -> Example {
    let backends = (1..=5).map(|number| match protocol {
        Protocol::H2c => Backend::h2c(&number.to_string()),
        _ if name == "websocket" && number == 1 => Backend::websocket("1"),
        _ => Backend::echo(&number.to_string()),
    });
    let backends = backends.collect::<Vec<_>>();
    let change = |text: String| {
        let mut text = text;
        for port in ["8000", "8080", "8443"] {
            text = text.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:0");
        }
        for (number, backend) in backends.iter().enumerate() {
            text = text.replace(&format!("127.0.0.1:{}", 5001 + number), &backend.address.to_string());
        }
        if text.contains("traefik:") {
            return text;
        }
        text.replacen("entryPoints:\n", "entryPoints:\n  traefik: {address: '127.0.0.1:0'}\n", 1)
            .replacen("[entryPoints.web]", "[entryPoints.traefik]\naddress = \"127.0.0.1:0\"\n[entryPoints.web]", 1)
            .replacen("\"entryPoints\": {", "\"entryPoints\": {\"traefik\": {\"address\": \"127.0.0.1:0\"},", 1)
    };
    let (launch, config) = copy(name, change);
    let gateway = launch.arguments(&["run", "--config", &config]).start();
    Example { gateway, backends }
}

fn example(name: &str) -> Example {
    start(name, Protocol::Http1)
}

impl Example {
    async fn get(&self, url: &str) -> Reply {
        self.gateway.get(url).await
    }

    /// The names of the servers that `count` requests reach.
    async fn reached(&self, url: &str, count: usize) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        for _ in 0..count {
            reached.insert(self.get(url).await.header("x-backend").expect("a server answers").to_owned());
        }
        reached
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn every_example_passes_the_check() {
    for name in names() {
        let (launch, config) = copy(&name, |text| text);
        let folder = format!("examples/{name}");
        let more = launch.directory().join(&folder).join("dynamic");
        let mut arguments = vec!["check", &config];
        let more = more.to_str().unwrap();
        if Path::new(more).exists() {
            arguments.push(more);
        }
        let output = rollgate(launch.directory(), &arguments);
        assert_eq!(output.code, 0, "{name}: {output:?}");
    }
}

#[test]
fn every_example_is_tried_here_and_named_in_the_list() {
    let source = include_str!("examples.rs");
    let list = fs::read_to_string(format!("{ROOT}/examples/README.md")).unwrap();
    for name in names() {
        assert!(source.contains(&format!("(\"{name}\"")) || name == "flask", "{name} is not tried");
        assert!(list.contains(&format!("({name}/README.md)")), "{name} is not in examples/README.md");
    }
}

#[tokio::test]
async fn ab_header() {
    let example = example("ab-header");
    let url = "http://shop.example.test/";
    assert_eq!(example.reached(url, 5).await, set(&["1"]));
    for (name, value, wins) in [("X-Version", "b", "2"), ("X-Version", "a", "1"), ("Cookie", "x=y; version=b", "2")] {
        let reply = example.gateway.ask(Ask::get(url).header(name, value)).await;
        assert_eq!(reply.header("x-backend"), Some(wins), "{name}: {value}");
    }
}

#[tokio::test]
async fn access_log() {
    let example = example("access-log");
    assert_eq!(example.get("http://example.test/").await.status, 200);
    let ask = Ask::get("http://example.test/broken").header("echo-status", "500");
    assert_eq!(example.gateway.ask(ask.header("Authorization", "secret")).await.status, 500);
    rollgate_testkit::wait::eventually("the error is logged", async || {
        let line = example.gateway.stdout().lines().find(|line| line.contains("/broken")).map(str::to_owned)?;
        assert!(line.starts_with('{') && line.contains("REDACTED") && !line.contains("secret"), "{line}");
        Some(())
    })
    .await;
}

#[tokio::test]
async fn allow_list() {
    let example = example("allow-list");
    assert_eq!(example.get("http://example.test/").await.status, 200);
    assert_eq!(example.get("http://example.test/admin").await.status, 403);
    assert_eq!(example.get("http://example.test/partner").await.status, 404);
    let partner = Ask::get("http://example.test/partner").header("X-Forwarded-For", "203.0.113.9");
    assert_eq!(example.gateway.ask(partner).await.status, 200);
}

#[tokio::test]
async fn canary() {
    let example = example("canary");
    // The canary is missed by 400 requests once in 800 million times.
    assert_eq!(example.reached("http://shop.example.test/", 400).await, set(&["1", "2", "3"]));
    assert!(example.backends[2].requests() < 60, "about 20 of 400");
}

#[tokio::test]
async fn cohorts() {
    let example = example("cohorts");
    let ask = async |url: &str, header: &str, value: &str| {
        let reply = example.gateway.ask(Ask::get(url).header(header, value)).await;
        (reply.header("x-backend").expect("a server answers").to_owned(), reply)
    };
    let mut reached = BTreeSet::new();
    // All 40 visitors are of one version once in a million times.
    for user in 0..40 {
        let first = example.get("http://shop.example.test/").await;
        let pairs =
            first.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap().split(';').next().unwrap());
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        let (server, again) = ask("http://shop.example.test/", "Cookie", &cookies).await;
        assert_eq!((Some(&*server), again.header("set-cookie")), (first.header("x-backend"), None));
        reached.insert(server);
        let (server, _) = ask("http://app.example.test/", "X-User-Id", &user.to_string()).await;
        let (again, _) = ask("http://app.example.test/", "X-User-Id", &user.to_string()).await;
        // Without a session another of the stable version's servers may answer.
        assert_eq!(server == "3", again == "3");
    }
    assert_eq!(reached, set(&["1", "2", "3"]));
}

#[tokio::test]
async fn directory() {
    let reply = example("directory").get("http://shop.example.test/").await;
    assert_eq!((reply.status, reply.header("x-served-by")), (200, Some("edge")));
}

#[tokio::test]
async fn grpc() {
    let example = start("grpc", Protocol::H2c);
    let ask = Ask::new("POST", "http://h/helloworld.Greeter/SayHello").header("content-type", "application/grpc");
    let reply = ask.send_h2(example.gateway.address("grpc")).await;
    assert_eq!((reply.status, reply.seen().version.as_str()), (200, "HTTP/2.0"));
}

#[tokio::test]
async fn headers_cors() {
    let example = example("headers-cors");
    let url = "http://api.example.test/";
    let ask = Ask::get(url).header("Origin", "https://app.example.test").header("X-Debug", "1");
    let reply = example.gateway.ask(ask).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example.test"));
    assert_eq!(reply.header("x-frame-options"), Some("DENY"));
    assert_eq!((reply.seen().header("x-edge"), reply.seen().header("x-debug")), (Some("rollgate"), None));
    let preflight = Ask::new("OPTIONS", url)
        .header("Origin", "https://x1.preview.example.test")
        .header("Access-Control-Request-Method", "PUT");
    let reply = example.gateway.ask(preflight).await;
    assert_eq!((reply.status, reply.header("access-control-max-age")), (200, Some("600")));
}

#[tokio::test]
async fn json_and_toml() {
    for (example, url) in
        [(example("json"), "http://shop.example.test/"), (example("toml"), "http://shop.example.test/api/x")]
    {
        let reached = example.reached(url, 30).await;
        assert!(reached.is_subset(&set(&["1", "2"])), "{reached:?}");
    }
}

#[tokio::test]
async fn nested_weights() {
    let example = example("nested-weights");
    let reached = example.reached("http://shop.example.test/", 400).await;
    assert_eq!(reached, set(&["1", "2", "3", "4"]), "the east's canary has weight 0");
}

#[tokio::test]
async fn path_rewrite() {
    let example = example("path-rewrite");
    for (url, target) in [
        ("http://example.test/api/users", "/users"),
        ("http://example.test/tenant/42/users", "/users"),
        ("http://static.example.test/logo.svg", "/assets/logo.svg"),
        ("http://example.test/healthz", "/internal/health"),
        ("http://example.test/v1/users", "/v2/users"),
        ("http://example.test/legacy/x", "/old/x"),
    ] {
        assert_eq!(example.get(url).await.seen().uri, target, "{url}");
    }
    let moved = example.get("http://www.example.test/a?b").await;
    assert_eq!((moved.status, moved.header("location")), (301, Some("http://example.test/a?b")));
}

#[tokio::test]
async fn proxy_protocol() {
    let example = example("proxy-protocol");
    assert_eq!(example.get("http://example.test/").await.header("x-backend"), Some("1"));
    let mut client = RawConnection::open(example.gateway.web()).await;
    let request = "PROXY TCP4 203.0.113.7 10.0.0.1 4444 80\r\nGET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
    assert_eq!(client.exchange(request).await.header("x-backend"), Some("2"));
}

#[tokio::test]
async fn rollout() {
    let example = example("rollout");
    assert_eq!(example.reached("http://pro.coding/", 50).await, set(&["1"]), "nobody gets the canary yet");
    assert_eq!(example.reached("http://preview.pro.coding/", 5).await, set(&["2"]));
}

#[tokio::test]
async fn tls() {
    let example = example("tls");
    assert_eq!(example.get("http://shop.example.test/").await.status, 301);
    let address = example.gateway.address("websecure");
    for (host, wins) in [("shop.example.test", "1"), ("a.tenants.example.test", "2")] {
        let mut client = Connection::tls(address, host, unverified_client(&["h2"])).await;
        let reply = client.ask(Ask::get(&format!("https://{host}/"))).await;
        assert_eq!(reply.header("x-backend"), Some(wins), "{host}: {}", reply.status);
    }
}

#[tokio::test]
async fn websocket() {
    let example = example("websocket");
    assert_eq!(example.get("http://chat.example.test/").await.header("x-backend"), Some("2"));
    let mut client = RawConnection::open(example.gateway.web()).await;
    let reply = client
        .exchange(
            "GET /socket HTTP/1.1\r\nHost: chat.example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    assert_eq!(reply.status(), 101);
}
