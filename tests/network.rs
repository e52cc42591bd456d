//! What a network may do between us and a server, or a client: lose packets, swallow them, reset connections. Nothing
//! waits for the kernel's own quarter of an hour.

#![cfg(test)]

use std::time::{Duration, Instant};

use rollgate_testkit::{
    Gateway, HostileBackend, Network, Peer, RawConnection, Route,
    wait::{eventually, within},
};
use tokio::net::{TcpListener, TcpStream};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Far from the kernel's quarter of an hour, and from what a busy machine adds.
const SOON: Duration = Duration::from_secs(20);

fn before(url: &str) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{serversTransport: t, servers: [{{url: '{url}'}}]}}}}}}
  serversTransports:
    t: {{forwardingTimeouts: {{dialTimeout: 2s, idleConnTimeout: 1h, tcpKeepAlive: 1s, tcpUserTimeout: 2s}}}}
"
    ))
}

async fn with_a_pooled_connection(gateway: &Gateway, backend: &HostileBackend) -> (RawConnection, Peer) {
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    let (mut peer, _) = backend.request().await;
    peer.send(OK).await;
    assert_eq!(client.read_reply().await.text(), "ok");
    (client, peer)
}

#[tokio::test]
async fn a_server_that_vanishes_while_it_works_is_a_504_soon() {
    let network = Network::new();
    let backend = HostileBackend::on(network.listen());
    let gateway = before(&backend.url());
    for request in [GET, POST] {
        let mut client = RawConnection::open(gateway.web()).await;
        client.write(request).await;
        let (_peer, _) = backend.request().await;
        let began = Instant::now();
        network.black_hole();
        assert_eq!(client.read_reply().await.status(), 504, "{request}");
        assert!(began.elapsed() < SOON, "{request}: {:?}", began.elapsed());
        network.heal();
    }
}

#[tokio::test]
async fn a_server_that_vanished_before_the_request_is_a_504_soon() {
    let network = Network::new();
    let backend = HostileBackend::on(network.listen());
    let gateway = before(&backend.url());
    for request in [POST, GET] {
        let (mut client, _peer) = with_a_pooled_connection(&gateway, &backend).await;
        network.black_hole();
        let began = Instant::now();
        client.write(request).await;
        assert_eq!(client.read_reply().await.status(), 504, "{request}");
        assert!(began.elapsed() < SOON, "{request}: {:?}", began.elapsed());
        network.heal();
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_a_504_after_dial_timeout() {
    let network = Network::new();
    let backend = HostileBackend::on(network.listen());
    let gateway = before(&backend.url());
    network.black_hole();
    let began = Instant::now();
    assert_eq!(gateway.get("http://h/").await.status, 504);
    assert!((Duration::from_secs(2)..SOON).contains(&began.elapsed()), "{:?}", began.elapsed());
    network.heal();
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    let (mut peer, _) = backend.request().await;
    peer.send(OK).await;
    assert_eq!(client.read_reply().await.text(), "ok", "it is reached again");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_breaks_off_soon() {
    let network = Network::new();
    let backend = HostileBackend::on(network.listen());
    let gateway = before(&backend.url());
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(GET).await;
    let (mut peer, _) = backend.request().await;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun").await;
    assert!(client.read_head().await.is_some());
    assert_eq!(client.read_exactly(5).await, b"begun");
    let began = Instant::now();
    network.black_hole();
    assert_eq!(client.read_to_end().await, b"");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_that_the_network_has_forgotten_costs_an_idempotent_request_nothing() {
    let network = Network::new();
    let backend = HostileBackend::on(network.listen());
    let gateway = before(&backend.url());
    let (mut client, mut peer) = with_a_pooled_connection(&gateway, &backend).await;
    network.reset_from(peer.address());
    client.write(GET).await;
    let Route::New(mut fresh, _) = backend.next(&mut peer).await else { panic!("nothing passes on the old one") };
    fresh.send(OK).await;
    assert_eq!(client.read_reply().await.text(), "ok");

    network.reset_from(fresh.address());
    client.write(POST).await;
    assert_eq!(client.read_reply().await.status(), 502, "what may have been acted on is not repeated");
}

#[tokio::test]
async fn a_client_that_vanishes_with_something_unacknowledged_is_let_go() {
    let network = Network::new();
    let backend = HostileBackend::start().await;
    // Nothing else ends its connection.
    let config = |patience: &str| {
        let near = network.near;
        let timeouts = format!("{{idleTimeout: 0, stallTimeout: 0, tcpUserTimeout: {patience}}}");
        format!(
            "entryPoints:
  web: {{address: '{near}:0', transport: {{respondingTimeouts: {timeouts}}}}}
  traefik: {{address: '127.0.0.1:0'}}
ping: {{}}
metrics: {{prometheus: {{}}}}
http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}}}
",
            backend.url()
        )
    };
    for reloaded in [false, true] {
        let gateway = Gateway::start(&config(if reloaded { "1h" } else { "2s" }));
        if reloaded {
            gateway.apply("rollgate.yml", &config("2s")).await;
        }
        let stream = network.connect(gateway.web());
        stream.set_nonblocking(true).unwrap();
        let mut client = RawConnection::over(TcpStream::from_std(stream).unwrap());
        client.write(GET).await;
        let (mut peer, _) = backend.request().await;
        network.black_hole();
        peer.send(OK).await;
        let open = async || gateway.metrics().await.sum("traefik_open_connections", &[("entrypoint", "web")]);
        assert_eq!(open().await, 1.0);
        eventually("it is let go", async || (open().await == 0.0).then_some(())).await;
        network.heal();
    }
}

#[tokio::test]
async fn lost_packets_cost_time_and_no_request() {
    let network = Network::new();
    let listener = network.listen();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut peer = RawConnection::over(stream);
            tokio::spawn(async move { while peer.read_head().await.is_some() && peer.try_write(OK).await.is_ok() {} });
        }
    });
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: 'http://{address}'}}]}}}}}}
"
    ));
    network.lose_one_of(5);
    let mut client = RawConnection::open(gateway.web()).await;
    for round in 0..30 {
        let reply = within("an answer", client.exchange(GET)).await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "ok"), "round {round}");
    }
    serving.abort();
}
