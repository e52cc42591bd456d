use std::time::{Duration, Instant};

use ::redis::RedisConnectionInfo;
use rollgate_testkit::{Redis, wait::eventually};

use super::*;
use crate::middleware::rate_limit::bucket::Verdict;

fn reach(read_timeout: Duration) -> Reach {
    Reach {
        tls: None,
        login: RedisConnectionInfo::default(),
        dial_timeout: Duration::from_secs(20),
        read_timeout,
        write_timeout: Duration::from_secs(20),
    }
}

fn address_of(server: &Redis) -> Address {
    (server.address.ip().to_string(), server.address.port())
}

fn client(servers: &[&Redis], reach: Reach) -> Client {
    let endpoints: Vec<Address> = servers.iter().map(|server| address_of(server)).collect();
    Client::new(reach, &endpoints, 2, &Handle::current())
}

fn hourly(burst: u64) -> Rate {
    Rate::new(1, Duration::from_secs(3600), burst).unwrap()
}

const PATIENT: Duration = Duration::from_secs(20);

async fn verdicts<const N: usize>(client: &Client, key: &str, rate: &Rate) -> [bool; N] {
    let mut allowed = [false; N];
    for allowed in &mut allowed {
        let decision = client.take(key.as_bytes(), rate).await.expect("the server decides");
        *allowed = decision.verdict == Verdict::Allowed;
    }
    allowed
}

#[tokio::test]
async fn two_clients_share_a_bucket() {
    let server = Redis::start();
    let (one, other) = (client(&[&server], reach(PATIENT)), client(&[&server], reach(PATIENT)));
    let rate = hourly(3);
    assert_eq!(verdicts(&one, "a", &rate).await, [true, true]);
    assert_eq!(verdicts(&other, "a", &rate).await, [true, false]);
    assert_eq!(verdicts(&one, "a", &rate).await, [false]);
    assert_eq!(verdicts(&one, "b", &rate).await, [true]);
}

#[tokio::test]
async fn many_at_once_get_no_more_than_there_is() {
    let server = Redis::start();
    let (client, rate) = (Arc::new(client(&[&server], reach(PATIENT))), hourly(50));
    let asks: Vec<_> = (0..400)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.take(b"a", &rate).await })
        })
        .collect();
    let mut allowed = 0;
    for ask in asks {
        allowed += usize::from(ask.await.unwrap().unwrap().verdict == Verdict::Allowed);
    }
    assert_eq!(allowed, 50);
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_told_again() {
    let server = Redis::start();
    let (client, rate) = (client(&[&server], reach(PATIENT)), hourly(2));
    assert_eq!(verdicts(&client, "a", &rate).await, [true]);
    assert!(server.command(&["SCRIPT", "FLUSH"]).starts_with("+OK"));
    assert_eq!(verdicts(&client, "a", &rate).await, [true, false]);
}

#[tokio::test]
async fn a_server_that_is_killed_is_not_waited_for_and_found_again() {
    let mut server = Redis::start();
    let (client, rate) = (client(&[&server], reach(PATIENT)), hourly(1));
    assert_eq!(verdicts(&client, "a", &rate).await, [true, false]);
    server.kill();
    eventually("it is down", async || client.is_down().then_some(())).await;
    let began = Instant::now();
    for _ in 0..1000 {
        assert_eq!(client.take(b"a", &rate).await, Err(Failure::Down));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.restart();
    eventually("it is asked again", async || (!client.is_down()).then_some(())).await;
    // It has lost what it held.
    assert_eq!(verdicts(&client, "a", &rate).await, [true, false]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_waited_for_once() {
    let server = Redis::start();
    let (client, rate) = (Arc::new(client(&[&server], reach(Duration::from_secs(2)))), hourly(9));
    assert_eq!(verdicts(&client, "a", &rate).await, [true]);
    server.pause();
    let began = Instant::now();
    let asks: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.take(b"a", &rate).await })
        })
        .collect();
    for ask in asks {
        assert!(ask.await.unwrap().is_err());
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    eventually("it is down", async || client.is_down().then_some(())).await;
    let began = Instant::now();
    assert_eq!(client.take(b"a", &rate).await, Err(Failure::Down));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    server.resume();
    eventually("it is asked again", async || (!client.is_down()).then_some(())).await;
    assert_eq!(verdicts(&client, "b", &rate).await, [true]);
}

