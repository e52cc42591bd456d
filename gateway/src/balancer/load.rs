//! What a server has to do, as the whole process knows it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use rollgate_config::dynamic::service::Strategy;

use super::least_time::{Samples, Standing};
use crate::{
    clock,
    snapshot::{LoadBalancer, Server},
};

/// A server's load behind one load balancer; it outlives reloads.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Counted where the strategy reads it.
    in_flight: AtomicUsize,
    samples: Samples,
}

/// A request that is under way to a server; counted until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    load: Arc<Load>,
    /// When it was given to the server, where the strategy reads how long answers take.
    began: Option<Instant>,
}

impl Load {
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn standing(&self, now: u64, weight: u64) -> Standing {
        Standing { average: self.samples.average(now), in_flight: self.in_flight(), weight }
    }
}

impl InFlight {
    /// Counts a request, where the strategy reads the count.
    pub(crate) fn enter(balancer: &LoadBalancer, server: &Server) -> Option<Self> {
        let began = match balancer.strategy {
            Strategy::Wrr | Strategy::Hrw => return None,
            Strategy::P2c => None,
            Strategy::LeastTime => Some(Instant::now()),
        };
        server.load.in_flight.fetch_add(1, Relaxed);
        Some(Self { load: server.load.clone(), began })
    }

    /// The server's answer has begun.
    pub(crate) fn answered(&self) {
        if let Some(began) = self.began {
            self.load.samples.record(began.elapsed(), clock::seconds());
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.load.in_flight.fetch_sub(1, Relaxed);
    }
}
