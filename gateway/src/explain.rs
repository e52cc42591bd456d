//! Where a request would go, and why: the same tables and the same decisions as for a real one, without a socket.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use http::{HeaderMap, Method};
use rollgate_config::{dynamic::Configuration, problem::Problem, static_config::Static};

use crate::{
    compile::Compiler,
    entry_point,
    metrics::Metrics,
    path,
    router::{Facts, Outcome},
    snapshot::{Route, ServiceIndex, ServiceKind, Snapshot, Step},
};

/// A request to explain.
#[derive(Debug, Clone)]
pub struct Question {
    /// The entry point's name.
    pub entry_point: String,
    /// Over TLS.
    pub tls: bool,
    /// Canonical, without a port.
    pub host: String,
    /// As sent, without the query.
    pub path: String,
    /// Without the `?`.
    pub query: Option<String>,
    /// The method.
    pub method: Method,
    /// The header fields.
    pub headers: HeaderMap,
    /// The peer's address.
    pub client: IpAddr,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Where it comes in.
    pub entry_point: String,
    /// The path in its normal form, or why it is refused with 400.
    pub path: Result<String, String>,
    /// Every router that could have taken it, in the order in which they are asked.
    pub candidates: Vec<Candidate>,
    /// What the winner leads to.
    pub winner: Option<Winner>,
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
    /// No server below it can take a request.
    pub unavailable: bool,
    /// Its own middlewares.
    pub middlewares: Vec<String>,
    /// A load balancer's servers.
    pub servers: Vec<String>,
    /// A weighted service's versions.
    pub children: Vec<Self>,
}

/// Explains a request. Fails where the configuration does not compile (a certificate that cannot be read).
pub fn explain(
    statics: &Static,
    configuration: &Configuration,
    question: &Question,
) -> Result<Explanation, Vec<Problem>> {
    let metrics = Arc::new(Metrics::new(None).expect("without labels there is nothing to refuse"));
    let entry_points = entry_point::unbound(statics, &metrics);
    let place = entry_points.iter().position(|entry| *entry.name == *question.entry_point).unwrap_or_default();
    let entry = entry_points[place].clone();
    let mut compiler = Compiler::new(statics.clone(), entry_points, metrics, 1).expect("the system has randomness");
    let snapshot = compiler.compile(configuration)?.snapshot;
    let path = path::normalise(&entry.path_rules, &question.path).map(Cow::into_owned);
    let mut explanation = Explanation {
        entry_point: entry.name.to_string(),
        path: path.map_err(|refusal| refusal.to_string()),
        candidates: Vec::new(),
        winner: None,
    };
    if let Ok(path) = explanation.path.clone() {
        follow(&mut explanation, &snapshot, place, question, &path);
    }
    Ok(explanation)
}

fn follow(explanation: &mut Explanation, snapshot: &Snapshot, entry: usize, question: &Question, path: &str) {
    let facts = Facts {
        host: &question.host,
        path: &path::routing_path(path),
        query: question.query.as_deref(),
        method: &question.method,
        headers: &question.headers,
        client: question.client,
    };
    let routing = snapshot.entry_points[entry].of(question.tls);
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
            explanation.winner = Some(winner(snapshot, &routing.routes[verdict.route]));
        }
    }
}

fn winner(snapshot: &Snapshot, route: &Route) -> Winner {
    Winner {
        name: route.name.to_string(),
        middlewares: names(&route.middlewares),
        service: branch(snapshot, route.service, 1.0, false),
        passes_by: snapshot
            .services
            .iter()
            .filter(|service| match &service.kind {
                ServiceKind::Weighted(weighted) => weighted.children.iter().any(|child| child.service == route.service),
                ServiceKind::LoadBalancer(_) | ServiceKind::Internal(_) => false,
            })
            .map(|service| service.name.to_string())
            .collect(),
    }
}

fn branch(snapshot: &Snapshot, index: ServiceIndex, share: f64, unavailable: bool) -> Branch {
    let service = snapshot.services.at(index);
    let mut branch = Branch {
        name: service.name.to_string(),
        share,
        unavailable,
        middlewares: names(&service.middlewares),
        servers: Vec::new(),
        children: Vec::new(),
    };
    match &service.kind {
        ServiceKind::LoadBalancer(balancer) => {
            branch.servers = balancer.servers.iter().map(|server| server.url.to_string()).collect();
        }
        ServiceKind::Weighted(weighted) => {
            let available = weighted.children.iter().filter(|child| child.available);
            let total: u64 = available.map(|child| child.weight).sum();
            for child in &weighted.children {
                let weight = if child.available { child.weight } else { 0 };
                let part = if total == 0 { 0.0 } else { weight as f64 / total as f64 };
                branch.children.push(self::branch(snapshot, child.service, share * part, !child.available));
            }
        }
        ServiceKind::Internal(_) => {}
    }
    branch
}

fn names(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.name.to_string()).collect()
}
