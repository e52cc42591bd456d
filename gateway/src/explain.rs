//! Where a request would go, and why: the same tables and the same decisions as for a real one, without a socket.

mod breaking;
mod judging;
mod keeping;

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, header};
use rollgate_config::{dynamic::Configuration, problem::Problem, static_config::Static};

pub use self::{
    breaking::Breaking,
    judging::{Belonging, Judging},
    keeping::{Found, Keeping},
};
use crate::{
    authority,
    compile::Compiler,
    entry_point::{self, EntryPoint},
    forwarded::{self, Peer},
    metrics::Metrics,
    overlay::Over,
    path,
    router::{Facts, Outcome},
    snapshot::{Child, Route, Routing, Server, ServiceIndex, ServiceKind, Snapshot, Step, Weighted},
};

/// A request to explain.
#[derive(Debug, Clone)]
pub struct Question {
    /// The entry point's name.
    pub entry_point: String,
    /// Over TLS.
    pub tls: bool,
    /// As sent, without the query.
    pub path: String,
    /// Without the `?`.
    pub query: Option<String>,
    /// The method.
    pub method: Method,
    /// The header fields as sent, `Host` among them.
    pub headers: HeaderMap,
    /// The peer's address.
    pub client: IpAddr,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Where it comes in.
    pub entry_point: String,
    /// The host and the path in the form that rules are matched against, or why the request is refused with 400.
    pub target: Result<Target, String>,
    /// The entry point answers this path itself, before any router is asked (`/ping`, `/metrics`).
    pub own: bool,
    /// How many routers the entry point has for this kind of connection, whatever host they want.
    pub routers: usize,
    /// Every router that could have taken a request for this host, in the order in which they are asked.
    pub candidates: Vec<Candidate>,
    /// What the winner leads to.
    pub winner: Option<Winner>,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Canonical, without a port; empty if it names none.
    pub host: String,
    /// In its normal form, as it is forwarded.
    pub path: String,
}

/// A router that could have taken the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its qualified name.
    pub name: String,
    /// Its rule as written.
    pub rule: String,
    /// Its priority.
    pub priority: i64,
    /// It takes the request.
    pub wins: bool,
    /// Why, or why not.
    pub reason: String,
}

/// The way behind the router that wins.
#[derive(Debug, Clone, PartialEq)]
pub struct Winner {
    /// Its qualified name.
    pub name: String,
    /// Its middlewares in the order they run, chains flattened.
    pub middlewares: Vec<String>,
    /// The circuit breakers among them.
    pub breakers: Vec<Breaking>,
    /// The service and what is below it.
    pub service: Branch,
    /// The weighted services that the router passes by, by leading to one of their versions: their weights and brakes
    /// do not hold for it.
    pub passes_by: Vec<String>,
}

/// A service in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// Its qualified name.
    pub name: String,
    /// The share of the whole request stream, 0 to 1.
    pub share: f64,
    /// As a version: its weight among its siblings.
    pub weight: Option<f64>,
    /// What it is to the service above, where that is not one of several versions: `main`, `fallback (also for 503)`,
    /// `mirror of 10%`.
    pub role: Option<String>,
    /// No server below it can take a request.
    pub unavailable: bool,
    /// Its own middlewares.
    pub middlewares: Vec<String>,
    /// The circuit breakers among them.
    pub breakers: Vec<Breaking>,
    /// How it keeps clients with their versions or servers, if it does.
    pub keeping: Option<Keeping>,
    /// Whose canary is judged here, and who gets it.
    pub judging: Option<Judging>,
    /// A load balancer's strategy, as it is written.
    pub strategy: Option<&'static str>,
    /// A load balancer's servers.
    pub servers: Vec<Listed>,
    /// A weighted service's versions.
    pub children: Vec<Self>,
}

/// A server of a load balancer.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its URL.
    pub url: String,
    /// Its weight among the others.
    pub weight: f64,
}

