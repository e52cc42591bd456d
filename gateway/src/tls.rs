//! TLS on both sides, by rustls: certificates by SNI towards clients, transports towards servers.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod client_chain;
pub(crate) mod options;
pub(crate) mod pem;
pub(crate) mod verify;

use std::{collections::HashMap, sync::Arc};

use rustls::ServerConfig;

use self::options::Agreed;

/// What a handshake consults: part of the snapshot.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    /// By options; the first is `default`.
    pub(crate) configs: Vec<Arc<ServerConfig>>,
    /// The names of the options, in the same order.
    pub(crate) names: Vec<String>,
    /// What they stand for, in the same order.
    pub(crate) agreed: Vec<Agreed>,
}

impl Tls {
    /// What a request to a host with these options wants of its connection.
    pub(crate) fn wants(&self, options: OptionsId) -> Agreed {
        self.agreed[usize::from(options.0)]
    }
}

/// Which options a host's handshake uses. One per entry point.
#[derive(Debug, Default)]
pub(crate) struct HostOptions {
    hosts: HashMap<String, OptionsId>,
}

/// An index into [`Tls::configs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OptionsId(pub(crate) u16);

impl HostOptions {
    /// Records what a router wants for a host. Two routers that disagree get the default options, as in Traefik.
    pub(crate) fn add(&mut self, host: &str, options: OptionsId) {
        let entry = self.hosts.entry(host.to_owned()).or_insert(options);
        if *entry != options {
            *entry = OptionsId::default();
        }
    }

    /// The options for a server name or a host; the exact name before its wildcard.
    pub(crate) fn of(&self, host: &str) -> OptionsId {
        if self.hosts.is_empty() {
            return OptionsId::default();
        }
        if let Some(found) = self.hosts.get(host) {
            return *found;
        }
        let wildcard = host.split_once('.').and_then(|(_, rest)| self.hosts.get(&format!("*.{rest}")));
        wildcard.copied().unwrap_or_default()
    }

    /// Whether every host has the default options.
    pub(crate) fn is_uniform(&self) -> bool {
        self.hosts.values().all(|options| *options == OptionsId::default())
    }
}
