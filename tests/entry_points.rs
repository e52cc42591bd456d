//! What an entry point does with a request before any router sees it.

#![cfg(test)]

use std::time::{Duration, Instant};

use rollgate_testkit::{Ask, Backend, Gateway, RawConnection};

/// A gateway whose `web` has these options and whose every request goes to `backend`.
fn with_options(backend: &Backend, options: &str) -> Gateway {
    Gateway::start(&format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', {options}}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers:
    foreign: {{rule: 'ClientIP(`10.0.0.0/8`) && Path(`/foreign`)', service: s}}
    all: {{rule: 'PathPrefix(`/`) && !Path(`/foreign`)', service: s}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ))
}

#[tokio::test]
async fn forwarded_headers_of_strangers_are_replaced() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "");
    let port = gateway.web().port().to_string();
    let ask = Ask::get(&format!("http://a.test:{port}/"))
        .header("X-Forwarded-For", "9.9.9.9")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.test")
        .header("X-Forwarded-Port", "443")
        .header("X-Forwarded-Server", "evil")
        .header("X-Forwarded-Prefix", "/evil")
        .header("X-Forwarded-Uri", "/evil")
        .header("X-Forwarded-Method", "EVIL")
        .header("X-Forwarded-Tls-Client-Cert", "evil")
        .header("X-Real-Ip", "9.9.9.9");
    let seen = gateway.ask(ask).await.seen();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), [format!("a.test:{port}")]);
    assert_eq!(seen.all("x-forwarded-port"), [port.as_str()]);
    assert_eq!(seen.all("x-forwarded-server").len(), 1);
    assert_ne!(seen.header("x-forwarded-server"), Some("evil"));
    for name in ["prefix", "uri", "method", "tls-client-cert"] {
        assert_eq!(seen.header(&format!("x-forwarded-{name}")), None, "{name}");
    }
}

#[tokio::test]
async fn aliases_with_underscores_never_stand_beside_ours() {
    let backend = Backend::echo("s");
    for options in ["", "forwardedHeaders: {insecure: true}"] {
        let gateway = with_options(&backend, options);
        let mut client = RawConnection::open(gateway.web()).await;
        let request =
            "GET / HTTP/1.1\r\nHost: h\r\nX_Forwarded_For: 9.9.9.9\r\nX-Forwarded_Proto: https\r\nX_Own: kept\r\n\r\n";
        let text = client.exchange(request).await.text();
        if options.is_empty() {
            assert!(!text.contains("x_forwarded_for") && !text.contains("x-forwarded_proto"), "{text}");
        }
        assert!(text.contains("[\"x_own\",\"kept\"]"), "{text}");
    }
}

#[tokio::test]
async fn forwarded_headers_of_trusted_peers_are_continued() {
    let backend = Backend::echo("s");
    for options in ["forwardedHeaders: {insecure: true}", "forwardedHeaders: {trustedIPs: [127.0.0.1/32, 10.0.0.0/8]}"]
    {
        let gateway = with_options(&backend, options);
        let ask = Ask::get("http://a.test/")
            .header("X-Forwarded-For", "9.9.9.9, 8.8.8.8")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "outer.test")
            .header("X-Forwarded-Port", "443")
            .header("X-Real-Ip", "9.9.9.9");
        let seen = gateway.ask(ask).await.seen();
        assert_eq!(seen.all("x-forwarded-for").join(", "), "9.9.9.9, 8.8.8.8, 127.0.0.1");
        assert_eq!(seen.all("x-real-ip"), ["9.9.9.9"]);
        assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
        assert_eq!(seen.all("x-forwarded-host"), ["outer.test"]);
        assert_eq!(seen.all("x-forwarded-port"), ["443"]);
    }
    let gateway = with_options(&backend, "forwardedHeaders: {trustedIPs: [10.0.0.0/8]}");
    let seen = gateway.ask(Ask::get("http://a.test/").header("X-Forwarded-For", "9.9.9.9")).await.seen();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn the_forwarded_port_is_the_schemes_where_host_has_none() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "");
    assert_eq!(gateway.get("http://a.test/").await.seen().header("x-forwarded-port"), Some("80"));
}

