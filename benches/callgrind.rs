//! Plain requests in memory, as many as the argument says, for instruction counts; see README.md beside this file.

mod support;

use rollgate_gateway::memory::InMemory;

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

fn main() {
    // Under `cargo bench` the argument is cargo's own.
    let count: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let (statics, configuration) = support::read(CONFIGURATION);
    let mut gateway = InMemory::new(&statics, &configuration, "web").expect("it compiles");
    let length = gateway.first(REQUEST);
    assert!(gateway.last_head().starts_with("HTTP/1.1 200 OK\r\n"), "{}", gateway.last_head());
    for _ in 0..count {
        gateway.exchange(REQUEST, length);
    }
    println!("{count} requests, {length} bytes each answered");
}
