//! Descriptors kept back for the worst moment: when the process has none left, one of them is given up so that an
//! operator's connection to the internal entry point can still be accepted.

use std::{cell::RefCell, fs::File};

/// A worker's reserve.
#[derive(Debug, Default)]
pub(crate) struct Reserve(RefCell<Vec<File>>);

impl Reserve {
    /// Full, as far as the system lets it.
    pub(crate) fn new() -> Self {
        let reserve = Self::default();
        reserve.refill();
        reserve
    }

    /// Gives one descriptor up; `false` if none is left.
    pub(crate) fn release(&self) -> bool {
        self.0.borrow_mut().pop().is_some()
    }

    /// Takes back what was given up, if there are descriptors again.
    pub(crate) fn refill(&self) {
        let mut files = self.0.borrow_mut();
        while files.len() < SIZE {
            match File::open("/dev/null") {
                Ok(file) => files.push(file),
                Err(_none_left) => return,
            }
        }
    }
}

/// A probe, a scrape and somebody who looks, at once.
const SIZE: usize = 4;
