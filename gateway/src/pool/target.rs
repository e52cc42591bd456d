//! Where connections go: one address reached in one way. A target outlives every snapshot that names it, so that its
//! connections do too.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use http::HeaderValue;
use parking_lot::Mutex;
use url::Url;

use crate::{
    resolver::{Host, Names},
    tls::client::Transport,
};

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
    /// Where that is.
    pub(crate) place: Host,
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
    names: Names,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Key, Weak<Target>>,
    slots: Vec<Owner>,
    free: Vec<u32>,
    next: u64,
}

/// Who has a slot, and what its connections must be to stay.
#[derive(Debug)]
struct Owner {
    /// 0: nobody.
    unique: u64,
    idle: Duration,
    place: Host,
}

/// What idle connections of a target must be to stay.
#[derive(Debug)]
pub(crate) struct Stay {
    /// Idle for less than this.
    pub(crate) idle: Duration,
    /// To an address that is still one of its.
    pub(crate) place: Host,
}

type Key = (usize, Scheme, String, u16);

impl Targets {
    /// Without any yet; names are looked up by `names`.
    pub(crate) fn new(names: Names) -> Self {
        Self(Arc::new(Registry { state: Mutex::default(), names }))
    }

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
        let place = self.0.names.host(host);
        let owner = Owner { unique, idle: transport.config.idle_conn_timeout, place: place.clone() };
        let slot = match state.free.pop() {
            Some(slot) => {
                state.slots[slot as usize] = owner;
                slot
            }
            None => {
                state.slots.push(owner);
                (state.slots.len() - 1) as u32
            }
        };
        let target = Arc::new(Target {
            slot,
            unique,
            scheme,
            host: host.to_owned(),
            place,
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

    /// The target that a URL names: `http`, `https` or `h2c`, with a host.
    pub(crate) fn of_url(&self, transport: &Arc<Transport>, url: &Url, workers: usize) -> Arc<Target> {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "h2c" => Scheme::H2c,
            _ => Scheme::Http,
        };
        let host = url.host_str().unwrap_or_default();
        let port = url.port().unwrap_or(if scheme == Scheme::Https { 443 } else { 80 });
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let authority = HeaderValue::try_from(authority).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        self.target(transport, scheme, bare, port, authority, workers)
    }

    /// Where a host is, without a target of its own.
    pub(crate) fn place(&self, host: &str) -> Host {
        self.0.names.host(host)
    }

    /// What connections of the target that has this slot must be to stay; `None` if it is gone.
    pub(crate) fn stay(&self, slot: u32, unique: u64) -> Option<Stay> {
        let state = self.0.state.lock();
        let owner = state.slots.get(slot as usize).filter(|owner| owner.unique == unique)?;
        let idle = if owner.idle.is_zero() { Duration::MAX } else { owner.idle };
        Some(Stay { idle, place: owner.place.clone() })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let mut state = self.registry.state.lock();
        // The name is no longer followed for a target that is gone.
        state.slots[self.slot as usize] = Owner { unique: 0, idle: Duration::ZERO, place: Host::Fixed([].into()) };
        state.free.push(self.slot);
        let key = (Arc::as_ptr(&self.transport) as usize, self.scheme, std::mem::take(&mut self.host), self.port);
        if state.known.get(&key).is_some_and(|known| known.strong_count() == 0) {
            state.known.remove(&key);
        }
    }
}
