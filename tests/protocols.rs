//! HTTP/1.1 and HTTP/2 on both sides: framing, trailers, streaming, and what a client that leaves takes with it.

#![cfg(test)]

use std::{io, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, RawConnection, Reply,
    backend::Protocol,
    client::{Body, channel, full},
    wait::{eventually, within},
};

fn before(backend: &Backend) -> Gateway {
    before_url(&backend.url())
}

fn before_url(url: &str) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}
"
    ))
}

#[tokio::test]
async fn a_connection_is_kept_alive_on_both_sides() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    for _ in 0..5 {
        let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(reply.status_line, "HTTP/1.1 200 OK");
    }
    assert_eq!((backend.requests(), backend.connections()), (5, 1));
}

#[tokio::test]
async fn connection_close_and_http_1_0_end_it() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!((reply.status(), reply.header("connection")), (200, Some("close")));
    assert!(client.is_closed().await);

    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("GET / HTTP/1.0\r\nHost: h\r\n\r\n").await;
    assert_eq!(reply.status(), 200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let requests = (0..10).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n")).collect::<String>();
    client.write(requests).await;
    for number in 0..10 {
        let reply = client.read_reply().await;
        assert_eq!(reply.status(), 200);
        assert!(reply.text().contains(&format!("\"uri\":\"/{number}\"")), "{}", reply.text());
    }
}

#[tokio::test]
async fn http_2_by_prior_knowledge_in_clear_text() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = Connection::http2(gateway.web()).await;
    for number in 0..3 {
        let reply = client.ask(Ask::get(&format!("http://a.test/{number}")).header("X-Own", "value")).await;
        assert_eq!((reply.status, reply.version), (200, Version::HTTP_2));
        let seen = reply.seen();
        assert_eq!((seen.uri, seen.version.as_str()), (format!("/{number}"), "HTTP/1.1"));
        assert!(seen.headers.contains(&("host".into(), "a.test".into())), "{:?}", seen.headers);
        assert!(seen.headers.contains(&("x-own".into(), "value".into())));
    }
}

