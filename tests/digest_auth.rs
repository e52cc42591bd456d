//! `digestAuth`: who proves a password passes, a proof counts once, and what is known of proofs outlives a reload.

#![cfg(test)]

use std::process::Command;

use md5::{Digest as _, Md5};
use rollgate_testkit::{Ask, Backend, Connection, Gateway, Launch, Reply, configuration, wait::eventually};

/// `test` of `test` in the realm `traefik`.
const USER: &str = "test:traefik:a2688e031edb4be6a3797f3882655c05";

fn dynamic(backend: &Backend, middleware: &str, changing: &str) -> String {
    format!(
        "http:
  routers:
    a: {{rule: 'Host(`a.test`)', middlewares: [auth], service: s}}
    local: {{rule: 'Host(`127.0.0.1`)', middlewares: [auth], service: s}}
    changing: {{rule: 'Host(`changing.test`)', middlewares: [changing], service: s}}
  middlewares:
    auth: {middleware}
    changing: {{addPrefix: {{prefix: {changing}}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    )
}

fn auth(more: &str) -> String {
    format!("{{digestAuth: {{users: ['{USER}']{more}}}}}")
}

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A parameter of a challenge.
fn parameter(reply: &Reply, name: &str) -> String {
    let challenge = reply.header("www-authenticate").expect("there is a challenge");
    let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name}: {challenge}"));
    rest.split('"').next().unwrap().to_owned()
}

/// What a client proves a password with.
#[derive(Clone)]
struct Proof {
    user: &'static str,
    password: &'static str,
    realm: &'static str,
    nonce: String,
    count: u64,
    method: &'static str,
    uri: &'static str,
}

impl Proof {
    fn of(challenge: &Reply) -> Self {
        let nonce = parameter(challenge, "nonce");
        Self { user: "test", password: "test", realm: "traefik", nonce, count: 1, method: "GET", uri: "/" }
    }

    fn header(&self) -> String {
        let Self { user, password, realm, nonce, count, method, uri } = self;
        let secret = hex(&format!("{user}:{realm}:{password}"));
        let request = hex(&format!("{method}:{uri}"));
        let response = hex(&format!("{secret}:{nonce}:{count:08x}:ab12:auth:{request}"));
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm=MD5, qop=auth, \
             nc={count:08x}, cnonce=\"ab12\", response=\"{response}\", opaque=\"0\""
        )
    }

    fn ask(&self) -> Ask {
        Ask::new(self.method, &format!("http://a.test{}", self.uri)).header("Authorization", &self.header())
    }
}

async fn challenge(gateway: &Gateway) -> Reply {
    let reply = gateway.get("http://a.test/").await;
    assert_eq!((reply.status, reply.text()), (401, "401 Unauthorized\n".to_owned()));
    reply
}

fn is_stale(reply: &Reply) -> bool {
    reply.header("www-authenticate").is_some_and(|challenge| challenge.contains("stale=true"))
}

#[tokio::test]
async fn who_proves_the_password_passes() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &auth(""), "/1"));
    let first = challenge(&gateway).await;
    let said = first.header("www-authenticate").unwrap();
    assert!(said.starts_with("Digest realm=\"traefik\", nonce=\""), "{said}");
    assert!(said.ends_with(", algorithm=MD5, qop=\"auth\""), "{said}");
    assert!(!is_stale(&first));
    let proof = Proof::of(&first);
    let reply = gateway.ask(proof.ask()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.seen().header("authorization").is_some(), "the server may look at it too");
    for wrong in [
        Proof { password: "other", ..proof.clone() },
        Proof { user: "nobody", ..proof.clone() },
        Proof { realm: "other", ..proof.clone() },
    ] {
        let reply = gateway.ask(Proof { count: 7, ..wrong }.ask()).await;
        assert_eq!((reply.status, is_stale(&reply)), (401, false));
        assert_ne!(parameter(&reply, "nonce"), proof.nonce);
    }
    // What it is for is a part of the proof.
    for (method, path) in [("POST", "/"), ("GET", "/other"), ("GET", "/?a=b")] {
        let header = Proof { count: 8, ..proof.clone() }.header();
        let ask = Ask::new(method, &format!("http://a.test{path}")).header("Authorization", &header);
        assert_eq!(gateway.ask(ask).await.status, 401, "{method} {path}");
    }
    for (method, uri) in [("POST", "/x?a=b;c&d=%20"), ("DELETE", "/a%2Fb")] {
        let proof = Proof { count: 9 + uri.len() as u64, method, uri, ..proof.clone() };
        assert_eq!(gateway.ask(proof.ask()).await.status, 200, "{method} {uri}");
    }
}

