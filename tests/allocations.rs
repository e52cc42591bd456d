//! A request costs so many heap allocations, and not one more. `cargo test --test allocations -- --nocapture` prints the
//! numbers; benches/README.md says how to see where they come from.

#![cfg(test)]

use rollgate_config::{Allow, Document, Format, dynamic::Configuration, static_config::Static};
use rollgate_gateway::memory::{BODY, InMemory, OverHttp2};

/// hyper, http and tokio together with ours, on the worker's thread, for a request that a browser could send.
const PLAIN: u64 = 9;
/// With a header that chooses the canary, a rate limit and a circuit breaker.
const CANARY: u64 = 9;
/// Over HTTP/2, the client's own included.
const HTTP2: u64 = 32;

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

const POLICIES: &str = "    pro: {rule: 'Host(`pro.coding`)', service: split, middlewares: [limit, breaker]}
    ab: {rule: 'Host(`pro.coding`) && Header(`X-Canary`, `true`)', service: canary, middlewares: [limit, breaker]}
  middlewares:
    limit: {rateLimit: {average: 10000000, burst: 10000000}}
    breaker: {circuitBreaker: {expression: 'NetworkErrorRatio() > 0.30 || LatencyAtQuantileMS(50.0) > 5000'}}
";

const REQUEST: &[u8] = b"GET /ok HTTP/1.1\r\nHost: pro.coding\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nX-Request-Source: bench\r\n\r\n";

fn read(text: &str) -> (Static, Configuration) {
    let document = Document::parse("rollgate.yml", text, Format::Yaml).unwrap();
    let statics = rollgate_config::read_static(&document, &Allow::default()).value.unwrap();
    let read = rollgate_config::read_dynamic(&[document], "file", Some(&statics), &Allow::default());
    (statics, read.value.unwrap())
}

/// Allocations of each, once all is there.
fn of_each(what: &str, mut once: impl FnMut()) -> f64 {
    (0..REQUESTS).for_each(|_| once());
    let counted = allocation_counter::measure(|| (0..REQUESTS).for_each(|_| once()));
    let each = counted.count_total as f64 / REQUESTS as f64;
    println!("{each:.3} allocations and {} bytes for {what}", counted.bytes_total / REQUESTS);
    each
}

fn no_more_than(most: u64, what: &str, once: impl FnMut()) {
    let each = of_each(what, once);
    assert!(
        each <= most as f64 + 0.05,
        "{each:.3} allocations for {what}; it was {most}. Where they come from: valgrind --tool=dhat, as benches/README.md says"
    );
}

fn over_http1(text: &str, most: u64, what: &str) {
    let (statics, configuration) = read(text);
    let mut gateway = InMemory::new(&statics, &configuration, "web").unwrap();
    let length = gateway.first(REQUEST);
    assert!(gateway.last_head().starts_with("HTTP/1.1 200 OK\r\n"), "{}", gateway.last_head());
    no_more_than(most, what, || gateway.exchange(REQUEST, length));
}

#[test]
fn a_plain_request_allocates_no_more_than_it_did() {
    over_http1(CONFIGURATION, PLAIN, "a plain request");
}

#[test]
fn policies_allocate_nothing() {
    let plain = "    pro: {rule: 'Host(`pro.coding`)', service: split}\n";
    over_http1(&CONFIGURATION.replace(plain, POLICIES), CANARY, "a request under policies");
}

#[test]
fn a_request_over_http2_allocates_no_more_than_it_did() {
    let (statics, configuration) = read(CONFIGURATION);
    let mut gateway = OverHttp2::new(&statics, &configuration, "web").unwrap();
    let fields = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"), ("accept", "*/*"), ("x-request-source", "bench")];
    no_more_than(HTTP2, "a request over HTTP/2", || {
        assert_eq!(gateway.exchange("http://pro.coding/ok", &fields), (200, BODY));
    });
}
