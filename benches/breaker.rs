//! What a circuit breaker in standby costs a request: being asked, and counting its answer.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use rollgate_gateway::memory::LoneBreaker;

fn breaking(criterion: &mut Criterion) {
    let breaker = LoneBreaker::new("NetworkErrorRatio() > 0.5");
    criterion.bench_function("breaker/asked in standby", |bench| bench.iter(|| black_box(&breaker).passes()));
    for (name, expression) in [
        ("an answer counted", "NetworkErrorRatio() > 0.5"),
        ("an answer and its latency counted", "LatencyAtQuantileMS(50.0) > 1000"),
    ] {
        let breaker = LoneBreaker::new(expression);
        let mut now = Instant::now();
        criterion.bench_function(&format!("breaker/{name}"), |bench| {
            bench.iter(|| {
                let began = now;
                now += Duration::from_micros(100);
                black_box(&breaker).exchange(black_box(200), began, now);
            });
        });
        println!("{} bytes", breaker.bytes());
    }
}

criterion_group!(benches, breaking);
criterion_main!(benches);
