//! Snapshots that are no longer the current one. They are held here until no request uses them, so that no worker is ever
//! the one that takes one apart: with ten thousand routers that takes milliseconds.

use std::sync::{
    Arc,
    mpsc::{Receiver, Sender, channel},
};

use parking_lot::Mutex;

use super::Snapshot;

/// One per process.
#[derive(Debug)]
pub(crate) struct Retired {
    held: Arc<Mutex<Vec<Arc<Snapshot>>>>,
    released: Sender<()>,
}

/// Drops what is no longer used, on a thread of its own.
pub(crate) struct Sweeper {
    held: Arc<Mutex<Vec<Arc<Snapshot>>>>,
    released: Receiver<()>,
}

/// Tells the sweeper when it is dropped: to stand behind a reference to a snapshot.
#[derive(Debug)]
pub(crate) struct Released(Sender<()>);

impl Retired {
    pub(crate) fn new() -> (Self, Sweeper) {
        let (sender, receiver) = channel();
        let held = Arc::default();
        (Self { held: Arc::clone(&held), released: sender }, Sweeper { held, released: receiver })
    }

    /// Holds a snapshot until nobody else does.
    pub(crate) fn hold(&self, snapshot: Arc<Snapshot>) {
        self.held.lock().push(snapshot);
        drop(self.notice());
    }

    pub(crate) fn notice(&self) -> Released {
        Released(self.released.clone())
    }
}

impl Sweeper {
    /// Returns when there is nobody left who could release anything.
    pub(crate) fn run(self) {
        while self.released.recv().is_ok() {
            while self.released.try_recv().is_ok() {}
            self.sweep();
        }
    }

    fn sweep(&self) {
        let unused: Vec<_> = self.held.lock().extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect();
        drop(unused);
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        // Without a sweeper (in memory) they stay.
        let _ = self.0.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{snapshot::Services, tls::Tls};

    fn snapshot() -> Arc<Snapshot> {
        let tls = Tls::default();
        Arc::new(Snapshot {
            generation: 1,
            entry_points: Vec::new(),
            services: Services::default(),
            pages: Default::default(),
            tls: tls.into(),
        })
    }

    #[test]
    fn a_snapshot_is_dropped_by_the_sweeper_once_nobody_else_has_it() {
        let (retired, sweeper) = Retired::new();
        let used = snapshot();
        let (watched, released) = (Arc::downgrade(&used), retired.notice());
        retired.hold(used.clone());
        sweeper.sweep();
        drop(used);
        assert!(watched.upgrade().is_some(), "whoever used it last has not taken it apart");
        drop(released);
        drop(retired);
        // Returns, since nobody is left.
        sweeper.run();
        assert!(watched.upgrade().is_none());
    }
}
