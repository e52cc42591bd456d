//! Services: load balancers with their targets, weighted services with their children.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use http::HeaderValue;
use rollgate_config::dynamic::{
    Configuration,
    service::{self as written, ServiceKind as Written},
};
use url::Url;

use super::{Chains, Compiler};
use crate::{
    pool::{Target, target::Scheme},
    snapshot::{Child, Internal, LoadBalancer, Server, Service, ServiceIndex, ServiceKind, Weighted},
    tls::client::Transport,
};

/// Where each service stands, by its qualified name.
pub(crate) type Index = HashMap<String, ServiceIndex>;

/// Every service, and where it stands.
pub(crate) fn compile(
    compiler: &mut Compiler,
    configuration: &Configuration,
    transports: &HashMap<String, Arc<Transport>>,
    chains: &Chains,
) -> (Vec<Service>, Index) {
    let names = INTERNALS.iter().map(|(name, _)| (*name).to_owned()).chain(configuration.services.keys().cloned());
    let index: Index = names.enumerate().map(|(place, name)| (name, ServiceIndex(place as u32))).collect();
    let mut services: Vec<Service> = INTERNALS
        .iter()
        .map(|(name, internal)| Service {
            name: (*name).into(),
            middlewares: Arc::new([]),
            kind: ServiceKind::Internal(*internal),
        })
        .collect();
    let mut available = Availability::default();
    compiler.kept.forget_balancers(configuration);
    for (name, service) in &configuration.services {
        let kind = match &service.kind {
            Written::LoadBalancer(balancer) => {
                ServiceKind::LoadBalancer(Arc::new(load_balancer(compiler, name, balancer, transports)))
            }
            Written::Weighted(weighted) => {
                let child = |child: &written::WeightedChild| Child {
                    service: index[&child.name.value],
                    weight: child.weight.0,
                    available: available.of(&configuration.services, &child.name.value),
                    version: compiler.metrics.version_id(name, &child.name.value),
                };
                ServiceKind::Weighted(Weighted { children: weighted.services.iter().map(child).collect() })
            }
        };
        let middlewares = chains.steps(service.middlewares.iter().map(|name| name.value.as_str())).into();
        services.push(Service { name: name.as_str().into(), middlewares, kind });
    }
    (services, index)
}

fn load_balancer(
    compiler: &mut Compiler,
    name: &str,
    written: &written::LoadBalancer,
    transports: &HashMap<String, Arc<Transport>>,
) -> LoadBalancer {
    let transport = written.servers_transport.as_ref().map_or("", |name| name.value.as_str());
    let transport = &transports[transport];
    let id = compiler.metrics.service_id(name);
    let list = written.servers.iter().map(|server| (server.url.value.to_string(), server.weight.0)).collect();
    let balancer = compiler.kept.balancer(name, list);
    let (slot, list) = (balancer.slot, balancer.list);
    let mut servers = Vec::with_capacity(written.servers.len());
    for server in &written.servers {
        let url = &server.url.value;
        servers.push(Server {
            target: target(&compiler.targets, transport, url, compiler.workers),
            url: url.as_str().trim_end_matches('/').into(),
            weight: server.weight.0,
            path_prefix: (server.preserve_path && url.path() != "/").then(|| url.path().into()),
            in_flight: balancer.in_flight(url.as_str()),
        });
    }
    LoadBalancer {
        name: name.into(),
        servers: servers.into(),
        strategy: written.strategy,
        pass_host_header: written.pass_host_header,
        id,
        slot,
        list,
    }
}

/// Validation has made sure of the scheme and the host.
fn target(targets: &crate::pool::Targets, transport: &Arc<Transport>, url: &Url, workers: usize) -> Arc<Target> {
    let scheme = match url.scheme() {
        "https" => Scheme::Https,
        "h2c" => Scheme::H2c,
        _ => Scheme::Http,
    };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().unwrap_or(if scheme == Scheme::Https { 443 } else { 80 });
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let authority = HeaderValue::try_from(authority).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    targets.target(transport, scheme, bare, port, authority, workers)
}

/// Whether a service can take a request, each looked at once.
#[derive(Default)]
struct Availability(HashMap<String, bool>);

impl Availability {
    /// Validation has made sure that there is no cycle.
    fn of(&mut self, services: &BTreeMap<String, written::Service>, name: &str) -> bool {
        if let Some(known) = self.0.get(name) {
            return *known;
        }
        let available = match services.get(name).map(|service| &service.kind) {
            Some(Written::LoadBalancer(balancer)) => balancer.servers.iter().any(|server| server.weight.0 > 0),
            Some(Written::Weighted(weighted)) => {
                weighted.services.iter().any(|child| child.weight.0 > 0 && self.of(services, &child.name.value))
            }
            // An internal service.
            None => true,
        };
        self.0.insert(name.to_owned(), available);
        available
    }
}

const INTERNALS: [(&str, Internal); 4] = [
    ("api@internal", Internal::Api),
    ("ping@internal", Internal::Ping),
    ("prometheus@internal", Internal::Prometheus),
    ("noop@internal", Internal::Noop),
];
