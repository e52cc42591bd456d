//! A rate that everybody can keep: how long requests take from when they were due.

use std::time::Duration;

use rollgate_load::{Load, Plan, Shot, Tally};

use super::Round;
use crate::{peer::Peer, sample::Sample, site::Site, tool::Asked};

/// In milliseconds.
pub const P99: &str = "p99 ms";

/// At the scenario's rate.
pub async fn measure(round: Round<'_>) -> Result<Sample, String> {
    let load = begin(round.site, round.rate).await;
    tokio::time::sleep(Duration::from_secs(round.options.seconds)).await;
    let tally = end(load)?.pop().unwrap_or_default();
    let milliseconds = |share: f64| tally.quantile(share) as f64 / 1e3;
    Ok(Sample::default()
        .with(P99, milliseconds(0.99))
        .with("p50 ms", milliseconds(0.5))
        .with("p99.9 ms", milliseconds(0.999))
        .with("req/s", round.rate))
}

/// Half of what the slowest of them can do.
///
/// # Errors
/// If one cannot be asked.
pub async fn rate(asked: Asked, site: &Site, peers: &[&'static Peer]) -> Result<f64, String> {
    let mut slowest = f64::INFINITY;
    for peer in peers {
        // Who cannot do the job is told of in its turn.
        let Ok(mut running) = peer.start(site) else { continue };
        if running.listens(site.port()).await.is_err() {
            continue;
        }
        slowest = slowest.min(asked.run(site, 2)?.rate);
        running.end().await;
    }
    Ok(slowest * SHARE)
}

/// Begins a load at a rate in phase 0, and lets it settle; what counts is phase 1 and what follows.
pub(super) async fn begin(site: &Site, rate: f64) -> Load {
    let shots = vec![Shot::get(&site.host(), "/ok", 200)];
    let address = ([127, 0, 0, 1], site.port()).into();
    let load = Load::kept(Plan { address, shots, connections: CONNECTIONS, rate: Some(rate) });
    tokio::time::sleep(SETTLES).await;
    load.phase(1);
    load
}

/// The tallies of all phases.
pub(super) fn end(load: Load) -> Result<Vec<Tally>, String> {
    let tallies = load.end();
    match tallies.iter().map(Tally::failed).sum() {
        0 => Ok(tallies),
        failed => Err(format!("{failed} requests failed")),
    }
}

const SHARE: f64 = 0.5;
const CONNECTIONS: usize = 32;
const SETTLES: Duration = Duration::from_secs(1);
