//! What a client's connection is doing, and since when. Written by its stream and its requests, read by the worker's
//! tick, which ends what takes too long: no timer is armed per request.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use crate::clock;

/// Only ever used on the connection's own worker; atomic because hyper wants a stream that is `Send` for upgrades.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    state: AtomicU8,
    since: AtomicU32,
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

    /// Bytes came from the client.
    pub(crate) fn read(&self) {
        if self.state.load(Relaxed) == State::Idle as u8 {
            self.enter(State::Head);
        }
    }
}
