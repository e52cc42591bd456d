//! `inFlightReq`: a request counts until its answer is out, wherever and however that ends.

#![cfg(test)]

use http::{Response, StatusCode};
use hyper::body::Frame;
use rollgate_testkit::{
    Ask, Backend, Gateway, RawConnection, Reply,
    backend::Protocol,
    client::{self, Body},
    configuration,
    wait::{eventually, within},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

fn dynamic(backend: &Backend, amount: u32, more: &str) -> String {
    format!(
        "http:
  routers:
    r0: {{rule: 'Host(`h0.test`)', middlewares: [limit], service: s}}
    r1: {{rule: 'Host(`h1.test`)', middlewares: [limit], service: s}}
  middlewares:
    limit: {{inFlightReq: {{amount: {amount}{more}}}}}
  services:
    s: {}
",
        backend.load_balancer()
    )
}

/// A server that answers nobody before its gate is open.
fn gated() -> (watch::Sender<bool>, Backend) {
    let (gate, open) = watch::channel(false);
    let backend = Backend::serve("s", Protocol::Http1, move |_| {
        let mut open = open.clone();
        async move {
            open.wait_for(|open| *open).await.expect("the gate outlives its server");
            Response::new(client::full("done"))
        }
    });
    (gate, backend)
}

/// Begins as many requests, and waits until the server has them.
async fn begin(gateway: &Gateway, backend: &Backend, host: &str, count: u64) -> Vec<JoinHandle<Reply>> {
    let there = backend.requests();
    let address = gateway.web();
    let url = format!("http://{host}/");
    let asks = (0..count).map(|_| tokio::spawn(Ask::get(&url).send(address))).collect();
    eventually("the server has them", async || (backend.requests() == there + count).then_some(())).await;
    asks
}

async fn ends(asks: Vec<JoinHandle<Reply>>) {
    for ask in asks {
        assert_eq!(within("an answer", ask).await.expect("a client ends well").status, 200);
    }
}

async fn passes(gateway: &Gateway, host: &str) {
    let url = format!("http://{host}/");
    eventually("a request passes", async || (gateway.get(&url).await.status == 200).then_some(())).await;
}

/// Puts another amount in place, and one more router, and waits until that serves.
async fn reload(gateway: &Gateway, backend: &Backend, number: u32, amount: u32) {
    let more = format!("  routers:\n    new{number}: {{rule: 'Host(`new{number}.test`)', service: noop@internal}}\n");
    gateway.rewrite("rollgate.yml", &configuration(&dynamic(backend, amount, "").replace("  routers:\n", &more)));
    let url = format!("http://new{number}.test/");
    eventually("the change is live", async || (gateway.get(&url).await.status == 418).then_some(())).await;
}

async fn in_flight(gateway: &Gateway) -> f64 {
    gateway.metrics().await.sum("rollgate_inflight_requests", &[("middleware", "limit@file")])
}

#[tokio::test]
async fn as_many_as_there_may_be_and_no_more() {
    let (gate, backend) = gated();
    let gateway = Gateway::with(&dynamic(&backend, 3, ""));
    let asks = begin(&gateway, &backend, "h0.test", 3).await;
    let reply = gateway.get("http://h0.test/").await;
    assert_eq!((reply.status, reply.text().as_str()), (429, "max connections reached: 3"));
    assert_eq!(reply.header("content-type"), None);
    assert_eq!((in_flight(&gateway).await, backend.requests()), (3.0, 3));
    let refused = gateway.metrics().await.sum("rollgate_inflight_refused_total", &[("middleware", "limit@file")]);
    assert_eq!(refused, 1.0);
    // Another host is another source.
    let others = begin(&gateway, &backend, "h1.test", 3).await;
    gate.send(true).unwrap();
    ends(asks).await;
    ends(others).await;
    passes(&gateway, "h0.test").await;
    assert_eq!(in_flight(&gateway).await, 0.0);
}

#[tokio::test]
async fn by_address_all_hosts_are_one_source() {
    let (gate, backend) = gated();
    let gateway = Gateway::with(&dynamic(&backend, 1, ", sourceCriterion: {ipStrategy: {}}"));
    let asks = begin(&gateway, &backend, "h0.test", 1).await;
    assert_eq!(gateway.get("http://h1.test/").await.status, 429);
    gate.send(true).unwrap();
    ends(asks).await;
}

#[tokio::test]
async fn each_router_has_an_amount_of_its_own_with_scope_router() {
    let (gate, backend) = gated();
    let gateway = Gateway::with(&dynamic(&backend, 1, ", scope: router, sourceCriterion: {ipStrategy: {}}"));
    let asks = begin(&gateway, &backend, "h0.test", 1).await;
    let others = begin(&gateway, &backend, "h1.test", 1).await;
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    gate.send(true).unwrap();
    ends(asks).await;
    ends(others).await;
}

#[tokio::test]
async fn a_reload_forgets_nobody() {
    let (gate, backend) = gated();
    let gateway = Gateway::with(&dynamic(&backend, 2, ""));
    let asks = begin(&gateway, &backend, "h0.test", 2).await;
    reload(&gateway, &backend, 1, 2).await;
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    reload(&gateway, &backend, 2, 1).await;
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    reload(&gateway, &backend, 3, 3).await;
    let third = begin(&gateway, &backend, "h0.test", 1).await;
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    gate.send(true).unwrap();
    ends(asks).await;
    ends(third).await;
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_place_back() {
    let (gate, backend) = gated();
    let gateway = Gateway::with(&dynamic(&backend, 1, ""));
    let mut client = RawConnection::open(gateway.web()).await;
    client.write(b"GET / HTTP/1.1\r\nHost: h0.test\r\n\r\n").await;
    eventually("the server has it", async || (backend.requests() == 1).then_some(())).await;
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    drop(client);
    eventually("its place is free", async || (in_flight(&gateway).await == 0.0).then_some(())).await;
    gate.send(true).unwrap();
    passes(&gateway, "h0.test").await;
}

#[tokio::test]
async fn a_request_counts_until_the_last_byte_of_its_answer() {
    let (bodies, mut begun) = mpsc::unbounded_channel();
    let backend = Backend::serve("s", Protocol::Http1, move |_| {
        let (sender, body): (_, Body) = client::channel();
        bodies.send(sender).expect("the test takes it");
        async move { Response::new(body) }
    });
    let gateway = Gateway::with(&dynamic(&backend, 1, ""));
    let mut streaming = client::Connection::http1(gateway.web()).await;
    let request = http::Request::get("/").header("host", "h0.test").body(client::full("")).unwrap();
    let response = streaming.try_send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = begun.recv().await.unwrap();
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    body.send(Frame::data("all".into())).unwrap();
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    drop(body);
    assert_eq!(Reply::read(response).await.text(), "all");
    eventually("its place is free", async || (in_flight(&gateway).await == 0.0).then_some(())).await;
}

#[tokio::test]
async fn a_tunnel_counts_until_it_ends() {
    let backend = Backend::websocket("s");
    let gateway = Gateway::with(&dynamic(&backend, 1, ""));
    let mut tunnel = RawConnection::open(gateway.web()).await;
    let handshake = "GET / HTTP/1.1\r\nHost: h0.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(tunnel.exchange(handshake).await.status(), 101);
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    assert_eq!(in_flight(&gateway).await, 1.0);
    drop(tunnel);
    eventually("its place is free", async || (in_flight(&gateway).await == 0.0).then_some(())).await;
}

#[tokio::test]
async fn an_amount_of_none_lets_nothing_through() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 0, ""));
    let reply = gateway.get("http://h0.test/").await;
    assert_eq!((reply.status, reply.text().as_str()), (429, "max connections reached: 0"));
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn what_was_refused_stays_counted_when_a_place_goes() {
    let (gate, backend) = gated();
    let text = dynamic(&backend, 1, ", scope: router, sourceCriterion: {ipStrategy: {}}");
    let gateway = Gateway::with(&text);
    let asks = begin(&gateway, &backend, "h0.test", 1).await;
    assert_eq!(gateway.get("http://h0.test/").await.status, 429);
    gate.send(true).unwrap();
    ends(asks).await;
    let without = text.replace("    r0: {rule: 'Host(`h0.test`)', middlewares: [limit], service: s}\n", "");
    gateway.apply("rollgate.yml", &configuration(&without)).await;
    assert_eq!(gateway.get("http://h0.test/").await.status, 404);
    let refused = gateway.metrics().await.sum("rollgate_inflight_refused_total", &[("middleware", "limit@file")]);
    assert_eq!(refused, 1.0);
}
