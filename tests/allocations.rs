//! A plain request costs so many heap allocations, and not one more. `cargo test --test allocations -- --nocapture`
//! prints the number; benches/README.md says how to see where they come from.

#![cfg(test)]

use rollgate_config::{Allow, Document, Format};
use rollgate_gateway::memory::InMemory;

/// hyper, http and tokio together with ours, on the worker's thread, for a request that a browser could send.
const PLAIN: u64 = 11;

/// Enough that a buffer which grows once does not show.
const REQUESTS: u64 = 1000;

const CONFIGURATION: &str = "
entryPoints: {web: {address: ':80'}}
http:
  routers:
    pro: {rule: 'Host(`pro.coding`)', service: split}
  services:
    split: {weighted: {services: [{name: stable, weight: 90}, {name: canary, weight: 10}]}}
    stable: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:1'}]}}
    canary: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:2'}]}}
";

const REQUEST: &[u8] = b"GET /ok HTTP/1.1\r\nHost: pro.coding\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nX-Request-Source: bench\r\n\r\n";

#[test]
fn a_plain_request_allocates_no_more_than_it_did() {
    let document = Document::parse("rollgate.yml", CONFIGURATION, Format::Yaml).unwrap();
    let statics = rollgate_config::read_static(&document, &Allow::default()).value.unwrap();
    let read = rollgate_config::read_dynamic(&[document], "file", Some(&statics), &Allow::default());
    let mut gateway = InMemory::new(&statics, &read.value.unwrap(), "web").unwrap();
    let length = gateway.first(REQUEST);
    for _ in 0..REQUESTS {
        gateway.exchange(REQUEST, length);
    }
    assert!(gateway.last_head().starts_with("HTTP/1.1 200 OK\r\n"), "{}", gateway.last_head());
    let counted = allocation_counter::measure(|| {
        for _ in 0..REQUESTS {
            gateway.exchange(REQUEST, length);
        }
    });
    let each = counted.count_total as f64 / REQUESTS as f64;
    println!("{each:.3} allocations and {} bytes for a plain request", counted.bytes_total / REQUESTS);
    assert!(
        each <= PLAIN as f64 + 0.05,
        "{each:.3} allocations for a plain request; it was {PLAIN}. Where they come from: valgrind --tool=dhat, as benches/README.md says"
    );
}
