//! Connections that wait: memory for each, and what they cost while nothing happens.

use std::time::{Duration, Instant};

use rollgate_load::Client;

use super::Round;
use crate::sample::Sample;

/// Memory for each connection, in KiB.
pub const EACH: &str = "KiB";

/// Opens them, each asks once, and all of them wait.
pub async fn measure(round: Round<'_>) -> Result<Sample, String> {
    let address = ([127, 0, 0, 1], round.site.port()).into();
    let request = format!("GET /ok HTTP/1.1\r\nHost: {}\r\n\r\n", round.site.host());
    let open = async |count: usize| {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = Client::open(address).await.map_err(|why| format!("{why:?}"))?;
            let answer = client.exchange(request.as_bytes()).await.map_err(|why| format!("{why:?}"))?;
            if answer.status != 200 {
                return Err(format!("{} for 200", answer.status));
            }
            clients.push(client);
        }
        Ok(clients)
    };
    // What the first ones make once is not theirs.
    let first = open(FIRST).await?;
    tokio::time::sleep(REST).await;
    let before = round.running.memory();
    let rest = open(COUNT).await?;
    tokio::time::sleep(REST).await;
    let held = round.running.memory().saturating_sub(before);
    let (began, ran) = (Instant::now(), round.running.processor_time());
    tokio::time::sleep(REST).await;
    let ran = round.running.processor_time() - ran;
    drop((first, rest));
    Ok(Sample::default()
        .with(EACH, held as f64 / COUNT as f64)
        .with("ms CPU a second at rest", ran.as_secs_f64() * 1e3 / began.elapsed().as_secs_f64()))
}

const FIRST: usize = 64;
const COUNT: usize = 4_000;
/// Long enough that whatever is parked is parked, and memory is given back.
const REST: Duration = Duration::from_secs(3);
