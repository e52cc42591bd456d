//! Which services can take a request at all, as their weights, what lies over these, and their parts say.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use foldhash::fast::FixedState;
use rollgate_config::dynamic::{
    Item,
    service::{self as written, ServiceKind as Written},
};

use super::Known;
use crate::overlay::Overlay;

/// Whether a service can take a request, each looked at once.
pub(super) struct Availability<'c> {
    services: Looked<'c>,
    /// What lies over the weights.
    pub(super) overlay: &'c Overlay,
    known: HashMap<Arc<str>, bool>,
}

/// Where services are looked up.
pub(super) enum Looked<'c> {
    Configured(&'c BTreeMap<Arc<str>, Item<written::Service>>),
    Kept(&'c HashMap<Arc<str>, Known, FixedState>),
}

impl<'c> Availability<'c> {
    pub(super) fn new(services: Looked<'c>, overlay: &'c Overlay) -> Self {
        Self { services, overlay, known: HashMap::new() }
    }

    /// Validation has made sure that there is no cycle.
    pub(super) fn of(&mut self, name: &str) -> bool {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        // Not there: an internal service.
        let Some((name, service)) = self.services.get(name) else { return true };
        let available = match &service.kind {
            Written::LoadBalancer(balancer) => balancer.servers.iter().any(|server| server.weight.0 > 0),
            Written::Weighted(_) | Written::HighestRandomWeight(_) => {
                let (_, children) = service.kind.children();
                let over = self.overlay.of(name);
                let mut weighted = children.iter().filter(|child| over.weight(&child.name.value, child.weight).0 > 0);
                weighted.any(|child| self.of(&child.name.value))
            }
            Written::Failover(failover) => self.of(&failover.service.value) || self.of(&failover.fallback.value),
            Written::Mirroring(mirroring) => self.of(&mirroring.service.value),
        };
        self.known.insert(name.clone(), available);
        available
    }
}

impl<'c> Looked<'c> {
    fn get(&self, name: &str) -> Option<(&'c Arc<str>, &'c written::Service)> {
        match self {
            Self::Configured(services) => services.get_key_value(name).map(|(name, item)| (name, &**item)),
            Self::Kept(services) => services.get_key_value(name).map(|(name, known)| (name, &*known.item)),
        }
    }
}
