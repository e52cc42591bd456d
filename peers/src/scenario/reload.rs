//! A rate that everybody can keep, while 10,000 hosts are read anew each second.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{Round, latency};
use crate::{
    peer::Again,
    sample::{Sample, median},
};

/// p99 with them, as a multiple of p99 without.
pub const RATIO: &str = "x p99 without";

/// Parts without reloads and with, in turn. Files are written in both, as often, for a peer that is not told of them in the first:
/// writing takes time of the processor that the load runs on.
pub async fn measure(round: Round<'_>) -> Result<Sample, String> {
    let Again { write, signal } = round.peer.again.ok_or("left out: it is not told of new files")?;
    let folder = round.site.folder(round.peer.name);
    let nobodys = folder.join("nobodys");
    fs::create_dir_all(&nobodys).map_err(|why| format!("a folder beside its own: {why}"))?;
    let load = latency::begin(round.site, round.rate).await;
    let part = Duration::from_secs(round.options.seconds.div_ceil(2).max(2));
    let mut generation = 0;
    for phase in 1..=PARTS {
        load.phase(phase);
        let begin = Instant::now();
        while begin.elapsed() < part {
            generation += 1;
            if is_with(phase) {
                write(round.site, &folder, generation);
                if let Some(signal) = signal {
                    round.running.signal(signal);
                }
            } else {
                write(round.site, &nobodys, generation);
            }
            let next = begin + EVERY * (begin.elapsed().as_secs() as u32 + 1);
            tokio::time::sleep_until(next.into()).await;
        }
        if is_with(phase) {
            // The last one is not over with its second.
            load.phase(0);
            tokio::time::sleep(EVERY).await;
        }
    }
    let tallies = latency::end(load)?;
    // Of the parts' own, so that one in which something else took the processor does not decide.
    let p99 = |with: bool| {
        let parts = (1..=PARTS).filter(|phase| is_with(*phase) == with);
        median(parts.map(|phase| tallies[phase].quantile(0.99) as f64 / 1e3).collect()).expect("there are parts")
    };
    let (with, without) = (p99(true), p99(false));
    Ok(Sample::default()
        .with(RATIO, with / without)
        .with("p99 ms", with)
        .with("p99 ms without", without)
        .with("MiB", round.running.memory() as f64 / 1024.0))
}

/// Every other part is one with reloads.
fn is_with(phase: usize) -> bool {
    phase.is_multiple_of(2)
}

/// Parts of a turn; an odd number of each kind.
const PARTS: usize = 6;
const EVERY: Duration = Duration::from_secs(1);
