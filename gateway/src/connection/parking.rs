//! What becomes of an HTTP/1 connection that waits for its next request: it lets go of hyper's half of it, a read buffer of 8
//! KiB above all, and waits with its socket alone. The first byte brings all of it back.
//!
//! Parked is only what is known to be between two requests: every byte that came belongs to a request that has been
//! answered, and every byte of the answers has been written (`docs/adr/0018-idle-connections-are-parked.md`).

use std::{cell::Cell, future::poll_fn, task::Poll, time::Duration};

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
        if parks {
            self.worker.stirs.set(STIRS);
        }
        parks
    }

    /// Whether bytes are held back for want of room, and all that came before them has been answered.
    pub(crate) fn wants_room(&self) -> bool {
        self.phase.wants_room() && self.in_flight.get() == 0 && self.phase.blocked().is_none()
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

/// Makes the allocator give back to the system what was freed some ticks ago: it looks at a part of that when it frees a page,
/// and a worker whose clients all wait frees none.
pub(crate) fn stir_the_allocator(left: &Cell<u8>) {
    if let Some(left_then) = left.get().checked_sub(1) {
        left.set(left_then);
        drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
    }
}

/// Ticks after the last connection was parked.
const STIRS: u8 = 10;
/// Enough for a page of its own; nobody touches it.
const LARGE: usize = 1 << 20;
/// Who asks again sooner is served without a detour.
const PARKED_AFTER: Duration = Duration::from_millis(500);
