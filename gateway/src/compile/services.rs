//! Services: load balancers with their targets, weighted services with their children. A service keeps its index as long
//! as it has its name, and is compiled again only if something that it is made of has changed.

mod availability;
mod weighted;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use foldhash::fast::FixedState;
use rollgate_config::{
    dynamic::{
        Configuration, Item,
        service::{self as written, ServiceKind as Written, Strategy},
    },
    problem::Located,
    steps::step,
};

use self::availability::{Availability, Looked};
use super::{Chains, Changes, Compiler};
use crate::{
    health::Configured,
    middleware::{Place, retry::Account},
    rendezvous::{Candidates, Salt},
    service::mirroring::Counts,
    snapshot::{
        Failover, Internal, Leg, LoadBalancer, Mirror, Mirroring, Server, Service, ServiceIndex, ServiceKind, Services,
    },
    sticky::{Member, Sticky},
    tls::client::Transport,
};

/// Transports by qualified name.
pub(crate) type Transports = HashMap<String, Arc<Transport>>;

/// The services of the last snapshot, and what each was made from.
pub(crate) struct Kept {
    pub(crate) services: Services,
    known: HashMap<Arc<str>, Known, FixedState>,
    vacant: Vec<ServiceIndex>,
    end: u32,
    round: u64,
}

struct Known {
    item: Item<written::Service>,
    index: ServiceIndex,
    /// `None`: it is new, and nothing that is as before leads to it.
    available: Option<bool>,
    /// When it was last there.
    round: u64,
}

impl Default for Kept {
    /// The internal ones, which are always there.
    fn default() -> Self {
        let mut services = Services::default();
        for (place, (name, internal)) in INTERNALS.iter().enumerate() {
            let kind = ServiceKind::Internal(*internal);
            services.put(ServiceIndex(place as u32), Service { name: (*name).into(), middlewares: [].into(), kind });
        }
        Self { services, known: HashMap::default(), vacant: Vec::new(), end: INTERNALS.len() as u32, round: 0 }
    }
}

impl Kept {
    /// Where a service stands. Validation has made sure that it is there.
    pub(crate) fn index(&self, name: &str) -> ServiceIndex {
        match self.known.get(name) {
            Some(known) => known.index,
            None => {
                let place = INTERNALS.iter().position(|(internal, _)| *internal == name);
                ServiceIndex(place.expect("references were checked") as u32)
            }
        }
    }

    pub(crate) fn place_of(&self, name: &str) -> Option<ServiceIndex> {
        self.known.get(name).map(|known| known.index)
    }

    /// Takes note of what there is; the names of those that are new or written differently.
    fn meet(&mut self, configuration: &Configuration) -> Vec<Arc<str>> {
        self.round += 1;
        let mut changed = Vec::new();
        for (name, item) in &configuration.services {
            step();
            match self.known.get_mut(name) {
                Some(known) => {
                    known.round = self.round;
                    if known.item.is(item) {
                        continue;
                    }
                    known.item = item.clone();
                }
                None => {
                    let index = self.vacant.pop().unwrap_or_else(|| {
                        self.end += 1;
                        ServiceIndex(self.end - 1)
                    });
                    let known = Known { item: item.clone(), index, available: None, round: self.round };
                    self.known.insert(name.clone(), known);
                }
            }
            changed.push(name.clone());
        }
        changed
    }

    /// Forgets those that are gone; their names.
    fn forget(&mut self, configuration: &Configuration) -> Vec<Arc<str>> {
        if self.known.len() == configuration.services.len() {
            return Vec::new();
        }
        let mut gone = Vec::new();
        self.known.retain(|name, known| {
            let stays = known.round == self.round;
            if !stays {
                self.services.put(known.index, Service::vacant());
                self.vacant.push(known.index);
                gone.push(name.clone());
            }
            stays
        });
        gone
    }
}

