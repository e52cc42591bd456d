//! A circuit breaker in standby that is asked, or that counts answers, as many times as the second argument says, for
//! instruction counts; see README.md beside this file.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use rollgate_gateway::memory::LoneBreaker;

fn main() {
    let (what, count) = (std::env::args().nth(1), std::env::args().nth(2));
    // Under `cargo bench` the argument is cargo's own.
    let count: usize = count.and_then(|count| count.parse().ok()).unwrap_or(1000);
    let passed = match what.as_deref() {
        // The loop alone, to be taken off.
        Some("nothing") => (0..count).filter(|_| black_box(true)).count(),
        Some("record") => recorded("NetworkErrorRatio() > 0.5", count),
        Some("latency") => recorded("LatencyAtQuantileMS(50.0) > 1000", count),
        _ => {
            let breaker = LoneBreaker::new("NetworkErrorRatio() > 0.5");
            (0..count).filter(|_| black_box(&breaker).passes()).count()
        }
    };
    assert_eq!(passed, count);
    println!("{count} passed");
}

fn recorded(expression: &str, count: usize) -> usize {
    let breaker = LoneBreaker::new(expression);
    let mut now = Instant::now();
    for _ in 0..count {
        let began = now;
        now += Duration::from_micros(100);
        black_box(&breaker).exchange(black_box(200), began, now);
    }
    count
}
