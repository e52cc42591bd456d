//! A client stays in its cohort: over connections, replicas and reloads, and when weights change it only moves as they say.

#![cfg(test)]

use std::collections::BTreeMap;

use rollgate_testkit::{Ask, Backend, Connection, Gateway, Launch, Reply};

const STATIC: &str = "entryPoints:
  web: {address: '127.0.0.1:0', forwardedHeaders: {insecure: true}}
  traefik: {address: '127.0.0.1:0'}
providers: {file: {filename: '@DIR@/dynamic.yml'}}
";

fn start(dynamic: &str) -> Gateway {
    Launch::new(STATIC).file("dynamic.yml", dynamic).start()
}

/// `pro.coding` leads to `pro`, a split between `stable` and `canary`.
struct Split<'b> {
    stable: &'b Backend,
    canary: &'b Backend,
}

impl Split<'_> {
    /// With the canary's weight, of 100.
    fn text(&self, canary: f64, cohort: &str) -> String {
        self.with(canary, cohort, &self.canary.load_balancer())
    }

    fn with(&self, canary: f64, cohort: &str, balancer: &str) -> String {
        format!(
            "http:
  routers:
    pro: {{rule: Host(`pro.coding`), service: pro}}
    dev: {{rule: Host(`dev.coding`), service: dev}}
  services:
    pro: {{weighted: {{services: [{{name: stable, weight: {}}}, {{name: canary, weight: {canary}}}], cohort: {cohort}}}}}
    dev: {{weighted: {{services: [{{name: canary, weight: {canary}}}, {{name: stable, weight: {0}}}], cohort: {cohort}}}}}
    stable: {}
    canary: {balancer}
",
            100.0 - canary,
            self.stable.load_balancer(),
        )
    }
}

/// Who answered.
fn version(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-backend").expect("a backend says who it is").to_owned()
}

/// The versions of so many users, asked on one connection.
async fn versions(gateway: &Gateway, host: &str, users: u32) -> BTreeMap<u32, String> {
    let mut connection = Connection::http1(gateway.web()).await;
    let mut versions = BTreeMap::new();
    for user in 0..users {
        let reply = connection.ask(Ask::get(&format!("http://{host}/")).header("X-User", &user.to_string())).await;
        versions.insert(user, version(&reply));
    }
    versions
}

fn in_canary(versions: &BTreeMap<u32, String>) -> Vec<u32> {
    versions.iter().filter(|(_, version)| *version == "canary").map(|(user, _)| *user).collect()
}

async fn assigned(gateway: &Gateway, how: &str) -> f64 {
    let labels = [("service", "pro@file"), ("assignment", how)];
    gateway.metrics().await.sum("rollgate_assignments_total", &labels)
}

#[tokio::test]
async fn a_user_has_one_version_on_every_replica_and_connection_and_only_moves_to_the_version_that_grew() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let split = Split { stable: &stable, canary: &canary };
    let by_user = "{header: X-User}";
    let replicas = [start(&split.text(10.0, by_user)), start(&split.text(10.0, by_user))];
    let at_10 = versions(&replicas[0], "pro.coding", 500).await;
    assert_eq!(versions(&replicas[0], "pro.coding", 500).await, at_10);
    assert_eq!(versions(&replicas[1], "pro.coding", 500).await, at_10);
    let mut http2 = Connection::http2(replicas[1].web()).await;
    for user in (0..500).step_by(50) {
        let reply = http2.ask(Ask::get("http://pro.coding/").header("X-User", &user.to_string())).await;
        assert_eq!(version(&reply), at_10[&user]);
    }
    let first = in_canary(&at_10);
    // The users are fixed, so this either holds or does not.
    assert!((35..65).contains(&first.len()), "{}", first.len());
    // Another service has another order: of the tenth of each about a tenth is in both.
    let in_both = in_canary(&versions(&replicas[0], "dev.coding", 500).await);
    let in_both = in_both.iter().filter(|user| first.contains(user)).count();
    assert!(in_both < 15, "{in_both}");

    let mut before = first;
    for weight in [10.5, 30.0, 75.0] {
        for replica in &replicas {
            replica.apply("dynamic.yml", &split.text(weight, by_user)).await;
        }
        let now = versions(&replicas[0], "pro.coding", 500).await;
        assert_eq!(versions(&replicas[1], "pro.coding", 500).await, now);
        let now = in_canary(&now);
        assert!(before.iter().all(|user| now.contains(user)), "at {weight}% somebody went back");
        let expected = weight * 5.0;
        assert!((now.len() as f64 - expected).abs() < 35.0, "{} at {weight}%", now.len());
        before = now;
    }
    replicas[0].apply("dynamic.yml", &split.text(10.0, by_user)).await;
    assert_eq!(versions(&replicas[0], "pro.coding", 500).await, at_10);
}

