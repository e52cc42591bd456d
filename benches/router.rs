//! Which router takes a request: by host among many, by header, by path.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use rollgate_config::rule::Rule;
use rollgate_gateway::router::{Facts, Route, Table};

fn table(rules: impl IntoIterator<Item = String>) -> Table {
    let route = |(place, rule): (usize, String)| Route {
        name: format!("r{place}@file"),
        provider_rank: 0,
        priority: rule.len() as i64,
        rule: Rule::parse(&rule).expect("a rule"),
    };
    Table::build(rules.into_iter().enumerate().map(route).collect())
}

fn facts<'a>(host: &'a str, path: &'a str, headers: &'a HeaderMap) -> Facts<'a> {
    Facts { host, path, query: None, method: &Method::GET, headers, client: [192, 0, 2, 7].into() }
}

fn finding(criterion: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert("x-version", HeaderValue::from_static("canary"));
    for hosts in [1, 100, 10_000] {
        let table = table((0..hosts).map(|host| format!("Host(`h{host}.coding`)")));
        let last = format!("h{}.coding", hosts - 1);
        criterion.bench_function(&format!("router/one of {hosts} hosts"), |bench| {
            bench.iter(|| table.find(black_box(&facts(&last, "/ok", &headers))));
        });
    }
    let by_header =
        table(["Host(`pro.coding`)".to_owned(), "Host(`pro.coding`) && Header(`X-Version`, `canary`)".to_owned()]);
    criterion.bench_function("router/by header", |bench| {
        bench.iter(|| by_header.find(black_box(&facts("pro.coding", "/ok", &headers))));
    });
    let by_path = table((0..20).map(|path| format!("Host(`pro.coding`) && PathPrefix(`/service{path}`)")));
    criterion.bench_function("router/by path among 20", |bench| {
        bench.iter(|| by_path.find(black_box(&facts("pro.coding", "/service7/a", &headers))));
    });
}

criterion_group!(benches, finding);
criterion_main!(benches);
