//! The file that was given to `run` is followed too: entry points come and go, and what needs a restart is told.

#![cfg(test)]

use std::{
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

use rollgate_testkit::{Ask, Backend, Gateway, Launch, RawConnection, tls::Authority, wait::eventually};
use rustix::process::Signal;

/// A main file without any dynamic configuration, with these further entry points and lines.
fn main_file(entry_points: &str, more: &str) -> String {
    format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0'}}
  traefik: {{address: '127.0.0.1:0'}}
{entry_points}providers: {{file: {{directory: '@DIR@/conf'}}}}
metrics: {{prometheus: {{}}}}
log: {{level: INFO}}
{more}"
    )
}

/// One host, on every entry point.
fn route(host: &str, backend: &Backend) -> String {
    format!(
        "http:\n  routers: {{{host}: {{rule: 'Host(`{host}`)', service: {host}}}}}\n  services: {{{host}: {}}}\n",
        backend.load_balancer()
    )
}

fn start(backend: &Backend) -> Gateway {
    Launch::new(&main_file("", "")).file("conf/a.yml", &route("a", backend)).start()
}

/// An address that nobody listens on, below those that the kernel gives out.
fn free_address() -> SocketAddr {
    // Each test of this process gets its own.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % 10_000;
    let mut ports =
        std::iter::repeat_with(|| 20_000 + ((first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % 10_000) as u16);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    SocketAddr::from(([127, 0, 0, 1], ports.find(free).expect("a port is free")))
}

async fn status(address: SocketAddr, host: &str) -> Option<u16> {
    // Nobody may listen there.
    tokio::net::TcpStream::connect(address).await.ok()?;
    Some(Ask::get(&format!("http://{host}/")).send(address).await.status)
}

async fn comes_to_answer(address: SocketAddr, host: &str, wanted: Option<u16>) {
    let what = format!("{host} at {address} answers {wanted:?}");
    eventually(&what, async || (status(address, host).await == wanted).then_some(())).await;
}

async fn ready(gateway: &Gateway) -> String {
    Ask::get("http://localhost/ready").send(gateway.address("traefik")).await.text()
}

async fn ready_tells(gateway: &Gateway, what: &str) {
    eventually(&format!("/ready tells of {what}"), async || ready(gateway).await.contains(what).then_some(())).await;
}

async fn nothing_is_told(gateway: &Gateway) {
    eventually("/ready has nothing to tell", async || (ready(gateway).await == "OK").then_some(())).await;
}

#[tokio::test]
async fn entry_points_come_move_and_go_and_the_others_do_not_notice() {
    let backend = Backend::echo("one");
    let gateway = start(&backend);
    let mut kept = RawConnection::open(gateway.web()).await;
    let ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(kept.exchange(ask).await.status(), 200);
    let first = free_address();
    let extra = |address: SocketAddr| format!("  extra: {{address: '{address}'}}\n");
    gateway.rewrite("rollgate.yml", &main_file(&extra(first), ""));
    comes_to_answer(first, "a", Some(200)).await;
    let mut on_first = RawConnection::open(first).await;
    assert_eq!(on_first.exchange(ask).await.status(), 200);
    let second = free_address();
    gateway.rewrite("rollgate.yml", &main_file(&extra(second), ""));
    comes_to_answer(second, "a", Some(200)).await;
    comes_to_answer(first, "a", None).await;
    gateway.rewrite("rollgate.yml", &main_file("", ""));
    comes_to_answer(second, "a", None).await;
    let reply = kept.exchange(ask).await;
    assert_eq!((reply.status(), reply.header("connection")), (200, None), "the connection to web has noticed nothing");
    nothing_is_told(&gateway).await;
}

#[tokio::test]
async fn routers_and_the_entry_point_that_they_name_come_together() {
    let backend = Backend::echo("one");
    let gateway = start(&backend);
    let address = free_address();
    let named = route("a", &backend).replace("{rule", "{entryPoints: [extra], rule");
    gateway.rewrite("conf/a.yml", &named);
    ready_tells(&gateway, "unknown entry point \"extra\"").await;
    assert_eq!(status(gateway.web(), "a").await, Some(200), "the last good text serves on");
    gateway.rewrite("rollgate.yml", &main_file(&format!("  extra: {{address: '{address}'}}\n"), ""));
    comes_to_answer(address, "a", Some(200)).await;
    comes_to_answer(gateway.web(), "a", Some(404)).await;
    nothing_is_told(&gateway).await;
    // An entry point that a router names is not taken away from under it.
    gateway.rewrite("rollgate.yml", &main_file("", ""));
    ready_tells(&gateway, "unknown entry point \"extra\"").await;
    assert_eq!(status(address, "a").await, Some(200));
}

#[tokio::test]
async fn an_address_that_is_taken_holds_back_its_file_alone_until_it_is_free() {
    let (one, two) = (Backend::echo("one"), Backend::echo("two"));
    let gateway = start(&one);
    let taken = TcpListener::bind(free_address()).expect("it was free");
    let address = taken.local_addr().unwrap();
    gateway.rewrite("conf/b.yml", &route("b", &two));
    gateway.rewrite("rollgate.yml", &main_file(&format!("  extra: {{address: '{address}'}}\n"), ""));
    ready_tells(&gateway, "entryPoints.extra.address: cannot listen on it").await;
    ready_tells(&gateway, "rollgate.yml: its last good text serves on").await;
    comes_to_answer(gateway.web(), "b", Some(200)).await;
    drop(taken);
    gateway.signal(Signal::HUP);
    comes_to_answer(address, "a", Some(200)).await;
    nothing_is_told(&gateway).await;
}

#[tokio::test]
async fn a_broken_static_part_keeps_its_last_good_text_and_the_other_files_follow() {
    let (one, two) = (Backend::echo("one"), Backend::echo("two"));
    let gateway = start(&one);
    let broken = main_file("  extra: {adress: '127.0.0.1:0'}\n", &route("own", &one));
    gateway.rewrite("rollgate.yml", &broken);
    ready_tells(&gateway, "adress").await;
    gateway.rewrite("conf/b.yml", &route("b", &two));
    comes_to_answer(gateway.web(), "b", Some(200)).await;
    assert_eq!(status(gateway.web(), "own").await, Some(404), "a file counts as a whole");
    ready_tells(&gateway, "adress").await;
    gateway.rewrite("rollgate.yml", &main_file("", &route("own", &one)));
    comes_to_answer(gateway.web(), "own", Some(200)).await;
    nothing_is_told(&gateway).await;
}

#[tokio::test]
async fn what_needs_a_restart_is_told_and_the_rest_is_applied() {
    let backend = Backend::echo("one");
    let gateway = start(&backend);
    let address = free_address();
    let restart = async |key: &str| gateway.metrics().await.sum("rollgate_config_restart_needed", &[("key", key)]);
    let changed = main_file(&format!("  extra: {{address: '{address}'}}\n"), "accessLog: {}\n");
    gateway.rewrite("rollgate.yml", &changed.replace("INFO", "DEBUG"));
    comes_to_answer(address, "a", Some(200)).await;
    for key in ["log", "accessLog"] {
        ready_tells(&gateway, &format!("{key}: was changed, which takes effect at the next start")).await;
        assert_eq!(restart(key).await, 1.0);
        let told = format!(" {key}: was changed");
        eventually("the log tells of it", async || gateway.stderr().contains(&told).then_some(())).await;
    }
    let problems = gateway.metrics().await.sum("rollgate_config_problems", &[]);
    assert_eq!(problems, 0.0, "nothing is wrong with it");
    gateway.rewrite("rollgate.yml", &main_file("", ""));
    nothing_is_told(&gateway).await;
    assert_eq!(restart("log").await, 0.0);
}

#[tokio::test]
async fn the_default_transport_follows_the_file_and_its_authorities() {
    let authority = Authority::new("ours");
    let backend = Backend::tls("secure", authority.issue(&["127.0.0.1"]).server(&["http/1.1"]));
    let route = route("a", &backend).replace("http://127", "https://127");
    let gateway = Launch::new(&main_file("", "")).file("conf/a.yml", &route).file("ca.crt", &authority.pem).start();
    assert_eq!(status(gateway.web(), "a").await, Some(500), "its authority is not trusted");
    gateway.rewrite("rollgate.yml", &main_file("", "serversTransport: {rootCAs: ['@DIR@/ca.crt']}\n"));
    comes_to_answer(gateway.web(), "a", Some(200)).await;
    gateway.rewrite("ca.crt", &Authority::new("another").pem);
    comes_to_answer(gateway.web(), "a", Some(500)).await;
    nothing_is_told(&gateway).await;
}
