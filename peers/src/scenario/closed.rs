//! As many requests as are answered: what each costs.

use super::Round;
use crate::sample::Sample;

/// Processor time of the peer for each request, in user space and in the kernel, in microseconds.
pub const COST: &str = "us";

/// Warms up, then asks.
pub async fn measure(round: Round<'_>) -> Result<Sample, String> {
    round.scenario.asked.run(round.site, WARM)?;
    let before = round.running.processor_time();
    let seen = round.scenario.asked.run(round.site, round.options.seconds)?;
    let took = round.running.processor_time() - before;
    if seen.failed > 0.0 {
        return Err(format!("{} of {} requests failed", seen.failed, seen.requests));
    }
    let sample = Sample::default()
        .with(COST, took.as_secs_f64() * 1e6 / seen.requests)
        .with("req/s", seen.rate)
        .with("p50 ms", seen.p50);
    let sample = if seen.p99.is_nan() { sample } else { sample.with("p99 ms", seen.p99) };
    Ok(sample.with("MiB", round.running.memory() as f64 / 1024.0))
}

const WARM: u64 = 2;
