//! A router's own timeouts: for a whole request and for each attempt, told with 504 before an answer has begun and by
//! breaking it off afterwards.

#![cfg(test)]

use std::time::{Duration, Instant};

use rollgate_testkit::{Ask, Backend, Gateway, HostileBackend, RawConnection};

fn gateway(timeouts: &str, middlewares: &str, url: &str) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers:
    limited: {{rule: 'Host(`limited`)', service: s, timeouts: {timeouts}, middlewares: [{middlewares}]}}
    free: {{rule: 'Host(`free`)', service: s}}
  middlewares: {{again: {{retry: {{attempts: 3, status: ['503']}}}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}
"
    ))
}

const LIMIT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_a_504() {
    for timeouts in ["{request: 300ms}", "{backendRequest: 300ms}"] {
        let hostile = HostileBackend::start().await;
        let gateway = gateway(timeouts, "", &hostile.url());
        let began = Instant::now();
        let reply = gateway.get("http://limited/").await;
        assert_eq!((reply.status, reply.text().as_str()), (504, "Gateway Timeout"), "{timeouts}");
        assert!(began.elapsed() >= LIMIT, "{timeouts}");
        let (mut peer, _) = hostile.request().await;
        assert!(peer.is_closed().await, "nobody waits for its answer any longer");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_is_broken_off() {
    for timeouts in ["{request: 300ms}", "{backendRequest: 300ms}"] {
        let hostile = HostileBackend::start().await;
        let gateway = gateway(timeouts, "", &hostile.url());
        let mut client = RawConnection::open(gateway.web()).await;
        client.write("GET / HTTP/1.1\r\nHost: limited\r\n\r\n").await;
        let (mut peer, _) = hostile.request().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n").await;
        let head = client.read_head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert_eq!(client.read_to_end().await, b"5\r\nbegun\r\n", "it never looks whole");
        assert!(peer.is_closed().await);
    }
}

#[tokio::test]
async fn the_whole_request_has_its_time_and_each_attempt_has_its_own() {
    let hostile = HostileBackend::start().await;
    let each = gateway("{backendRequest: 200ms}", "again", &hostile.url());
    let began = Instant::now();
    assert_eq!(each.get("http://limited/").await.status, 504);
    assert!(began.elapsed() >= Duration::from_millis(600), "three attempts: {:?}", began.elapsed());
    let whole = gateway("{request: 300ms, backendRequest: 200ms}", "again", &hostile.url());
    let began = Instant::now();
    assert_eq!(whole.get("http://limited/").await.status, 504);
    let took = began.elapsed();
    assert!(took >= LIMIT && took < Duration::from_millis(600), "one and a half: {took:?}");
    let metrics = whole.metrics().await;
    assert_eq!(metrics.sum("traefik_router_requests_total", &[("code", "504")]), 1.0);
}

#[tokio::test]
async fn what_is_in_time_and_routers_without_limits_do_not_notice() {
    let backend = Backend::echo("s");
    let gateway = gateway("{request: 30s, backendRequest: 30s}", "again", &backend.url());
    for host in ["limited", "free"] {
        let reply = gateway.ask(Ask::new("POST", &format!("http://{host}/")).body(vec![0; 100_000])).await;
        assert_eq!((reply.status, reply.seen().body), (200, 100_000));
    }
}

#[tokio::test]
async fn a_tunnel_outlives_the_request_that_opened_it() {
    let backend = Backend::websocket("s");
    let gateway = gateway("{request: 300ms, backendRequest: 300ms}", "", &backend.url());
    let mut client = RawConnection::open(gateway.web()).await;
    let request = "GET / HTTP/1.1\r\nHost: limited\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(client.exchange(request).await.status(), 101);
    let began = Instant::now();
    while began.elapsed() < 2 * LIMIT {
        client.write(b"\x81\x82\0\0\0\0hi").await;
        assert_eq!(client.read_exactly(4).await, b"\x81\x02hi");
        tokio::task::yield_now().await;
    }
}
