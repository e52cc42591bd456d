//! A rate that everybody can keep, while 10,000 hosts are read anew each second.

use std::time::{Duration, Instant};

use super::{Round, latency};
use crate::sample::Sample;

/// p99 with them, as a multiple of p99 without.
pub const RATIO: &str = "x p99 without";

/// Parts without reloads and with, in turn.
pub async fn measure(round: Round<'_>) -> Result<Sample, String> {
    let again = round.peer.again.ok_or("left out: it is not told of new files")?;
    let folder = round.site.folder(round.peer.name);
    let load = latency::begin(round.site, round.rate).await;
    let part = Duration::from_secs(round.options.seconds.div_ceil(2).max(2));
    let mut generation = 0;
    for phase in [WITHOUT, WITH, WITHOUT, WITH] {
        load.phase(phase);
        let begin = Instant::now();
        while begin.elapsed() < part {
            if phase == WITH {
                generation += 1;
                again(round.site, &folder, round.running, generation);
            }
            let next = begin + EVERY * (begin.elapsed().as_secs() as u32 + 1);
            tokio::time::sleep_until(next.into()).await;
        }
        if phase == WITH {
            // The last one is not over with its second.
            load.phase(0);
            tokio::time::sleep(EVERY).await;
        }
    }
    let tallies = latency::end(load)?;
    let p99 = |phase: usize| tallies[phase].quantile(0.99) as f64 / 1e3;
    Ok(Sample::default()
        .with(RATIO, p99(WITH) / p99(WITHOUT))
        .with("p99 ms", p99(WITH))
        .with("p99 ms without", p99(WITHOUT))
        .with("MiB", round.running.memory() as f64 / 1024.0))
}

const WITHOUT: usize = 1;
const WITH: usize = 2;
const EVERY: Duration = Duration::from_secs(1);
