//! From a configuration to a snapshot. Everything that can go wrong goes wrong here, with all problems at once, and
//! what outlives a snapshot (transports, targets, rounds, counters) is found again by its name.
//!
//! What is made of things that are the same as in the snapshot before is that snapshot's own: a change costs what it
//! changes, and a look at the rest.

mod chains;
mod routes;
mod services;
mod state;
mod states;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rollgate_config::{
    dynamic::{
        Configuration, Item,
        middleware::{Middleware, MiddlewareKind},
        tls::TlsOptions,
    },
    problem::Problem,
    static_config::Static,
    steps::large_step,
};

pub(crate) use self::states::States;
use self::{chains::Chains, state::Kept};
use crate::{
    entry_point::EntryPoint,
    health,
    helper::Helper,
    metrics::{Certificate, Live, Metrics},
    middleware::Making,
    overlay::{Over, Overlay},
    pool::Targets,
    snapshot::{Routes, Service, ServiceIndex, ServiceKind, Snapshot},
    tls::{Tls, certificates::Certificates, options},
    troubles::Troubles,
};

/// Makes snapshots. One per process, since it remembers what they share.
pub(crate) struct Compiler {
    pub(crate) statics: Static,
    pub(crate) entry_points: Vec<Arc<EntryPoint>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) targets: Targets,
    pub(crate) workers: usize,
    pub(crate) states: States,
    pub(crate) helper: Helper,
    pub(crate) troubles: Troubles,
    /// What servers' health is learned with; by default nobody is asked.
    pub(crate) health: health::Surroundings,
    kept: Kept,
    overlay: Overlay,
    /// What lies over these has changed since they were compiled.
    reweighed: BTreeSet<Arc<str>>,
    chains: Chains,
    services: services::Kept,
    routes: routes::Kept,
    /// As many as there ever were entry points.
    places: usize,
    generation: u64,
}

/// A snapshot and what the metrics have to learn of it.
pub(crate) struct Compiled {
    pub(crate) snapshot: Snapshot,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) live: Live,
    pub(crate) changes: Changes,
}

/// How the services differ from those of the snapshot before.
pub(crate) struct Changes {
    /// Those that were compiled.
    pub(crate) services: Vec<ServiceIndex>,
    pub(crate) gone: Vec<Arc<str>>,
}

impl Compiler {
    /// Fails only where the machine has no randomness for the default certificate.
    pub(crate) fn new(
        statics: Static,
        entry_points: Vec<Arc<EntryPoint>>,
        metrics: Arc<Metrics>,
        workers: usize,
    ) -> Result<Self, String> {
        let kept = Kept::new()?;
        let (targets, troubles) = (Targets::default(), Troubles::default());
        let health = health::Surroundings::new(None, metrics.clone(), troubles.clone(), targets.clone());
        Ok(Self {
            statics,
            entry_points,
            metrics,
            targets,
            workers,
            states: States::default(),
            helper: Helper::default(),
            troubles,
            health,
            kept,
            overlay: Overlay::default(),
            reweighed: BTreeSet::new(),
            chains: Chains::default(),
            services: services::Kept::default(),
            routes: routes::Kept::default(),
            places: 0,
            generation: 0,
        })
    }

    /// A snapshot of the next generation, or everything that is wrong.
    #[cfg(any(test, feature = "in-memory"))]
    pub(crate) fn compile(&mut self, configuration: &Configuration) -> Result<Compiled, Vec<Problem>> {
        self.compile_under(configuration, Vec::new())
    }

    /// The same; from then on this lies over the weights of the services that it names.
    pub(crate) fn compile_under(
        &mut self,
        configuration: &Configuration,
        over: Vec<(Arc<str>, Over)>,
    ) -> Result<Compiled, Vec<Problem>> {
        let before = self.lay(over);
        self.compile_as_laid(configuration).inspect_err(|_| drop(self.lay(before)))
    }

    /// The snapshot after `last`, in which only weights differ.
    pub(crate) fn reweigh(&mut self, last: &Snapshot, over: Vec<(Arc<str>, Over)>) -> (Snapshot, Changes) {
        self.lay(over);
        let changes = services::reweigh(self);
        self.generation += 1;
        let snapshot = Snapshot {
            generation: self.generation,
            entry_points: last.entry_points.clone(),
            services: self.services.services.clone(),
            pages: last.pages.clone(),
            tls: last.tls.clone(),
        };
        (snapshot, changes)
    }

    /// What lay over these services before.
    fn lay(&mut self, over: Vec<(Arc<str>, Over)>) -> Vec<(Arc<str>, Over)> {
        let laid = over.into_iter().map(|(service, over)| {
            self.reweighed.insert(service.clone());
            let before = self.overlay.put(service.clone(), over);
            (service, before)
        });
        laid.collect()
    }

