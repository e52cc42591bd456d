//! Everything that a request consults: immutable, one generation, made by [`crate::compile`].

pub(crate) mod retired;

use std::{collections::HashMap, sync::Arc, time::Duration};

use rollgate_config::dynamic::{
    router::RouterTimeouts,
    service::{Strategy, failover::FailoverErrors},
};

use crate::{
    balancer::Load,
    health::{self, Health},
    metrics::{RouterId, ServiceId, VersionId},
    middleware::{Middleware, retry::Account},
    pool::Target,
    rendezvous::Candidates,
    router::Table,
    service::mirroring::Counts,
    split::{Affinity, Draw},
    sticky::Sticky,
    tls::{HostOptions, OptionsId, Tls},
    trial::Laid,
};

/// One generation of the configuration, ready for requests.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with each publication.
    pub generation: u64,
    /// By entry point; shared with the generation before where nothing has changed.
    pub(crate) entry_points: Vec<Arc<Routes>>,
    pub(crate) services: Services,
    /// The services that middlewares ask for pages, by name.
    pub(crate) pages: Arc<HashMap<String, ServiceIndex>>,
    pub(crate) tls: Arc<Tls>,
}

/// An entry point's routers: those that serve TLS and those that do not.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) plain: Routing,
    pub(crate) tls: Routing,
    /// Which TLS options a server name's handshake uses.
    pub(crate) host_options: HostOptions,
    /// Every host has the default options, so no request can be on the wrong connection.
    pub(crate) uniform_options: bool,
}

/// A table and what its entries lead to.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) table: Table,
    pub(crate) routes: Vec<Arc<Route>>,
}

/// A router that won.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) id: RouterId,
    /// The entry point's, then the router's, chains flattened.
    pub(crate) middlewares: Arc<[Step]>,
    pub(crate) service: ServiceIndex,
    /// The TLS options that the router names; without TLS, the default ones.
    pub(crate) options: OptionsId,
    pub(crate) access_log: bool,
    pub(crate) metrics: bool,
    pub(crate) timeouts: RouterTimeouts,
}

/// A middleware in its place.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) name: Arc<str>,
    pub(crate) middleware: Arc<Middleware>,
}

/// A service's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServiceIndex(pub(crate) u32);

/// Every service, in chunks: a change of weights copies one chunk and the spine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Services {
    chunks: Vec<Arc<Vec<Service>>>,
}

/// What a router or a weighted service leads to.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) middlewares: Arc<[Step]>,
    pub(crate) kind: ServiceKind,
}

/// The kinds of service.
#[derive(Debug, Clone)]
pub(crate) enum ServiceKind {
    LoadBalancer(Arc<LoadBalancer>),
    Weighted(Weighted),
    Failover(Failover),
    Mirroring(Mirroring),
    Internal(Internal),
}

/// Versions by weight.
#[derive(Debug, Clone)]
pub(crate) struct Weighted {
    pub(crate) children: Box<[Child]>,
    pub(crate) draw: Draw,
    /// What keeps clients with their versions.
    pub(crate) affinity: Option<Arc<Affinity>>,
    /// What its assignments are counted for.
    pub(crate) id: ServiceId,
    /// What judges two of its versions.
    pub(crate) trial: Option<Arc<Laid>>,
}

/// One version.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) service: ServiceIndex,
    /// In millionths.
    pub(crate) weight: u64,
    /// Some server below it can take a request.
    pub(crate) available: bool,
    pub(crate) version: VersionId,
}

/// A service, and one that takes its place.
#[derive(Debug, Clone)]
pub(crate) struct Failover {
    pub(crate) main: Leg,
    pub(crate) fallback: Leg,
    /// Which answers of the main one are thrown away.
    pub(crate) errors: Option<Arc<FailoverErrors>>,
}

/// One of a failover's two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg {
    pub(crate) service: ServiceIndex,
    /// Some server below it can take a request, as far as the configuration goes.
    pub(crate) available: bool,
}