/// Brings the kept services up to what the configuration says.
pub(crate) fn compile(
    compiler: &mut Compiler,
    configuration: &Configuration,
    transports: &Transports,
    chains: &Chains,
) -> Changes {
    let mut kept = std::mem::take(&mut compiler.services);
    let overlay = std::mem::take(&mut compiler.overlay);
    let mut available = Availability::new(Looked::Configured(&configuration.services), &overlay);
    let changed = outdated(compiler, &mut kept, configuration, transports, chains, &mut available);
    let mut changes = Changes { gone: kept.forget(configuration), services: Vec::with_capacity(changed.len()) };
    compiler.kept.forget_balancers(&changes.gone);
    for name in changed {
        step();
        let written = &configuration.services[&name];
        let kind = match &written.kind {
            Written::LoadBalancer(balancer) => {
                ServiceKind::LoadBalancer(Arc::new(load_balancer(compiler, &name, balancer, transports)))
            }
            _ => above_others(compiler, &kept, &name, &written.kind, &mut available),
        };
        let middlewares = written.middlewares.iter().map(|name| name.value.as_str());
        let middlewares = chains.placed(compiler, Place::Service(&name), middlewares);
        let index = kept.index(&name);
        kept.services.put(index, Service { name, middlewares, kind });
        changes.services.push(index);
    }
    (compiler.services, compiler.overlay) = (kept, overlay);
    compiler.reweighed.clear();
    changes
}

/// Compiles again those over which something else lies than when they were compiled, and those that this makes available
/// or takes away.
pub(crate) fn reweigh(compiler: &mut Compiler) -> Changes {
    let mut kept = std::mem::take(&mut compiler.services);
    let reweighed = std::mem::take(&mut compiler.reweighed);
    let mut available = Availability::new(Looked::Kept(&kept.known), &compiler.overlay);
    let mut concerned: Vec<Arc<str>> = reweighed.into_iter().filter(|name| kept.known.contains_key(name)).collect();
    let turned = concerned.iter().any(|name| kept.known[name].available != Some(available.of(name)));
    if turned {
        let above = |known: &&Known| !matches!(known.item.kind, Written::LoadBalancer(_));
        concerned.extend(kept.known.iter().filter(|(_, known)| above(known)).map(|(name, _)| name.clone()));
    }
    let mut compiled = Vec::with_capacity(concerned.len());
    for name in concerned {
        let known = &kept.known[&name];
        if matches!(known.item.kind, Written::LoadBalancer(_)) {
            continue;
        }
        let kind = above_others(compiler, &kept, &name, &known.item.kind, &mut available);
        let middlewares = kept.services.at(known.index).middlewares.clone();
        compiled.push((known.index, available.of(&name), Service { name, middlewares, kind }));
    }
    let mut changes = Changes { services: Vec::with_capacity(compiled.len()), gone: Vec::new() };
    for (index, is_available, service) in compiled {
        kept.known.get_mut(&service.name).expect("it was there").available = Some(is_available);
        kept.services.put(index, service);
        changes.services.push(index);
    }
    compiler.services = kept;
    changes
}

/// What a service of other services is compiled to.
fn above_others(
    compiler: &Compiler,
    kept: &Kept,
    name: &Arc<str>,
    written: &Written,
    available: &mut Availability<'_>,
) -> ServiceKind {
    match written {
        Written::LoadBalancer(_) | Written::Weighted(_) | Written::HighestRandomWeight(_) => {
            ServiceKind::Weighted(weighted::compile(compiler, kept, name, written, available))
        }
        Written::Failover(failover) => {
            let mut leg =
                |name: &Located<String>| Leg { service: kept.index(&name.value), available: available.of(&name.value) };
            let (main, fallback) = (leg(&failover.service), leg(&failover.fallback));
            ServiceKind::Failover(Failover { main, fallback, errors: failover.errors.clone().map(Arc::new) })
        }
        Written::Mirroring(mirroring) => ServiceKind::Mirroring(self::mirroring(compiler, kept, name, mirroring)),
    }
}

