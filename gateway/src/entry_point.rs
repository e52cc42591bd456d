//! An entry point's settings as its workers use them: fixed for the life of the process.

use std::{net::SocketAddr, sync::Arc};

use rollgate_config::static_config::{EntryPoint as Settings, INTERNAL, Static};

use crate::{
    forwarded::ForwardedPolicy,
    metrics::{EntryPointId, Metrics},
    path::PathRules,
};

/// What every connection of an entry point shares.
#[derive(Debug)]
pub(crate) struct EntryPoint {
    /// Its place in the snapshot's list.
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
    /// What is answered here before any router is counted, and logged.
    pub(crate) counts_own: bool,
    pub(crate) logs_own: bool,
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
            counts_own: statics.metrics_add_internals,
            logs_own: statics.access_log.as_ref().is_some_and(|log| log.add_internals),
        }
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
