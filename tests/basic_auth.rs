//! `basicAuth`: who has a name and its password passes, whoever guesses holds nobody up, and users follow their file.

#![cfg(test)]

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, RawConnection, Reply, configuration, wait::eventually,
};

/// `test` by the kinds of htpasswd.
const MD5: &str = "$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/";
const SHA1: &str = "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=";
const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuuoD8yw7MmybLKVooaTGGZAt3HXugv2.a";
/// A tenth of a second at least, ten times that without optimisation.
const SLOW: &str = "$2y$11$abcdefghijklmnopqrstuu1/tUYZVb/Idu0852FBx1m1iH6EItwTy";
/// `other`.
const OTHER: &str = "$2y$04$abcdefghijklmnopqrstuu0HtfOlPbTiymk5tcV.3TsFPDd3SYZqu";

/// Routers for hosts: `a.test` behind the middleware, `open.test` behind none, `changing.test` with a prefix of its own.
fn dynamic(backend: &Backend, middleware: &str, changing: &str) -> String {
    format!(
        "http:
  routers:
    a: {{rule: 'Host(`a.test`)', middlewares: [auth], service: s}}
    open: {{rule: 'Host(`open.test`)', service: s}}
    changing: {{rule: 'Host(`changing.test`)', middlewares: [changing], service: s}}
  middlewares:
    auth: {middleware}
    changing: {{addPrefix: {{prefix: {changing}}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    )
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

async fn login(gateway: &Gateway, user: &str, password: &str) -> Reply {
    gateway.ask(Ask::get("http://a.test/").header("Authorization", &basic(user, password))).await
}

/// The status of a login.
async fn status(gateway: &Gateway, user: &str, password: &str) -> u16 {
    login(gateway, user, password).await.status
}

async fn checks(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.metrics().await.sum("rollgate_password_checks_total", &[("outcome", outcome)])
}

#[tokio::test]
async fn who_has_a_name_and_its_password_passes() {
    let backend = Backend::echo("s");
    let users = [("md5", MD5), ("sha", SHA1), ("bcrypt", BCRYPT)].map(|(name, hash)| format!("'{name}:{hash}'"));
    let gateway = Gateway::with(&dynamic(&backend, &format!("{{basicAuth: {{users: [{}]}}}}", users.join(", ")), "/1"));
    for user in ["md5", "sha", "bcrypt"] {
        for (password, expected) in [("test", 200), ("Test", 401), ("", 401), ("test", 200)] {
            assert_eq!(status(&gateway, user, password).await, expected, "{user} {password:?}");
        }
        let seen = login(&gateway, user, "test").await.seen();
        assert_eq!(seen.header("authorization"), Some(&*basic(user, "test")), "the server may look at it too");
    }
    assert_eq!(status(&gateway, "nobody", "test").await, 401);
    let refused = gateway.get("http://a.test/").await;
    assert_eq!((refused.status, refused.text()), (401, "401 Unauthorized\n".to_owned()));
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"traefik\""));
    assert_eq!(refused.header("content-type"), Some("text/plain"));
    for header in ["Basic", "Basic !", "Bearer dGVzdDp0ZXN0", &basic("bcrypt", "test")[..12]] {
        let reply = gateway.ask(Ask::get("http://a.test/").header("Authorization", header)).await;
        assert_eq!(reply.status, 401, "{header}");
    }
    let right = basic("bcrypt", "test");
    let twice = Ask::get("http://a.test/").header("Authorization", &right).header("Authorization", &right);
    assert_eq!(gateway.ask(twice).await.status, 401, "the server might look at the other one");
}

#[tokio::test]
async fn over_http2_and_with_a_body_it_is_the_same() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &format!("{{basicAuth: {{users: ['test:{BCRYPT}']}}}}"), "/1"));
    let mut connection = Connection::http2(gateway.web()).await;
    for (password, expected) in [("wrong", 401), ("test", 200), ("test", 200)] {
        let ask = Ask::new("POST", "http://a.test/").body("0123456789");
        let reply = connection.ask(ask.header("Authorization", &basic("test", password))).await;
        assert_eq!(reply.status, expected, "{password}");
        if expected == 200 {
            assert_eq!(reply.seen().body, 10);
        }
    }
}