#[tokio::test]
async fn the_own_address_is_not_appended_where_that_is_off() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "forwardedHeaders: {insecure: true, notAppendXForwardedFor: true}");
    let seen = gateway.ask(Ask::get("http://h/").header("X-Forwarded-For", "9.9.9.9")).await.seen();
    assert_eq!(seen.all("x-forwarded-for"), ["9.9.9.9"]);
}

#[tokio::test]
async fn the_forwarded_header_passes_untouched() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "");
    let seen = gateway.ask(Ask::get("http://h/").header("Forwarded", "for=9.9.9.9;proto=https")).await.seen();
    assert_eq!(seen.all("forwarded"), ["for=9.9.9.9;proto=https"]);
}

const PROXY_V1: &[u8] = b"PROXY TCP4 10.1.2.3 10.9.9.9 51234 80\r\n";

/// PROXY protocol version 2: TCP over IPv4 from 10.1.2.3:51234.
const PROXY_V2: &[u8] = &[
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0x00, 0x0c, 10, 1, 2, 3, 10, 9,
    9, 9, 0xc8, 0x22, 0x00, 0x50,
];

#[tokio::test]
async fn proxy_protocol_says_who_the_client_is() {
    let backend = Backend::echo("s");
    for options in ["proxyProtocol: {insecure: true}", "proxyProtocol: {trustedIPs: [127.0.0.0/8]}"] {
        let gateway = with_options(&backend, options);
        for preface in [PROXY_V1, PROXY_V2] {
            let mut client = RawConnection::open(gateway.web()).await;
            client.write([preface, b"GET /foreign HTTP/1.1\r\nHost: h\r\n\r\n"].concat()).await;
            let reply = client.read_reply().await;
            assert_eq!(reply.status(), 200, "ClientIP matches the address told: {reply:?}");
            assert!(reply.text().contains("[\"x-forwarded-for\",\"10.1.2.3\"]"), "{}", reply.text());
            let again = client.exchange("GET /foreign HTTP/1.1\r\nHost: h\r\n\r\n").await;
            assert_eq!(again.status(), 200, "it holds for the whole connection");
        }
        // Byte by byte: the header may arrive in any pieces.
        for preface in [PROXY_V1, PROXY_V2] {
            let mut client = RawConnection::open(gateway.web()).await;
            for byte in preface {
                client.write([*byte]).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(client.exchange("GET /foreign HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
        }
        // Without the header a connection is what it is.
        assert_eq!(gateway.get("http://h/").await.seen().header("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn proxy_protocol_of_strangers_is_read_and_not_believed() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "proxyProtocol: {trustedIPs: [10.0.0.0/8]}");
    for preface in [PROXY_V1, PROXY_V2] {
        let mut client = RawConnection::open(gateway.web()).await;
        client.write([preface, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"].concat()).await;
        let reply = client.read_reply().await;
        assert_eq!(reply.status(), 200, "{reply:?}");
        assert!(reply.text().contains("[\"x-forwarded-for\",\"127.0.0.1\"]"), "{}", reply.text());
    }
}

#[tokio::test]
async fn an_entry_point_redirects_to_another() {
    let backend = Backend::echo("s");
    for (redirection, method, status, location) in [
        ("{to: ':8443'}", "GET", 301, "https://a.test:8443/x?y=1"),
        ("{to: ':443'}", "GET", 301, "https://a.test/x?y=1"),
        ("{to: ':443'}", "POST", 308, "https://a.test/x?y=1"),
        ("{to: ':8443', permanent: false}", "GET", 302, "https://a.test:8443/x?y=1"),
        ("{to: ':81', scheme: http}", "GET", 301, "http://a.test:81/x?y=1"),
    ] {
        let gateway = with_options(&backend, &format!("http: {{redirections: {{entryPoint: {redirection}}}}}"));
        let reply = gateway.ask(Ask::new(method, "http://a.test:8080/x?y=1")).await;
        assert_eq!((reply.status, reply.header("location")), (status, Some(location)), "{redirection}");
    }
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn an_entry_point_redirects_to_another_by_name() {
    let backend = Backend::echo("s");
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let gateway = Gateway::start(&format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', http: {{redirections: {{entryPoint: {{to: websecure}}}}}}}}
  websecure: {{address: '127.0.0.1:{port}'}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    let reply = gateway.get("http://a.test/x").await;
    assert_eq!((reply.status, reply.header("location")), (301, Some(format!("https://a.test:{port}/x").as_str())));
}

#[tokio::test]
async fn a_router_of_higher_priority_goes_before_the_redirection() {
    let backend = Backend::echo("s");
    let gateway = Gateway::start(&format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', http: {{redirections: {{entryPoint: {{to: ':443', priority: 10}}}}}}}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers: {{r: {{rule: 'PathPrefix(`/.well-known/`)', priority: 100, service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    assert_eq!(gateway.get("http://a.test/.well-known/x").await.status, 200);
    assert_eq!(gateway.get("http://a.test/x").await.status, 301);
}

#[tokio::test]
async fn headers_with_underscores_are_kept_deleted_or_refused() {
    let backend = Backend::echo("s");
    for (strategy, status, kept) in [("keep", 200, true), ("delete", 200, false), ("reject", 400, false)] {
        let gateway = with_options(&backend, &format!("http: {{underscoreHeadersStrategy: {strategy}}}"));
        let mut client = RawConnection::open(gateway.web()).await;
        let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\nX_Own: 1\r\nX-Other: 1\r\n\r\n").await;
        assert_eq!(reply.status(), status, "{strategy}");
        assert_eq!(reply.text().contains("x_own"), kept, "{strategy}");
    }
}

#[tokio::test]
async fn encoded_characters_are_refused_where_they_are_not_allowed() {
    let backend = Backend::echo("s");
    for (option, path) in [
        ("allowEncodedSlash", "/a%2Fb"),
        ("allowEncodedSlash", "/a%2fb"),
        ("allowEncodedBackSlash", "/a%5Cb"),
        ("allowEncodedNullCharacter", "/a%00b"),
        ("allowEncodedSemicolon", "/a%3Bb"),
        ("allowEncodedPercent", "/a%25b"),
        ("allowEncodedQuestionMark", "/a%3Fb"),
        ("allowEncodedHash", "/a%23b"),
    ] {
        let gateway = with_options(&backend, &format!("http: {{encodedCharacters: {{{option}: false}}}}"));
        for (path, status) in [(path, 400), ("/a%20b", 200), ("/plain", 200)] {
            let mut client = RawConnection::open(gateway.web()).await;
            let reply = client.exchange(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
            assert_eq!(reply.status(), status, "{option}: {path}");
        }
    }
}

#[tokio::test]
async fn paths_are_cleaned_before_they_are_matched_and_forwarded() {
    let backend = Backend::echo("s");
    let rows = [
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("//a//b", "/a/b"),
        ("/../../etc", "/etc"),
        ("/a/b/..", "/a"),
        ("/%61/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/a/../b?x=/../y", "/b?x=/../y"),
    ];
    let cleaning = with_options(&backend, "");
    let mut client = RawConnection::open(cleaning.web()).await;
    let reply = client.exchange("GET /a/%2E%2e/b HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(reply.text().contains("\"uri\":\"/b\""), "encoded dots climb too: {}", reply.text());
    let literal = with_options(&backend, "http: {sanitizePath: false}");
    for (path, clean) in rows {
        // Unreserved characters have one form for matching and forwarding, cleaned or not.
        let literally = path.replace("%61", "a");
        for (gateway, forwarded) in [(&cleaning, clean), (&literal, literally.as_str())] {
            let mut client = RawConnection::open(gateway.web()).await;
            let reply = client.exchange(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
            assert_eq!(reply.status(), 200, "{path}");
            let trimmed = |uri: &str| uri.trim_end_matches('/').to_owned();
            let text = reply.text();
            let uri = text.split("\"uri\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            assert_eq!(trimmed(uri), trimmed(forwarded), "{path}");
        }
    }
}

#[tokio::test]
async fn a_connection_has_so_many_requests() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {keepAliveMaxRequests: 3}");
    let mut client = RawConnection::open(gateway.web()).await;
    for number in 1..=3 {
        let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.header("connection") == Some("close"), number == 3, "request {number}");
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_connection_has_so_much_time() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {keepAliveMaxTime: 1ms}");
    let mut client = RawConnection::open(gateway.web()).await;
    let mut replies = 0;
    loop {
        let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        replies += 1;
        if reply.header("connection") == Some("close") {
            break;
        }
        assert!(replies < 100_000, "1 ms has passed");
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {headerTimeout: 300ms}}");
    for begun in ["GET / HTTP/1.1\r\nHost: h\r\nX-Long:", "G", ""] {
        let begin = Instant::now();
        let mut client = RawConnection::open(gateway.web()).await;
        client.write(begun).await;
        let answer = String::from_utf8(client.read_to_end().await).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{begun:?}: {:?}", begin.elapsed());
    }
    assert_eq!(gateway.get("http://h/").await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {idleTimeout: 300ms}}");
    let mut client = RawConnection::open(gateway.web()).await;
    assert_eq!(client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
    let begin = Instant::now();
    assert!(client.is_closed().await);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {readTimeout: 500ms}}");
    let begin = Instant::now();
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf").await;
    let answer = String::from_utf8(client.read_to_end().await).unwrap();
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn too_many_header_fields_are_refused() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "");
    // 128 fields are allowed; Host is one.
    for (more, status) in [(120, 200), (127, 200), (128, 431), (500, 431)] {
        let fields = (0..more).map(|number| format!("X-{number}: v\r\n")).collect::<String>();
        let mut client = RawConnection::open(gateway.web()).await;
        let reply = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).await;
        assert_eq!(reply.status(), status, "Host and {more} fields more");
    }
    let mut ask = Ask::get("http://h/");
    for number in 0..200 {
        ask = ask.header(&format!("x-{number}"), "v");
    }
    assert_eq!(ask.send_h2(gateway.web()).await.status, 431);
}

/// More than hyper has room for without being asked: its half of the connection is made anew for them.
#[tokio::test]
async fn a_head_of_many_fields_may_come_in_pieces_and_with_others() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "");
    let fields = (0..127).map(|number| format!("X-{number}: v\r\n")).collect::<String>();
    let (small, large) =
        ("GET /small HTTP/1.1\r\nHost: h\r\n\r\n", format!("GET /large HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
    // Many fields of body and none of a head: nothing is made of them.
    let body = format!("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{fields}", fields.len());
    for (name, bytes) in
        [("whole", large.clone()), ("behind another", format!("{small}{large}{small}")), ("behind a body", body)]
    {
        let asked = bytes.matches(" HTTP/1.1\r\n").count();
        let mut client = RawConnection::open(gateway.web()).await;
        for round in 0..2 {
            client.write(&bytes).await;
            for at in 0..asked {
                assert_eq!(client.read_reply().await.status(), 200, "{name}: answer {at} of round {round}");
            }
        }
    }
    // Beyond the bound by one.
    let larger = large.replace("\r\n\r\n", "\r\nX-More: v\r\n\r\n");
    // With few of the fields in the first piece, with nearly and with more than hyper has room for.
    for at in [30, 200, 1000, 1100, large.len() - 1] {
        for (head, status) in [(&large, 200), (&larger, 431)] {
            let mut client = RawConnection::open(gateway.web()).await;
            // The answer to the one before says that the first piece was read.
            let first = client.exchange(format!("{small}{}", &head[..at])).await;
            let second = client.exchange(&head[at..]).await;
            assert_eq!((first.status(), second.status()), (200, status), "split at {at}");
        }
    }
}

#[tokio::test]
async fn an_answer_of_too_many_fields_is_a_bad_one() {
    for (more, status) in [(98, 200), (99, 502)] {
        let fields = (0..more).map(|number| format!("X-{number}: v\r\n")).collect::<String>();
        // 100 with these two.
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: now\r\n{fields}\r\n");
        let backend = Backend::canned("s", answer);
        let gateway = with_options(&backend, "");
        assert_eq!(gateway.get("http://h/").await.status, status, "{more} fields and two more");
    }
}

#[tokio::test]
async fn too_large_a_head_is_refused() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "http: {maxHeaderBytes: 16384}");
    for (size, status) in [(10_000, 200), (20_000, 431)] {
        let value = "v".repeat(size);
        let mut client = RawConnection::open(gateway.web()).await;
        let reply = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\nX-Large: {value}\r\n\r\n")).await;
        assert_eq!(reply.status(), status, "a field of {size} bytes");
    }
}

#[tokio::test]
async fn sigterm_ends_it_well() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "");
    assert_eq!(gateway.get("http://h/").await.status, 200);
    assert_eq!(gateway.terminate().code(), Some(0));
}