    fn compile_as_laid(&mut self, configuration: &Configuration) -> Result<Compiled, Vec<Problem>> {
        let mut problems = Vec::new();
        let (tls, certificates) = self.tls(configuration, &mut problems);
        let transports = self.kept.transports(&self.statics, configuration, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let chains = Chains::compile(self, configuration)?;
        let changes = services::compile(self, configuration, &transports, &chains);
        let entry_points = routes::compile(self, configuration, &chains, &tls);
        large_step();
        let entry_points = self.in_place(entry_points);
        self.kept.transports = transports;
        self.kept.sessions.retain(&tls.agreed);
        self.chains = chains;
        self.generation += 1;
        let services = self.services.services.clone();
        let pages = Arc::new(self.pages(configuration));
        let snapshot = Snapshot { generation: self.generation, entry_points, services, pages, tls: Arc::new(tls) };
        let live = self.live(&snapshot);
        large_step();
        Ok(Compiled { certificates, live, changes, snapshot })
    }

    /// Each entry point's routes in its place of the snapshot; nothing in the places of those that are gone.
    fn in_place(&mut self, routes: Vec<Arc<Routes>>) -> Vec<Arc<Routes>> {
        self.places = self.entry_points.iter().map(|entry| entry.index + 1).fold(self.places, usize::max);
        let mut placed: Vec<Arc<Routes>> = (0..self.places).map(|_| routes::none()).collect();
        self.entry_points.iter().zip(routes).for_each(|(entry, routes)| placed[entry.index] = routes);
        placed
    }

    /// Where the services stand that middlewares ask for pages.
    fn pages(&self, configuration: &Configuration) -> HashMap<String, ServiceIndex> {
        let service = |middleware: &Item<Middleware>| match &middleware.kind {
            MiddlewareKind::Errors(pages) => Some(pages.service.value.clone()),
            _ => None,
        };
        let services = configuration.middlewares.values().filter_map(service);
        services.map(|name| (name.clone(), self.services.index(&name))).collect()
    }

    /// Where a service stands in the last snapshot.
    pub(crate) fn place_of(&self, service: &str) -> Option<ServiceIndex> {
        self.services.place_of(service)
    }

    /// What the middleware of this name is made with.
    fn making<'c>(&'c self, name: &'c str) -> Making<'c> {
        Making {
            name,
            states: &self.states,
            metrics: &self.metrics,
            targets: &self.targets,
            helper: &self.helper,
            troubles: &self.troubles,
            workers: self.workers,
        }
    }

    fn live(&self, snapshot: &Snapshot) -> Live {
        let routes = snapshot.entry_points.iter();
        let routes = routes.flat_map(|routes| routes.plain.routes.iter().chain(&routes.tls.routes));
        let mut live = Live {
            entry_points: self.entry_points.iter().map(|entry| entry.id).collect(),
            routers: routes.map(|route| route.id).collect(),
            ..Live::default()
        };
        for service in snapshot.services.iter() {
            match &service.kind {
                ServiceKind::LoadBalancer(balancer) => live.services.push(balancer.id),
                ServiceKind::Weighted(weighted) => {
                    live.services.push(weighted.id);
                    live.versions.extend(weighted.children.iter().map(|child| child.version));
                }
                ServiceKind::Failover(_) | ServiceKind::Mirroring(_) | ServiceKind::Internal(_) => {}
            }
        }
        live
    }

    fn tls(&mut self, configuration: &Configuration, problems: &mut Vec<Problem>) -> (Tls, Vec<Certificate>) {
        let certificates = match Certificates::load(&configuration.tls, &self.kept.fallback) {
            Ok(certificates) => Arc::new(certificates),
            Err(found) => {
                problems.extend(found);
                return (Tls::default(), Vec::new());
            }
        };
        let options = &configuration.tls.options;
        let default: (&str, Option<&TlsOptions>) = (DEFAULT, options.get(DEFAULT));
        let named = options.iter().filter(|(name, _)| *name != DEFAULT).map(|(name, o)| (name.as_str(), Some(o)));
        let mut tls = Tls::default();
        for (name, options) in std::iter::once(default).chain(named) {
            let sessions = self.kept.sessions.of(name, options);
            let made =
                sessions.map_err(|error| options::unusable(name, options, error)).and_then(|(agreed, tickets)| {
                    Ok((agreed, options::server_config(name, options, &certificates, tickets)?))
                });
            match made {
                Ok((agreed, config)) => {
                    tls.configs.push(config);
                    tls.names.push(name.to_owned());
                    tls.agreed.push(agreed);
                }
                Err(problem) => problems.push(problem),
            }
        }
        (tls, certificates.facts.clone())
    }
}

impl Compiled {
    /// Tells the metrics what the snapshot is made of.
    pub(crate) fn record(&self, metrics: &Metrics) {
        metrics.retain(&self.live);
        metrics.set_certificates(&self.certificates);
        self.changes.record(&self.snapshot, metrics);
    }
}

impl Changes {
    /// Tells the metrics of what has changed from one snapshot to the next.
    pub(crate) fn record(&self, snapshot: &Snapshot, metrics: &Metrics) {
        for service in self.services.iter().map(|index| snapshot.services.at(*index)) {
            record(service, metrics);
        }
        for gone in &self.gone {
            metrics.set_servers(gone, []);
        }
    }
}

fn record(service: &Service, metrics: &Metrics) {
    let mut servers = &[][..];
    match &service.kind {
        ServiceKind::LoadBalancer(balancer) => servers = &balancer.servers,
        ServiceKind::Weighted(weighted) => {
            let total: u64 = weighted.children.iter().map(|child| child.weight).sum();
            for child in &weighted.children {
                metrics.set_target_share(child.version, child.weight as f64 / total.max(1) as f64);
            }
        }
        ServiceKind::Failover(_) | ServiceKind::Mirroring(_) | ServiceKind::Internal(_) => {}
    }
    metrics.set_servers(&service.name, servers.iter().map(|server| (&*server.url, server.is_up())));
}

/// The options that hold where a router names none.
pub(crate) const DEFAULT: &str = "default";

#[cfg(test)]
mod tests;
