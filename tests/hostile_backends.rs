//! What a server may do to us: leftovers, early and unasked answers, broken framing, truncation, floods of interim
//! answers, connections that die. Nothing of one exchange ever reaches another, and nothing broken looks whole.

#![cfg(test)]

use http::Request;
use rollgate_testkit::{Gateway, HostileBackend, Peer, RawConnection, RawReply, Route, wait::within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn before(backend: &HostileBackend) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}}}
",
        backend.url()
    ))
}

/// A client whose requests all meet the same worker's pool, and one connection that waits in it.
async fn with_a_pooled_connection(gateway: &Gateway, backend: &HostileBackend) -> (RawConnection, Peer) {
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    let (mut peer, _) = backend.request().await;
    peer.send(OK).await;
    assert_eq!(client.read_reply().await.text(), "ok");
    (client, peer)
}

/// One request, answered by `answer` on whichever connection it comes.
async fn exchange(
    client: &mut RawConnection,
    backend: &HostileBackend,
    request: &str,
    answer: &str,
) -> (Peer, RawReply) {
    client.write(request).await;
    let (mut peer, _) = backend.request().await;
    peer.send(answer).await;
    let reply = if request.starts_with("HEAD") { head_only(client).await } else { client.read_reply().await };
    (peer, reply)
}

async fn head_only(client: &mut RawConnection) -> RawReply {
    let head = client.read_head().await.unwrap_or_default();
    RawReply { status_line: head.lines().next().unwrap_or_default().to_owned(), ..RawReply::default() }
}

/// The next request must not come on `peer`.
async fn expect_a_new_connection(client: &mut RawConnection, backend: &HostileBackend, mut peer: Peer, why: &str) {
    client.write(GET).await;
    match backend.next(&mut peer).await {
        Route::Kept(_) => panic!("{why}: the connection was used again"),
        Route::New(mut fresh, _) => fresh.send(OK).await,
    }
    assert_eq!(client.read_reply().await.text(), "ok", "{why}");
}

#[tokio::test]
async fn a_connection_at_rest_is_used_again() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let (mut client, mut peer) = with_a_pooled_connection(&gateway, &backend).await;
    for answer in [
        OK,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    ] {
        client.write(GET).await;
        let Route::Kept(_) = backend.next(&mut peer).await else { panic!("{answer}") };
        peer.send(answer).await;
        assert_eq!(client.read_reply().await.text(), "ok", "{answer}");
    }
}

#[tokio::test]
async fn a_connection_with_bytes_behind_the_answer_is_never_used_again() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for (request, answer, body) in [
        (GET, format!("{OK}{smuggled}"), "ok"),
        (GET, format!("{OK}\r\n"), "ok"),
        (GET, format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{smuggled}"), "ok"),
        (GET, format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{smuggled}"), ""),
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison".into(), ""),
        (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison".into(), ""),
        (HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison".into(), ""),
        (HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n".into(), ""),
    ] {
        let (peer, reply) = exchange(&mut client, &backend, request, &answer).await;
        assert!(matches!(reply.status(), 200 | 204 | 304), "{answer}: {reply:?}");
        assert_eq!(reply.text(), body, "{answer}");
        expect_a_new_connection(&mut client, &backend, peer, &answer).await;
    }
}

#[tokio::test]
async fn bytes_that_arrive_while_a_connection_idles_end_it() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let (mut client, mut peer) = with_a_pooled_connection(&gateway, &backend).await;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
    assert!(peer.is_closed().await, "at once, not with the next request");
    expect_a_new_connection(&mut client, &backend, peer, "late bytes").await;
}

#[tokio::test]
async fn a_connection_whose_request_is_not_all_sent_is_never_used_again() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nbegun").await;
    let (mut peer, head) = backend.request().await;
    assert!(head.starts_with("PUT /big "), "{head}");
    assert_eq!(peer.body(5).await, b"begun");
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").await;
    let reply = client.read_reply().await;
    assert_eq!((reply.status(), reply.text().as_str()), (413, "no"), "it is not held back by the upload");
    // What the rest of the body says is a request to whoever loses count.
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n{}", "x".repeat(1000));
    client.write(&smuggled.as_bytes()[..995]).await;
    client.write(GET).await;
    let Route::New(mut fresh, head) = next_beside_a_body(&backend, &mut peer).await else {
        panic!("it was used again")
    };
    assert!(head.starts_with("GET / "), "{head}");
    fresh.send(OK).await;
    assert_eq!(client.read_reply().await.text(), "ok");
}

/// The next request, while a body may still come on `peer`.
async fn next_beside_a_body(backend: &HostileBackend, peer: &mut Peer) -> Route {
    assert_eq!(peer.body(995).await.len(), 995, "the body goes where its head went");
    backend.next(peer).await
}

#[tokio::test]
async fn what_says_that_it_closes_is_never_used_again() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let (peer, reply) = exchange(&mut client, &backend, GET, answer).await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "ok"), "{answer}");
        assert_eq!(reply.header("connection"), None, "the client's connection is its own: {answer}");
        expect_a_new_connection(&mut client, &backend, peer, answer).await;
    }
}

