//! Connections to servers, kept by each worker for itself: no lock, no hop to another thread.
//!
//! HTTP/1 connections are handed out last in, first out, so that a burst's surplus grows old and is closed by the
//! worker's tick before the server closes it. HTTP/2 connections are shared by all requests of the worker.
//!
//! What makes an HTTP/1 connection fit for another request is that its task has come to rest after the last one: the
//! answer read to its end, the request written to its end, and not a byte more received. hyper says so by `is_ready`,
//! and looks at the socket once more before it takes a request up, so bytes that the kernel reported by then end the
//! connection and give the request back. What arrives later than that cannot be told from an answer in HTTP/1.

pub(crate) mod connect;
mod dial;
pub(crate) mod dials;
mod interim;
pub(crate) mod replay;
pub(crate) mod target;
pub(crate) mod watch;

use std::{cell::RefCell, net::IpAddr, rc::Rc};

use hyper::client::conn::{http1, http2};

pub(crate) use self::target::{Target, Targets};
use self::{dials::Dials, watch::Watch};
use crate::{body::RequestBody, clock};

/// A worker's connections, by the target's slot.
#[derive(Default)]
pub(crate) struct Pools {
    slots: RefCell<Vec<Slot>>,
}

/// What a worker keeps for one target.
#[derive(Default)]
struct Slot {
    /// Slots are used again; this says for which target.
    unique: u64,
    idle: Vec<Idle>,
    shared: Option<Shared>,
    dials: Dials,
}

struct Idle {
    connection: Http1,
    since: u32,
}

/// An HTTP/1 connection for one exchange at a time.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(crate) sender: http1::SendRequest<RequestBody>,
    pub(crate) watch: Rc<Watch>,
    /// Where it leads; `None` in memory.
    address: Option<IpAddr>,
}

/// An HTTP/2 connection that all requests of this worker share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) sender: http2::SendRequest<RequestBody>,
    /// The requests that hold it; only the tick's idle check reads it.
    users: Rc<()>,
    since: u32,
    address: Option<IpAddr>,
}

/// A connection for one exchange.
pub(crate) enum Checked {
    /// Nobody else's.
    Http1(Http1),
    /// A clone of the shared one.
    Http2(Shared),
}

impl Pools {
    /// A connection that is ready now, if there is one.
    pub(crate) fn checkout(&self, target: &Target) -> Option<Checked> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(target.slot as usize)?;
        if slot.unique != target.unique {
            return None;
        }
        if let Some(shared) = &mut slot.shared {
            if !shared.sender.is_closed() {
                shared.since = clock::coarse();
                return Some(Checked::Http2(shared.clone()));
            }
            slot.shared = None;
        }
        while let Some(idle) = slot.idle.pop() {
            // Not ready means that it ended, or that an unfinished request still blocks it: never used again.
            if idle.connection.sender.is_ready() {
                return Some(Checked::Http1(idle.connection));
            }
        }
        None
    }

    /// Keeps a connection whose exchange is over. One that is not at rest by then (bytes behind the answer, a request
    /// that is still being written) never is fit again.
    pub(crate) fn checkin(&self, target: &Target, connection: Http1) {
        if connection.sender.is_ready() {
            self.keep(target, connection);
        }
    }

    /// Keeps a connection that is at rest, or new and about to be; one who waits has it first.
    fn keep(&self, target: &Target, connection: Http1) {
        let mut slots = self.slots.borrow_mut();
        let slot = slot_of(&mut slots, target);
        let Some(connection) = slot.hand_over(connection) else { return };
        if slot.idle.len() < target.max_idle {
            slot.idle.push(Idle { connection, since: clock::coarse() });
        }
    }

    /// Keeps an HTTP/2 connection for everybody.
    pub(crate) fn share(
        &self,
        target: &Target,
        sender: http2::SendRequest<RequestBody>,
        address: Option<IpAddr>,
    ) -> Shared {
        let shared = Shared { sender, users: Rc::new(()), since: clock::coarse(), address };
        slot_of(&mut self.slots.borrow_mut(), target).shared = Some(shared.clone());
        shared
    }

    /// Closes what has been idle for longer than its target allows, what leads to addresses that are no longer its
    /// target's, and what belongs to targets that are gone.
    pub(crate) fn sweep(&self, targets: &Targets) {
        for (index, slot) in self.slots.borrow_mut().iter_mut().enumerate() {
            if slot.idle.is_empty() && slot.shared.is_none() {
                continue;
            }
            let Some(stay) = targets.stay(index as u32, slot.unique) else {
                *slot = Slot::default();
                continue;
            };
            let leads_there = |address: Option<IpAddr>| address.is_none_or(|address| stay.place.has(address));
            slot.idle.retain(|idle| {
                clock::since(idle.since) < stay.idle
                    && !idle.connection.sender.is_closed()
                    && leads_there(idle.connection.address)
            });
            if slot.idle.is_empty() {
                slot.idle.shrink_to_fit();
            }
            // Requests that are on it finish there; the next one makes a connection to where the server is now.
            if let Some(shared) = &slot.shared
                && (!leads_there(shared.address)
                    || (Rc::strong_count(&shared.users) == 1 && clock::since(shared.since) >= stay.idle))
            {
                slot.shared = None;
            }
        }
    }

    /// Closes everything that is idle, at the end.
    pub(crate) fn clear(&self) {
        self.slots.borrow_mut().clear();
    }
}

fn slot_of<'a>(slots: &'a mut Vec<Slot>, target: &Target) -> &'a mut Slot {
    let index = target.slot as usize;
    if slots.len() <= index {
        slots.resize_with(index + 1, Slot::default);
    }
    let slot = &mut slots[index];
    if slot.unique != target.unique {
        *slot = Slot { unique: target.unique, ..Slot::default() };
    }
    slot
}
