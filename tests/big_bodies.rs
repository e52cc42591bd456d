//! Bodies larger than memory should ever hold, and more clients than are quick.

#![cfg(test)]

use http::Request;
use http_body_util::BodyExt;
use rollgate_testkit::{
    Backend, Connection, Gateway, RawConnection, Reply, client::zeros, tls::unverified_client, wait::within,
};

const SIZE: u64 = 100 * 1024 * 1024;

/// What a gateway may grow by, in KiB.
const GROWTH: u64 = 64 * 1024;

fn before(h1: &Backend, h2: &Backend) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers:
    h1: {{rule: 'Host(`h1`)', service: h1}}
    h2: {{rule: 'Host(`h2`)', service: h2}}
    secure: {{rule: 'Host(`h1`)', service: h1, tls: {{}}}}
  services:
    h1: {}
    h2: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
",
        h1.load_balancer(),
        h2.url_as("h2c")
    ))
}

/// How a client speaks, and to which server.
const WAYS: [(&str, &str); 5] = [("http1", "h1"), ("http2", "h1"), ("http1", "h2"), ("http2", "h2"), ("tls", "h1")];

async fn client(gateway: &Gateway, way: &str) -> Connection {
    match way {
        "http1" => Connection::http1(gateway.web()).await,
        "http2" => Connection::http2(gateway.web()).await,
        _ => Connection::tls(gateway.web(), "h1", unverified_client(&["h2"])).await,
    }
}

fn request(client: &Connection, host: &str) -> http::request::Builder {
    if client.is_http2() {
        return Request::builder().uri(format!("http://{host}/"));
    }
    Request::builder().uri("/").header("host", host)
}

#[tokio::test]
async fn a_hundred_megabytes_go_up() {
    let (h1, h2) = (Backend::echo("h1"), Backend::h2c("h2"));
    let gateway = before(&h1, &h2);
    let before = gateway.peak_memory();
    for (way, host) in WAYS {
        let mut client = client(&gateway, way).await;
        let request = request(&client, host).method("POST").body(zeros(SIZE)).unwrap();
        let reply = Reply::read(client.try_send(request).await.unwrap()).await;
        assert_eq!(reply.seen().body, SIZE, "{way} to {host}");
        let growth = gateway.peak_memory() - before;
        assert!(growth < GROWTH, "{way} to {host}: {growth} KiB more");
    }
}

#[tokio::test]
async fn a_hundred_megabytes_come_down() {
    let (h1, h2) = (Backend::echo("h1"), Backend::h2c("h2"));
    let gateway = before(&h1, &h2);
    let before = gateway.peak_memory();
    for (way, host) in WAYS {
        let mut client = client(&gateway, way).await;
        assert_eq!(download(&mut client, host).await, SIZE, "{way} from {host}");
        let growth = gateway.peak_memory() - before;
        assert!(growth < GROWTH, "{way} from {host}: {growth} KiB more");
    }
}

async fn download(client: &mut Connection, host: &str) -> u64 {
    let request = request(client, host).header("echo-bytes", SIZE).body(zeros(0)).unwrap();
    let mut body = client.try_send(request).await.unwrap().into_body();
    let mut received = 0;
    while let Some(frame) = within("more of the body", body.frame()).await {
        received += frame.unwrap().into_data().map_or(0, |data| data.len() as u64);
    }
    received
}

#[tokio::test]
async fn clients_that_do_not_read_cost_a_window_each() {
    let (h1, h2) = (Backend::echo("h1"), Backend::h2c("h2"));
    let gateway = before(&h1, &h2);
    let before = gateway.peak_memory();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut client = RawConnection::open(gateway.web()).await;
        client.write(format!("GET / HTTP/1.1\r\nHost: h1\r\necho-bytes: {SIZE}\r\n\r\n")).await;
        assert_eq!(client.read_exactly(1000).await.len(), 1000);
        stalled.push(client);
    }
    // While this one gets everything, the others would have filled any buffer without a bound.
    let mut client = client(&gateway, "http1").await;
    assert_eq!(download(&mut client, "h1").await, SIZE);
    let growth = gateway.peak_memory() - before;
    assert!(growth < GROWTH, "{growth} KiB more");
    drop(stalled);
}

#[tokio::test]
async fn a_thousand_slow_clients_are_all_answered() {
    let backend = Backend::canned("s", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = before(&backend, &backend);
    let mut clients = Vec::new();
    for _ in 0..1000 {
        clients.push(RawConnection::open(gateway.web()).await);
    }
    // Byte by byte, a byte of each in turn: all of them are slow at once.
    for byte in b"GET / HTTP/1.1\r\nHost: h1\r\nX-Slow: yes\r\n\r\n" {
        for client in &mut clients {
            client.write([*byte]).await;
        }
    }
    for client in &mut clients {
        let reply = client.read_reply().await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "ok"));
    }
    let mut quick = RawConnection::open(gateway.web()).await;
    assert_eq!(quick.exchange("GET / HTTP/1.1\r\nHost: h1\r\n\r\n").await.status(), 200);
}