#[tokio::test]
async fn a_protocol_switch_that_nobody_asked_for_is_a_502_and_ends_the_connection() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw bytes";
    let (peer, reply) = exchange(&mut client, &backend, GET, answer).await;
    assert_eq!(reply.status(), 502, "{reply:?}");
    expect_a_new_connection(&mut client, &backend, peer, "101").await;
}

#[tokio::test]
async fn an_answer_may_come_in_any_pieces() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let (mut client, mut peer) = with_a_pooled_connection(&gateway, &backend).await;
    let answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n3;e=f\r\nabc\r\n1\r\nd\r\n0\r\nX-T: u\r\n\r\n";
    let whole = [(answer.len(), 1)].into_iter();
    for (cut, piece) in (1..answer.len()).map(|cut| (cut, usize::MAX)).chain(whole) {
        client.write("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n").await;
        let Route::Kept(_) = backend.next(&mut peer).await else { panic!("cut at {cut}: a new connection") };
        peer.send_in_pieces(&answer[..cut], piece).await;
        peer.send_in_pieces(&answer[cut..], piece).await;
        let reply = client.read_reply().await;
        assert_eq!(
            (reply.status(), reply.text().as_str(), reply.header("x-a")),
            (200, "abcd", Some("b")),
            "cut at {cut}"
        );
        assert_eq!(reply.trailers, [("x-t".to_owned(), "u".to_owned())], "cut at {cut}");
    }
    assert_eq!(gateway.metrics().await.sum("rollgate_upstream_connects_total", &[]), 1.0);
}