#[tokio::test]
async fn the_server_is_told_the_name_and_not_the_password_if_that_is_asked_for() {
    let backend = Backend::echo("s");
    let auth = format!(
        "{{basicAuth: {{users: ['test:{SHA1}'], realm: 'the \"office\"', removeHeader: true, headerField: X-WebAuth-User}}}}"
    );
    let log = "accessLog: {format: json}\n";
    let gateway = Gateway::start(&configuration(&format!("{log}{}", dynamic(&backend, &auth, "/1"))));
    let ask = Ask::get("http://a.test/")
        .header("Authorization", &basic("test", "test"))
        .header("X-WebAuth-User", "admin")
        .header("X_WebAuth_User", "admin")
        .header("Connection", "X-WebAuth-User");
    let seen = gateway.ask(ask).await.seen();
    assert_eq!(seen.all("x-webauth-user"), ["test"]);
    assert_eq!(seen.header("x_webauth_user"), None);
    assert_eq!(seen.header("authorization"), None);
    let refused = login(&gateway, "mallory", "test").await;
    assert_eq!(refused.header("www-authenticate"), Some(r#"Basic realm="the \"office\"""#));
    for line in [r#""ClientUsername":"test""#, r#""ClientUsername":"mallory""#] {
        eventually("the access log names the user", async || gateway.stdout().contains(line).then_some(())).await;
    }
}

#[tokio::test]
async fn a_password_is_checked_once_and_that_outlives_a_reload() {
    let backend = Backend::echo("s");
    let auth = format!("{{basicAuth: {{users: ['test:{SLOW}']}}}}");
    let gateway = Gateway::with(&dynamic(&backend, &auth, "/1"));
    let begun = Instant::now();
    // Many at once are one check.
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let ask = Ask::get("http://a.test/").header("Authorization", &basic("test", "test"));
        logins.spawn(ask.send(gateway.web()));
    }
    while let Some(reply) = logins.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
    let check = begun.elapsed();
    assert_eq!(checks(&gateway, "right").await, 1.0);
    // Unrelated, and then the middleware itself but for its users.
    let renamed = auth.replace("]}", "], realm: other}");
    for (auth, changing) in [(&auth, "/2"), (&renamed, "/3")] {
        gateway.rewrite("rollgate.yml", &configuration(&dynamic(&backend, auth, changing)));
        let prefix = format!("{changing}/");
        eventually("the change is live", async || {
            (gateway.get("http://changing.test/").await.seen().uri == prefix).then_some(())
        })
        .await;
        assert_eq!(status(&gateway, "test", "test").await, 200);
        assert_eq!(checks(&gateway, "right").await, 1.0, "it was checked again; the first time took {check:?}");
    }
}

#[tokio::test]
async fn who_guesses_passwords_holds_up_nobody_else() {
    let backend = Backend::echo("s");
    let text = configuration(&dynamic(&backend, &format!("{{basicAuth: {{users: ['test:{SLOW}']}}}}"), "/1"));
    let gateway = Launch::new(&text).argument("--workers").argument("1").start();
    let begun = Instant::now();
    assert_eq!(status(&gateway, "test", "wrong").await, 401);
    let check = begun.elapsed();
    // Each has a password of its own, so none is like another; half of the users are there and half are not.
    let address = gateway.web();
    let guess = move |number: usize| {
        let user = if number.is_multiple_of(2) { "test" } else { "nobody" };
        Ask::get("http://a.test/").header("Authorization", &basic(user, &format!("wrong {number}"))).send(address)
    };
    let flood: Vec<_> = (0..18)
        .map(|client| {
            tokio::spawn(async move {
                let mut statuses = Vec::new();
                for number in 0.. {
                    statuses.push(guess(client + 18 * number).await.status);
                    if statuses.iter().filter(|status| **status == 401).count() == 1 {
                        break;
                    }
                }
                statuses
            })
        })
        .collect();
    eventually("the client's share of the queue is used up", async || {
        (gateway.metrics().await.sum("rollgate_refused_total", &[("reason", "password_checks")]) > 0.0).then_some(())
    })
    .await;
    let mut other = Connection::http1(gateway.web()).await;
    let mut times = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        assert_eq!(other.ask(Ask::get("http://open.test/")).await.status, 200);
        times.push(begun.elapsed());
    }
    times.sort();
    let (p50, p99) = (times[250], times[495]);
    println!("a check takes {check:?}; meanwhile another route takes {p50:?} (p50), {p99:?} (p99)");
    assert!(p50 < check / 8 && p99 < check, "a check of {check:?} holds up others: {p50:?} (p50), {p99:?} (p99)");
    let mut statuses = Vec::new();
    for client in flood {
        statuses.extend(client.await.unwrap());
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [401, 503]);
    assert!(checks(&gateway, "busy").await > 0.0);
}

