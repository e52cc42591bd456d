//! What a service is doing now, for whoever asks the control plane.

use std::{sync::Arc, time::Instant};

use rollgate_config::scalar::Weight;

use crate::{
    clock,
    metrics::Metrics,
    service,
    snapshot::{ServiceIndex, ServiceKind, Services},
};

/// A service as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// It can take a request: a server below it is up, and no breaker on the way has given up its share.
    pub available: bool,
    /// Of a load balancer: its servers' URLs, and whether each is up.
    pub servers: Vec<(Arc<str>, bool)>,
    /// Of a weighted service: its children.
    pub versions: Vec<VersionStatus>,
}

/// A child of a weighted service as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionStatus {
    /// Its qualified name.
    pub name: Arc<str>,
    /// The weight in force.
    pub weight: Weight,
    /// As [`ServiceStatus::available`].
    pub available: bool,
    /// How often it was drawn in the last 50 to 60 seconds.
    pub drawn_lately: u64,
}

pub(crate) fn of(services: &Services, index: ServiceIndex, metrics: &Metrics, now: Instant) -> ServiceStatus {
    let (mut servers, mut versions) = (Vec::new(), Vec::new());
    match &services.at(index).kind {
        ServiceKind::LoadBalancer(balancer) => {
            servers.extend(balancer.servers.iter().map(|server| (server.url.clone(), server.is_up())));
        }
        ServiceKind::Weighted(weighted) => versions.extend(weighted.children.iter().map(|child| VersionStatus {
            name: services.at(child.service).name.clone(),
            weight: Weight(child.weight),
            available: child.available && service::takes_requests(services, child.service, now),
            drawn_lately: metrics.drawn_lately(child.version, clock::seconds()),
        })),
        ServiceKind::Failover(_) | ServiceKind::Mirroring(_) | ServiceKind::Internal(_) => {}
    }
    ServiceStatus { available: service::takes_requests(services, index, now), servers, versions }
}
