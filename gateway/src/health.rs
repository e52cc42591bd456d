//! Which servers are up: by asking them, and by their answers.
//!
//! ```text
//! helper thread: schedule -> probe --.
//!                                     +-> Roster (what it means) -> Health of each server <- requests, one load
//! workers: failures, successes ------'
//! ```
//!
//! Everything here belongs to a load balancer's name and outlives reloads: who is down stays down, and a probe comes when it
//! would have come anyway. What is asked may change: then servers are asked at once, and what was found before holds until
//! they have answered.

mod failures;
mod fault;
mod probe;
mod roster;
mod schedule;
mod servers;
mod watching;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

pub(crate) use self::servers::{Configured, Servers, Surroundings};

/// Whether one server takes requests. Read by every choice of a server.
#[derive(Debug)]
pub(crate) struct Health {
    /// As it is shown.
    url: Arc<str>,
    up: AtomicBool,
    /// It has failures that a success wipes out.
    failing: AtomicBool,
}

impl Health {
    fn new(url: Arc<str>) -> Self {
        Self { url, up: AtomicBool::new(true), failing: AtomicBool::new(false) }
    }

    /// One load. What it says may be a moment old.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }
}
