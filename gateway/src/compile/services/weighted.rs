//! Services with a share for each of their children.

use std::sync::Arc;

use rollgate_config::{
    dynamic::{
        affinity::{Cohort, CohortKey},
        service::{ServiceKind as Written, WeightedChild},
    },
    scalar::IpStrategy,
};

use super::{super::Compiler, Availability, Kept};
use crate::{
    overlay::Over,
    snapshot::{Child, Weighted},
    split::{self, Affinity, Draw},
    sticky::{Member, Sticky},
    trial::{Laid, Trial},
};

/// A weighted service as it is written.
struct Service<'c> {
    compiler: &'c Compiler,
    kept: &'c Kept,
    name: &'c str,
    kind: &'c Written,
    children: &'c [WeightedChild],
}

pub(super) fn compile(
    compiler: &Compiler,
    kept: &Kept,
    name: &str,
    kind: &Written,
    available: &mut Availability<'_>,
) -> Weighted {
    let over = available.overlay.of(name);
    let service = Service { compiler, kept, name, kind, children: kind.children().1 };
    let trial = over.trial.as_deref().filter(|trial| *trial.order().service == *name);
    let weighted = service.under(over, trial, available);
    let laid = trial.and_then(|trial| {
        let canary = &trial.order().canary;
        let names = service.children.iter().map(|child| child.name.value.as_str());
        let without = || service.under(&over.without(canary), Some(trial), available);
        Laid::over(trial, (names, &weighted.children), over.braked.contains(canary), without)
    });
    Weighted { trial: laid.map(Arc::new), ..weighted }
}

impl Service<'_> {
    /// With this over it; of the trial, only how it chooses clients' versions.
    fn under(&self, over: &Over, trial: Option<&Trial>, available: &mut Availability<'_>) -> Weighted {
        let child = |child: &WeightedChild| Child {
            service: self.kept.index(&child.name.value),
            weight: over.weight(&child.name.value, child.weight).0,
            available: available.of(&child.name.value),
            version: self.compiler.metrics.version_id(self.name, &child.name.value),
        };
        let children: Box<[Child]> = self.children.iter().map(child).collect();
        let affinity = self.affinity(over, trial).map(Arc::new);
        let id = self.compiler.metrics.service_id(self.name);
        Weighted { draw: Draw::new(&children), children, affinity, id, trial: None }
    }

    fn affinity(&self, over: &Over, trial: Option<&Trial>) -> Option<Affinity> {
        match self.kind {
            Written::LoadBalancer(_) | Written::Failover(_) | Written::Mirroring(_) => None,
            Written::Weighted(weighted) => match (&weighted.sticky, &weighted.cohort) {
                (Some(sticky), _) => {
                    let member = |child| {
                        let WeightedChild { name, weight, written, .. }: &WeightedChild = child;
                        let braked = over.braked.contains(name.value.as_str());
                        Member { name: written, weight: over.weight(&name.value, *weight).0, braked }
                    };
                    let members = self.children.iter().map(member);
                    Some(Affinity::Sticky(Sticky::new(sticky, self.name, members)))
                }
                (None, Some(cohort)) => self.cohort(cohort, trial),
                (None, None) => None,
            },
            // The client's address is the key of a cohort that nobody has to configure.
            Written::HighestRandomWeight(_) => {
                self.cohort(&Cohort { key: CohortKey::ClientIp(IpStrategy::default()), salt: None }, trial)
            }
        }
    }

    /// A rollout has an order of users of its own, or draws each request by itself.
    fn cohort(&self, cohort: &Cohort, trial: Option<&Trial>) -> Option<Affinity> {
        let rollout = match trial.map(Trial::cohort_salt) {
            None => "",
            Some(salt) => salt?,
        };
        let names = self.children.iter().map(|child| child.name.value.as_str());
        Some(Affinity::Cohort(split::Cohort::new(cohort, self.name, rollout, names)))
    }
}