/// The names of the services that are to be compiled: those that are written differently, and those that are made of
/// something that has changed.
fn outdated(
    compiler: &Compiler,
    kept: &mut Kept,
    configuration: &Configuration,
    transports: &Transports,
    chains: &Chains,
    available: &mut Availability<'_>,
) -> Vec<Arc<str>> {
    let mut changed = kept.meet(configuration);
    let reweighed = compiler.reweighed.iter().filter(|name| configuration.services.contains_key(*name));
    let reweighed: Vec<Arc<str>> = reweighed.filter(|name| !changed.contains(name)).cloned().collect();
    changed.extend(reweighed);
    let mut turned = false;
    for name in &changed {
        let known = kept.known.get_mut(name).expect("it was met");
        let before = known.available.replace(available.of(name));
        turned |= before.is_some() && before != known.available;
    }
    let other_transport = |name: &str| match (compiler.kept.transports.get(name), transports.get(name)) {
        (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
        _ => true,
    };
    let transports_stay = compiler.kept.transports.keys().all(|name| !other_transport(name));
    if !turned && transports_stay && !chains.has_changed() {
        return changed;
    }
    // Seldom: one of them may concern any service.
    let known: HashSet<Arc<str>> = changed.iter().cloned().collect();
    for (name, service) in configuration.services.iter().filter(|(name, _)| !known.contains(*name)) {
        let concerned = match &service.kind {
            Written::Weighted(_) | Written::HighestRandomWeight(_) | Written::Failover(_) | Written::Mirroring(_) => {
                turned
            }
            Written::LoadBalancer(balancer) => !transports_stay && other_transport(transport_name(balancer)),
        };
        if concerned || chains.any_changed(service.middlewares.iter().map(|name| name.value.as_str())) {
            kept.known.get_mut(name).expect("it was met").available = Some(available.of(name));
            changed.push(name.clone());
        }
    }
    changed
}

fn transport_name(balancer: &written::LoadBalancer) -> &str {
    balancer.servers_transport.as_ref().map_or("", |name| name.value.as_str())
}

fn load_balancer(
    compiler: &mut Compiler,
    name: &Arc<str>,
    written: &written::LoadBalancer,
    transports: &Transports,
) -> LoadBalancer {
    let transport = &transports[transport_name(written)];
    let id = compiler.metrics.service_id(name);
    let list = written.servers.iter().map(|server| (server.url.value.to_string(), server.weight.0)).collect();
    let balancer = compiler.kept.balancer(name, list);
    let (slot, list) = (balancer.slot, balancer.list);
    let urls: Vec<Arc<str>> = written.servers.iter().map(|server| shown(&server.url.value)).collect();
    let health = if written.health_check.is_some() || written.passive_health_check.is_some() {
        let servers = written.servers.iter().zip(&urls);
        let configured = Configured {
            active: written.health_check.as_ref(),
            passive: written.passive_health_check,
            transport,
            servers: servers.map(|(server, url)| (url.clone(), &server.url.value, server.weight.0 > 0)).collect(),
        };
        Some(balancer.health(name, &compiler.health, &configured))
    } else {
        balancer.no_health();
        None
    };
    let mut servers = Vec::with_capacity(written.servers.len());
    for (server, shown) in written.servers.iter().zip(urls) {
        let url = &server.url.value;
        servers.push(Server {
            target: compiler.targets.of_url(transport, url, compiler.workers),
            health: health.as_ref().and_then(|health| health.health(&shown)),
            url: shown,
            weight: server.weight.0,
            path_prefix: (server.preserve_path && url.path() != "/").then(|| url.path().into()),
            load: balancer.load(url.as_str()),
        });
    }
    let names = written.servers.iter().map(|server| server.written.as_str());
    let by_address = (written.strategy == Strategy::Hrw).then(|| {
        let salt = Salt { purpose: "rollgate hrw", text: "", service: name, rollout: "" };
        Candidates::new(salt, names)
    });
    let members =
        written.servers.iter().map(|server| Member { name: &server.written, weight: server.weight.0, braked: false });
    LoadBalancer {
        name: name.clone(),
        servers: servers.into(),
        strategy: written.strategy,
        by_address,
        sticky: written.sticky.as_ref().map(|sticky| Box::new(Sticky::new(sticky, name, members))),
        pass_host_header: written.pass_host_header,
        id,
        slot,
        list,
        retries: compiler.states.of("retries", name, || Account::new(compiler.workers)),
        learns: health.filter(|_| written.passive_health_check.is_some()),
    }
}

fn mirroring(compiler: &Compiler, kept: &Kept, name: &Arc<str>, written: &written::mirroring::Mirroring) -> Mirroring {
    let mirror = |mirror: &written::mirroring::Mirror| {
        let to = &*mirror.name.value;
        let new = || Counts::new(name.clone(), to.into());
        let counts = compiler.states.observed("mirror", &format!("{name} {to}"), &compiler.metrics, new);
        Mirror { service: kept.index(to), percent: mirror.percent, counts }
    };
    Mirroring {
        service: kept.index(&written.service.value),
        max_body_size: written.mirror_body.then(|| written.max_body_size.unwrap_or(u64::MAX)),
        timeout: written.timeout,
        mirrors: written.mirrors.iter().map(mirror).collect(),
    }
}

/// A server's URL in metrics and logs.
fn shown(url: &url::Url) -> Arc<str> {
    url.as_str().trim_end_matches('/').into()
}

const INTERNALS: [(&str, Internal); 4] = [
    ("api@internal", Internal::Api),
    ("ping@internal", Internal::Ping),
    ("prometheus@internal", Internal::Prometheus),
    ("noop@internal", Internal::Noop),
];
