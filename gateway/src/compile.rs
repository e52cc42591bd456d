//! From a configuration to a snapshot. Everything that can go wrong goes wrong here, with all problems at once, and
//! what outlives a snapshot (transports, targets, rounds, counters) is found again by its name.

mod routes;
mod services;
mod state;

use std::{collections::HashMap, sync::Arc};

use rollgate_config::{
    dynamic::{Configuration, middleware::MiddlewareKind, tls::TlsOptions},
    problem::Problem,
    static_config::Static,
};

use self::state::Kept;
use crate::{
    entry_point::EntryPoint,
    metrics::{Certificate, Live, Metrics, VersionId},
    middleware::Middleware,
    pool::Targets,
    snapshot::{Routes, Service, ServiceKind, Services, Snapshot, Step},
    tls::{Tls, certificates::Certificates, options, pem},
};

/// Makes snapshots. One per process, since it remembers what they share.
pub(crate) struct Compiler {
    pub(crate) statics: Static,
    pub(crate) entry_points: Vec<Arc<EntryPoint>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) targets: Targets,
    pub(crate) workers: usize,
    kept: Kept,
    /// As many as there ever were entry points.
    places: usize,
    generation: u64,
}

/// A snapshot and what the metrics have to learn of it.
pub(crate) struct Compiled {
    pub(crate) snapshot: Snapshot,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) live: Live,
    /// The share, 0 to 1, that each version has by its weight.
    pub(crate) shares: Vec<(VersionId, f64)>,
    /// Service and URL.
    pub(crate) servers: Vec<(Arc<str>, Arc<str>)>,
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
        Ok(Self {
            statics,
            entry_points,
            metrics,
            targets: Targets::default(),
            workers,
            kept,
            places: 0,
            generation: 0,
        })
    }

    /// A snapshot of the next generation, or everything that is wrong.
    pub(crate) fn compile(&mut self, configuration: &Configuration) -> Result<Compiled, Vec<Problem>> {
        let mut problems = Vec::new();
        let (tls, certificates) = self.tls(configuration, &mut problems);
        let transports = self.kept.transports(&self.statics, configuration, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let chains = chains(configuration)?;
        let (services, index) = services::compile(self, configuration, &transports, &chains);
        let entry_points = routes::compile(self, configuration, &index, &chains, &tls);
        let entry_points = self.in_place(entry_points);
        self.kept.transports = transports;
        self.kept.sessions.retain(&tls.agreed);
        self.generation += 1;
        let mut compiled = Compiled {
            certificates,
            live: self.live(&entry_points),
            shares: Vec::new(),
            servers: Vec::new(),
            snapshot: Snapshot { generation: self.generation, entry_points, services: Services::default(), tls },
        };
        services.iter().for_each(|service| compiled.note(service));
        compiled.snapshot.services = Services::new(services);
        Ok(compiled)
    }

    /// Each entry point's routes in its place of the snapshot; nothing in the places of those that are gone.
    fn in_place(&mut self, routes: Vec<Routes>) -> Vec<Routes> {
        self.places = self.entry_points.iter().map(|entry| entry.index + 1).fold(self.places, usize::max);
        let mut placed: Vec<Routes> = (0..self.places).map(|_| routes::none()).collect();
        self.entry_points.iter().zip(routes).for_each(|(entry, routes)| placed[entry.index] = routes);
        placed
    }

    fn live(&self, routes: &[Routes]) -> Live {
        let routers = routes.iter().flat_map(|routes| routes.plain.routes.iter().chain(&routes.tls.routes));
        Live {
            entry_points: self.entry_points.iter().map(|entry| entry.id).collect(),
            routers: routers.map(|route| route.id).collect(),
            ..Live::default()
        }
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
    /// Notes what the metrics have to know of a service.
    fn note(&mut self, service: &Service) {
        match &service.kind {
            ServiceKind::LoadBalancer(balancer) => {
                self.live.services.push(balancer.id);
                let servers = balancer.servers.iter().map(|server| (balancer.name.clone(), server.url.clone()));
                self.servers.extend(servers);
            }
            ServiceKind::Weighted(weighted) => {
                let total: u64 = weighted.children.iter().map(|child| child.weight).sum();
                for child in &weighted.children {
                    self.live.versions.push(child.version);
                    self.shares.push((child.version, child.weight as f64 / total.max(1) as f64));
                }
            }
            ServiceKind::Internal(_) => {}
        }
    }
}

/// Every middleware by its qualified name, chains flattened.
#[derive(Default)]
pub(crate) struct Chains {
    steps: HashMap<String, Vec<Step>>,
}

fn chains(configuration: &Configuration) -> Result<Chains, Vec<Problem>> {
    let (mut chains, mut problems) = (Chains::default(), Vec::new());
    for name in configuration.middlewares.keys() {
        chains.flatten(configuration, name, &mut problems);
    }
    if problems.is_empty() { Ok(chains) } else { Err(problems) }
}

impl Chains {
    /// The steps of several references, in order.
    pub(crate) fn steps<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<Step> {
        names.into_iter().flat_map(|name| self.steps.get(name).cloned().unwrap_or_default()).collect()
    }

    /// Validation has made sure that chains have no cycle.
    fn flatten(&mut self, configuration: &Configuration, name: &str, problems: &mut Vec<Problem>) {
        if self.steps.contains_key(name) {
            return;
        }
        let Some(middleware) = configuration.middlewares.get(name) else { return };
        let mut steps = Vec::new();
        match &middleware.kind {
            MiddlewareKind::Chain(names) => {
                for name in names {
                    self.flatten(configuration, &name.value, problems);
                    steps.extend(self.steps.get(&name.value).cloned().unwrap_or_default());
                }
            }
            kind => match Middleware::compile(kind) {
                Ok(middleware) => steps.push(Step { name: name.into(), middleware: Arc::new(middleware) }),
                Err(error) => {
                    let path = format!("http.middlewares.{}", name.trim_end_matches("@file"));
                    problems.push(pem::wrong(&middleware.at, &path, error.to_string()));
                }
            },
        }
        self.steps.insert(name.to_owned(), steps);
    }
}

/// The options that hold where a router names none.
pub(crate) const DEFAULT: &str = "default";
