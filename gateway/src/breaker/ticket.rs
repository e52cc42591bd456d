//! A request that was let through, until the end of its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Epoch, seat::Seat};
use crate::clock;

/// Records the answer when it is dropped: the last frame is out, or the client or the server has gone away.
#[derive(Debug)]
pub(crate) struct Ticket {
    seat: Arc<Seat>,
    epoch: Epoch,
    /// Only where latencies are wanted.
    began: Option<Instant>,
    /// 0: there is none yet.
    status: u16,
}

impl Ticket {
    pub(super) fn new(seat: Arc<Seat>, epoch: Epoch, now: impl FnOnce() -> Instant) -> Self {
        let began = seat.wants_latency().then(now);
        Self { seat, epoch, began, status: 0 }
    }

    /// The answer's status at the breaker's place; the last one holds.
    pub(crate) fn learns(&mut self, status: u16) {
        self.status = status;
    }

    /// The answer has come to its end.
    pub(crate) fn finish(mut self, now: Instant) {
        self.record(now);
        self.epoch = OVER;
    }

    fn record(&self, now: Instant) {
        let status = match self.status {
            0 if std::thread::panicking() => PANICKED,
            0 => CLIENT_GONE,
            status => status,
        };
        let latency = self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        self.seat.record(self.epoch, status, latency, clock::elapsed(now));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.epoch != OVER {
            self.record(Instant::now());
        }
    }
}

/// No breaker comes so far.
const OVER: Epoch = Epoch(u64::MAX);

/// Traefik's code for a client that went away before there was an answer.
const CLIENT_GONE: u16 = 499;

/// What such a client would have got.
const PANICKED: u16 = 500;