#[tokio::test]
async fn a_server_that_refuses_to_write_does_not_decide() {
    let server = Redis::start();
    let (client, rate) = (client(&[&server], reach(PATIENT)), hourly(9));
    assert_eq!(verdicts(&client, "a", &rate).await, [true]);
    assert!(server.command(&["CONFIG", "SET", "maxmemory", "1"]).starts_with("+OK"));
    assert_eq!(client.take(b"a", &rate).await, Err(Failure::Failed));
    // The server is not asked again before it has been tried.
    eventually("it is down", async || client.is_down().then_some(())).await;
    assert!(server.command(&["CONFIG", "SET", "maxmemory", "0"]).starts_with("+OK"));
    eventually("it is asked again", async || (!client.is_down()).then_some(())).await;
    assert_eq!(verdicts(&client, "a", &rate).await, [true]);
}

#[tokio::test]
async fn a_password_and_a_database_are_used() {
    let server = Redis::with(&["--requirepass", "secret"]);
    let rate = hourly(9);
    let login = |password| RedisConnectionInfo::default().set_password(password).set_db(3);
    let right = client(&[&server], Reach { login: login("secret"), ..reach(PATIENT) });
    assert_eq!(verdicts(&right, "a", &rate).await, [true]);
    for login in [login("wrong"), RedisConnectionInfo::default()] {
        let wrong = client(&[&server], Reach { login, ..reach(PATIENT) });
        assert_eq!(wrong.take(b"a", &rate).await, Err(Failure::Down));
    }
}

#[tokio::test]
async fn a_bound_of_requests_may_wait() {
    let server = Redis::start();
    let (client, rate) = (client(&[&server], reach(PATIENT)), hourly(9));
    let full: Vec<_> = (0..MOST_WAITING).map(|_| Waiting::begin(&client.waiting).unwrap()).collect();
    assert_eq!(client.take(b"a", &rate).await, Err(Failure::Full));
    drop(full);
    assert_eq!(verdicts(&client, "a", &rate).await, [true]);
    assert_eq!(client.waiting.load(Relaxed), 0);
}

/// A cluster of these, each with an equal part of the slots.
async fn cluster(servers: &[&Redis]) {
    for (number, server) in servers.iter().enumerate() {
        let (from, to) = (SLOTS * number / servers.len(), SLOTS * (number + 1) / servers.len() - 1);
        let added = server.command(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
        assert!(added.starts_with("+OK"), "{added}");
        let (first, bus) = (servers[0].address, servers[0].address.port() + BUS);
        let (host, port) = (first.ip().to_string(), first.port().to_string());
        let met = server.command(&["CLUSTER", "MEET", &host, &port, &bus.to_string()]);
        assert!(met.starts_with("+OK"), "{met}");
    }
    for server in servers {
        eventually("the cluster is whole", async || {
            let info = server.command(&["CLUSTER", "INFO"]);
            let all = format!("cluster_known_nodes:{}", servers.len());
            (info.contains("cluster_state:ok") && info.contains(&all)).then_some(())
        })
        .await;
    }
}

/// The ports of a cluster's bus are so many above the others: below those that the kernel gives to clients, hopefully.
const BUS: u16 = 10_000;

#[tokio::test]
async fn of_a_cluster_the_node_is_asked_that_has_the_key() {
    let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
    let (one, other) = (Redis::with(&options), Redis::with(&options));
    cluster(&[&one, &other]).await;
    // Told of one node only.
    let (client, rate) = (client(&[&one], reach(PATIENT)), hourly(1));
    for key in 0..50 {
        assert_eq!(verdicts(&client, &key.to_string(), &rate).await, [true, false], "{key}");
    }
    assert_eq!(client.nodes.lock().known.len(), 2);
    let held = |server: &Redis| {
        let size = server.command(&["DBSIZE"]);
        size.trim_start_matches(':').trim().parse::<u64>().unwrap()
    };
    assert!(held(&one) > 10 && held(&other) > 10, "{} and {}", held(&one), held(&other));
    // Once it is known who has a key, it is one question.
    let (first, asked) = (client.turn.load(Relaxed), 50);
    for key in 0..asked {
        assert_eq!(verdicts(&client, &key.to_string(), &rate).await, [false]);
    }
    assert_eq!(client.turn.load(Relaxed) - first, asked);
}

#[test]
fn addresses_are_read_as_redis_writes_them() {
    let from = Node { address: ("redis".to_owned(), 6379), links: [].into() };
    for (text, expected) in [
        ("127.0.0.1:6381", Some(("127.0.0.1", 6381))),
        (":6381", Some(("redis", 6381))),
        ("::1:6381", Some(("::1", 6381))),
        ("[::1]:6381", Some(("::1", 6381))),
        ("redis", None),
        ("redis:x", None),
    ] {
        let read = address(text, &from);
        assert_eq!(read.as_ref().map(|(host, port)| (host.as_str(), *port)), expected, "{text}");
    }
}