#[tokio::test]
async fn http_2_streams_run_side_by_side() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let address = gateway.web();
    let (mut sender, connection) = within("HTTP/2 begins", async {
        let stream = rollgate_testkit::client::connect(address).await;
        h2::client::handshake(stream).await.unwrap()
    })
    .await;
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for number in 0..50 {
        let request = Request::get(format!("http://h/{number}")).body(()).unwrap();
        sender = sender.ready().await.unwrap();
        answers.push(sender.send_request(request, true).unwrap().0);
    }
    for answer in answers {
        assert_eq!(within("a stream's answer", answer).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn servers_are_reached_by_http_2_in_clear_text() {
    let backend = Backend::h2c("s");
    let gateway = before_url(&backend.url_as("h2c"));
    for reply in [
        Ask::get("http://a.test/x?y").send(gateway.web()).await,
        Ask::get("http://a.test/x?y").send_h2(gateway.web()).await,
        Ask::new("POST", "http://a.test/x?y").body("hello").send(gateway.web()).await,
    ] {
        let seen = reply.seen();
        assert_eq!((seen.version.as_str(), seen.uri.as_str()), ("HTTP/2.0", "/x?y"));
        assert_eq!(seen.all("host"), ["a.test"]);
    }
    assert!(backend.connections() <= 2, "one connection for each worker at most");
}

#[tokio::test]
async fn bodies_arrive_whole_with_length_and_in_chunks() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(reply.text().contains("\"body\":5"), "{}", reply.text());
    assert!(reply.text().contains("[\"content-length\",\"5\"]"), "{}", reply.text());
    let chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let reply = client.exchange(chunked).await;
    assert!(reply.text().contains("\"body\":11"), "{}", reply.text());
    assert!(reply.text().contains("[\"transfer-encoding\",\"chunked\"]"), "{}", reply.text());
    assert_eq!(
        client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.status(),
        200,
        "the connection is still good"
    );
}

#[tokio::test]
async fn a_chunked_answer_stays_one() {
    let backend =
        Backend::canned("s", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    for _ in 0..2 {
        let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
        assert_eq!((reply.header("content-length"), reply.text().as_str()), (None, "hello!"));
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_relayed_whole() {
    let backend = Backend::once("s", "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end");
    let gateway = before(&backend);
    for _ in 0..2 {
        assert_eq!(gateway.get("http://h/").await.text(), "until the end");
    }
}

#[tokio::test]
async fn head_and_bodiless_answers_keep_the_connection_in_step() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    let all = String::from_utf8(client.read_to_end().await).unwrap();
    let (head, rest) = all.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{all}");
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.contains("\"uri\":\"/next\""), "{all}");

    let mut client = RawConnection::open(gateway.web()).await;
    for status in ["204", "304"] {
        let reply = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\necho-status: {status}\r\n\r\n")).await;
        assert_eq!(reply.status().to_string(), status);
    }
    assert_eq!(client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
}

#[tokio::test]
async fn head_is_answered_by_the_gateway_itself_as_by_servers() {
    let gateway = before_url("http://127.0.0.1:9");
    let address = gateway.address("traefik");
    for (url, to, status) in [
        ("http://localhost/ping", address, 200),
        ("http://localhost/nowhere", address, 404),
        ("http://h/", gateway.web(), 502),
    ] {
        let [got, head] = ["GET", "HEAD"].map(|method| Ask::new(method, url));
        for (got, head) in
            [(got.clone().send(to).await, head.clone().send(to).await), (got.send_h2(to).await, head.send_h2(to).await)]
        {
            assert_eq!((got.status, head.status), (status, status), "{url} {:?}", head.version);
            assert_eq!((got.body.is_empty(), head.body.is_empty()), (false, true), "{url} {:?}", head.version);
            assert_eq!(head.header("content-length"), Some(&*got.body.len().to_string()), "{url} {:?}", head.version);
        }
    }
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body_is_sent() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.read_reply().await.status_line, "HTTP/1.1 100 Continue");
    client.write("hello").await;
    let reply = client.read_reply().await;
    assert_eq!(reply.status(), 200);
    assert!(reply.text().contains("\"body\":5"), "{}", reply.text());
}

#[tokio::test]
async fn a_refused_expectation_reaches_the_client() {
    let backend = Backend::once("s", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    let mut reply = client.read_reply().await;
    if reply.status() == 100 {
        reply = client.read_reply().await;
    }
    assert_eq!((reply.status(), reply.text().as_str()), (413, "big"));
}

#[tokio::test]
async fn trailers_pass_both_ways_over_http_2() {
    let backend = Backend::h2c("s");
    let gateway = before_url(&backend.url_as("h2c"));
    let mut client = Connection::http2(gateway.web()).await;
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("17"))]);
    let body = full("hello").with_trailers(std::future::ready(Some(Ok::<_, io::Error>(trailers))));
    let request = Request::post("http://h/")
        .header("te", "trailers")
        .header("echo-trailer", "x-end: done")
        .body(UnsyncBoxBody::new(body))
        .unwrap();
    let reply = Reply::read(client.try_send(request).await.unwrap()).await;
    assert_eq!(reply.seen().trailers, [("x-sum".to_owned(), "17".to_owned())]);
    assert_eq!(reply.seen().header("te"), Some("trailers"));
    assert_eq!(reply.trailers["x-end"], "done");
}

#[tokio::test]
async fn trailers_of_a_chunked_answer_reach_a_client_that_asks_for_them() {
    let backend = Backend::canned(
        "s",
        "HTTP/1.1 200 OK\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-End: done\r\n\r\n",
    );
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n").await;
    assert_eq!(reply.text(), "hello");
    let names = reply.trailers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    assert_eq!(names.collect::<Vec<_>>(), [("x-end".to_owned(), "done".to_owned())]);
    let reply = Ask::get("http://h/").send_h2(gateway.web()).await;
    assert_eq!(reply.trailers["x-end"], "done", "over HTTP/2 they need no asking");
}

