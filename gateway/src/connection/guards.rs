//! What is counted and registered as long as a connection is open, however it ends.

use std::rc::Rc;

use super::Connection;
use crate::{entry_point::EntryPoint, metrics::EntryPointId, worker::Worker};

/// A connection that its worker's tick looks at; also a panic ends that.
pub(crate) struct Registered {
    worker: Rc<Worker>,
    at: usize,
}

impl Registered {
    pub(crate) fn new(connection: &Rc<Connection>) -> Self {
        Self { worker: connection.worker.clone(), at: connection.worker.register(connection) }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.worker.unregister(self.at);
    }
}

/// Counts a connection while it is open.
pub(super) struct Open<'w> {
    worker: &'w Worker,
    id: EntryPointId,
    internal: bool,
}

impl<'w> Open<'w> {
    pub(super) fn new(worker: &'w Worker, entry: &EntryPoint) -> Self {
        worker.metrics.connection_opened(entry.id);
        Self { worker, id: entry.id, internal: entry.internal }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.worker.metrics.connection_closed(self.id);
        if self.internal {
            // Its descriptor may be one of the reserve's, and is to be there for the next one.
            drop(self.worker.reserve.refill());
        }
    }
}
