//! Sticky cookies as Traefik's: on versions and on servers, both at once, and what becomes of clients whose version goes.

#![cfg(test)]

use rollgate_testkit::{Ask, Backend, Connection, Gateway, Launch, RawConnection, Reply, wait::eventually};

const STATIC: &str = "entryPoints:
  web: {address: '127.0.0.1:0'}
  traefik: {address: '127.0.0.1:0'}
providers: {file: {filename: '@DIR@/dynamic.yml'}}
";

fn start(dynamic: &str) -> Gateway {
    Launch::new(STATIC).file("dynamic.yml", dynamic).start()
}

/// `pro.coding` leads to `pro`, which is this.
fn leading_to(pro: &str, others: &str) -> String {
    format!(
        "http:\n  routers: {{pro: {{rule: Host(`pro.coding`), service: pro}}}}\n  services:\n    pro: {pro}\n{others}"
    )
}

fn server_of(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-backend").expect("a backend says who it is")
}

/// The lines of the answer that give cookies.
fn cookies(reply: &Reply) -> Vec<&str> {
    reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect()
}

/// `name=value` of each.
fn pairs(reply: &Reply) -> Vec<String> {
    cookies(reply).iter().map(|line| line.split(';').next().unwrap().to_owned()).collect()
}

async fn ask(gateway: &Gateway, cookie: &str) -> Reply {
    let ask = Ask::get("http://pro.coding/");
    gateway.ask(if cookie.is_empty() { ask } else { ask.header("Cookie", cookie) }).await
}

async fn assigned(gateway: &Gateway, service: &str, how: &str) -> f64 {
    let labels = [("service", service), ("assignment", how)];
    gateway.metrics().await.sum("rollgate_assignments_total", &labels)
}

#[tokio::test]
async fn versions_and_servers_are_kept_by_a_cookie_each() {
    let backends = ["a", "b", "c", "d"].map(Backend::echo);
    let pair = |first: usize, second: usize| {
        let (first, second) = (backends[first].url(), backends[second].url());
        format!("{{loadBalancer: {{servers: [{{url: '{first}'}}, {{url: '{second}'}}], sticky: {{cookie: {{}}}}}}}}")
    };
    let pro = "{weighted: {services: [{name: one}, {name: two}], sticky: {cookie: {name: my version, path: /shop, domain: .pro.coding, secure: true, httpOnly: true, sameSite: none, maxAge: 60}}}}";
    let others = format!("    one: {}\n    two: {}\n", pair(0, 1), pair(2, 3));
    let gateway = start(&leading_to(pro, &others));
    let mut seen = Vec::new();
    // Versions are drawn: that one of four servers is never met has a probability of 4e-10.
    for _ in 0..80 {
        let first = ask(&gateway, "").await;
        let server = server_of(&first).to_owned();
        let given = cookies(&first);
        // printf one | sha256sum; printf _TRAEFIK_BACKEND_one@file | sha1sum
        let (version, service) = match &*server {
            "a" | "b" => ("7692c3ad3540bb80", "_16d24="),
            _ => ("3fc4ccfe745870e2", "_ea46e="),
        };
        let attributes = "; Path=/shop; Domain=pro.coding; Max-Age=60; HttpOnly; Secure; SameSite=None";
        assert_eq!(given[0], format!("my_version={version}{attributes}"));
        assert!(given[1].starts_with(service) && given[1].ends_with("; Path=/"), "{}", given[1]);
        assert_eq!(given.len(), 2);
        let both = pairs(&first).join("; ");
        for _ in 0..3 {
            let again = ask(&gateway, &both).await;
            assert_eq!((server_of(&again), cookies(&again)), (&*server, vec![]));
        }
        // Over HTTP/2 each cookie may have a line of its own.
        let lines = pairs(&first);
        let lines = Ask::get("http://pro.coding/").header("Cookie", &lines[1]).header("Cookie", &lines[0]);
        let again = Connection::http2(gateway.web()).await.ask(lines).await;
        assert_eq!((server_of(&again), cookies(&again)), (&*server, vec![]));
        // With the version's alone, another server of the version may come, and its cookie.
        let version_only = ask(&gateway, &pairs(&first)[0]).await;
        assert_eq!(cookies(&version_only).len(), 1);
        seen.push(server);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["a", "b", "c", "d"]);
    assert_eq!(assigned(&gateway, "pro@file", "issued").await, 80.0);
    assert_eq!(assigned(&gateway, "pro@file", "kept").await, 400.0);
}