/// Explains a request, with what lies over the weights. Fails where the configuration does not compile (a certificate that cannot be read).
pub fn explain(
    statics: &Static,
    (configuration, over): (&Configuration, Vec<(Arc<str>, Over)>),
    question: &Question,
) -> Result<Explanation, Vec<Problem>> {
    let metrics = Arc::new(Metrics::new(None).expect("without labels there is nothing to refuse"));
    let entry_points = entry_point::unbound(statics, &metrics);
    let place = entry_points.iter().position(|entry| *entry.name == *question.entry_point).unwrap_or_default();
    let entry = entry_points[place].clone();
    let mut compiler = Compiler::new(statics.clone(), entry_points, metrics, 1).expect("the system has randomness");
    let snapshot = compiler.compile_under(configuration, over)?.snapshot;
    let routing = snapshot.entry_points[place].of(question.tls);
    let mut headers = question.headers.clone();
    let target = target(&entry, question, &mut headers);
    let mut explanation = Explanation {
        entry_point: entry.name.to_string(),
        own: target.as_ref().is_ok_and(|target| answers(&entry, &target.path)),
        target,
        routers: routing.table.len(),
        candidates: Vec::new(),
        winner: None,
    };
    if let (Ok(target), false) = (explanation.target.clone(), explanation.own) {
        follow(&mut explanation, &snapshot, routing, &target, question, &headers);
    }
    Ok(explanation)
}

/// What a request is before a router sees it: the same steps in the same order as in `sanitize`.
fn target(entry: &EntryPoint, question: &Question, headers: &mut HeaderMap) -> Result<Target, String> {
    let host = host(headers)?;
    let path = path::normalise(&entry.path_rules, &question.path).map(Cow::into_owned);
    let path = path.map_err(|refusal| refusal.to_string())?;
    let peer = Peer::new((question.client, 0).into(), question.tls, &entry.settings.forwarded_headers.trust);
    let (line, websocket) = (headers.get(header::HOST).cloned(), is_websocket(headers));
    forwarded::sanitise_incoming(headers, &peer, &entry.forwarded, line.as_ref(), websocket)
        .map_err(|_| "a header's name has an underscore".to_owned())?;
    Ok(Target { host, path })
}

/// The one host, in canonical form.
fn host(headers: &HeaderMap) -> Result<String, String> {
    let mut lines = headers.get_all(header::HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err("more than one Host".to_owned());
    }
    let line = line.map_or(Ok(""), HeaderValue::to_str).map_err(|_| "invalid Host".to_owned())?;
    if line.is_empty() {
        return Ok(String::new());
    }
    let parsed = authority::parse(line).map_err(|refusal| format!("invalid Host: {refusal}"))?;
    Ok(authority::canonical_host(parsed.host).into_owned())
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let has = |name, wanted: &str| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket")
}

/// Whether the entry point answers this path before any router is asked.
fn answers(entry: &EntryPoint, path: &str) -> bool {
    match path {
        "/ping" => entry.ping,
        "/metrics" => entry.metrics,
        "/live" | "/ready" => entry.internal,
        _ => false,
    }
}

fn follow(
    explanation: &mut Explanation,
    snapshot: &Snapshot,
    routing: &Routing,
    target: &Target,
    question: &Question,
    headers: &HeaderMap,
) {
    let facts = Facts {
        host: &target.host,
        path: &path::routing_path(&target.path),
        query: question.query.as_deref(),
        method: &question.method,
        headers,
        client: question.client,
    };
    for verdict in routing.table.explain(&facts) {
        let wins = verdict.outcome == Outcome::Wins;
        explanation.candidates.push(Candidate {
            name: verdict.name.to_owned(),
            rule: verdict.rule.to_owned(),
            priority: verdict.priority,
            wins,
            reason: verdict.outcome.to_string(),
        });
        if wins {
            let query = question.query.as_deref().unwrap_or_default();
            let asking = Asking { snapshot, headers, query, client: question.client };
            explanation.winner = Some(winner(&asking, &routing.routes[verdict.route]));
        }
    }
}

/// What decides behind a router.
struct Asking<'a> {
    snapshot: &'a Snapshot,
    headers: &'a HeaderMap,
    query: &'a str,
    client: IpAddr,
}