#[tokio::test]
async fn a_proof_counts_once_and_requests_may_overtake_each_other() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &auth(""), "/1"));
    let proof = Proof::of(&challenge(&gateway).await);
    let mut connection = Connection::http2(gateway.web()).await;
    for (count, status, stale) in [
        (1, 200, false),
        (3, 200, false),
        (2, 200, false),
        (2, 401, false),
        (3, 401, false),
        (200, 200, false),
        (4, 401, true),
    ] {
        let reply = connection.ask(Proof { count, ..proof.clone() }.ask()).await;
        assert_eq!((reply.status, is_stale(&reply)), (status, stale), "{count}");
    }
    // A nonce of somebody else's is told to be stale only to one who knows the password.
    let foreign = Proof { nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093".to_owned(), ..proof };
    let reply = gateway.ask(foreign.ask()).await;
    assert!(is_stale(&reply));
    let again = Proof { nonce: parameter(&reply, "nonce"), ..foreign.clone() };
    assert_eq!(gateway.ask(again.ask()).await.status, 200);
    assert!(!is_stale(&gateway.ask(Proof { password: "wrong", ..foreign }.ask()).await));
}

#[tokio::test]
async fn nonces_and_what_was_used_of_them_outlive_a_reload() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &auth(""), "/1"));
    let (used, unused) = (Proof::of(&challenge(&gateway).await), Proof::of(&challenge(&gateway).await));
    assert_eq!(gateway.ask(used.ask()).await.status, 200);
    // Unrelated, and then the middleware itself.
    for (auth, changing) in [(auth(""), "/2"), (auth(", removeHeader: true"), "/3")] {
        gateway.rewrite("rollgate.yml", &configuration(&dynamic(&backend, &auth, changing)));
        let prefix = format!("{changing}/");
        eventually("the change is live", async || {
            (gateway.get("http://changing.test/").await.seen().uri == prefix).then_some(())
        })
        .await;
        let replayed = gateway.ask(used.ask()).await;
        assert_eq!((replayed.status, is_stale(&replayed)), (401, false), "it was used before");
    }
    assert_eq!(gateway.ask(unused.ask()).await.status, 200);
    let next = gateway.ask(Proof { count: 2, ..used }.ask()).await;
    assert_eq!(next.seen().header("authorization"), None);
}

#[tokio::test]
async fn the_server_is_told_the_name_and_the_log_names_who_tried() {
    let backend = Backend::echo("s");
    let auth = auth(", headerField: X-User");
    let gateway =
        Gateway::start(&configuration(&format!("accessLog: {{format: json}}\n{}", dynamic(&backend, &auth, "/1"))));
    let proof = Proof::of(&challenge(&gateway).await);
    let seen = gateway.ask(proof.ask().header("X-User", "admin").header("X_User", "admin")).await.seen();
    assert_eq!((seen.all("x-user"), seen.all("x_user")), (vec!["test"], vec![]));
    gateway.ask(Proof { user: "mallory", ..proof }.ask()).await;
    for line in [r#""ClientUsername":"test""#, r#""ClientUsername":"mallory""#] {
        eventually("the access log names the user", async || gateway.stdout().contains(line).then_some(())).await;
    }
}

#[tokio::test]
async fn users_follow_their_file_by_realm() {
    let backend = Backend::echo("s");
    let auth = "{digestAuth: {usersFile: '@DIR@/users', realm: shop}}";
    let text = configuration(&dynamic(&backend, auth, "/1"));
    let line = |realm: &str| format!("test:{realm}:{}\n", hex(&format!("test:{realm}:test")));
    let gateway = Launch::new(&text).file("users", &(line("shop") + &line("office"))).start();
    let proof = Proof { realm: "shop", ..Proof::of(&challenge(&gateway).await) };
    assert_eq!(gateway.ask(proof.ask()).await.status, 200);
    let new = hex("test:shop:new");
    gateway.rewrite("users", &format!("test:shop:{new}\n"));
    eventually("the password is a new one", async || {
        let proof = Proof { realm: "shop", password: "new", ..Proof::of(&challenge(&gateway).await) };
        (gateway.ask(proof.ask()).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(gateway.ask(Proof { count: 2, ..proof }.ask()).await.status, 401);
}

/// curl with its own mind of RFC 7616; a machine without it has nothing to ask.
#[tokio::test]
async fn curl_gets_in() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("there is no curl here");
        return;
    }
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &auth(""), "/1"));
    let curl = |password: &str| {
        let url = format!("http://{}/some%20where/?a=b&c=[1-3]", gateway.web());
        let arguments =
            ["--silent", "--digest", "--user", &format!("test:{password}"), "--write-out", "\n%{http_code}\n", &url];
        let output = Command::new("curl").args(arguments).output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // Three requests with one nonce: curl counts them.
    let said = curl("test");
    assert_eq!(said.lines().filter(|line| *line == "200").count(), 3, "{said}");
    let said = curl("wrong");
    assert_eq!(said.lines().filter(|line| *line == "401").count(), 3, "{said}");
}
