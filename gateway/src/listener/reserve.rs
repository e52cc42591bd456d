//! Descriptors kept back for the worst moment: when the process has none left, one of them is given up so that an
//! operator's connection to the internal entry point can still be accepted.

use std::{cell::RefCell, fs::File, io};

/// A worker's reserve.
#[derive(Debug, Default)]
pub(crate) struct Reserve(RefCell<Vec<File>>);

impl Reserve {
    /// Full, as far as the system lets it.
    pub(crate) fn new() -> Self {
        let reserve = Self::default();
        // Where that fails, whoever accepts next is told.
        drop(reserve.refill());
        reserve
    }

    /// Gives one descriptor up; `false` if none is left.
    pub(crate) fn release(&self) -> bool {
        self.0.borrow_mut().pop().is_some()
    }

    /// Takes back what was given up, if there are descriptors again; fails while there are none.
    pub(crate) fn refill(&self) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        while files.len() < SIZE {
            files.push(File::open("/dev/null")?);
        }
        Ok(())
    }
}

/// A probe, a scrape and somebody who looks, at once.
const SIZE: usize = 4;
