//! Load balancers choose as their strategy says, and go on with what they know when the configuration changes.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Response;
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, RawConnection,
    backend::Protocol,
    client::full,
    wait::{eventually, lasted},
};
use tokio::sync::Semaphore;

const STATIC: &str = "entryPoints:
  web: {address: '127.0.0.1:0', proxyProtocol: {insecure: true}}
  traefik: {address: '127.0.0.1:0'}
providers: {file: {filename: '@DIR@/dynamic.yml'}}
";

fn start(dynamic: &str) -> Gateway {
    Launch::new(STATIC).file("dynamic.yml", dynamic).start()
}

/// Adds a router that has nothing to do with anything, and waits until that is live.
async fn change_something_else(gateway: &Gateway, dynamic: &str) {
    let changed = dynamic.replace("routers:", "routers:\n    other: {rule: Host(`o`), service: pro}");
    gateway.apply("dynamic.yml", &changed).await;
}

/// `pro.coding` leads to `pro`, a load balancer of these.
fn balanced(strategy: &str, servers: &[(&Backend, &str)]) -> String {
    let servers: Vec<String> =
        servers.iter().map(|(backend, weight)| format!("{{url: '{}', weight: {weight}}}", backend.url())).collect();
    format!(
        "http:\n  routers:\n    pro: {{rule: Host(`pro.coding`), service: pro}}\n  services:\n    pro: {{loadBalancer: {{strategy: {strategy}, servers: [{}]}}}}\n",
        servers.join(", ")
    )
}

