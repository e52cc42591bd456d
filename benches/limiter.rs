//! A rate limit's check among a million sources, beside a bare look-up in an equal table.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use rollgate_gateway::memory::{Bare, Limiter, Moment};

const SOURCES: u32 = 1_000_000;

/// Any spread will do; the generator is not what is measured.
fn next(random: &mut u64) -> u32 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*random >> 33) as u32 % SOURCES
}

fn checking(criterion: &mut Criterion) {
    let (limiter, bare, mut random) = (Limiter::new(SOURCES, 2), Bare::new(SOURCES), 0);
    criterion.bench_function("limiter/a bare look-up", |bench| {
        bench.iter(|| bare.holds(black_box(next(&mut random))));
    });
    criterion.bench_function("limiter/a look-up under the shard's lock", |bench| {
        bench.iter(|| limiter.holds(black_box(next(&mut random))));
    });
    let mut now = Moment::now();
    criterion.bench_function("limiter/a check", |bench| {
        bench.iter(|| {
            now = now + Duration::from_micros(1);
            limiter.check(black_box(next(&mut random)), now)
        });
    });
    println!("a million sources take {:.1} bytes each", limiter.memory());
}

criterion_group!(benches, checking);
criterion_main!(benches);
