//! Requests that two hops could read differently: each class goes, as bytes, to the real binary in front of a server that
//! reads by the letter. Either it is refused with a status line and the server sees nothing of it, or the server sees
//! exactly the requests that were sent, well formed, and the connection stays in step.

#![cfg(test)]

#[path = "hostile_requests/http2.rs"]
mod http2;
#[path = "hostile_requests/lab.rs"]
mod lab;
#[path = "hostile_requests/tls.rs"]
mod tls;

use lab::{Case, Lab};
use rollgate_testkit::{Script, wait::eventually};

#[tokio::test]
async fn two_framings_or_none_that_is_sure_are_refused() {
    let lab = Lab::start("").await;
    lab.check(&[
        Case::refused("CL.TE", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400, "transfer_encoding_and_content_length"),
        Case::refused("TE.CL", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n", 400, "transfer_encoding_and_content_length"),
        Case::refused("CL 0 and TE", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding_and_content_length"),
        Case::refused("CL.TE on a GET", "GET / HTTP/1.1\r\nHost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding_and_content_length"),
        Case::refused("TE twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("TE twice, one unknown", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("chunked, chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("gzip, chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused(",chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("chunked,", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("chunked;x", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;x\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("xchunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("quoted", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("empty", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::refused("a vertical tab", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, "header"),
        Case::refused("a name with a space", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "header"),
        Case::refused("TE in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "transfer_encoding"),
        Case::passed("tabs around it", "POST /tabs HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \tchunked\t \r\n\r\n0\r\n\r\n", "/tabs"),
        Case::passed("any case", "POST /case HTTP/1.1\r\nHost: h\r\ntRANSFER-eNCODING: CHUNKED\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "/case"),
    ])
    .await;
}

#[tokio::test]
async fn a_content_length_is_one_plain_number() {
    let lab = Lab::start("").await;
    let length = |value: &str| format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {value}\r\n\r\nhello");
    let two = |one: &str, other: &str| {
        format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {one}\r\nContent-Length: {other}\r\n\r\nhello")
    };
    let mut cases = vec![
        Case::refused("twice, different", &two("5", "0"), 400, "content_length"),
        Case::refused("twice, the same", &two("5", "5"), 400, "content_length"),
        Case::refused("twice, one empty", &two("5", ""), 400, "content_length"),
        Case::passed("zero", "POST /zero HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "/zero"),
        Case::passed(
            "spaces around it",
            "POST /space HTTP/1.1\r\nHost: h\r\nContent-Length: \t 5 \r\n\r\nhello",
            "/space",
        ),
    ];
    for value in [
        "5, 5",
        "5,0",
        "+5",
        "-5",
        "-0",
        "5.0",
        "0x5",
        "5 5",
        "five",
        "",
        "\u{a0}5",
        "05",
        "00",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        cases.push(Case::refused(value, &length(value), 400, "content_length"));
    }
    lab.check(&cases).await;
}

#[tokio::test]
async fn a_split_anywhere_changes_nothing() {
    let lab = Lab::start("").await;
    let both = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG";
    let case = Case::refused("CL.TE", both, 400, "transfer_encoding_and_content_length");
    for at in 1..both.len() - 6 {
        lab.check_script(&case, Script::new().split(both, at)).await;
    }
    let chunked =
        "POST /whole HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n";
    let case = Case::passed("chunks", chunked, "/whole");
    for at in (1..chunked.len()).step_by(3) {
        lab.check_script(&case, Script::new().split(chunked, at).send(lab::LAST)).await;
    }
    lab.check_script(&case, Script::new().drip(chunked, 1).send(lab::LAST)).await;
}

#[tokio::test]
async fn chunks_that_are_not_to_the_letter_are_refused() {
    let lab = Lab::start("").await;
    let chunks = |path: &str, chunks: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
    };
    let mut cases = vec![
        Case::passed("an extension is dropped", &chunks("/ext", "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n"), "/ext"),
        Case::passed("leading zeros", &chunks("/zeros", "0005\r\nhello\r\n000\r\n\r\n"), "/zeros"),
        Case::passed("spaces before the line's end", &chunks("/lws", "5 \t\r\nhello\r\n0\r\n\r\n"), "/lws"),
        Case::passed("upper case", &chunks("/hex", "A\r\n0123456789\r\n0\r\n\r\n"), "/hex"),
    ];
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000));
    let many = format!("0\r\n{}\r\n", "a: b\r\n".repeat(500));
    let large = format!("0\r\na: {}\r\n\r\n", "x".repeat(1 << 20));
    for (name, body) in [
        ("a bare LF after the size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n"),
        ("a CR alone", "5\rhello\r\n0\r\n\r\n"),
        ("a bare LF after the data", "5\r\nhello\n0\r\n\r\n"),
        ("more data than its size", "4\r\nhello\r\n0\r\n\r\n"),
        ("less data than its size", "6\r\nhello\r\n0\r\n\r\nxxxx"),
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("plus", "+5\r\nhello\r\n0\r\n\r\n"),
        ("minus", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a space within", "5 5\r\nhello\r\n0\r\n\r\n"),
        ("underscore", "5_0\r\nhello\r\n0\r\n\r\n"),
        ("an overflow", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("an extension of 20 kB", &long),
        ("500 trailers", &many),
        ("a trailer of 1 MiB", &large),
        ("a trailer's name with a space", "0\r\na b: c\r\n\r\n"),
        ("a trailer without a colon", "0\r\nabc\r\n\r\n"),
        ("a trailer that is folded", "0\r\na: b\r\n c\r\n\r\n"),
    ] {
        cases.push(Case::refused(name, &chunks("/", body), 400, "body"));
    }
    lab.check(&cases).await;
}

#[tokio::test]
async fn trailers_hold_no_more_than_metadata() {
    let lab = Lab::start("").await;
    let forbidden = [
        "Transfer-Encoding: chunked",
        "Content-Length: 7",
        "Host: evil",
        "X-Forwarded-For: 9.9.9.9",
        "X_Forwarded_For: 9.9.9.9",
        "X-Real-Ip: 9.9.9.9",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Tls-Client-Cert: evil",
        "Forwarded: for=9.9.9.9",
        "Authorization: Basic eA==",
        "Cookie: a=b",
        "Connection: close",
        "Content-Type: evil/evil",
        "Trailer: x",
        "Te: trailers",
        "Expect: 100-continue",
        "If-Match: x",
        "Range: bytes=0-",
    ];
    let trailers = forbidden.join("\r\n");
    let names = forbidden.map(|field| field.split_once(':').unwrap().0).join(", ");
    let request = format!(
        "POST /trailers HTTP/1.1\r\nHost: h\r\nTrailer: X-Sum, {names}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
         X-Sum: 17\r\n{trailers}\r\n\r\n"
    );
    let record = lab.passes(&Case::passed("trailers", &request, "/trailers")).await;
    let seen = &record.requests[0];
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "17".to_owned())]);
    assert_eq!((seen.all("x-forwarded-for"), seen.all("host")), (vec!["127.0.0.1"], vec!["h"]), "nothing is merged");
    assert!(!seen.mentions("authorization") && !seen.mentions("cookie"));
}

#[tokio::test]
async fn a_head_that_is_not_to_the_letter_is_refused() {
    let lab = Lab::start("").await;
    let field = |field: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
    let line = |line: &str| format!("{line}\r\nHost: h\r\n\r\n");
    let mut cases = vec![
        Case::refused("obs-fold", &field("A: b\r\n c"), 400, "header"),
        Case::refused("obs-fold by a tab", &field("A: b\r\n\tc"), 400, "header"),
        Case::refused("a space before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, "header"),
        Case::refused("a field without a colon", &field("abc"), 400, "header"),
        Case::refused("no name", &field(": b"), 400, "header"),
        Case::refused("a space before the colon", &field("A : b"), 400, "header"),
        Case::refused("a tab before the colon", &field("A\t: b"), 400, "header"),
        Case::refused("a name in parentheses", &field("(a): b"), 400, "header"),
        Case::refused("a name with a slash", &field("a/b: c"), 400, "header"),
        Case::refused("a name with NUL", &field("a\0b: c"), 400, "header"),
        Case::refused("a name outside ASCII", &field("\u{e4}: b"), 400, "header"),
        Case::refused("NUL in a value", &field("A: b\0c"), 400, "header"),
        Case::refused("CR in a value", &field("A: b\rc"), 400, "header"),
        Case::refused("CR before the line's end", &field("A: b\r"), 400, "header"),
        Case::refused("DEL in a value", &field("A: b\x7fc"), 400, "header"),
        Case::refused("HTTP/0.9", "GET /\r\n\r\n", 400, "target"),
        Case::refused("HTTP/1.2", &line("GET / HTTP/1.2"), 400, "version"),
        Case::refused("HTTP/2.0", &line("GET / HTTP/2.0"), 400, "version"),
        Case::refused("HTTP/1.10", &line("GET / HTTP/1.10"), 400, "header"),
        Case::refused("lower case", &line("GET / http/1.1"), 400, "version"),
        Case::refused("ICY", &line("GET / ICY/1.1"), 400, "version"),
        Case::refused("two spaces before the target", &line("GET  / HTTP/1.1"), 400, "target"),
        Case::refused("two spaces before the version", &line("GET /  HTTP/1.1"), 400, "version"),
        Case::refused("a space in the target", &line("GET /a b HTTP/1.1"), 400, "version"),
        Case::refused("a tab for a space", &line("GET\t/ HTTP/1.1"), 400, "method"),
        Case::refused("a space before the method", &line(" GET / HTTP/1.1"), 400, "method"),
        Case::refused("a method in quotes", &line("\"GET\" / HTTP/1.1"), 400, "method"),
        Case::refused("NUL in the target", &line("GET /a\0b HTTP/1.1"), 400, "target"),
        Case::refused("no slash", &line("GET h HTTP/1.1"), 400, "target"),
        Case::refused("* for GET", &line("GET * HTTP/1.1"), 400, "target"),
        Case::refused("another scheme", &line("GET ftp://h/ HTTP/1.1"), 400, "target"),
        Case::refused("authority form", "GET h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 400, "target"),
        Case::refused("a TLS alert in clear text", "\x15\x03\x01\x00\x02\x02\n\r\n\r\n", 400, "method"),
        Case::passed("empty lines before it", "\r\n\r\nGET /lines HTTP/1.1\r\nHost: h\r\n\r\n", "/lines"),
        Case::passed("bare LF, written anew", "GET /lf HTTP/1.1\nHost: h\nA: b\n\n", "/lf"),
        Case::passed("latin-1 in a value", "GET /latin HTTP/1.1\r\nHost: h\r\nA: \u{e4}\r\n\r\n", "/latin"),
        Case::passed(
            "https in the target, as behind a proxy that ends TLS",
            "GET https://h/s HTTP/1.1\r\nHost: h\r\n\r\n",
            "/s",
        ),
        Case::passed("the largest method", "M-SEARCH /m HTTP/1.1\r\nHost: h\r\n\r\n", "/m"),
    ];
    let long = line(&format!("GET /{} HTTP/1.1", "a".repeat(70_000)));
    cases.push(Case::refused("a target of 70 kB", &long, 414, "target_length"));
    let many = field(&"a: b\r\n".repeat(2_000));
    cases.push(Case::refused("2,000 fields", many.trim_end(), 431, "header_bytes"));
    lab.check(&cases).await;
}

#[tokio::test]
async fn a_request_has_one_host() {
    let lab = Lab::start("").await;
    let host = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut cases = vec![
        Case::refused("none", "GET / HTTP/1.1\r\n\r\n", 400, "host"),
        Case::refused("two, the same", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400, "host"),
        Case::refused("two, different", "GET / HTTP/1.1\r\nHost: h\r\nHost: evil\r\n\r\n", 400, "host"),
        Case::refused("the target's differs", "GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "host"),
        Case::refused("the target's port differs", "GET http://h:80/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "host"),
        Case::refused("the target has userinfo", "GET http://u@h/ HTTP/1.1\r\nHost: u@h\r\n\r\n", 400, "host"),
        Case::passed("upper case", "GET /upper HTTP/1.1\r\nHost: EXAMPLE.test\r\n\r\n", "/upper"),
        Case::passed("a trailing dot", "GET /dot HTTP/1.1\r\nHost: example.test.\r\n\r\n", "/dot"),
        Case::passed("the target's in other case", "GET http://H/target HTTP/1.1\r\nHost: h\r\n\r\n", "/target"),
        Case::passed("IPv6", "GET /v6 HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "/v6"),
    ];
    for value in [
        "",
        " ",
        "a,b",
        "a b",
        "u@h",
        "h/p",
        "h\\p",
        "h?q",
        "h#f",
        "h:80:80",
        "h:x",
        "h:-1",
        "h:65536",
        "%68",
        "[::1",
        "[::1]x",
        "[fe80::1%25eth0]",
        "h;x y",
        "\u{e4}",
    ] {
        cases.push(Case::refused(value, &host(value), 400, "host"));
    }
    lab.check(&cases).await;
    let record = lab.passes(&Case::closing("HTTP/1.0 needs none", "GET /old HTTP/1.0\r\n\r\n", "/old")).await;
    assert_eq!(record.requests[0].all("host"), [lab.server()], "the server, which is spoken to in HTTP/1.1, gets one");
}

#[tokio::test]
async fn what_ends_at_this_hop_does_and_nothing_else() {
    let lab = Lab::start("").await;
    let request = "GET /hop HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\nX_Real_Ip: 9.9.9.9\r\nx-forwarded_host: evil\r\n\
        X-Forwarded-Prefix: /evil\r\nX-Real-Ip: 9.9.9.9\r\nX-Forwarded-Tls-Client-Cert: evil\r\nX-Forwarded-Tls-Client-Cert-Info: evil\r\n\
        X-Forwarded-Uri: /evil\r\nX-Forwarded-Method: EVIL\r\nConnection: keep-alive, X-Forwarded-For, X-Real-Ip, X-Forwarded-Proto, Host, Content-Length, X-Own\r\n\
        X-Own: 1\r\nX-Other: 2\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip, trailers\r\n\
        Proxy-Authorization: Basic eA==\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 0\r\n\r\n";
    let record = lab.passes(&Case::passed("hop by hop", request, "/hop")).await;
    let seen = &record.requests[0];
    for gone in [
        "x-own",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "proxy-authorization",
        "upgrade",
        "http2-settings",
        "x_real_ip",
        "x-forwarded_host",
        "x-forwarded-prefix",
        "x-forwarded-uri",
        "x-forwarded-method",
        "x-forwarded-tls-client-cert",
        "x-forwarded-tls-client-cert-info",
    ] {
        assert!(!seen.mentions(gone), "{gone}: {seen:?}");
    }
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "h"),
        ("host", "h"),
        ("x-other", "2"),
        ("content-length", "0"),
    ] {
        assert_eq!(seen.all(name), [value], "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn a_path_has_one_form_or_is_refused() {
    let lab = Lab::start("").await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let passes = [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../etc", "/etc"),
        ("//a///b", "/a/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/%2E/b", "/b"),
        ("/%61", "/a"),
        ("/a%c3%a4", "/a%C3%A4"),
        ("/a;x=1/b", "/a;x=1/b"),
        ("/a?b=../..", "/a?b=../.."),
        ("http://h", "/"),
        ("/a/..", "/"),
        ("/a|b", "/a%7Cb"),
        ("/a%2fb", "/a%2Fb"),
        ("/a\\b", "/a%5Cb"),
        ("/..%2f..%2fetc", "/..%2F..%2Fetc"),
        ("/a%252e%252e/b", "/a%252e%252e/b"),
        ("/a?x;y", "/a?x&y"),
    ];
    let mut cases: Vec<Case> = passes.iter().map(|(sent, seen)| Case::passed(sent, &get(sent), seen)).collect();
    for path in ["/a%zz", "/a%2", "/a%", "/%"] {
        cases.push(Case::refused(path, &get(path), 400, "path"));
    }
    lab.check(&cases).await;

    let strict = "encodedCharacters: {allowEncodedSlash: false, allowEncodedBackSlash: false, allowEncodedNullCharacter: false, \
                  allowEncodedSemicolon: false, allowEncodedPercent: false, allowEncodedQuestionMark: false, \
                  allowEncodedHash: false}";
    let lab = Lab::with_entry_point(strict).await;
    let encoded = [
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/a%3fb",
        "/a%23b",
        "/a%3bb",
        "/a%252e%252e/b",
        "/a%25",
        "/..%2f..%2fetc",
    ];
    let cases: Vec<Case> = encoded.iter().map(|path| Case::refused(path, &get(path), 400, "path")).collect();
    lab.check(&cases).await;
}

#[tokio::test]
async fn a_path_that_a_middleware_changed_is_normal_again_or_refused() {
    let lab = Lab::start(
        "middlewares: {m: {stripPrefix: {prefixes: [/api]}}, x: {stripPrefixRegex: {regex: ['/v[0-9]']}}, r: {replacePathRegex: {regex: '^/r/(.*)-(.*)$', replacement: '/$1$2'}}, e: {replacePathRegex: {regex: '^/e/(.*)-(.*)$', replacement: '/%$1$2/admin'}}, a: {addPrefix: {prefix: /added/}}}",
    )
    .await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: mw\r\n\r\n");
    lab.check(&[
        Case::passed("stripped", &get("/api/x"), "/x"),
        Case::passed("added", &get("/add/x"), "/added/add/x"),
        Case::answered("/api../admin", &get("/api../admin"), 400),
        Case::answered("/api./admin", &get("/api./admin"), 400),
        Case::answered("/api..", &get("/api.."), 400),
        Case::answered("/v1../admin", &get("/v1../admin"), 400),
        Case::answered("dots put together", &get("/r/.-./admin"), 400),
        Case::answered("an encoding put together", &get("/e/2-e"), 400),
    ])
    .await;
}

#[tokio::test]
async fn nothing_passes_before_a_switch_of_protocols() {
    let lab = Lab::start("").await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let ask = |more: &str| format!("GET /ws HTTP/1.1\r\nHost: h\r\n{upgrade}{more}\r\n");
    // What follows the head is the next request, not a byte of a tunnel: the server has declined.
    let record = lab.passes(&Case::passed("declined", &ask(""), "/ws")).await;
    assert_eq!(
        (record.requests[0].all("connection"), record.requests[0].all("upgrade")),
        (vec!["Upgrade"], vec!["websocket"])
    );
    let record =
        lab.passes(&Case::passed("with a body", &format!("{}hello", ask("Content-Length: 5\r\n")), "/ws")).await;
    assert_eq!(record.requests[0].body, b"hello");
    for request in [
        "GET /h2c HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "GET /h2c HTTP/1.1\r\nHost: h\r\nConnection: HTTP2-Settings, upgrade\r\nUpgrade: H2C, websocket\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "GET /h2c HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "GET /h2c HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let record = lab.passes(&Case::passed(request, request, "/h2c")).await;
        for name in ["upgrade", "http2-settings", "connection"] {
            assert!(!record.requests[0].mentions(name), "{request} {:?}", record.requests);
        }
    }
    let old = "GET /old HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let record = lab.passes(&Case::closing("HTTP/1.0", old, "/old")).await;
    assert!(!record.requests[0].mentions("upgrade"));
    lab.check(&[
        Case::refused("CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501, "connect"),
        Case::refused("CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", 501, "connect"),
        Case::refused(
            "CONNECT with a body",
            "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nContent-Length: 5\r\n\r\nhello",
            501,
            "connect",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_expectation_leaves_the_connection_in_step() {
    let lab = Lab::start("").await;
    let put = |expect: &str| format!("PUT /put HTTP/1.1\r\nHost: h\r\nExpect: {expect}\r\nContent-Length: 5\r\n\r\n");
    lab.check(&[
        Case::refused("another", &put("200-ok"), 417, "expect"),
        Case::refused("two", &put("100-continue, x"), 417, "expect"),
        Case::refused("two lines", &put("100-continue\r\nExpect: x"), 417, "expect"),
        Case::refused("empty", &put(""), 417, "expect"),
    ])
    .await;
    for expect in ["100-continue", "100-Continue"] {
        let script = Script::new().send(put(expect)).hear("100 Continue").send("hello").send(lab::LAST);
        let heard = script.play(lab.web()).await;
        assert_eq!(heard.statuses().await, [100, 200, 200], "{expect}");
        let record = lab.record().await;
        assert_eq!(record.requests.len(), 2);
        assert_eq!((record.requests[0].body.as_slice(), record.requests[0].mentions("expect")), (&b"hello"[..], false));
    }
    // The body comes without waiting.
    let heard = Script::new().send(put("100-continue")).send("hello").send(lab::LAST).play(lab.web()).await;
    let statuses = heard.statuses().await;
    assert_eq!(statuses[statuses.len() - 2..], [200, 200], "{statuses:?}");
    assert_eq!(lab.record().await.requests.len(), 2);
}

#[tokio::test]
async fn a_large_body_does_not_keep_the_refusal_from_its_client() {
    let lab = Lab::start("").await;
    let body = vec![b'x'; 900_000];
    for _ in 0..5 {
        let head = format!("POST / HTTP/1.1\r\nHost: a,b\r\nContent-Length: {}\r\n\r\n", body.len());
        let heard = Script::new().send(head).send(&body).finish().play(lab.web()).await;
        assert_eq!((heard.statuses().await, heard.ended), (vec![400], rollgate_testkit::Ended::Closed));
        assert!(heard.replies().await[0].text().contains("invalid Host"), "it says why");
    }
    assert_eq!(lab.record().await.requests, []);
}

#[tokio::test]
async fn a_refusal_is_logged_with_its_client_and_entry_point() {
    let lab = Lab::start("").await;
    lab.check(&[
        Case::refused("before it is a request", "G@T / HTTP/1.1\r\n\r\n", 400, "method"),
        Case::refused("after", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, "host"),
    ])
    .await;
    let lines = eventually("both are logged", async || {
        let lines = lab.log();
        let refused: Vec<_> = lines.into_iter().filter(|line| line["DownstreamStatus"] == 400).collect();
        (refused.len() == 2).then_some(refused)
    })
    .await;
    for line in &lines {
        assert_eq!((&line["entryPointName"], &line["ClientHost"]), (&"web".into(), &"127.0.0.1".into()));
        assert!(line.get("RouterName").is_none_or(|name| name == "-" || name == ""), "{line}");
    }
    let methods: Vec<_> = lines.iter().map(|line| line["RequestMethod"].as_str().unwrap_or("-")).collect();
    assert!(methods.contains(&"GET") && methods.iter().any(|method| *method != "GET"), "{methods:?}");
}
