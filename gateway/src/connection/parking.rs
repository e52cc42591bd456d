//! What becomes of an HTTP/1 connection that waits for its next request: it lets go of hyper's half of it, a read buffer of 8
//! KiB above all, and waits with its socket alone. The first byte brings all of it back.
//!
//! Parked is only what is known to be between two requests: every byte that came belongs to a request that has been
//! answered, and every byte of the answers has been written.

use std::{future::poll_fn, task::Poll};

use super::{Connection, Ending, phase::State};
use crate::{clock, stream::Stream};

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Parking {
    #[default]
    No,
    /// Its task is woken to do it.
    Asked,
    /// It is.
    Parked,
}

impl Connection {
    /// Called by the worker's tick.
    pub(super) fn park_if_idle(&self) {
        if self.parking.get() == Parking::No && self.is_between() && clock::since(self.phase.since()) >= PARKED_AFTER {
            self.parking.set(Parking::Asked);
            self.wake();
        }
    }

    /// Whether its task is to park it now. A request that has come since is one more reason not to.
    pub(crate) fn parks(&self) -> bool {
        if self.parking.get() != Parking::Asked {
            return false;
        }
        let parks = self.is_between();
        self.parking.set(if parks { Parking::Parked } else { Parking::No });
        parks
    }

    #[cfg(test)]
    pub(crate) fn is_parked(&self) -> bool {
        self.parking.get() == Parking::Parked
    }

    /// Waits until there is something to read, or to be done.
    pub(crate) async fn parked(&self, stream: &Stream) {
        poll_fn(|cx| {
            self.wake_by(cx.waker());
            if self.ending() != Ending::Open { Poll::Ready(()) } else { stream.poll_readable(cx) }
        })
        .await;
        self.parking.set(Parking::No);
    }

    /// HTTP/2 has streams to be idle between; a connection that is ending has its own time.
    fn is_between(&self) -> bool {
        !self.http2
            && self.in_flight.get() == 0
            && self.ending.get() == Ending::Open
            && self.phase.state() == State::Idle
            && self.phase.blocked().is_none()
            && self.phase.is_between_heads()
    }
}

/// Who asks again sooner is served without a detour.
const PARKED_AFTER: std::time::Duration = std::time::Duration::from_millis(500);