#[tokio::test]
async fn a_browser_is_given_a_cookie_once_and_stays() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let split = Split { stable: &stable, canary: &canary };
    let by_cookie = "{cookie: {name: cohort, httpOnly: true, sameSite: lax}}";
    let replicas = [start(&split.text(50.0, by_cookie)), start(&split.text(50.0, by_cookie))];
    let mut seen = Vec::new();
    for _ in 0..20 {
        let first = replicas[0].get("http://pro.coding/").await;
        let line = first.header("set-cookie").expect("a cookie is given").to_owned();
        let (pair, attributes) = line.split_once(';').unwrap();
        assert_eq!(attributes, " Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
        let value = pair.strip_prefix("cohort=").unwrap();
        assert!(value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit()), "{value}");
        for replica in &replicas {
            let again = replica.ask(Ask::get("http://pro.coding/").header("Cookie", &format!("a=b; {pair}"))).await;
            assert_eq!(version(&again), version(&first));
            assert_eq!(again.header("set-cookie"), None);
            // It goes on to the server, as any other.
            assert_eq!(again.seen().header("cookie"), Some(&*format!("a=b; {pair}")));
        }
        seen.push(version(&first));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["canary", "stable"]);
    assert_eq!(assigned(&replicas[0], "issued").await, 20.0);
    assert_eq!(assigned(&replicas[0], "kept").await, 20.0);
    assert_eq!(assigned(&replicas[1], "kept").await, 20.0);
}

#[tokio::test]
async fn without_its_key_a_request_is_drawn_and_counted() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let gateway = start(&Split { stable: &stable, canary: &canary }.text(50.0, "{header: X-User}"));
    let mut connection = Connection::http1(gateway.web()).await;
    let mut seen = Vec::new();
    // 2^-49 is the chance that a fair draw is always the same.
    for _ in 0..50 {
        let reply = connection.ask(Ask::get("http://pro.coding/").header("X-User", "")).await;
        assert_eq!(reply.header("set-cookie"), None);
        seen.push(version(&reply));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["canary", "stable"]);
    assert_eq!(assigned(&gateway, "keyless").await, 50.0);
}

#[tokio::test]
async fn an_address_is_a_key_by_itself_or_as_forwarded() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let split = Split { stable: &stable, canary: &canary };
    let gateway = start(&split.text(50.0, "{clientIP: {}}"));
    // Every test client has the same address, whatever it says of others.
    let asked = async |address: &str| {
        version(&gateway.ask(Ask::get("http://pro.coding/").header("X-Forwarded-For", address)).await)
    };
    let peer = asked("192.0.2.1").await;
    for number in 2..12 {
        assert_eq!(asked(&format!("192.0.2.{number}")).await, peer);
    }
    gateway.apply("dynamic.yml", &split.text(50.0, "{clientIP: {depth: 1}}")).await;
    let mut seen = Vec::new();
    for number in 0..30 {
        let address = format!("192.0.2.{number}");
        let first = asked(&address).await;
        assert_eq!(asked(&format!("198.51.100.7, {address}")).await, first);
        seen.push(first);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["canary", "stable"]);
}

#[tokio::test]
async fn only_the_users_of_a_version_without_servers_move_and_they_come_back() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let split = Split { stable: &stable, canary: &canary };
    let by_user = "{header: X-User, salt: pepper}";
    let gateway = start(&split.text(30.0, by_user));
    let home = versions(&gateway, "pro.coding", 200).await;
    assert_eq!(assigned(&gateway, "kept").await, 200.0);
    gateway.apply("dynamic.yml", &split.with(30.0, by_user, "{loadBalancer: {servers: []}}")).await;
    let meanwhile = versions(&gateway, "pro.coding", 200).await;
    assert_eq!(in_canary(&meanwhile), [0; 0]);
    let lost = assigned(&gateway, "lost").await;
    assert_eq!(lost, in_canary(&home).len() as f64);
    assert!(lost > 30.0, "{lost}");
    gateway.apply("dynamic.yml", &split.text(30.0, by_user)).await;
    assert_eq!(versions(&gateway, "pro.coding", 200).await, home);
    // A salt is an order of its own.
    gateway.apply("dynamic.yml", &split.text(30.0, "{header: X-User}")).await;
    assert_ne!(versions(&gateway, "pro.coding", 200).await, home);
}
