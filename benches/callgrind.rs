//! Plain requests in memory, as many as the argument says, for instruction counts; see README.md beside this file. A second
//! argument asks for something else: `trial` (a rollout's canary is judged), `servers` (two behind each version), `cookie`, `cohort`, `sticky` (with a cookie, and what
//! it may be good for), `draw` (only draws), `none` (the loop around these, to be taken off).

mod support;

use std::{hint::black_box, sync::Arc};

use rollgate_config::dynamic::rollout::analysis::Analysis;
use rollgate_gateway::{
    TrialMode, TrialOrder,
    memory::{InMemory, Versions},
};

const CONFIGURATION: &str = "
entryPoints: {web: {address: ':80'}}
http:
  routers:
    pro: {rule: 'Host(`pro.coding`)', service: split}
  services:
    split: {weighted: {services: [{name: stable, weight: 90}, {name: canary, weight: 10}]AFFINITY}}
    stable: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:1'}MORE]}}
    canary: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:2'}MORE]}}
";

const HEAD: &str = "GET /ok HTTP/1.1\r\nHost: pro.coding\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nX-Request-Source: bench\r\n";

fn main() {
    // Under `cargo bench` the arguments are cargo's own.
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments.get(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    match arguments.get(2).map(String::as_str) {
        Some("draw") => {
            let versions = Versions::new(&[90_000_000, 10_000_000]);
            draws(count, |random| black_box(&versions).draw(random) == Some(1));
        }
        Some("none") => draws(count, |random| black_box(random) == 1),
        Some("trial") => judged(count),
        Some("servers") => requests(count, "", ", {url: 'http://in-memory.invalid:3'}", ""),
        // Both requests have the same bytes, so that only what is done with them differs.
        Some("cohort") => requests(count, ", cohort: {cookie: {name: at}}", "", "Cookie: at=0123456789abcdef\r\n"),
        // printf stable | sha256sum
        Some("sticky") => requests(count, ", sticky: {cookie: {name: at}}", "", "Cookie: at=f379ccb92b911644\r\n"),
        Some("cookie") => requests(count, "", "", "Cookie: at=0123456789abcdef\r\n"),
        _ => requests(count, "", "", ""),
    }
}

#[inline(always)]
fn draws(count: usize, is_canary: impl Fn(u64) -> bool) {
    let mut random = 0u64;
    let mut canaries = 0;
    for _ in 0..count {
        // Any spread will do; the generator is not what is measured.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        canaries += usize::from(is_canary(black_box(random)));
    }
    println!("{canaries} of {count} draws");
}

fn requests(count: usize, affinity: &str, servers: &str, header: &str) {
    let text = CONFIGURATION.replace("AFFINITY", affinity).replace("MORE", servers);
    let (statics, configuration) = support::read(&text);
    run(count, header, InMemory::new(&statics, &configuration, "web").expect("it compiles"));
}

/// Plain requests over which a trial lies.
fn judged(count: usize) {
    let (statics, configuration) = support::read(&CONFIGURATION.replace("AFFINITY", "").replace("MORE", ""));
    let order = TrialOrder {
        rollout: "r-1".into(),
        service: "split@file".into(),
        stable: "stable@file".into(),
        canary: "canary@file".into(),
        salt: "r-1".to_owned(),
        analysis: Arc::new(Analysis::default()),
        cohort: false,
        mode: TrialMode::Randomised,
    };
    run(count, "", InMemory::judged(&statics, &configuration, "web", order).expect("it compiles"));
}

fn run(count: usize, header: &str, mut gateway: InMemory) {
    let request = format!("{HEAD}{header}\r\n").into_bytes();
    let length = gateway.first(&request);
    assert!(gateway.last_head().starts_with("HTTP/1.1 200 OK\r\n"), "{}", gateway.last_head());
    assert!(!gateway.last_head().contains("set-cookie"), "{}", gateway.last_head());
    for _ in 0..count {
        gateway.exchange(&request, length);
    }
    println!("{count} requests, {length} bytes each answered");
}
