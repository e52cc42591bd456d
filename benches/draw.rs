//! Which version a request is drawn to.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rollgate_gateway::memory::Versions;

fn drawing(criterion: &mut Criterion) {
    for weights in [&[90, 10][..], &[50, 30, 15, 5]] {
        let millionths: Vec<u64> = weights.iter().map(|weight| weight * 1_000_000).collect();
        let versions = Versions::new(&millionths);
        let mut random = 0u64;
        criterion.bench_function(&format!("draw/of {} versions", weights.len()), |bench| {
            bench.iter(|| {
                // Any spread will do; the generator is not what is measured.
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                versions.draw(black_box(random))
            });
        });
    }
}

criterion_group!(benches, drawing);
criterion_main!(benches);
