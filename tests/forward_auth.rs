//! `forwardAuth`: another server decides who passes, and what it says is believed, no more and no less.

#![cfg(test)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, RawConnection, Reply, Seen,
    backend::Protocol,
    client::{Body, full},
    configuration,
    tls::Authority,
    wait::eventually,
};

/// A server that is asked: what its answer is, and what it has seen.
struct Judge {
    backend: Backend,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Judge {
    /// Answers as `answer` says.
    fn new(answer: impl Fn(&Seen) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        Self::over(Protocol::Http1, answer)
    }

    fn over(protocol: Protocol, answer: impl Fn(&Seen) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let backend = Backend::serve("judge", protocol, move |request: Request<Incoming>| {
            let (record, answer) = (record.clone(), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes().len() as u64).unwrap_or(u64::MAX);
                let headers = head.headers.iter().map(|(name, value)| {
                    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                });
                let seen = Seen {
                    backend: "judge".to_owned(),
                    method: head.method.to_string(),
                    uri: head.uri.to_string(),
                    version: format!("{:?}", head.version),
                    headers: headers.collect(),
                    body,
                    trailers: Vec::new(),
                };
                let answer = answer(&seen);
                record.lock().unwrap().push(seen);
                answer
            }
        });
        Self { backend, seen }
    }

    /// The last question.
    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("it was asked")
    }

    fn asked(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(full(body.to_owned())).unwrap()
}