#[tokio::test]
async fn a_head_that_two_hops_could_read_differently_is_a_502() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let chunked = "2\r\nok\r\n0\r\n\r\n";
    let many: String = (0..101).map(|number| format!("X-{number}: y\r\n")).collect();
    for (answer, why) in [
        (format!("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"), "both"),
        (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{chunked}"), "gzip"),
        (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n{chunked}"), "twice"),
        (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n{chunked}"), "unknown"),
        (format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"), "chunked in HTTP/1.0"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokx".into(), "two lengths"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nokx".into(), "a list of lengths"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok".into(), "negative"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok".into(), "a sign"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok".into(), "hexadecimal"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok".into(), "no such number"),
        ("HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n".into(), "garbled where there is no body"),
        ("HTTP/1.1 2000 OK\r\n\r\n".into(), "four digits"),
        ("HTTP/1.1 OK\r\n\r\n".into(), "no status"),
        ("HTTP/2.0 200 OK\r\n\r\n".into(), "another version"),
        ("HTTP/1.1 200 OK\r\nName : value\r\n\r\n".into(), "a space before the colon"),
        ("HTTP/1.1 200 OK\r\nBad Name: value\r\n\r\n".into(), "a space in a name"),
        ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n".into(), "a folded line"),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n".into(), "NUL"),
        ("HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\n\r\n".into(), "a bare CR"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n".into(), "no colon"),
        (format!("HTTP/1.1 200 OK\r\n{many}\r\n"), "too many fields"),
        ("SSH-2.0-OpenSSH_9.2\r\n".into(), "another protocol"),
    ] {
        let (peer, reply) = exchange(&mut client, &backend, GET, &answer).await;
        assert_eq!((reply.status(), reply.text().as_str()), (502, "Bad Gateway"), "{why}");
        assert_eq!(reply.header("x"), None, "{why}");
        expect_a_new_connection(&mut client, &backend, peer, why).await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_502() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    let (mut peer, _) = backend.request().await;
    // The gateway closes somewhere in the middle.
    let _broken_pipe = peer.try_send(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(1 << 20))).await;
    assert_eq!(client.read_reply().await.status(), 502);
}

#[tokio::test]
async fn lines_that_end_without_cr_are_written_anew() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let (_, reply) = exchange(&mut client, &backend, GET, "HTTP/1.1 200 OK\nX: a\nContent-Length: 2\n\nok").await;
    assert_eq!((reply.status(), reply.header("x"), reply.text().as_str()), (200, Some("a"), "ok"));
}

/// Answers whose bodies break off or are framed wrongly behind a good head.
const BROKEN_BODIES: [(&str, &str); 8] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "a length that is not reached"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "no last chunk"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho", "half a chunk"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n", "half an end"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nxyz\r\nshort\r\n0\r\n\r\n", "no size"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n-5\r\nshort\r\n0\r\n\r\n", "a negative size"),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n10000000000000005\r\nshort\r\n0\r\n\r\n",
        "a size that overflows",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshortMORE\r\n0\r\n\r\n",
        "a chunk that is longer than it says",
    ),
];

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole_over_http_1() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    for (answer, why) in BROKEN_BODIES {
        let mut client = RawConnection::open(gateway.web()).await;
        client.write(GET).await;
        let (mut peer, _) = backend.request().await;
        peer.send(answer).await;
        drop(peer);
        let all = client.read_to_end().await;
        let all = String::from_utf8_lossy(&all);
        assert!(all.starts_with("HTTP/1.1 200 "), "{why}: {all}");
        assert!(!all.contains("MORE"), "{why}: {all}");
        let whole = all.ends_with("0\r\n\r\n") || (all.contains("content-length: 5\r\n") && all.ends_with("short"));
        assert!(!whole, "{why}: {all}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_reset_over_http_2() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let stream = rollgate_testkit::client::connect(gateway.web()).await;
    let (mut sender, connection) = within("HTTP/2 begins", h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    for (answer, why) in BROKEN_BODIES {
        sender = within("a stream is free", sender.ready()).await.unwrap();
        let request = Request::get("http://h/").body(()).unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        let (mut peer, _) = backend.request().await;
        peer.send(answer).await;
        drop(peer);
        let mut body = within("a head", response).await.unwrap().into_body();
        let mut received = Vec::new();
        let reset = loop {
            match within("a frame", body.data()).await {
                Some(Ok(data)) => received.extend_from_slice(&data),
                Some(Err(error)) => break error,
                None => panic!("{why}: the stream ended as if it were whole: {received:?}"),
            }
        };
        assert!(reset.is_reset(), "{why}: {reset}");
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_whole_and_the_clients_connection_stays() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    for round in 0..2 {
        client.write(GET).await;
        let (mut peer, _) = backend.request().await;
        peer.send("HTTP/1.1 200 OK\r\n\r\nto the").await;
        peer.send(" end").await;
        peer.half_close().await;
        let reply = client.read_reply().await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "to the end"), "round {round}");
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    }
    client.write(GET).await;
    let (mut peer, _) = backend.request().await;
    peer.send("HTTP/1.1 200 OK\r\n\r\nto the").await;
    assert!(client.read_head().await.is_some());
    peer.reset();
    let rest = client.read_to_end().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a reset is no end: {}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn interim_answers_are_read_past_up_to_a_bound() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
    let (peer, reply) = exchange(&mut client, &backend, GET, &format!("{}{OK}", hint.repeat(16))).await;
    assert_eq!((reply.status(), reply.text().as_str()), (200, "ok"));
    drop(peer);
    for flood in [hint.repeat(17), format!("{}{OK}", hint.repeat(17)), "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)] {
        let (peer, reply) = exchange(&mut client, &backend, GET, &flood).await;
        assert_eq!((reply.status(), reply.text().as_str()), (502, "Bad Gateway"));
        expect_a_new_connection(&mut client, &backend, peer, "a flood").await;
    }
    // Also where an upgrade is asked for.
    client.write("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    let (mut peer, _) = backend.request().await;
    peer.send(hint.repeat(17)).await;
    assert_eq!(client.read_reply().await.status(), 502);
}

#[tokio::test]
async fn a_request_whose_pooled_connection_dies_unanswered_is_sent_once_more() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    for (round, reset) in [true, false].into_iter().enumerate() {
        let (mut client, mut peer) = with_a_pooled_connection(&gateway, &backend).await;
        client.write("PUT /a%20b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nX-Own: ä\r\n\r\n").await;
        let Route::Kept(first) = backend.next(&mut peer).await else { panic!("there was a pooled connection") };
        if reset {
            peer.reset()
        } else {
            drop(peer)
        }
        let (mut peer, second) = backend.request().await;
        assert_eq!(first, second, "the same request");
        peer.send(OK).await;
        assert_eq!(client.read_reply().await.text(), "ok");
        drop(peer);
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum("rollgate_upstream_repeated_total", &[("service", "s@file")]), (round + 1) as f64);
    }
}

