//! What a client's connection is doing, and since when. Written by its stream and its requests, read by the worker's
//! tick, which ends what takes too long: no timer is armed per request.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

use crate::clock;

/// Only ever used on the connection's own worker; atomic because hyper wants a stream that is `Send` for upgrades.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    state: AtomicU8,
    since: AtomicU32,
    /// When the client began to take nothing, in coarse milliseconds, but never 0.
    blocked: AtomicU32,
    /// When a frame began of which the rest has not come, in coarse milliseconds, but never 0.
    unfinished: AtomicU32,
    ambiguity: AtomicU8,
    lingers: AtomicBool,
    between_heads: AtomicBool,
    wants_room: AtomicBool,
}

/// What a head had that hyper does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ambiguity {
    /// `Content-Length` and `Transfer-Encoding`.
    TwoFramings = 1,
    /// `Content-Length` twice, with the same value.
    TwoLengths = 2,
}

/// The states that a timeout belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// No request, no byte of one.
    Idle = 0,
    /// A request's head has begun to arrive.
    Head = 1,
    /// A request is being answered.
    Busy = 2,
    /// Over: the next read answers 408 if a head was on its way, and ends the connection.
    Expired = 3,
}

impl Phase {
    pub(crate) fn state(&self) -> State {
        match self.state.load(Relaxed) {
            0 => State::Idle,
            1 => State::Head,
            2 => State::Busy,
            _ => State::Expired,
        }
    }

    /// Coarse milliseconds at which the state began.
    pub(crate) fn since(&self) -> u32 {
        self.since.load(Relaxed)
    }

    pub(crate) fn enter(&self, state: State) {
        self.state.store(state as u8, Relaxed);
        self.since.store(clock::coarse(), Relaxed);
    }

    /// Whether the client's side took bytes that were written, or has no room for them.
    pub(crate) fn wrote(&self, took: bool) {
        let blocked = self.blocked.load(Relaxed);
        if took && blocked != 0 {
            self.blocked.store(0, Relaxed);
        } else if !took && blocked == 0 {
            self.blocked.store(clock::coarse().max(1), Relaxed);
        }
    }

    /// Coarse milliseconds since which the client has taken nothing although there is something for it.
    pub(crate) fn blocked(&self) -> Option<u32> {
        Some(self.blocked.load(Relaxed)).filter(|since| *since != 0)
    }

    /// HTTP/2: since when more of a frame, or of a header block, has to come.
    pub(crate) fn waits_for_more(&self, since: Option<u32>) {
        self.unfinished.store(since.map_or(0, |since| since.max(1)), Relaxed);
    }

    /// Coarse milliseconds since which the rest of a frame has not come.
    pub(crate) fn unfinished(&self) -> Option<u32> {
        Some(self.unfinished.load(Relaxed)).filter(|since| *since != 0)
    }

    /// Bytes came from the client; says whether they are the first of a head.
    pub(crate) fn read(&self) -> bool {
        let first = self.state.load(Relaxed) == State::Idle as u8;
        if first {
            self.enter(State::Head);
        }
        first
    }

    /// Whether all that was read is whole heads without bodies.
    pub(crate) fn stands_between_heads(&self, stands: bool) {
        self.between_heads.store(stands, Relaxed);
    }

    pub(crate) fn is_between_heads(&self) -> bool {
        self.between_heads.load(Relaxed)
    }

    /// Bytes are held back: their head has more fields than hyper has room for.
    pub(crate) fn want_room(&self, wants: bool) {
        self.wants_room.store(wants, Relaxed);
    }

    pub(crate) fn wants_room(&self) -> bool {
        self.wants_room.load(Relaxed)
    }

    /// A head has come that can be read in two ways.
    pub(crate) fn found(&self, ambiguity: Ambiguity) {
        self.ambiguity.store(ambiguity as u8, Relaxed);
    }

    /// What was found since the connection was last idle.
    pub(crate) fn ambiguity(&self) -> Option<Ambiguity> {
        match self.ambiguity.load(Relaxed) {
            0 => None,
            1 => Some(Ambiguity::TwoFramings),
            _ => Some(Ambiguity::TwoLengths),
        }
    }

    pub(crate) fn clear_ambiguity(&self) {
        self.ambiguity.store(0, Relaxed);
    }

    /// The client may still be sending when the stream is shut down, and is to read what it was told.
    pub(crate) fn linger(&self, lingers: bool) {
        self.lingers.store(lingers, Relaxed);
    }

    pub(crate) fn lingers(&self) -> bool {
        self.lingers.load(Relaxed)
    }
}
