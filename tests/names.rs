//! Servers by name: the addresses follow DNS, and a name server that fails costs nothing that worked before.

#![cfg(test)]

use std::{net::SocketAddr, time::Duration};

use rollgate_testkit::{
    Backend, Gateway, Launch, NameServer, Records,
    gateway::DIR,
    wait::{eventually, within},
};

/// Two servers on one port of two addresses, 127.0.0.1 and 127.0.0.2; each answers its number.
fn twins() -> [Backend; 2] {
    let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}");
    let first = Backend::canned_at("1", ([127, 0, 0, 1], 0).into(), answer("1"));
    let second = SocketAddr::from(([127, 0, 0, 2], first.address.port()));
    [first, Backend::canned_at("2", second, answer("2"))]
}

/// A gateway whose `Host(x)` leads to `http://x:port`, with this `resolver` section and this transport.
fn gateway(hosts: &[&str], port: u16, resolver: &str, transport: &str) -> Launch {
    let routers: String =
        hosts.iter().map(|host| format!("    {host}: {{rule: 'Host(`{host}`)', service: {host}}}\n")).collect();
    let service = |host: &&str| {
        format!(
            "    {host}: {{loadBalancer: {{serversTransport: t, servers: [{{url: 'http://{}:{port}'}}]}}}}\n",
            host.replace('_', ".")
        )
    };
    let services: String = hosts.iter().map(service).collect();
    Launch::new(&rollgate_testkit::configuration(&format!(
        "resolver: {{{resolver}}}
http:
  routers:
{routers}  services:
{services}  serversTransports: {{t: {{{transport}}}}}
"
    )))
}

/// Asks for names of `server` only, and often.
fn quick(server: &NameServer) -> String {
    format!(
        "nameServers: ['{}'], resolvConfig: '{DIR}/resolv.conf', hosts: '{DIR}/hosts', minTTL: 100ms, maxTTL: 200ms, negativeTTL: 100ms",
        server.address
    )
}

fn started(launch: Launch) -> Gateway {
    launch.file("resolv.conf", "options timeout:1 attempts:1\n").file("hosts", "").start()
}

const NO_POOL: &str = "maxIdleConnsPerHost: -1";

async fn body(gateway: &Gateway, host: &str) -> String {
    gateway.get(&format!("http://{host}/")).await.text()
}

#[tokio::test]
async fn an_address_that_changes_moves_the_traffic_and_closes_what_idles() {
    let server = NameServer::start().await;
    let [first, second] = twins();
    server.set_addresses("svc.test", &["127.0.0.1"]);
    let gateway = started(gateway(
        &["svc_test"],
        first.address.port(),
        &quick(&server),
        "forwardingTimeouts: {idleConnTimeout: 1h}",
    ));
    assert_eq!(body(&gateway, "svc_test").await, "1");
    assert_eq!(first.open(), 1, "the connection waits in the pool");
    server.set_addresses("svc.test", &["127.0.0.2"]);
    eventually("the pooled connection is closed", async || (first.open() == 0).then_some(())).await;
    assert_eq!(body(&gateway, "svc_test").await, "2");
    assert_eq!((first.connections(), second.connections()), (1, 1));
}

