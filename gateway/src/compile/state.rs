//! What outlives a snapshot, by its name.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rollgate_config::{
    dynamic::{
        Configuration, name,
        service::{
            ServiceKind,
            health::{Mode, Probe, Scheme},
        },
    },
    problem::Problem,
    static_config::Static,
};

use crate::{
    balancer::Load,
    health::{Configured, Servers, Surroundings},
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
    health: Option<Arc<Servers>>,
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
                name => format!("http.serversTransports.{}", name::bare(name)),
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
            let fresh = Balancer { slot, list: 0, servers: Vec::new(), loads: HashMap::new(), health: None };
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
        for mut balancer in gone.iter().filter_map(|name| self.balancers.remove(&**name)) {
            balancer.no_health();
            self.free_slots.push(balancer.slot);
        }
    }
}

impl Balancer {
    /// What is known of a server's load.
    pub(crate) fn load(&mut self, url: &str) -> Arc<Load> {
        self.loads.entry(url.to_owned()).or_default().clone()
    }

    /// What is known of its servers' health, and from now on learned as configured.
    pub(crate) fn health(
        &mut self,
        name: &Arc<str>,
        surroundings: &Surroundings,
        configured: &Configured<'_>,
    ) -> Arc<Servers> {
        let servers = self.health.get_or_insert_with(|| Servers::new(name.clone(), surroundings.clone()));
        servers.configure(configured);
        servers.clone()
    }

    /// Its servers are asked no more, and what was known of them is forgotten.
    pub(crate) fn no_health(&mut self) {
        if let Some(health) = self.health.take() {
            health.forget();
        }
    }
}

/// A redirect may lead to TLS.
fn may_use_tls(probe: &Probe) -> bool {
    probe.scheme == Some(Scheme::Https) || (probe.mode == Mode::Http && !probe.stays)
}

/// The transports that reach a server behind TLS: the roots of a machine are some hundred, and most gateways never need
/// them.
fn reaching_tls(configuration: &Configuration) -> HashSet<&str> {
    let balancers = configuration.services.values().filter_map(|service| match &service.kind {
        ServiceKind::LoadBalancer(balancer) => Some(balancer),
        _ => None,
    });
    let behind_tls = balancers.filter(|balancer| {
        let probed = balancer.health_check.as_ref().is_some_and(|check| may_use_tls(&check.probe));
        probed || balancer.servers.iter().any(|server| server.url.value.scheme() == "https")
    });
    behind_tls.map(|balancer| balancer.servers_transport.as_ref().map_or("", |name| name.value.as_str())).collect()
}
