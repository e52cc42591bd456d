//! A whole request, from the client's bytes to the server's and back, without the kernel.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use rollgate_gateway::memory::InMemory;

const SPLIT: &str = "
  services:
    split: {weighted: {services: [{name: stable, weight: 90}, {name: canary, weight: 10}]}}
    stable: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:1'}]}}
    canary: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:2'}]}}
";

const REQUEST: &[u8] = b"GET /ok HTTP/1.1\r\nHost: pro.coding\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nX-Request-Source: bench\r\n\r\n";

const CANARY: &[u8] = b"GET /ok HTTP/1.1\r\nHost: pro.coding\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nX-Canary: true\r\n\r\n";

fn paths(criterion: &mut Criterion) {
    let plain = format!(
        "entryPoints: {{web: {{address: ':80'}}}}\nhttp:\n  routers:\n    pro: {{rule: 'Host(`pro.coding`)', service: split}}\n{SPLIT}"
    );
    let canary = format!(
        "entryPoints: {{web: {{address: ':80'}}}}
metrics: {{prometheus: {{addRoutersLabels: true}}}}
http:
  routers:
    pro: {{rule: 'Host(`pro.coding`)', service: split, middlewares: [mark]}}
    ab: {{rule: 'Host(`pro.coding`) && Header(`X-Canary`, `true`)', service: canary, middlewares: [canary]}}
  middlewares:
    mark: {{headers: {{customRequestHeaders: {{X-Gateway: rollgate}}, customResponseHeaders: {{X-Served: rollgate}}}}}}
    canary: {{headers: {{customRequestHeaders: {{X-Gateway: rollgate}}, customResponseHeaders: {{X-Served: canary}}}}}}
{SPLIT}"
    );
    for (name, text, request, mark) in
        [("path/plain", plain, REQUEST, "server: memory\r\n"), ("path/canary", canary, CANARY, "x-served: canary\r\n")]
    {
        let (statics, configuration) = support::read(&text);
        let mut gateway = InMemory::new(&statics, &configuration, "web").expect("it compiles");
        let length = gateway.first(request);
        let head = gateway.last_head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        // The router that was meant is the one that is measured.
        assert!(head.contains(mark), "{head}");
        criterion.bench_function(name, |bench| bench.iter(|| gateway.exchange(request, length)));
    }
}

criterion_group!(benches, paths);
criterion_main!(benches);
