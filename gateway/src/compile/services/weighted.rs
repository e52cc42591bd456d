//! Services with a share for each of their children.

use std::sync::Arc;

use rollgate_config::{
    dynamic::{
        affinity::{Cohort, CohortKey},
        service::ServiceKind as Written,
    },
    scalar::IpStrategy,
};

use super::{super::Compiler, Availability, Kept};
use crate::{
    overlay::Overlay,
    snapshot::{Child, Weighted},
    split::{self, Affinity, Draw},
    sticky::{Member, Sticky},
};

pub(super) fn compile(
    compiler: &Compiler,
    kept: &Kept,
    name: &str,
    kind: &Written,
    available: &mut Availability<'_>,
) -> Weighted {
    let (_, written) = kind.children();
    let children: Box<[Child]> = written
        .iter()
        .map(|child| Child {
            service: kept.index(&child.name.value),
            weight: available.overlay.weight(name, child).0,
            available: available.of(&child.name.value),
            version: compiler.metrics.version_id(name, &child.name.value),
        })
        .collect();
    let affinity = affinity(available.overlay, name, kind);
    let id = compiler.metrics.service_id(name);
    Weighted { draw: Draw::new(&children), children, affinity: affinity.map(Arc::new), id }
}

fn affinity(overlay: &Overlay, name: &str, kind: &Written) -> Option<Affinity> {
    let (_, children) = kind.children();
    let names = children.iter().map(|child| child.name.value.as_str());
    match kind {
        Written::LoadBalancer(_) | Written::Failover(_) | Written::Mirroring(_) => None,
        Written::Weighted(weighted) => match (&weighted.sticky, &weighted.cohort) {
            (Some(sticky), _) => {
                let weight = |child| overlay.weight(name, child).0;
                let members = children.iter().map(|child| Member { name: &child.written, weight: weight(child) });
                Some(Affinity::Sticky(Sticky::new(sticky, name, members)))
            }
            (None, Some(cohort)) => Some(Affinity::Cohort(split::Cohort::new(cohort, name, names))),
            (None, None) => None,
        },
        // The client's address is the key of a cohort that nobody has to configure.
        Written::HighestRandomWeight(_) => {
            let cohort = Cohort { key: CohortKey::ClientIp(IpStrategy::default()), salt: None };
            Some(Affinity::Cohort(split::Cohort::new(&cohort, name, names)))
        }
    }
}
