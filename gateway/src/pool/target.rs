//! Where connections go: one address reached in one way. A target outlives every snapshot that names it, so that its
//! connections do too.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use http::HeaderValue;
use parking_lot::Mutex;

use crate::tls::client::Transport;

/// One server address behind one transport.
#[derive(Debug)]
pub(crate) struct Target {
    /// The index into each worker's pools; used again after the target is gone.
    pub(crate) slot: u32,
    /// Never used again.
    pub(crate) unique: u64,
    pub(crate) scheme: Scheme,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `host[:port]` as the URL has it: the Host header where the client's is not passed.
    pub(crate) authority: HeaderValue,
    /// `host:port`, for the access log.
    pub(crate) address: Arc<str>,
    pub(crate) transport: Arc<Transport>,
    /// Idle connections that each worker keeps: the process's limit, shared out.
    pub(crate) max_idle: usize,
    registry: Arc<Registry>,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// HTTP/1.1 in clear text.
    Http,
    /// TLS; HTTP/2 or HTTP/1.1 by ALPN.
    Https,
    /// HTTP/2 in clear text by prior knowledge.
    H2c,
}

/// Hands out targets: the same one for the same address and transport.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Key, Weak<Target>>,
    /// By slot: who has it and how long its connections may idle.
    slots: Vec<(u64, Duration)>,
    free: Vec<u32>,
    next: u64,
}

type Key = (usize, Scheme, String, u16);

impl Targets {
    /// The target for this address, made if it is new. `workers` share out the transport's idle connections.
    pub(crate) fn target(
        &self,
        transport: &Arc<Transport>,
        scheme: Scheme,
        host: &str,
        port: u16,
        authority: HeaderValue,
        workers: usize,
    ) -> Arc<Target> {
        let key = (Arc::as_ptr(transport) as usize, scheme, host.to_owned(), port);
        let mut state = self.0.state.lock();
        if let Some(known) = state.known.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        state.next += 1;
        let unique = state.next;
        let place = (unique, transport.config.idle_conn_timeout);
        let slot = match state.free.pop() {
            Some(slot) => {
                state.slots[slot as usize] = place;
                slot
            }
            None => {
                state.slots.push(place);
                (state.slots.len() - 1) as u32
            }
        };
        let target = Arc::new(Target {
            slot,
            unique,
            scheme,
            host: host.to_owned(),
            port,
            authority,
            address: format!("{host}:{port}").into(),
            transport: transport.clone(),
            max_idle: transport.config.max_idle_conns_per_host.div_ceil(workers.max(1)),
            registry: self.0.clone(),
        });
        state.known.insert(key, Arc::downgrade(&target));
        target
    }

    /// How long the target that has this slot lets connections idle; `None` if it is gone.
    pub(crate) fn idle_timeout(&self, slot: u32, unique: u64) -> Option<Duration> {
        let state = self.0.state.lock();
        let (owner, timeout) = state.slots.get(slot as usize)?;
        (*owner == unique).then_some(if timeout.is_zero() { Duration::MAX } else { *timeout })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let mut state = self.registry.state.lock();
        state.slots[self.slot as usize].0 = 0;
        state.free.push(self.slot);
        let key = (Arc::as_ptr(&self.transport) as usize, self.scheme, std::mem::take(&mut self.host), self.port);
        if state.known.get(&key).is_some_and(|known| known.strong_count() == 0) {
            state.known.remove(&key);
        }
    }
}
