//! `http.services`.

pub mod failover;
pub mod health;
pub mod mirroring;

use url::Url;

use self::{
    failover::Failover,
    health::{HealthCheck, PassiveHealthCheck},
    mirroring::Mirroring,
};
use super::affinity::{Cohort, Sticky};
use crate::{
    problem::{Located, Place},
    scalar::Weight,
};

/// What a router leads to.
#[derive(Debug, Clone)]
pub struct Service {
    /// Where it was written.
    pub at: Place,
    /// `middlewares`, run before the service is entered.
    pub middlewares: Vec<Located<String>>,
    /// Exactly one kind.
    pub kind: ServiceKind,
}

/// The kinds of service.
#[derive(Debug, Clone)]
pub enum ServiceKind {
    /// `loadBalancer`.
    LoadBalancer(LoadBalancer),
    /// `weighted`.
    Weighted(Weighted),
    /// `highestRandomWeight`.
    HighestRandomWeight(HighestRandomWeight),
    /// `failover`.
    Failover(Failover),
    /// `mirroring`.
    Mirroring(Mirroring),
}

impl ServiceKind {
    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoadBalancer(_) => "loadBalancer",
            Self::Weighted(_) => "weighted",
            Self::HighestRandomWeight(_) => "highestRandomWeight",
            Self::Failover(_) => "failover",
            Self::Mirroring(_) => "mirroring",
        }
    }

    /// The names of all services that it leads to.
    pub fn references(&self) -> Vec<&Located<String>> {
        match self {
            Self::LoadBalancer(_) | Self::Weighted(_) | Self::HighestRandomWeight(_) => {
                self.children().1.iter().map(|child| &child.name).collect()
            }
            Self::Failover(failover) => vec![&failover.service, &failover.fallback],
            Self::Mirroring(mirroring) => {
                let mirrors = mirroring.mirrors.iter().map(|mirror| &mirror.name);
                std::iter::once(&mirroring.service).chain(mirrors).collect()
            }
        }
    }

    /// The key of one of them, by its place among [`Self::references`].
    pub(crate) fn key_of_reference(&self, index: usize) -> String {
        match (self, index) {
            (Self::LoadBalancer(_) | Self::Weighted(_) | Self::HighestRandomWeight(_), index) => {
                format!("{}[{index}].name", self.children().0)
            }
            (Self::Failover(_), 0) => "failover.service".to_owned(),
            (Self::Failover(_), _) => "failover.fallback".to_owned(),
            (Self::Mirroring(_), 0) => "mirroring.service".to_owned(),
            (Self::Mirroring(_), index) => format!("mirroring.mirrors[{}].name", index - 1),
        }
    }
}

/// `loadBalancer`: servers that all do the same.
#[derive(Debug, Clone)]
pub struct LoadBalancer {
    /// `servers`; may be empty (the version is then unavailable).
    pub servers: Vec<Server>,
    /// `strategy`, wrr.
    pub strategy: Strategy,
    /// `sticky`; never with the strategy hrw.
    pub sticky: Option<Sticky>,
    /// `passHostHeader`, true.
    pub pass_host_header: bool,
    /// `serversTransport`, a qualified name; `None` is the static default.
    pub servers_transport: Option<Located<String>>,
    /// `responseForwarding.flushInterval`: read and without effect, since nothing is buffered.
    pub flush_interval: Option<std::time::Duration>,
    /// `healthCheck`.
    pub health_check: Option<HealthCheck>,
    /// `passiveHealthCheck`.
    pub passive_health_check: Option<PassiveHealthCheck>,
}

/// One address behind a load balancer.
#[derive(Debug, Clone)]
pub struct Server {
    /// `url`: scheme http, https or h2c; a host; no query, no fragment.
    pub url: Located<Url>,
    /// `url` as written, for that is what Traefik's cookies are made of.
    pub written: String,
    /// `weight`, 1; 0 receives nothing.
    pub weight: Weight,
    /// `preservePath`: the URL's own path goes before the request's.
    pub preserve_path: bool,
}

/// `loadBalancer.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Weighted round robin.
    #[default]
    Wrr,
    /// Two at random, the one with fewer requests in flight.
    P2c,
    /// The highest random weight: rendezvous hashing on the client's address.
    Hrw,
    /// The least time: the one whose answers begin soonest, by what it has to do.
    LeastTime,
}

impl Strategy {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrr => "wrr",
            Self::P2c => "p2c",
            Self::Hrw => "hrw",
            Self::LeastTime => "leasttime",
        }
    }
}

/// `weighted`: versions, drawn by weight.
#[derive(Debug, Clone)]
pub struct Weighted {
    /// `services`; at least one.
    pub services: Vec<WeightedChild>,
    /// `sticky`; never together with `cohort`.
    pub sticky: Option<Sticky>,
    /// `cohort`.
    pub cohort: Option<Cohort>,
}

/// `highestRandomWeight`: services by rendezvous hashing on the client's address.
#[derive(Debug, Clone)]
pub struct HighestRandomWeight {
    /// `services`; at least one.
    pub services: Vec<WeightedChild>,
}

/// One version of a weighted service.
#[derive(Debug, Clone)]
pub struct WeightedChild {
    /// `name`, qualified.
    pub name: Located<String>,
    /// `name` as written, for that is what Traefik's cookies are made of.
    pub written: String,
    /// `weight`, 1; 0 receives nothing.
    pub weight: Weight,
}

impl ServiceKind {
    /// The services below it that a share of its requests goes to, and where in the section they are written.
    pub fn children(&self) -> (&'static str, &[WeightedChild]) {
        match self {
            Self::LoadBalancer(_) | Self::Failover(_) | Self::Mirroring(_) => ("", &[]),
            Self::Weighted(weighted) => ("weighted.services", &weighted.services),
            Self::HighestRandomWeight(highest) => ("highestRandomWeight.services", &highest.services),
        }
    }
}
