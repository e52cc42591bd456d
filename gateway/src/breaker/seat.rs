//! One worker's side of a breaker.

use std::sync::{
    Arc,
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
};

use super::{Epoch, PHASE_BITS, Shared, machine::Time, window::Window};

/// What a worker writes and all others only read, so that nobody waits for anybody. Its reference count, too, is seen by
/// no other worker.
#[derive(Debug)]
pub(super) struct Seat {
    shared: Arc<Shared>,
    pub(super) window: Window,
    pub(super) answered: AtomicU64,
    pub(super) elsewhere: AtomicU64,
}

impl Seat {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let window = Window::new(&shared.plan);
        Self { shared, window, answered: AtomicU64::new(0), elsewhere: AtomicU64::new(0) }
    }

    /// An answer has come to its end at `now`. It counts if no trip has come between, and it may be the one after which the
    /// condition is evaluated.
    pub(super) fn record(&self, epoch: Epoch, status: u16, latency: Time, now: Time) {
        let shared = &self.shared;
        if shared.word.load(Acquire) >> PHASE_BITS != epoch.0 {
            return;
        }
        self.window.record(epoch.0, &shared.plan, status, latency, now);
        if shared.is_due(now) {
            shared.check(epoch, now);
        }
    }

    pub(super) fn wants_latency(&self) -> bool {
        self.shared.plan.wants_latency()
    }

    pub(super) fn count_denied(&self, elsewhere: bool) {
        let count = if elsewhere { &self.elsewhere } else { &self.answered };
        count.store(count.load(Relaxed) + 1, Relaxed);
    }

    #[cfg(any(test, feature = "in-memory"))]
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() - size_of::<Window>() + self.window.bytes()
    }
}
