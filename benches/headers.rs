//! What is done to every request's head: forwarded fields, path, host.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, header};
use rollgate_config::static_config::EncodedCharacters;
use rollgate_gateway::{
    authority,
    memory::HeaderWork,
    path::{self, PathRules},
};

fn browser() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::HOST, "pro.coding"),
        (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64)"),
        (header::ACCEPT, "text/html,application/xhtml+xml"),
        (header::ACCEPT_LANGUAGE, "en"),
        (header::ACCEPT_ENCODING, "gzip, br"),
        (header::COOKIE, "session=1234567890"),
        (header::CONNECTION, "keep-alive"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

fn answer() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::SERVER, "server"),
        (header::DATE, "Mon, 01 Jan 2024 00:00:00 GMT"),
        (header::CONTENT_TYPE, "text/html"),
        (header::CONTENT_LENGTH, "1024"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONNECTION, "keep-alive"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

fn heads(criterion: &mut Criterion) {
    let (work, headers) = (HeaderWork::default(), browser());
    criterion.bench_function("headers/a browser's request", |bench| {
        bench.iter_batched(|| headers.clone(), |headers| work.request(headers), BatchSize::SmallInput);
    });
    let headers = answer();
    criterion.bench_function("headers/a server's answer", |bench| {
        bench.iter_batched(|| headers.clone(), |headers| work.response(headers), BatchSize::SmallInput);
    });
    let rules = PathRules { sanitize: true, encoded: EncodedCharacters::default() };
    for target in ["/api/v1/users/42", "/api//v1/../v2/%7Euser"] {
        criterion.bench_function(&format!("path/{target}"), |bench| {
            bench.iter(|| path::normalise(&rules, black_box(target)).map(|path| path.len()));
        });
    }
    criterion.bench_function("authority/host and port", |bench| {
        bench.iter(|| authority::parse(black_box("pro.coding:8000")).map(|authority| authority.host.len()));
    });
}

criterion_group!(benches, heads);
criterion_main!(benches);