#[tokio::test]
async fn a_request_is_never_sent_a_third_time() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let (mut client, mut peer) = with_a_pooled_connection(&gateway, &backend).await;
    client.write(GET).await;
    let Route::Kept(_) = backend.next(&mut peer).await else { panic!("there was a pooled connection") };
    drop(peer);
    let (peer, _) = backend.request().await;
    peer.reset();
    assert_eq!(client.read_reply().await.status(), 502);
    let metrics = gateway.metrics().await;
    let connects = metrics.sum("rollgate_upstream_connects_total", &[("service", "s@file"), ("outcome", "ok")]);
    assert_eq!(connects, 2.0, "no third connection");
}

#[tokio::test]
async fn what_a_server_may_have_acted_on_is_not_sent_again() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let empty_post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    let put = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    let cases = [
        (POST, "", "POST"),
        (empty_post, "", "POST without a body"),
        (put, "", "a body"),
        (GET, "H", "a byte of an answer"),
    ];
    for (request, answer, why) in cases {
        let (mut client, mut peer) = with_a_pooled_connection(&gateway, &backend).await;
        // One that could have been sent again, so that its head is what is left lying about.
        client.write(GET).await;
        let Route::Kept(_) = backend.next(&mut peer).await else { panic!("{why}: there was a pooled connection") };
        peer.send(OK).await;
        assert_eq!(client.read_reply().await.text(), "ok");
        client.write(request).await;
        let Route::Kept(_) = backend.next(&mut peer).await else { panic!("{why}: there was a pooled connection") };
        peer.send(answer).await;
        drop(peer);
        assert_eq!(client.read_reply().await.status(), 502, "{why}");
    }
    // Nor where nothing but the request itself can have been the reason.
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    drop(backend.request().await);
    assert_eq!(client.read_reply().await.status(), 502, "a fresh connection");
    assert_eq!(gateway.metrics().await.sum("rollgate_upstream_repeated_total", &[]), 0.0);
}

#[tokio::test]
async fn a_request_that_never_left_is_sent_whatever_it_is() {
    let backend = HostileBackend::start().await;
    let gateway = before(&backend);
    let (mut client, peer) = with_a_pooled_connection(&gateway, &backend).await;
    drop(peer);
    client.write(POST).await;
    let (mut peer, head) = backend.request().await;
    assert!(head.starts_with("POST / "), "{head}");
    assert_eq!(peer.body(5).await, b"hello");
    peer.send(OK).await;
    assert_eq!(client.read_reply().await.text(), "ok");
}

#[tokio::test]
async fn a_server_that_never_reads_holds_up_nobody_else_and_not_for_ever() {
    let backend = HostileBackend::start().await;
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{serversTransport: t, servers: [{{url: '{}'}}]}}}}}}
  serversTransports: {{t: {{forwardingTimeouts: {{tcpUserTimeout: 1s}}}}}}
",
        backend.url()
    ));
    let mut stuck = RawConnection::open(gateway.web()).await;
    stuck.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n").await;
    let _deaf = backend.accept().await;
    // More than fits between us and a server that does not read.
    let (mut reading, mut writing) = tokio::io::split(stuck.into_inner());
    let upload = tokio::spawn(async move {
        let block = vec![0; 1 << 20];
        while writing.write_all(&block).await.is_ok() {}
    });
    let (mut client, _) = with_a_pooled_connection(&gateway, &backend).await;
    assert_eq!(exchange(&mut client, &backend, GET, OK).await.1.text(), "ok");
    let mut answer = [0; 12];
    within("the upload is answered", reading.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 504");
    within("the upload ends", upload).await.unwrap();
}
