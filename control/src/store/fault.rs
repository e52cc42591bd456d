//! Kills the process at a chosen step, for tests of what a killed process leaves behind.
//!
//! `ROLLGATE_FAULT=PLACE:N` ends it by SIGKILL at the Nth step of that place, counted from 1. Programs that are built for
//! release do not have this.

/// Where steps are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A commit: before it begins, after it has begun, after each change, entry and answer, before it is made durable, and after that.
    Commit,
    /// Opening: before and after each file that is made, moved, or brought to another version of the schema.
    Opening,
}

/// One step.
#[cfg(not(debug_assertions))]
pub(super) fn step(_: Place) {}

/// One step.
#[cfg(debug_assertions)]
pub(super) fn step(place: Place) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    static WANTED: LazyLock<Option<(Place, u64)>> = LazyLock::new(|| wanted(&std::env::var("ROLLGATE_FAULT").ok()?));
    static TAKEN: AtomicU64 = AtomicU64::new(0);

    if let Some((at, number)) = *WANTED
        && at == place
        && TAKEN.fetch_add(1, Relaxed) + 1 == number
    {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
            .expect("a process may send itself a signal");
    }
}

#[cfg(debug_assertions)]
fn wanted(text: &str) -> Option<(Place, u64)> {
    let (place, number) = text.split_once(':')?;
    let place = match place {
        "store" => Place::Commit,
        "store-opening" => Place::Opening,
        _ => return None,
    };
    Some((place, number.parse().ok()?))
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests;
