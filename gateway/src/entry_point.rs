//! An entry point's settings as its workers use them. They never change: other settings make another entry point of the
//! same name, and connections of the one before move over as they end.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rollgate_config::static_config::{EntryPoint as Settings, INTERNAL, Static};

use crate::{
    forwarded::ForwardedPolicy,
    metrics::{EntryPointId, Metrics},
    path::PathRules,
    snapshot::Snapshot,
};

/// What every connection of an entry point shares.
#[derive(Debug)]
pub(crate) struct EntryPoint {
    /// Its place in each snapshot's list; one for each name, never another name's.
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) id: EntryPointId,
    pub(crate) settings: Settings,
    /// The address it really listens on.
    pub(crate) address: SocketAddr,
    pub(crate) port: u16,
    pub(crate) path_rules: PathRules,
    pub(crate) forwarded: ForwardedPolicy,
    /// `/ping` is answered here before any router.
    pub(crate) ping: bool,
    /// `/metrics` is answered here before any router.
    pub(crate) metrics: bool,
    /// `/live` and `/ready` are answered here before any router.
    pub(crate) internal: bool,
    /// The admin API is here, below this path.
    pub(crate) api: Option<Box<str>>,
    /// What is answered here before any router is counted, and logged.
    pub(crate) counts_own: bool,
    pub(crate) logs_own: bool,
    /// Another one has its name.
    replaced: AtomicBool,
    life: Arc<Life>,
}

/// What an entry point shares with those that it has replaced.
#[derive(Debug, Default)]
struct Life {
    /// No longer listened on; connections end with what they are doing.
    ending: AtomicBool,
    /// Set when it is gone from the configuration: what its last connections are routed by.
    last: OnceLock<Arc<Snapshot>>,
}

impl EntryPoint {
    pub(crate) fn new(
        index: usize,
        name: &str,
        id: EntryPointId,
        settings: &Settings,
        address: SocketAddr,
        host_name: &str,
        statics: &Static,
    ) -> Self {
        let (ping, prometheus) = (statics.ping.as_ref(), statics.prometheus.as_ref());
        let internal = name == INTERNAL;
        let here = |entry_point: &str, manual: bool| !manual && entry_point.eq_ignore_ascii_case(name);
        Self {
            index,
            name: name.into(),
            id,
            settings: settings.clone(),
            address,
            port: address.port(),
            path_rules: PathRules { sanitize: settings.http.sanitize_path, encoded: settings.http.encoded_characters },
            forwarded: ForwardedPolicy::new(
                &settings.forwarded_headers,
                settings.http.underscore_headers,
                host_name,
                address.port(),
            ),
            ping: ping.map_or(internal, |ping| here(&ping.entry_point.value, ping.manual_routing)),
            metrics: prometheus.map_or(internal, |metrics| here(&metrics.entry_point.value, metrics.manual_routing)),
            internal,
            api: statics.api.as_ref().filter(|_| internal).map(|api| api.base_path.as_str().into()),
            counts_own: statics.metrics_add_internals,
            logs_own: statics.access_log.as_ref().is_some_and(|log| log.add_internals),
            replaced: AtomicBool::new(false),
            life: Arc::default(),
        }
    }

    /// To take the place of another one of the same name: what ends the one ends the other.
    pub(crate) fn in_place_of(mut self, before: &Self) -> Self {
        self.life = before.life.clone();
        self
    }

    /// Another one has its name from now on: each of its connections is told to close with its next answer.
    pub(crate) fn replace(&self) {
        self.replaced.store(true, Relaxed);
    }

    /// It is no longer listened on.
    pub(crate) fn end(&self) {
        self.life.ending.store(true, Relaxed);
    }

    /// It is gone from the configuration: what is still under way is routed by the last snapshot that knew it.
    pub(crate) fn retire(&self, last: Arc<Snapshot>) {
        // Once: a later snapshot does not know it.
        drop(self.life.last.set(last));
    }

    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Relaxed)
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.life.ending.load(Relaxed)
    }

    /// The snapshot that is left to a retired one.
    pub(crate) fn last_snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.life.last.get()
    }
}

/// Every entry point of a configuration, as if it listened on loopback: for what needs no socket.
pub(crate) fn unbound(statics: &Static, metrics: &Metrics) -> Vec<Arc<EntryPoint>> {
    let made = statics.entry_points.iter().enumerate().map(|(index, (name, settings))| {
        let port = settings.address.value.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
        let address = ([127, 0, 0, 1], port).into();
        let id = metrics.entry_point_id(name);
        Arc::new(EntryPoint::new(index, name, id, settings, address, "localhost", statics))
    });
    made.collect()
}