#[tokio::test]
async fn an_unknown_name_costs_what_a_known_one_does() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &format!("{{basicAuth: {{users: ['test:{SLOW}']}}}}"), "/1"));
    let time = async |user: &str| {
        let begun = Instant::now();
        assert_eq!(status(&gateway, user, "wrong").await, 401);
        begun.elapsed()
    };
    let (known, unknown) = (time("test").await, time("nobody").await);
    assert!(unknown > known / 2 && known > unknown / 2, "{known:?} for a known name, {unknown:?} for an unknown one");
    assert_eq!(checks(&gateway, "wrong").await, 2.0);
}

const STATIC: &str = "providers: {file: {directory: '@DIR@/conf'}}\n";

#[tokio::test]
async fn users_follow_their_file_and_a_broken_one_changes_nothing() {
    let backend = Backend::echo("s");
    let auth = format!("{{basicAuth: {{usersFile: '@DIR@/users', users: ['inline:{SHA1}']}}}}");
    let launch = Launch::new(&configuration(STATIC)).file("conf/dynamic.yml", &dynamic(&backend, &auth, "/1"));
    let gateway = launch.file("users", &format!("# staff\n\ntest:{BCRYPT}\n")).start();
    let becomes = async |user: &str, password: &str, expected: u16| {
        eventually("the users are as the file says", async || {
            (status(&gateway, user, password).await == expected).then_some(())
        })
        .await;
    };
    assert_eq!(status(&gateway, "test", "test").await, 200);
    assert_eq!(status(&gateway, "inline", "test").await, 200);
    assert_eq!(status(&gateway, "more", "test").await, 401);
    gateway.rewrite("users", &format!("test:{BCRYPT}\nmore:{MD5}\n"));
    becomes("more", "test", 200).await;
    for (text, told) in [
        (format!("test:{BCRYPT}\nmore:secret\n"), "line 2 has its password in plain text"),
        (String::new(), "there is no user in it"),
        ("x\n".repeat(3), "line 3 is no user (name:hash); the file that was good last serves on"),
    ] {
        gateway.rewrite("users", &text);
        let ready = async || Ask::get("http://localhost/ready").send(gateway.address("traefik")).await;
        eventually(told, async || ready().await.text().contains(told).then_some(())).await;
        assert_eq!(ready().await.status, 200);
        assert_eq!(status(&gateway, "test", "test").await, 200, "{told}");
        assert_eq!(status(&gateway, "more", "test").await, 200, "{told}");
    }
    assert!(!gateway.stderr().contains("secret"), "a password is nobody's business");
    // A new password ends the old one, remembered or not.
    gateway.rewrite("users", &format!("test:{OTHER}\n"));
    becomes("test", "other", 200).await;
    assert_eq!(status(&gateway, "test", "test").await, 401);
    assert_eq!(status(&gateway, "more", "test").await, 401);
    assert_eq!(gateway.metrics().await.sum("rollgate_config_problems", &[]), 0.0);
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_no_check_behind() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &format!("{{basicAuth: {{users: ['test:{SLOW}']}}}}"), "/1"));
    let request = |password: &str| {
        format!("GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: {}\r\n\r\n", basic("test", password))
    };
    // More than one may have: those whose clients have gone make room.
    for round in 0..3 {
        for number in 0..16 {
            let mut client = RawConnection::open(gateway.web()).await;
            client.write(request(&format!("wrong {round} {number}"))).await;
        }
        let begun = Instant::now();
        eventually("there is room again", async || (status(&gateway, "test", "test").await == 200).then_some(())).await;
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    let wrong = checks(&gateway, "wrong").await;
    assert!(wrong < 16.0, "{wrong} of 48 checks were made for clients that had gone");
}