#[tokio::test]
async fn the_last_good_addresses_outlive_a_name_server_that_fails() {
    let server = NameServer::start().await;
    let [first, _second] = twins();
    server.set_addresses("svc.test", &["127.0.0.1"]);
    let gateway = started(gateway(&["svc_test"], first.address.port(), &quick(&server), NO_POOL));
    assert_eq!(body(&gateway, "svc_test").await, "1");
    let failing = [("host", "svc.test")];
    for records in [Records::Failure, Records::Silence] {
        server.set("svc.test", records);
        let failed = async || gateway.metrics().await.has("rollgate_dns_failing", &failing).then_some(());
        eventually("the lookups fail", failed).await;
        assert_eq!(body(&gateway, "svc_test").await, "1");
        server.set_addresses("svc.test", &["127.0.0.1"]);
        let works = async || (!gateway.metrics().await.has("rollgate_dns_failing", &failing)).then_some(());
        eventually("the lookups work again", works).await;
    }
    let metrics = gateway.metrics().await;
    for outcome in ["ok", "error"] {
        assert!(metrics.sum("rollgate_dns_lookups_total", &[("outcome", outcome)]) > 0.0, "{outcome}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_there_yet_is_a_502_until_it_appears() {
    let server = NameServer::start().await;
    let [first, _second] = twins();
    let gateway = started(gateway(&["new_test"], first.address.port(), &quick(&server), ""));
    assert_eq!(gateway.get("http://new_test/").await.status, 502);
    assert!(gateway.metrics().await.sum("rollgate_dns_lookups_total", &[("outcome", "absent")]) > 0.0);
    server.set_addresses("new.test", &["127.0.0.1"]);
    eventually("the name is found", async || (body(&gateway, "new_test").await == "1").then_some(())).await;
}

#[tokio::test]
async fn a_name_server_that_is_slow_holds_up_only_those_who_wait_for_it() {
    let server = NameServer::start().await;
    let [first, _second] = twins();
    server.set("slow.test", Records::Silence);
    server.set_addresses("svc.test", &["127.0.0.1"]);
    let hosts = ["slow_test", "svc_test", "localhost"];
    let port = first.address.port();
    let gateway = gateway(&hosts, port, &quick(&server), "forwardingTimeouts: {dialTimeout: 500ms}");
    let gateway = gateway.file("resolv.conf", "options timeout:30 attempts:1\n").file("hosts", "").start();
    let waiting = within("a 504", gateway.get("http://slow_test/"));
    let others = async {
        let answered = tokio::time::Instant::now();
        for host in ["svc_test", "localhost"] {
            assert_eq!(body(&gateway, host).await, "1", "{host}");
        }
        answered.elapsed()
    };
    let (waited, took) = tokio::join!(waiting, others);
    assert_eq!(waited.status, 504);
    assert!(took < Duration::from_millis(500), "the others waited too: {took:?}");
    assert!(!server.asked().contains(&"localhost".to_owned()), "it needs no name server");
}

#[tokio::test]
async fn search_list_and_ndots_are_resolv_confs() {
    let server = NameServer::start().await;
    let [first, _second] = twins();
    server.set_addresses("svc.other.svc.cluster.local", &["127.0.0.1"]);
    let launch = gateway(&["svc"], first.address.port(), &quick(&server), "");
    let conf = "search own.svc.cluster.local other.svc.cluster.local cluster.local\noptions ndots:5\n";
    let gateway = launch.file("resolv.conf", conf).file("hosts", "").start();
    let got = body(&gateway, "svc").await;
    assert_eq!(got, "1", "{:?} {}", server.asked(), gateway.stderr());
    let asked = server.asked();
    assert_eq!(asked[0], "svc.own.svc.cluster.local", "{asked:?}");
    assert!(!asked.iter().any(|name| name == "svc.cluster.local" || name == "svc"), "{asked:?}");
}

#[tokio::test]
async fn connections_spread_over_all_addresses_and_pass_by_a_dead_one() {
    let server = NameServer::start().await;
    let [first, second] = twins();
    // Nobody listens on the third.
    server.set_addresses("svc.test", &["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let gateway = started(gateway(&["svc_test"], first.address.port(), &quick(&server), NO_POOL));
    for _ in 0..60 {
        assert_eq!(gateway.get("http://svc_test/").await.status, 200);
    }
    assert_eq!(first.connections() + second.connections(), 60);
    assert!(first.connections() > 5 && second.connections() > 5, "{} {}", first.connections(), second.connections());
}

#[tokio::test]
async fn the_hosts_file_comes_first_and_is_followed() {
    let server = NameServer::start().await;
    let [first, _second] = twins();
    server.set_addresses("svc.test", &["127.0.0.3"]);
    let launch = gateway(&["svc_test"], first.address.port(), &quick(&server), NO_POOL);
    let conf = "options timeout:1 attempts:1\n";
    let gateway = launch.file("resolv.conf", conf).file("hosts", "127.0.0.1 svc.test\n").start();
    assert_eq!(body(&gateway, "svc_test").await, "1");
    gateway.rewrite("hosts", "127.0.0.2 other svc.test # moved\n");
    eventually("the file is read anew", async || (body(&gateway, "svc_test").await == "2").then_some(())).await;
    assert_eq!(server.asked(), [""; 0]);
}
