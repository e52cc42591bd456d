//! How many things are not as they should be: servers that are down, breakers that are not in standby, brakes. As long as
//! there are none, no draw asks whether a version is available.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The count of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Trouble(Troubles);

impl Troubles {
    /// Whether there are any. Whoever began one before is seen here by those that it has told since.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    pub(crate) fn begin(&self) -> Trouble {
        self.0.fetch_add(1, Ordering::AcqRel);
        Trouble(self.clone())
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