/// A service, and those that get copies of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Mirroring {
    pub(crate) service: ServiceIndex,
    /// A longer body is not mirrored. `None`: no body is.
    pub(crate) max_body_size: Option<u64>,
    /// What a copy may take.
    pub(crate) timeout: Duration,
    pub(crate) mirrors: Box<[Mirror]>,
}

/// One that gets copies.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    pub(crate) service: ServiceIndex,
    /// Of the requests.
    pub(crate) percent: u8,
    pub(crate) counts: Arc<Counts>,
}

/// Servers that all do the same.
#[derive(Debug)]
pub(crate) struct LoadBalancer {
    pub(crate) name: Arc<str>,
    pub(crate) servers: Box<[Server]>,
    pub(crate) strategy: Strategy,
    /// With the strategy hrw: the servers by their URLs.
    pub(crate) by_address: Option<Candidates>,
    pub(crate) sticky: Option<Box<Sticky>>,
    pub(crate) pass_host_header: bool,
    pub(crate) id: ServiceId,
    /// The index into each worker's rounds.
    pub(crate) slot: u32,
    /// Changes when the servers or their weights do.
    pub(crate) list: u64,
    pub(crate) retries: Arc<Account>,
    /// With `passiveHealthCheck`: learns from answers.
    pub(crate) learns: Option<Arc<health::Servers>>,
}

/// One address.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) target: Arc<Target>,
    /// For the access log: the URL as configured.
    pub(crate) url: Arc<str>,
    /// In millionths.
    pub(crate) weight: u64,
    /// With `preservePath`: goes before the request's path.
    pub(crate) path_prefix: Option<Arc<str>>,
    pub(crate) load: Arc<Load>,
    /// Where it is checked.
    pub(crate) health: Option<Arc<Health>>,
}

/// Services that the gateway answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Internal {
    /// `api@internal`
    Api,
    /// `ping@internal`
    Ping,
    /// `prometheus@internal`
    Prometheus,
    /// `noop@internal`
    Noop,
    /// `/live`
    Live,
    /// `/ready`
    Ready,
    /// `OPTIONS *`, which asks the gateway itself (RFC 9110 section 9.3.7).
    Options,
}

const CHUNK: usize = 64;

impl Services {
    /// Puts a service where `index` says; what is between the end and there stays vacant. Chunks that other snapshots
    /// share are copied first.
    pub(crate) fn put(&mut self, index: ServiceIndex, service: Service) {
        let (chunk, place) = (index.0 as usize / CHUNK, index.0 as usize % CHUNK);
        while self.chunks.len() <= chunk {
            self.chunks.push(Arc::new(Vec::new()));
        }
        let chunk = Arc::make_mut(&mut self.chunks[chunk]);
        while chunk.len() <= place {
            chunk.push(Service::vacant());
        }
        chunk[place] = service;
    }

    /// All of them, in the order of their indexes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The service at an index that compiling handed out.
    pub(crate) fn at(&self, index: ServiceIndex) -> &Service {
        let index = index.0 as usize;
        &self.chunks[index / CHUNK][index % CHUNK]
    }
}

impl Server {
    /// Whether it takes requests; one load.
    pub(crate) fn is_up(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.is_up())
    }
}

impl Service {
    /// What stands where a service has left; nothing leads there.
    pub(crate) fn vacant() -> Self {
        Self { name: "".into(), middlewares: [].into(), kind: ServiceKind::Internal(Internal::Noop) }
    }
}

impl Routes {
    /// The routing of one kind of connection.
    pub(crate) fn of(&self, tls: bool) -> &Routing {
        if tls { &self.tls } else { &self.plain }
    }

    /// The options that a host's routers want.
    pub(crate) fn options_of(&self, host: &str) -> OptionsId {
        self.host_options.of(host)
    }
}