#[tokio::test]
async fn both_directions_stream_without_buffering() {
    for over_h2 in [false, true] {
        let backend = Backend::serve("s", if over_h2 { Protocol::H2c } else { Protocol::Http1 }, |request| async {
            Response::new(UnsyncBoxBody::new(request.into_body().map_err(io::Error::other)))
        });
        let gateway = before_url(&backend.url_as(if over_h2 { "h2c" } else { "http" }));
        let mut client = match over_h2 {
            true => Connection::http2(gateway.web()).await,
            false => Connection::http1(gateway.web()).await,
        };
        let (sender, body) = channel();
        sender.send(Frame::data(Bytes::from_static(b"first"))).unwrap();
        let target = if over_h2 { "http://h/" } else { "/" };
        let request = Request::post(target).header("host", "h").body(body).unwrap();
        let mut answer = client.try_send(request).await.unwrap().into_body();
        for piece in ["first", "second", "third"] {
            let frame = within("a piece comes back before the next is sent", answer.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
            let next = if piece == "first" { "second" } else { "third" };
            if piece != "third" {
                sender.send(Frame::data(Bytes::from_static(next.as_bytes()))).unwrap();
            }
        }
        drop(sender);
        while let Some(frame) = within("the end comes back", answer.frame()).await {
            assert!(frame.unwrap().into_data().unwrap().is_empty(), "nothing but the end comes");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_cancels_the_upstream() {
    for over_h2 in [false, true] {
        let backend = Backend::serve("s", Protocol::Http1, |_| std::future::pending::<Response<Body>>());
        let gateway = before(&backend);
        let address = gateway.web();
        let client = tokio::spawn(async move {
            let mut client = match over_h2 {
                true => Connection::http2(address).await,
                false => Connection::http1(address).await,
            };
            client.ask(Ask::get("http://h/")).await
        });
        eventually("the request arrives", async || (backend.requests() == 1).then_some(())).await;
        client.abort();
        eventually("the upstream connection ends", async || (backend.open() == 0).then_some(())).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_answer_cancels_the_upstream() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\necho-bytes: 1000000000\r\n\r\n").await;
    assert_eq!(client.read_exactly(100_000).await.len(), 100_000);
    assert_eq!(backend.open(), 1);
    client.reset();
    eventually("the upstream connection ends", async || (backend.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_cancelled_http_2_stream_leaves_the_others() {
    let backend = Backend::serve("s", Protocol::Http1, |request| async move {
        match request.uri().path() {
            "/wait" => std::future::pending().await,
            _ => Response::new(full("quick")),
        }
    });
    let gateway = before(&backend);
    let stream = rollgate_testkit::client::connect(gateway.web()).await;
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender = sender.ready().await.unwrap();
    let waiting = Request::get("http://h/wait").body(()).unwrap();
    let (waiting, mut stream) = sender.send_request(waiting, true).unwrap();
    eventually("the request arrives", async || (backend.requests() == 1).then_some(())).await;
    stream.send_reset(h2::Reason::CANCEL);
    drop(waiting);
    eventually("the upstream connection ends", async || (backend.open() == 0).then_some(())).await;
    sender = sender.ready().await.unwrap();
    let (quick, _) = sender.send_request(Request::get("http://h/quick").body(()).unwrap(), true).unwrap();
    assert_eq!(within("the other stream", quick).await.unwrap().status(), 200);
}

#[tokio::test]
async fn idle_upstream_connections_are_closed_before_the_server_does() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    assert_eq!(gateway.get("http://h/").await.status, 200);
    let begin = Instant::now();
    assert_eq!(backend.open(), 1, "it is kept for the next request");
    eventually("the idle connection ends", async || (backend.open() == 0).then_some(())).await;
    let idle = begin.elapsed().as_secs_f64();
    assert!((3.0..10.0).contains(&idle), "4 s are the default, not {idle}");
}

#[tokio::test]
async fn the_idle_time_is_the_transports() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{serversTransport: quick, servers: [{{url: '{}'}}]}}}}}}
  serversTransports: {{quick: {{forwardingTimeouts: {{idleConnTimeout: 500ms}}}}}}
",
        backend.url()
    ));
    assert_eq!(gateway.get("http://h/").await.status, 200);
    let begin = Instant::now();
    eventually("the idle connection ends", async || (backend.open() == 0).then_some(())).await;
    assert!(begin.elapsed().as_secs_f64() < 3.0, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn faults_of_servers_have_their_statuses() {
    let refused = Backend::echo("refused").url();
    let garbage = Backend::once("garbage", "this is no HTTP\r\n\r\n");
    let silent = Backend::once("silent", "");
    let slow = Backend::serve("slow", Protocol::Http1, |_| std::future::pending::<Response<Body>>());
    let gateway = Gateway::with(&format!(
        "http:
  routers:
    refused: {{rule: 'Host(`refused`)', service: refused}}
    garbage: {{rule: 'Host(`garbage`)', service: garbage}}
    silent: {{rule: 'Host(`silent`)', service: silent}}
    slow: {{rule: 'Host(`slow`)', service: slow}}
  services:
    refused: {{loadBalancer: {{servers: [{{url: '{refused}'}}]}}}}
    garbage: {}
    silent: {}
    slow: {{loadBalancer: {{serversTransport: impatient, servers: [{{url: '{}'}}]}}}}
  serversTransports: {{impatient: {{forwardingTimeouts: {{responseHeaderTimeout: 200ms}}}}}}
",
        garbage.load_balancer(),
        silent.load_balancer(),
        slow.url()
    ));
    for (host, status, body) in [
        ("refused", 502, "Bad Gateway"),
        ("garbage", 502, "Bad Gateway"),
        ("silent", 502, "Bad Gateway"),
        ("slow", 504, "Gateway Timeout"),
    ] {
        let reply = gateway.get(&format!("http://{host}/")).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, body), "{host}");
    }
}

