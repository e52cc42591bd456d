//! How much work all runs of a plan may be together. Whether it is spent depends on the plan and the seed alone, not on who was faster.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget {
    most: u64,
    taken: AtomicU64,
}

/// What one run has taken of it and not told yet.
#[derive(Debug)]
pub(super) struct Account<'b> {
    budget: &'b Budget,
    untold: u64,
}

impl Budget {
    pub(super) fn of(most: u64) -> Self {
        Self { most, taken: AtomicU64::new(0) }
    }

    /// More was taken than there was.
    pub(super) fn is_spent(&self) -> bool {
        self.taken.load(Relaxed) > self.most
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }
}

impl<'b> Account<'b> {
    pub(super) fn of(budget: &'b Budget) -> Self {
        Self { budget, untold: 0 }
    }

    /// Takes one; false: go no further.
    pub(super) fn take(&mut self) -> bool {
        self.untold += 1;
        if self.untold < AT_ONCE {
            return true;
        }
        self.tell();
        !self.budget.is_spent()
    }

    fn tell(&mut self) {
        self.budget.taken.fetch_add(std::mem::take(&mut self.untold), Relaxed);
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

/// So that the processors do not wait for each other.
const AT_ONCE: u64 = 4_096;
