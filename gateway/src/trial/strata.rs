//! What each worker counts of a trial's draws, stratum by stratum.
//!
//! A stratum is a time in which every draw between the two versions went to the canary with the same probability. What was
//! drawn in it counts there, whenever its answer comes. Each worker has cells of its own, on cache lines of their own, and
//! writes them with plain loads and stores.

use std::sync::{
    Arc, OnceLock,
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
        fence,
    },
};

use parking_lot::Mutex;

use super::watched::Watched;

/// A stratum, and what all workers have counted in it.
#[derive(Debug)]
pub(crate) struct Stratum {
    /// The canary's share of the draws between the two, above 0 and below 1. `None`: they are watched and not compared, since
    /// chance did not decide.
    pub(crate) w: Option<f64>,
    /// One for each worker, made when it first draws here.
    seats: Box<[OnceLock<Arc<Seat>>]>,
    watched: Arc<Watched>,
}

/// One worker's cells. Its reference count, too, is seen by no other worker.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Seat {
    canary: Cells,
    stable: Cells,
    pub(super) w: Option<f64>,
    pub(super) worker: usize,
    pub(super) watched: Arc<Watched>,
}

/// Of one version.
#[derive(Debug, Default)]
pub(super) struct Cells {
    requests: AtomicU64,
    errors: AtomicU64,
    slow: AtomicU64,
}

/// What was counted of one version: requests that came to their end, how many of them were errors, and how many of the others
/// were slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) slow: u64,
}

/// Those of one trial in which something may still be counted.
#[derive(Debug, Default)]
pub(crate) struct Strata(Mutex<Vec<Listed>>);

#[derive(Debug)]
struct Listed {
    stratum: Arc<Stratum>,
    /// The canary's counts that were read.
    canary: Counts,
    /// Stable's.
    stable: Counts,
}

/// What has come in a stratum since the last look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Since {
    /// As [`Stratum::w`].
    pub(crate) w: Option<f64>,
    pub(crate) canary: Counts,
    pub(crate) stable: Counts,
}

impl Strata {
    /// The stratum of a share: the one that is there, or a new one.
    pub(super) fn of(&self, w: Option<f64>, watched: &Arc<Watched>) -> Arc<Stratum> {
        let mut all = self.0.lock();
        if let Some(there) = all.iter().find(|listed| listed.stratum.w == w) {
            return there.stratum.clone();
        }
        let seats = (0..watched.workers()).map(|_| OnceLock::new()).collect();
        let stratum = Arc::new(Stratum { w, seats, watched: watched.clone() });
        all.push(Listed { stratum: stratum.clone(), canary: Counts::default(), stable: Counts::default() });
        stratum
    }

    /// What has come since the last call; then those in which nothing can come any more are forgotten.
    ///
    /// All of the canary's counts are read before any of stable's: whatever ends in between is on stable's side, if at all.
    pub(super) fn read(&self) -> Vec<Since> {
        let mut all = self.0.lock();
        // Looked at first: what closes while it is read is forgotten the next time.
        let closed: Vec<bool> = all.iter().map(|listed| listed.stratum.is_closed()).collect();
        let canary: Vec<Counts> = all.iter().map(|listed| listed.stratum.canary()).collect();
        let read = |(listed, canary): (&mut Listed, Counts)| {
            let stable = listed.stratum.stable();
            let (canary_before, stable_before) =
                (std::mem::replace(&mut listed.canary, canary), std::mem::replace(&mut listed.stable, stable));
            Since { w: listed.stratum.w, canary: canary.since(canary_before), stable: stable.since(stable_before) }
        };
        let since = all.iter_mut().zip(canary).map(read).collect();
        let mut closed = closed.into_iter();
        all.retain(|_| !closed.next().unwrap_or(false));
        since
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Stratum {
    /// The cells of a worker.
    #[inline]
    pub(crate) fn seat(&self, worker: usize) -> &Arc<Seat> {
        self.seats[worker].get_or_init(|| {
            let (canary, stable) = (Cells::default(), Cells::default());
            Arc::new(Seat { canary, stable, w: self.w, worker, watched: self.watched.clone() })
        })
    }

    fn canary(&self) -> Counts {
        self.sum(|seat| &seat.canary)
    }

    fn stable(&self) -> Counts {
        self.sum(|seat| &seat.stable)
    }

    fn sum(&self, of: impl Fn(&Seat) -> &Cells) -> Counts {
        let seats = self.seats.iter().filter_map(OnceLock::get);
        seats.fold(Counts::default(), |sum, seat| sum.plus(of(seat).read()))
    }

    /// No snapshot leads here, and no request of it is under way: only the list has it.
    fn is_closed(self: &Arc<Self>) -> bool {
        let mut seats = self.seats.iter().filter_map(OnceLock::get);
        let is_closed = Arc::strong_count(self) == 1 && seats.all(|seat| Arc::strong_count(seat) == 1);
        // What whoever let go of it has counted is seen from here on.
        fence(Acquire);
        is_closed
    }
}

impl Seat {
    pub(super) fn cells(&self, is_canary: bool) -> &Cells {
        if is_canary { &self.canary } else { &self.stable }
    }
}

impl Cells {
    /// Only the worker whose cells they are calls it. Requests are counted first and read last, so that nobody sees more
    /// errors than requests.
    #[inline]
    pub(super) fn count(&self, is_error: bool, is_slow: bool) {
        bump(&self.requests);
        if is_error {
            bump(&self.errors);
        } else if is_slow {
            bump(&self.slow);
        }
    }

    /// The same of several; nobody reads meanwhile.
    pub(super) fn add(&self, counts: Counts) {
        let Counts { requests, errors, slow } = counts;
        for (cell, more) in [(&self.requests, requests), (&self.errors, errors), (&self.slow, slow)] {
            cell.fetch_add(more, Relaxed);
        }
    }

    fn read(&self) -> Counts {
        let slow = self.slow.load(Acquire);
        let errors = self.errors.load(Acquire);
        Counts { requests: self.requests.load(Acquire), errors, slow }
    }
}

impl Counts {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            errors: self.errors + other.errors,
            slow: self.slow + other.slow,
        }
    }

    /// What has come since, of counts that only grow.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            errors: self.errors - before.errors,
            slow: self.slow - before.slow,
        }
    }
}

/// Adds one to a cell that only the calling thread writes.
#[inline]
pub(super) fn bump(cell: &AtomicU64) {
    cell.store(cell.load(Relaxed) + 1, Release);
}
