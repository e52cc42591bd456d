//! What a connection may take its time for, and what becomes of one that takes longer.

use std::time::Duration;

use super::{Connection, Ending, phase::State};
use crate::{clock, limits};

impl Connection {
    /// There has been something for the client for so long, and it has taken nothing: the socket has no room, or no
    /// stream has a window.
    fn is_stalled(&self, limit: Duration) -> bool {
        let no_room = self.phase.blocked().is_some_and(|since| clock::since(since) >= limit);
        no_room || self.outgoing.get().is_held(self.in_flight.get(), limit, clock::coarse())
    }

    /// Called by the worker's tick: ends what has taken too long.
    pub(crate) fn check_time(&self) {
        let timeouts = &self.entry.settings.timeouts;
        if matches!(self.ending.get(), Ending::Now | Ending::Calm) {
            return;
        }
        if !timeouts.stall.is_zero() && self.is_stalled(timeouts.stall) {
            self.refused(limits::STALLED);
            return self.close_now();
        }
        // While the client takes nothing, nothing of it is read.
        let is_over = |since| !timeouts.header.is_zero() && clock::since(since) >= timeouts.header;
        if self.phase.blocked().is_none() && self.phase.unfinished().is_some_and(is_over) {
            self.refused(limits::HEADER_TIMEOUT);
            return self.end(Ending::Calm);
        }
        let (limit, since) = match self.phase.state() {
            // Told to end, with nothing under way: whoever does not let go is let go.
            State::Idle if self.ending.get() != Ending::Open => (EXPIRED, self.phase.since()),
            State::Idle => (timeouts.idle, self.phase.since()),
            State::Head => (timeouts.header, self.phase.since()),
            State::Busy => return,
            State::Expired => (EXPIRED, self.phase.since()),
        };
        if limit.is_zero() || clock::since(since) < limit {
            return self.park_if_idle();
        }
        match self.phase.state() {
            State::Head => {
                self.worker.metrics.refused(limits::HEADER_TIMEOUT);
                self.phase.enter(State::Expired);
                self.end(self.ending.get());
            }
            State::Idle if self.ending.get() == Ending::Open => {
                self.close_gracefully();
                self.phase.enter(State::Idle);
            }
            _ => self.close_now(),
        }
    }
}

/// How long a connection whose time is up may take to say so.
const EXPIRED: Duration = Duration::from_secs(5);
