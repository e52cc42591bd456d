//! New connections to servers: they belong to nobody until they are there.

#![cfg(test)]

use http::{Request, Response};
use rollgate_testkit::{
    Backend, FrameConnection, Gateway,
    backend::Protocol,
    client::{connect, full},
    frames::{DATA, RST_STREAM, frame, request},
    tls::Authority,
    wait::{eventually, within},
};
use tokio::{net::TcpListener, sync::Notify};

fn in_front_of(url: &str) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers: {{all: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {{loadBalancer: {{serversTransport: careless, servers: [{{url: '{url}'}}]}}}}}}
  serversTransports: {{careless: {{insecureSkipVerify: true}}}}
"
    ))
}

#[tokio::test]
async fn one_whose_request_was_taken_back_serves_the_next() {
    let backend = Backend::echo("s");
    let gateway = in_front_of(&backend.url());
    let mut client = FrameConnection::open(gateway.web()).await;
    client.send(&[request(1, "/"), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])].concat()).await.unwrap();
    eventually("the connection is there", async || {
        (gateway.metrics().await.sum("rollgate_upstream_connects_total", &[("outcome", "ok")]) == 1.0).then_some(())
    })
    .await;
    client.send(&request(3, "/")).await.unwrap();
    while client.next().await.expect("the connection lives").kind != DATA {}
    assert_eq!((backend.requests(), backend.connections()), (1, 1));
}

#[tokio::test]
async fn over_http_2_one_is_enough_for_all_who_wait() {
    let backend = Backend::h2c("s");
    let gateway = in_front_of(&backend.url_as("h2c"));
    let mut client = FrameConnection::open(gateway.web()).await;
    let requests: Vec<u8> = (0..100).flat_map(|round| request(2 * round + 1, "/")).collect();
    client.send(&requests).await.unwrap();
    let mut answers = 0;
    while answers < 100 {
        answers += usize::from(client.next().await.expect("the connection lives").kind == DATA);
    }
    assert_eq!((backend.requests(), backend.connections()), (100, 1));
}

#[tokio::test]
async fn what_is_given_back_goes_to_one_who_waits_for_a_new_one() {
    static ANSWER: Notify = Notify::const_new();
    let server = Authority::new("a").issue(&["s.test"]).server(&[]);
    let backend = Backend::serve("s", Protocol::Tls(server.into()), |request: Request<_>| async move {
        if request.uri().path() == "/held" {
            ANSWER.notified().await;
        }
        Response::new(full("answer"))
    });
    // The first connection gets through; the second one is accepted, and stands still.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = in_front_of(&format!("https://{}", listener.local_addr().unwrap()));
    let mut client = FrameConnection::open(gateway.web()).await;
    client.send(&request(1, "/held")).await.unwrap();
    let (mut first, _) = within("a connection", listener.accept()).await.unwrap();
    let mut onward = connect(backend.address).await;
    let passing = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut first, &mut onward).await });
    eventually("the server has the request", async || (backend.requests() == 1).then_some(())).await;
    client.send(&request(3, "/")).await.unwrap();
    let _second = within("a second connection", listener.accept()).await.unwrap();
    ANSWER.notify_one();
    for stream in [1, 3] {
        let data = loop {
            let frame = client.next().await.expect("the connection lives");
            if frame.kind == DATA {
                break frame;
            }
        };
        assert_eq!(data.stream, stream);
    }
    assert_eq!((backend.requests(), backend.connections()), (2, 1));
    passing.abort();
}
