//! Waiting for a condition, never for a time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// What one await may take before it counts as a hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at again.
const INTERVAL: Duration = Duration::from_millis(10);

/// The future's value; panics with `what` if it takes longer than [`PATIENCE`].
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: no answer within {PATIENCE:?}"),
    }
}

/// The first `Some` that `condition` gives; panics with `what` after 30 s without one.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Until so much time has passed since the call: for a server whose answers are to take that long at least, never for a test
/// that hopes that something has happened by then.
pub async fn lasted(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        tokio::time::sleep(INTERVAL).await;
    }
}

/// [`eventually`] for code that is not asynchronous.
pub fn eventually_blocking<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(INTERVAL);
    }
}