fn dynamic(backend: &Backend, address: &str, more: &str, changing: &str) -> String {
    format!(
        "http:
  routers:
    a: {{rule: 'Host(`a.test`)', middlewares: [strip, auth], service: s}}
    changing: {{rule: 'Host(`changing.test`)', middlewares: [changing], service: s}}
  middlewares:
    strip: {{stripPrefix: {{prefixes: [/strip]}}}}
    auth: {{forwardAuth: {{address: '{address}'{more}}}}}
    changing: {{addPrefix: {{prefix: {changing}}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    )
}

fn gateway(backend: &Backend, judge: &Judge, more: &str) -> Gateway {
    Gateway::with(&dynamic(backend, &format!("{}/check?a=b", judge.backend.url()), more, "/1"))
}

#[tokio::test]
async fn a_good_answer_lets_the_request_pass_with_what_it_says() {
    let judge = Judge::new(|_| {
        let headers = [
            ("x-auth-user", "alice"),
            ("x-auth-group", "a"),
            ("x-auth-group", "b"),
            ("x-secret", "s"),
            ("foo-bar", "auth"),
            ("set-cookie", "session=judge; Path=/"),
            ("set-cookie", "other=judge"),
        ];
        answer(204, &headers, "")
    });
    let backend = Backend::echo("s");
    let more = ", authResponseHeaders: [X-Auth-User, X-Auth-Group], authResponseHeadersRegex: ^Foo-, \
                addAuthCookiesToResponse: [session], headerField: X-Auth-User, trustForwardHeader: false";
    let address = format!("{}/check?a=b", judge.backend.url());
    let log = "accessLog: {format: json}\n";
    let gateway = Gateway::start(&configuration(&format!("{log}{}", dynamic(&backend, &address, more, "/1"))));
    let reply = gateway
        .ask(
            Ask::new("POST", "http://a.test/strip/some?q=1")
                .body("hello")
                .header("X-Auth-User", "admin")
                .header("X_Auth_User", "admin")
                .header("X-Secret", "mine")
                .header("Foo-Bar", "mine")
                .header("Foo-Baz", "mine")
                .header("Connection", "X-Auth-User")
                .header("Cookie", "a=b")
                .header("X-Forwarded-Uri", "/admin")
                .header("Echo-Header", "Set-Cookie: session=server")
                .header("Echo-Header", "Set-Cookie: own=server"),
        )
        .await;
    assert_eq!(reply.status, 200);
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert_eq!(cookies, ["own=server", "session=judge; Path=/"]);
    let seen = reply.seen();
    assert_eq!((seen.method.as_str(), seen.uri.as_str(), seen.body), ("POST", "/some?q=1", 5));
    assert_eq!(seen.all("x-auth-user"), ["alice"]);
    assert_eq!(seen.all("x-auth-group"), ["a", "b"]);
    assert_eq!((seen.all("x_auth_user"), seen.all("x-secret")), (vec![], vec!["mine"]));
    assert_eq!((seen.all("foo-bar"), seen.all("foo-baz")), (vec!["auth"], vec![]));
    let question = judge.last();
    assert_eq!((question.method.as_str(), question.uri.as_str(), question.body), ("GET", "/check?a=b", 0));
    assert_eq!(question.header("host"), Some(judge.backend.address.to_string().as_str()));
    for (name, value) in [
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "a.test"),
        ("x-forwarded-uri", "/some?q=1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-port", "80"),
        ("cookie", "a=b"),
    ] {
        assert_eq!(question.all(name), [value], "{name}");
    }
    assert_eq!((question.header("content-length"), question.header("x-forwarded-prefix")), (None, None));
    let line = r#""ClientUsername":"alice""#;
    eventually("the access log names the user", async || gateway.stdout().contains(line).then_some(())).await;
}

#[tokio::test]
async fn any_other_answer_is_the_clients() {
    let judge = Judge::new(|seen| match seen.header("x-forwarded-uri").unwrap() {
        "/forbidden" => answer(403, &[("x-why", "because"), ("set-cookie", "a=b"), ("keep-alive", "1")], "no"),
        "/login" => answer(302, &[("location", "/login?next=/")], "there"),
        "/elsewhere" => answer(307, &[("location", "https://elsewhere.test")], ""),
        "/unauthorized" => answer(401, &[("www-authenticate", "Bearer")], "who?"),
        "/broken" => answer(503, &[], "broken"),
        _ => answer(200, &[], "fine"),
    });
    let backend = Backend::echo("s");
    let plain = gateway(&backend, &judge, "");
    let reply = plain.get("http://a.test/forbidden").await;
    assert_eq!((reply.status, reply.text()), (403, "no".to_owned()));
    assert_eq!((reply.header("x-why"), reply.header("set-cookie")), (Some("because"), Some("a=b")));
    assert_eq!(reply.header("keep-alive"), None);
    let reply = plain.get("http://a.test/login").await;
    let location = format!("{}/login?next=/", judge.backend.url());
    assert_eq!((reply.status, reply.header("location"), reply.text()), (302, Some(&*location), "there".to_owned()));
    assert_eq!(plain.get("http://a.test/elsewhere").await.header("location"), Some("https://elsewhere.test"));
    let reply = plain.get("http://a.test/unauthorized").await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(plain.get("http://a.test/broken").await.status, 503);
    assert_eq!(plain.ask(Ask::new("HEAD", "http://a.test/forbidden")).await.status, 403);
    assert_eq!(plain.get("http://a.test/").await.status, 200);
    let signin = gateway(&backend, &judge, ", authSigninURL: 'https://auth.test/in', preserveLocationHeader: true");
    let reply = signin.get("http://a.test/unauthorized").await;
    assert_eq!((reply.status, reply.header("location")), (302, Some("https://auth.test/in")));
    assert_eq!(signin.get("http://a.test/login").await.header("location"), Some("/login?next=/"));
    assert_eq!(backend.requests(), 1, "only what was let pass has reached the server");
}

#[tokio::test]
async fn the_request_is_told_as_the_configuration_says() {
    let judge = Judge::new(|_| answer(200, &[], ""));
    let backend = Backend::echo("s");
    let more = ", preserveRequestMethod: true, trustForwardHeader: true, authRequestHeaders: [Accept]";
    let address = format!("{}/", judge.backend.url());
    let trusting = "entryPoints:\n  web: {address: '127.0.0.1:0', forwardedHeaders: {insecure: true}}\n";
    let gateway = Gateway::start(&format!("{trusting}{}", dynamic(&backend, &address, more, "/1")));
    let ask = Ask::new("PUT", "http://a.test/x").header("Accept", "a").header("Cookie", "c=d").body("123");
    let reply = gateway.ask(ask.header("X-Forwarded-For", "10.0.0.1").header("X-Forwarded-Host", "outside.test")).await;
    assert_eq!((reply.status, reply.seen().body), (200, 3));
    let question = judge.last();
    assert_eq!((question.method.as_str(), question.body), ("PUT", 0));
    assert_eq!(question.all("x-forwarded-for"), ["10.0.0.1, 127.0.0.1"]);
    assert_eq!(question.all("x-forwarded-host"), ["outside.test"]);
    assert_eq!(question.all("x-forwarded-method"), ["PUT"]);
    assert_eq!((question.header("accept"), question.header("cookie")), (Some("a"), None));
}

#[tokio::test]
async fn the_body_is_told_too_within_its_bound() {
    let judge = Judge::new(|_| answer(200, &[], ""));
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &judge, ", forwardBody: true, maxBodySize: 100000");
    for (length, status) in [(0, 200), (1, 200), (100_000, 200), (100_001, 401), (1_000_000, 401)] {
        let reply = gateway.ask(Ask::new("POST", "http://a.test/").body("x".repeat(length))).await;
        assert_eq!(reply.status, status, "{length}");
        if status == 200 {
            assert_eq!((judge.last().body, reply.seen().body), (length as u64, length as u64));
        }
    }
    // In chunks, whose length nobody knows before.
    let chunked =
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let reply = RawConnection::open(gateway.web()).await.exchange(chunked).await;
    assert_eq!(reply.status(), 200);
    assert!(reply.text().contains("\"body\":11"), "{}", reply.text());
    assert_eq!(judge.last().body, 11);
    let mut connection = Connection::http2(gateway.web()).await;
    let reply = connection.ask(Ask::new("POST", "http://a.test/").body("x".repeat(70_000))).await;
    assert_eq!((reply.status, reply.seen().body, judge.last().body), (200, 70_000, 70_000));
}

#[tokio::test]
async fn a_judge_that_cannot_be_asked_lets_nobody_pass() {
    let backend = Backend::echo("s");
    let broken = Backend::once("broken", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    let closed = Backend::once("closed", "");
    for address in ["http://127.0.0.1:9".to_owned(), broken.url(), closed.url()] {
        let gateway = Gateway::with(&dynamic(&backend, &address, "", "/1"));
        let reply = gateway.get("http://a.test/").await;
        assert_eq!((reply.status, reply.text()), (500, String::new()), "{address}");
        let refused = gateway.metrics().await.sum("rollgate_refused_total", &[("reason", "forward_auth")]);
        assert_eq!(refused, 1.0, "{address}");
    }
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn a_long_answer_lets_nobody_pass_either() {
    let judge = Judge::new(|seen| {
        let length = seen.header("x-length").map_or(0, |length| length.parse().unwrap());
        answer(if seen.header("x-no").is_some() { 403 } else { 200 }, &[], &"x".repeat(length))
    });
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &judge, ", maxResponseBodySize: 10");
    for (length, status) in [("10", 200), ("11", 401), ("100000", 401)] {
        let reply = gateway.ask(Ask::get("http://a.test/").header("X-Length", length)).await;
        assert_eq!(reply.status, status, "{length}");
    }
    let ask = Ask::get("http://a.test/").header("X-Length", "10").header("X-No", "1");
    assert_eq!(gateway.ask(ask).await.text(), "x".repeat(10));
}

#[tokio::test]
async fn connections_to_the_judge_are_kept_also_over_reloads() {
    let judge = Judge::new(|_| answer(200, &[], "ok"));
    let backend = Backend::echo("s");
    let address = judge.backend.url();
    let gateway = Gateway::with(&dynamic(&backend, &address, "", "/1"));
    let mut connection = Connection::http1(gateway.web()).await;
    let mut ask = async || assert_eq!(connection.ask(Ask::get("http://a.test/")).await.status, 200);
    for _ in 0..20 {
        ask().await;
    }
    // Unrelated, and then the middleware itself.
    for (more, changing) in [("", "/2"), (", preserveRequestMethod: true", "/3")] {
        gateway.rewrite("rollgate.yml", &configuration(&dynamic(&backend, &address, more, changing)));
        let prefix = format!("{changing}/");
        eventually("the change is live", async || {
            (gateway.get("http://changing.test/").await.seen().uri == prefix).then_some(())
        })
        .await;
        ask().await;
    }
    assert_eq!((judge.asked(), judge.backend.connections()), (22, 1));
}

#[tokio::test]
async fn who_goes_away_takes_the_question_back() {
    let pending = Arc::new(AtomicUsize::new(0));
    /// Counts a question that nobody has answered yet.
    struct Pending(Arc<AtomicUsize>);
    impl Drop for Pending {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let counted = pending.clone();
    let judge = Backend::serve("judge", Protocol::Http1, move |_| {
        let counted = counted.clone();
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let _pending = Pending(counted);
            std::future::pending::<Response<Body>>().await
        }
    });
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &judge.url(), "", "/1"));
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    eventually("the judge is asked", async || (pending.load(Ordering::SeqCst) == 1).then_some(())).await;
    drop(client);
    eventually("the question is taken back", async || (pending.load(Ordering::SeqCst) == 0).then_some(())).await;
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn others_pass_while_a_judge_thinks() {
    let judge = Backend::serve("judge", Protocol::Http1, |request: Request<Incoming>| async move {
        if request.headers().contains_key("x-slow") {
            std::future::pending::<()>().await;
        }
        answer(200, &[], "")
    });
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, &judge.url(), "", "/1"));
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut client = RawConnection::open(gateway.web()).await;
        client.write("GET / HTTP/1.1\r\nHost: a.test\r\nX-Slow: 1\r\n\r\n").await;
        slow.push(client);
    }
    let asking = async {
        let mut connection = Connection::http1(gateway.web()).await;
        for _ in 0..100 {
            assert_eq!(connection.ask(Ask::get("http://a.test/")).await.status, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("nobody waits for the slow ones");
}

#[tokio::test]
async fn a_judge_behind_tls_is_verified_and_shown_a_certificate() {
    let authority = Authority::new("judges");
    let server = authority.issue(&["127.0.0.1"]);
    let client = authority.issue(&["gateway"]);
    let config = server.server_for(&[], &authority);
    let judge = Judge::over(Protocol::Tls(Arc::new(config)), |_| answer(200, &[], ""));
    let backend = Backend::echo("s");
    let address = judge.backend.url_as("https");
    let start = |tls: &str| {
        rollgate_testkit::Launch::new(&configuration(&dynamic(&backend, &address, tls, "/1")))
            .file("ca.pem", &authority.pem)
            .file("client.pem", &client.cert_pem)
            .file("client.key", &client.key_pem)
            .start()
    };
    for (tls, status) in [
        (", tls: {ca: '@DIR@/ca.pem', cert: '@DIR@/client.pem', key: '@DIR@/client.key'}", 200),
        (", tls: {insecureSkipVerify: true, cert: '@DIR@/client.pem', key: '@DIR@/client.key'}", 200),
        (", tls: {ca: '@DIR@/ca.pem'}", 500),
        (", tls: {cert: '@DIR@/client.pem', key: '@DIR@/client.key'}", 500),
        ("", 500),
    ] {
        let reply: Reply = start(tls).get("http://a.test/").await;
        assert_eq!(reply.status, status, "{tls}");
    }
}