#[tokio::test]
async fn a_server_that_breaks_off_breaks_the_answer_off() {
    let backend = Backend::once("s", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    let gateway = before(&backend);
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let all = String::from_utf8(client.read_to_end().await).unwrap();
    assert!(all.starts_with("HTTP/1.1 200 ") && all.ends_with("only this"), "{all}");
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    let ask = Ask::get("http://h/")
        .header("Connection", "keep-alive, X-Private, X-Forwarded-For, X-Real-Ip")
        .header("X-Private", "secret")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic eA==")
        .header("TE", "gzip, trailers")
        .header("X-Public", "kept");
    let seen = gateway.ask(ask).await.seen();
    for name in ["x-private", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade", "connection"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("x-public"), Some("kept"));
    assert_eq!(
        seen.header("x-forwarded-for"),
        Some("127.0.0.1"),
        "what the gateway sets is not the client's to remove"
    );

    let ask =
        Ask::get("http://h/").header("echo-header", "connection: x-private").header("echo-header", "x-private: 1");
    let reply = gateway.ask(ask.header("echo-header", "keep-alive: timeout=5")).await;
    assert_eq!((reply.header("x-private"), reply.header("keep-alive")), (None, None));
}

#[tokio::test]
async fn requests_that_two_hops_could_read_differently_are_refused() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
    ] {
        let mut client = RawConnection::open(gateway.web()).await;
        let reply = client.exchange(request).await;
        assert!(matches!(reply.status(), 400 | 501), "{request:?}: {reply:?}");
    }
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn connect_and_strange_targets_are_refused_and_nothing_breaks() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    for (request, status) in [
        ("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501),
        ("GET h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ] {
        let mut client = RawConnection::open(gateway.web()).await;
        assert_eq!(client.exchange(request).await.status(), status, "{request:?}");
    }
    assert_eq!(gateway.get("http://h/").await.status, 200);
    assert_eq!(backend.requests(), 1);
}

#[tokio::test]
async fn the_host_header_is_passed_or_replaced() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers:
    kept: {{rule: 'Host(`kept.test`)', service: kept}}
    own: {{rule: 'Host(`own.test`)', service: own}}
    path: {{rule: 'Host(`path.test`)', service: path}}
  services:
    kept: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}
    own: {{loadBalancer: {{passHostHeader: false, servers: [{{url: '{url}'}}]}}}}
    path: {{loadBalancer: {{servers: [{{url: '{url}/base', preservePath: true}}]}}}}
",
        url = backend.url()
    ));
    assert_eq!(gateway.get("http://kept.test:81/").await.seen().all("host"), ["kept.test:81"]);
    assert_eq!(gateway.get("http://own.test/").await.seen().all("host"), [backend.address.to_string()]);
    assert_eq!(gateway.get("http://path.test/x?y").await.seen().uri, "/base/x?y");
}

#[tokio::test]
async fn the_target_is_forwarded_as_it_was_written() {
    let backend = Backend::echo("s");
    let gateway = before(&backend);
    for target in ["/a%2Fb%3Fc", "/%E4%BD%A0", "/x?a=1&a=2&b", "/x?q=%26%3D", "/+a+b", "/~user;v=1", "/a%20b"] {
        let mut client = RawConnection::open(gateway.web()).await;
        let reply = client.exchange(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        assert!(reply.text().contains(&format!("\"uri\":\"{target}\"")), "{target}: {}", reply.text());
    }
}
