//! Takes samples, as long as the process lives.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use rollgate_gateway::Gateway;
use tokio::time::Instant;

use super::History;

/// Each second, or seldom where there is much to look at. On a thread of its own: ten thousand services take some
/// milliseconds.
pub async fn follow(gateway: Arc<Gateway>, history: Arc<Mutex<History>>) {
    loop {
        let began = Instant::now();
        let (gateway, kept) = (gateway.clone(), history.clone());
        let sampled = tokio::task::spawn_blocking(move || sample(&gateway, &kept));
        let Ok(series) = sampled.await else { return };
        tokio::time::sleep_until(began + if series <= MANY { OFTEN } else { SELDOM }).await;
    }
}

/// Returns how many series there are.
fn sample(gateway: &Gateway, history: &Mutex<History>) -> usize {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut history = history.lock();
    history.tick(i64::try_from(now).unwrap_or(i64::MAX / 2));
    gateway.metrics().sample(|sample| history.take(sample.id, sample.cells, sample.labels));
    history.settle();
    history.len()
}

const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(5);
/// So many series are looked at within a millisecond.
const MANY: usize = 2_000;
