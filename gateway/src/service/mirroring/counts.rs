//! What became of the copies for a mirror.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::metrics::{Observed, Told, families};

/// Those of one mirror of one service, over all workers.
#[derive(Debug)]
pub(crate) struct Counts {
    /// The qualified names.
    service: Arc<str>,
    mirror: Arc<str>,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The mirror has answered, below 500.
    Ok,
    /// It has answered 500 or above, or not whole, or could not be reached.
    Error,
    /// It took longer than it may.
    Late,
    /// The body was longer than what is mirrored.
    TooLong,
    /// There was no room for one more, or for what the mirror had not taken of its body.
    NoRoom,
    /// The body ended before its end.
    Broken,
}

impl Outcome {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Ok, "ok"),
        (Self::Error, "error"),
        (Self::Late, "late"),
        (Self::TooLong, "too_long"),
        (Self::NoRoom, "no_room"),
        (Self::Broken, "broken"),
    ];
}

impl Counts {
    pub(crate) fn new(service: Arc<str>, mirror: Arc<str>) -> Self {
        Self { service, mirror, outcomes: Default::default() }
    }

    pub(super) fn add(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
    }
}

impl Observed for Counts {
    fn tell(&self, told: &mut Told) {
        for (outcome, name) in Outcome::ALL {
            let count = self.outcomes[outcome as usize].load(Relaxed);
            told.add(&families::MIRRORED, &[&self.service, &self.mirror, name], count);
        }
    }
}