fn winner(asking: &Asking<'_>, route: &Route) -> Winner {
    Winner {
        name: route.name.to_string(),
        middlewares: names(&route.middlewares),
        breakers: Breaking::among(&route.middlewares, false),
        service: branch(asking, route.service, 1.0, None),
        passes_by: asking
            .snapshot
            .services
            .iter()
            .filter(|service| match &service.kind {
                ServiceKind::Weighted(weighted) => weighted.children.iter().any(|child| child.service == route.service),
                _ => false,
            })
            .map(|service| service.name.to_string())
            .collect(),
    }
}

fn branch(asking: &Asking<'_>, index: ServiceIndex, share: f64, weight: Option<f64>) -> Branch {
    let Asking { snapshot, headers, query, client } = *asking;
    let service = snapshot.services.at(index);
    let mut branch = Branch {
        name: service.name.to_string(),
        share,
        weight,
        role: None,
        unavailable: false,
        middlewares: names(&service.middlewares),
        breakers: Breaking::among(&service.middlewares, weight.is_some()),
        keeping: None,
        judging: None,
        strategy: None,
        servers: Vec::new(),
        children: Vec::new(),
    };
    match &service.kind {
        ServiceKind::LoadBalancer(balancer) => {
            branch.keeping = Keeping::of_servers(balancer, headers, client);
            branch.unavailable = !balancer.servers.iter().any(|server| server.weight > 0);
            branch.strategy = Some(balancer.strategy.name());
            let listed =
                |server: &Server| Listed { url: server.url.to_string(), weight: server.weight as f64 / MILLION };
            branch.servers = balancer.servers.iter().map(listed).collect();
        }
        ServiceKind::Weighted(weighted) => {
            branch.judging = Judging::of(snapshot, weighted, (headers, query, client));
            let parts = match &branch.judging {
                Some(judging) => judging.shares(weighted),
                None => drawn_share(weighted),
            };
            let braked = weighted.trial.as_ref().filter(|laid| laid.watched.is_braked());
            let chosen = braked.map_or(weighted, |laid| &laid.without);
            branch.keeping = Keeping::of_versions(snapshot, chosen, headers, client);
            branch.unavailable = parts.iter().all(|part| *part == 0.0);
            for (child, part) in weighted.children.iter().zip(parts) {
                let weight = Some(child.weight as f64 / MILLION);
                branch.children.push(self::branch(asking, child.service, share * part, weight));
            }
        }
        ServiceKind::Failover(failover) => {
            let legs = [failover.main, failover.fallback];
            branch.unavailable = !legs.iter().any(|leg| leg.available);
            // Health is not known here: the fallback is asked only where nothing behind the main one can answer.
            let taken = legs.iter().position(|leg| leg.available);
            let statuses = failover.errors.as_ref().map(|errors| format!(" (also for {})", errors.status));
            let roles = ["main".to_owned(), format!("fallback{}", statuses.unwrap_or_default())];
            for ((place, leg), role) in legs.into_iter().enumerate().zip(roles) {
                let share = if taken == Some(place) { share } else { 0.0 };
                let child = self::branch(asking, leg.service, share, None);
                branch.children.push(Branch { role: Some(role), ..child });
            }
        }
        ServiceKind::Mirroring(mirroring) => {
            let main = self::branch(asking, mirroring.service, share, None);
            branch.unavailable = main.unavailable;
            branch.children.push(Branch { role: Some("main".to_owned()), ..main });
            for mirror in &mirroring.mirrors {
                let copied = share * f64::from(mirror.percent) / 100.0;
                let child = self::branch(asking, mirror.service, copied, None);
                let role = Some(format!("mirror of {}%", mirror.percent));
                branch.children.push(Branch { role, ..child });
            }
        }
        ServiceKind::Internal(_) => {}
    }
    branch
}

/// Each version's share of the draws, 0 to 1.
fn drawn_share(weighted: &Weighted) -> Vec<f64> {
    let drawn = |child: &Child| if child.available { child.weight } else { 0 };
    let total: u64 = weighted.children.iter().map(drawn).sum();
    weighted.children.iter().map(|child| drawn(child) as f64 / total.max(1) as f64).collect()
}

fn names(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.name.to_string()).collect()
}

/// Weights are compiled to millionths.
const MILLION: f64 = 1_000_000.0;

#[cfg(test)]
mod tests;