#[tokio::test]
async fn a_servers_cookie_is_of_its_url_as_written_and_traefiks_old_ones_are_rewritten() {
    let backend = Backend::echo("a");
    let url = format!("{}/", backend.url());
    let servers = format!("[{{url: '{url}'}}, {{url: 'http://127.0.0.1:1', weight: 0}}]");
    let pro = format!("{{loadBalancer: {{servers: {servers}, sticky: {{cookie: {{name: at}}}}}}}}");
    let gateway = start(&leading_to(&pro, ""));
    let first = ask(&gateway, "").await;
    let now = pairs(&first).remove(0);
    assert_eq!(cookies(&ask(&gateway, &now).await), [""; 0]);
    let fnv = |text: &str| {
        let step = |hash: u64, byte: u8| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
        format!("{:x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    };
    for old in [url.clone(), fnv(&url), fnv(&fnv(&url))] {
        let reply = ask(&gateway, &format!("at={old}")).await;
        assert_eq!((server_of(&reply), pairs(&reply)), ("a", vec![now.clone()]), "{old}");
    }
    assert_eq!(assigned(&gateway, "pro@file", "kept").await, 4.0);
    // What names nobody is as good as none; a server without weight is nobody.
    for unknown in ["at=0123456789abcdef", "at=", "at=http://127.0.0.1:1"] {
        let reply = ask(&gateway, unknown).await;
        assert_eq!((server_of(&reply), pairs(&reply)), ("a", vec![now.clone()]), "{unknown}");
    }
    assert_eq!(assigned(&gateway, "pro@file", "lost").await, 3.0);
}

#[tokio::test]
async fn clients_of_a_version_with_weight_0_are_moved_or_stay_as_configured() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let others = format!("    old: {}\n    new: {}\n", old.load_balancer(), new.load_balancer());
    let split = |old: u32, drain: bool| {
        let pro = format!(
            "{{weighted: {{services: [{{name: old, weight: {old}}}, {{name: new, weight: 1}}], sticky: {{cookie: {{name: at}}, drain: {drain}}}}}}}"
        );
        leading_to(&pro, &others)
    };
    let gateway = start(&split(1_000_000, true));
    let first = ask(&gateway, "").await;
    assert_eq!(server_of(&first), "old");
    let cookie = pairs(&first).remove(0);
    gateway.apply("dynamic.yml", &split(0, true)).await;
    for _ in 0..5 {
        let stays = ask(&gateway, &cookie).await;
        assert_eq!((server_of(&stays), cookies(&stays)), ("old", vec![]));
        assert_eq!(server_of(&ask(&gateway, "").await), "new");
    }
    gateway.apply("dynamic.yml", &split(0, false)).await;
    let moved = ask(&gateway, &cookie).await;
    assert_eq!(server_of(&moved), "new");
    assert!(pairs(&moved)[0].starts_with("at=") && pairs(&moved)[0] != cookie);
    assert_eq!(assigned(&gateway, "pro@file", "lost").await, 1.0);
    // Without servers there is nothing to stay with.
    gateway.apply("dynamic.yml", &split(0, true).replace(&old.load_balancer(), "{loadBalancer: {servers: []}}")).await;
    assert_eq!(server_of(&ask(&gateway, &cookie).await), "new");
}

#[tokio::test]
async fn a_switch_of_protocols_has_the_cookie_and_a_failure_has_not() {
    let (chat, gone) = (Backend::websocket("chat"), Backend::echo("gone"));
    let dead = gone.url();
    drop(gone);
    let sticky = |url: &str| {
        let pro = format!("{{loadBalancer: {{servers: [{{url: '{url}'}}], sticky: {{cookie: {{name: at}}}}}}}}");
        leading_to(&pro, "")
    };
    let gateway = start(&sticky(&chat.url()));
    let mut client = RawConnection::open(gateway.web()).await;
    let switched = client
        .exchange("GET / HTTP/1.1\r\nHost: pro.coding\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        .await;
    assert_eq!(switched.status(), 101);
    assert!(switched.header("set-cookie").is_some_and(|line| line.starts_with("at=")), "{switched:?}");
    gateway.apply("dynamic.yml", &sticky(&dead)).await;
    let failed = ask(&gateway, "").await;
    assert_eq!((failed.status, cookies(&failed)), (502, vec![]));
}

#[tokio::test]
async fn a_client_whose_server_fails_is_given_another_one_and_its_cookie() {
    let (here, gone) = (Backend::echo("here"), Backend::echo("gone"));
    let pro = format!(
        "{{loadBalancer: {{servers: [{{url: '{}'}}, {{url: '{}'}}], sticky: {{cookie: {{name: at}}}}}}, middlewares: [again]}}",
        here.url(),
        gone.url()
    );
    let again = "  middlewares: {again: {retry: {attempts: 2}}}\n";
    let gateway = start(&leading_to(&pro, again));
    let cookie = eventually("somebody is given the other server", async || {
        let reply = ask(&gateway, "").await;
        (server_of(&reply) == "gone").then(|| pairs(&reply).remove(0))
    })
    .await;
    drop(gone);
    let moved = eventually("its server is gone", async || {
        let reply = ask(&gateway, &cookie).await;
        (server_of(&reply) == "here").then_some(reply)
    })
    .await;
    let [new] = &pairs(&moved)[..] else { panic!("{:?}", cookies(&moved)) };
    assert!(new.starts_with("at=") && *new != cookie, "{new}");
    let stays = ask(&gateway, new).await;
    assert_eq!((server_of(&stays), cookies(&stays)), ("here", vec![]));
    assert_eq!(assigned(&gateway, "pro@file", "lost").await, 1.0);
}
