//! What outlives a snapshot, by its name.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rollgate_config::{
    dynamic::{Configuration, service::ServiceKind},
    problem::Problem,
    static_config::Static,
};

use crate::{
    balancer::Load,
    tls::{certificates::Fallback, client::Transport, options::Sessions},
};

/// Kept by the compiler from one snapshot to the next.
pub(crate) struct Kept {
    /// The default certificate where none is configured.
    pub(crate) fallback: Arc<Fallback>,
    pub(crate) sessions: Sessions,
    /// By qualified name; the static default's is empty.
    pub(crate) transports: HashMap<String, Arc<Transport>>,
    balancers: HashMap<String, Balancer>,
    next_slot: u32,
    free_slots: Vec<u32>,
    next_list: u64,
}

/// A load balancer's identity over reloads.
pub(crate) struct Balancer {
    pub(crate) slot: u32,
    pub(crate) list: u64,
    /// The servers and weights that `list` stands for.
    servers: Vec<(String, u64)>,
    loads: HashMap<String, Arc<Load>>,
}

impl Kept {
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self {
            fallback: Arc::default(),
            sessions: Sessions::new().map_err(|error| error.to_string())?,
            transports: HashMap::new(),
            balancers: HashMap::new(),
            next_slot: 0,
            free_slots: Vec::new(),
            next_list: 0,
        })
    }

    /// Every transport of a configuration: the one that is there if nothing about it has changed.
    pub(crate) fn transports(
        &self,
        statics: &Static,
        configuration: &Configuration,
        problems: &mut Vec<Problem>,
    ) -> HashMap<String, Arc<Transport>> {
        let named = configuration.servers_transports.iter().map(|(name, config)| (name.as_str(), config));
        let reaching_tls = reaching_tls(configuration);
        let mut transports = HashMap::new();
        for (name, config) in std::iter::once(("", &statics.servers_transport)).chain(named) {
            let tls = reaching_tls.contains(name);
            let kept = self.transports.get(name);
            if let Some(kept) = kept.filter(|kept| kept.is(config) && (kept.tls.is_some() || !tls)) {
                transports.insert(name.to_owned(), kept.clone());
                continue;
            }
            let path = match name {
                "" => "serversTransport".to_owned(),
                name => format!("http.serversTransports.{}", name.trim_end_matches("@file")),
            };
            match Transport::load(config, &path, tls) {
                Ok(transport) => drop(transports.insert(name.to_owned(), transport)),
                Err(problem) => problems.push(problem),
            }
        }
        transports
    }

    /// The identity of a load balancer: kept by name; a new list where its servers or their weights have changed.
    pub(crate) fn balancer(&mut self, name: &str, servers: Vec<(String, u64)>) -> &mut Balancer {
        if !self.balancers.contains_key(name) {
            let slot = self.free_slots.pop().unwrap_or_else(|| {
                self.next_slot += 1;
                self.next_slot - 1
            });
            let fresh = Balancer { slot, list: 0, servers: Vec::new(), loads: HashMap::new() };
            self.balancers.insert(name.to_owned(), fresh);
        }
        let balancer = self.balancers.get_mut(name).expect("it was put there when it was missing");
        if balancer.list == 0 || balancer.servers != servers {
            self.next_list += 1;
            balancer.list = self.next_list;
            balancer.loads.retain(|url, _| servers.iter().any(|(kept, _)| kept == url));
            balancer.servers = servers;
        }
        balancer
    }

    /// Forgets load balancers that are gone.
    pub(crate) fn forget_balancers(&mut self, gone: &[Arc<str>]) {
        for balancer in gone.iter().filter_map(|name| self.balancers.remove(&**name)) {
            self.free_slots.push(balancer.slot);
        }
    }
}

impl Balancer {
    /// What is known of a server's load.
    pub(crate) fn load(&mut self, url: &str) -> Arc<Load> {
        self.loads.entry(url.to_owned()).or_default().clone()
    }
}

/// The transports that reach a server behind TLS: the roots of a machine are some hundred, and most gateways never need
/// them.
fn reaching_tls(configuration: &Configuration) -> HashSet<&str> {
    let balancers = configuration.services.values().filter_map(|service| match &service.kind {
        ServiceKind::LoadBalancer(balancer) => Some(balancer),
        ServiceKind::Weighted(_) | ServiceKind::HighestRandomWeight(_) => None,
    });
    let behind_tls = balancers.filter(|balancer| balancer.servers.iter().any(|s| s.url.value.scheme() == "https"));
    behind_tls.map(|balancer| balancer.servers_transport.as_ref().map_or("", |name| name.value.as_str())).collect()
}