/// Who answers on a connection, so many times.
async fn servers(connection: &mut Connection, count: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        let reply = connection.ask(Ask::get("http://pro.coding/")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        *counts.entry(reply.header("x-backend").unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Who answers a client at this address (by the PROXY protocol).
async fn server_for(gateway: &Gateway, address: &str) -> String {
    let mut client = RawConnection::open(gateway.web()).await;
    let reply = client
        .exchange(format!("PROXY TCP4 {address} 10.0.0.1 4000 80\r\nGET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n"))
        .await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    reply.header("x-backend").unwrap().to_owned()
}

/// Who answers so many clients, one after another.
async fn servers_for(gateway: &Gateway, clients: u32) -> Vec<String> {
    let mut servers = Vec::new();
    for number in 0..clients {
        servers.push(server_for(gateway, &format!("192.0.{}.{}", number / 250, number % 250)).await);
    }
    servers
}

/// A server that answers after so long, or once it may.
fn slow(name: &str, after: Duration, may: Arc<Semaphore>) -> Backend {
    let named = name.to_owned();
    Backend::serve(name, Protocol::Http1, move |_| {
        let (named, may) = (named.clone(), may.clone());
        async move {
            lasted(after).await;
            may.acquire().await.expect("nobody closes it").forget();
            Response::builder().header("x-backend", named).body(full("")).expect("it is an answer")
        }
    })
}

#[tokio::test]
async fn round_robin_gives_each_server_its_share_exactly_and_goes_on_after_a_change() {
    let (one, two, none) = (Backend::echo("one"), Backend::echo("two"), Backend::echo("none"));
    let text = balanced("wrr", &[(&one, "2.5"), (&two, "1"), (&none, "0")]);
    let gateway = start(&text);
    let mut connection = Connection::http1(gateway.web()).await;
    assert_eq!(servers(&mut connection, 35).await, counts([("one", 25), ("two", 10)]));
    // Half a period, a change of something else, the other half.
    let mut whole = servers(&mut connection, 3).await;
    change_something_else(&gateway, &text).await;
    for (server, count) in servers(&mut connection, 4).await {
        *whole.entry(server).or_default() += count;
    }
    assert_eq!(whole, counts([("one", 5), ("two", 2)]));
}

#[tokio::test]
async fn the_least_time_goes_to_the_fastest_server_and_remembers_over_a_change() {
    let free = || Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let fast = Backend::echo("fast");
    let slow = slow("slow", Duration::from_millis(100), free());
    let text = balanced("leasttime", &[(&slow, "1"), (&fast, "1")]);
    let gateway = start(&text);
    let began = Instant::now();
    let mut connection = Connection::http1(gateway.web()).await;
    let first = servers(&mut connection, 40).await;
    change_something_else(&gateway, &text).await;
    let second = servers(&mut connection, 40).await;
    // The slow one is tried when nothing is known of it, and once in 10 s after that: it was as fast as any other then.
    let tries = 2 + began.elapsed().as_secs() as usize / 10;
    let to_slow = |counts: &BTreeMap<String, usize>| counts.get("slow").copied().unwrap_or_default();
    assert!((1..=tries).contains(&to_slow(&first)), "{first:?}");
    assert!(to_slow(&first) + to_slow(&second) <= tries, "{first:?} and then {second:?}");
}

#[tokio::test]
async fn two_choices_count_requests_that_began_before_a_change() {
    let may = Arc::new(Semaphore::new(0));
    let (idle, busy) = (Backend::echo("idle"), slow("busy", Duration::ZERO, may.clone()));
    let text = balanced("p2c", &[(&busy, "1"), (&idle, "1")]);
    let gateway = start(&text);
    // Requests until one hangs at the server that does not answer.
    let hanging = eventually("a request is under way to the busy server", async || {
        let mut client = RawConnection::open(gateway.web()).await;
        let before = (idle.requests(), busy.requests());
        client.write("GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n").await;
        eventually("a server has it", async || ((idle.requests(), busy.requests()) != before).then_some(())).await;
        (busy.requests() > 0).then_some(client)
    })
    .await;
    change_something_else(&gateway, &text).await;
    let mut connection = Connection::http1(gateway.web()).await;
    assert_eq!(servers(&mut connection, 20).await, counts([("idle", 20)]));
    may.add_permits(Semaphore::MAX_PERMITS);
    let mut hanging = hanging;
    assert_eq!(hanging.read_reply().await.status(), 200);
    eventually("the busy server gets requests again", async || {
        servers(&mut connection, 1).await.contains_key("busy").then_some(())
    })
    .await;
}

#[tokio::test]
async fn rendezvous_hashing_keeps_each_address_with_its_server_on_every_replica() {
    let names = ["service1", "service2", "service3"];
    let backends = names.map(Backend::echo);
    let text = balanced("hrw", &[(&backends[0], "1"), (&backends[1], "2"), (&backends[2], "0")]);
    let replicas = [start(&text), start(&text)];
    let found = servers_for(&replicas[0], 300).await;
    assert_eq!(servers_for(&replicas[1], 300).await, found);
    let first = found.iter().filter(|server| *server == "service1").count();
    // Ports differ from run to run, and with them who has which client: 100 of 300, and five standard deviations.
    assert!((59..141).contains(&first), "{first}");
    assert!(!found.contains(&"service3".to_owned()));
}

#[tokio::test]
async fn services_share_addresses_by_weight_even_if_their_names_hardly_differ() {
    let names = ["service1", "service2", "service3"];
    let backends = names.map(Backend::echo);
    let with = |first: &str| {
        let services: String =
            backends.iter().map(|backend| format!("    {}: {}\n", backend.name, backend.load_balancer())).collect();
        format!(
            "http:\n  routers:\n    pro: {{rule: Host(`pro.coding`), service: pro}}\n  services:\n    pro: {{highestRandomWeight: {{services: [{{name: service1, weight: {first}}}, {{name: service2, weight: 20}}, {{name: service3, weight: 30}}]}}}}\n{services}"
        )
    };
    let gateway = start(&with("10"));
    let found = servers_for(&gateway, 300).await;
    // Names and addresses are fixed, so this either holds or does not.
    let count = |servers: &[String], name: &str| servers.iter().filter(|server| *server == name).count();
    for (name, range) in names.into_iter().zip([35..65, 80..120, 130..170]) {
        assert!(range.contains(&count(&found, name)), "{name}: {}", count(&found, name));
    }
    gateway.apply("dynamic.yml", &with("0")).await;
    let without = servers_for(&gateway, 300).await;
    assert_eq!(count(&without, "service1"), 0);
    let moved = found.iter().zip(&without).filter(|(was, is)| was != is).count();
    assert_eq!(moved, count(&found, "service1"), "only the clients of what is gone move");
    let labels = [("service", "pro@file"), ("assignment", "kept")];
    assert_eq!(gateway.metrics().await.sum("rollgate_assignments_total", &labels), 600.0);
}

#[tokio::test]
async fn without_a_server_with_weight_there_is_no_available_server() {
    let idle = Backend::echo("idle");
    for strategy in ["wrr", "p2c", "hrw", "leasttime"] {
        let gateway = start(&balanced(strategy, &[(&idle, "0"), (&idle, "0")]));
        let reply = gateway.get("http://pro.coding/").await;
        assert_eq!((reply.status, reply.text().as_str()), (503, "no available server\n"), "{strategy}");
    }
}
