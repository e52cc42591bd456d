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
    /// Of a weighted service: what judges two of them.
    pub trial: Option<TrialStatus>,
}

/// A trial that lies over a weighted service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialStatus {
    /// The rollout's id.
    pub rollout: Arc<str>,
    /// The version that has the users.
    pub stable: Arc<str>,
    /// The version that is to get them.
    pub canary: Arc<str>,
    /// Who gets the canary besides those whom its weight gives it to, in words.
    pub audience: Option<String>,
}

/// A child of a weighted service as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionStatus {
    /// Its qualified name.
    pub name: Arc<str>,
    /// The weight in force; 0 where it is braked.
    pub weight: Weight,
    /// The judge of its trial has stopped it: no request goes there, whatever its weight.
    pub braked_by_judge: bool,
    /// As [`ServiceStatus::available`].
    pub available: bool,
    /// How often it was drawn in the last 50 to 60 seconds.
    pub drawn_lately: u64,
}

pub(crate) fn of(services: &Services, index: ServiceIndex, metrics: &Metrics, now: Instant) -> ServiceStatus {
    let (mut servers, mut versions, mut trial) = (Vec::new(), Vec::new(), None);
    match &services.at(index).kind {
        ServiceKind::LoadBalancer(balancer) => {
            servers.extend(balancer.servers.iter().map(|server| (server.url.clone(), server.is_up())));
        }
        ServiceKind::Weighted(weighted) => {
            let name = |child: usize| services.at(weighted.children[child].service).name.clone();
            let braked = weighted.trial.as_ref().filter(|laid| laid.watched.is_braked()).map(|laid| laid.canary);
            versions.extend(weighted.children.iter().enumerate().map(|(place, child)| VersionStatus {
                name: name(place),
                weight: Weight(if braked == Some(place) { 0 } else { child.weight }),
                braked_by_judge: braked == Some(place),
                available: child.available && service::takes_requests(services, child.service, now),
                drawn_lately: metrics.drawn_lately(child.version, clock::seconds()),
            }));
            trial = weighted.trial.as_ref().map(|laid| TrialStatus {
                rollout: laid.rollout.clone(),
                stable: name(laid.stable),
                canary: name(laid.canary),
                audience: laid.audience.as_ref().map(|audience| audience.audience.to_string()),
            });
        }
        ServiceKind::Failover(_) | ServiceKind::Mirroring(_) | ServiceKind::Internal(_) => {}
    }
    ServiceStatus { available: service::takes_requests(services, index, now), servers, versions, trial }
}
