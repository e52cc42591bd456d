//! `/services`: what is configured, what is in force, and what happens.

use std::collections::HashMap;

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use rollgate_config::{
    dynamic::{Configuration, service::ServiceKind},
    scalar::Weight,
};
use rollgate_gateway::{BreakerPlace, BreakerStatus, ServiceStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    extract::{Asked, Named},
    paging,
    problem::Problem,
};
use crate::traffic::{WeightsView, names};

/// A service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Its qualified name.
    #[schema(example = "pro@file")]
    name: String,
    /// `loadBalancer`, `weighted`, `highestRandomWeight`, `failover` or `mirroring`.
    kind: &'static str,
    /// A server below it is up, and no breaker on the way has given up its share.
    available: bool,
    /// Of a weighted service: who decides about its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Who set its live weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_by: Option<String>,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_at: Option<String>,
    /// The configuration's weights have changed since the live ones were set.
    drift: bool,
    /// Of a weighted service.
    versions: Vec<Version>,
    /// Of a load balancer.
    servers: Vec<Server>,
    /// Of a failover or mirroring service: those that it leads to.
    services: Vec<String>,
    /// The circuit breakers before it.
    breakers: Vec<Breaker>,
}

/// A version of a weighted service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The qualified name.
    name: String,
    /// The configuration's weight.
    configured: String,
    /// The live weight, if there is one.
    live: Option<String>,
    /// The weight in force.
    effective: String,
    /// Its part of all weights in force, 0 to 1.
    share: f64,
    /// Its part of the requests of the last 50 to 60 seconds, 0 to 1; null without requests.
    share_last_minute: Option<f64>,
    /// How many those were.
    requests_last_minute: u64,
    /// As for services.
    available: bool,
    /// It gets nothing, whatever its weight.
    braked: bool,
    /// The circuit breakers before it.
    breakers: Vec<Breaker>,
}

/// A server.
#[derive(Debug, Serialize, ToSchema)]
pub struct Server {
    url: String,
    /// It takes requests.
    up: bool,
}

/// A circuit breaker.
#[derive(Debug, Serialize, ToSchema)]
pub struct Breaker {
    /// The middleware's qualified name.
    middleware: String,
    /// `standby`, `tripped` or `recovering`.
    state: &'static str,
    /// What was measured when it last tripped.
    cause: Option<String>,
}

/// Some services.
#[derive(Debug, Serialize, ToSchema)]
pub struct Services {
    items: Vec<Service>,
    /// What `after` has to be for those that follow.
    next: Option<String>,
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Those after this name.
    after: Option<String>,
}

impl Page {
    /// Some of the items, which are in the order of their names, and where to go on.
    pub(super) fn of<'i, T>(
        &self,
        items: impl Iterator<Item = (&'i str, T)>,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let limit = paging::limit(self.limit)?;
        let after = self.after.as_deref().unwrap_or("");
        let mut rest = items.skip_while(|(name, _)| *name <= after).peekable();
        let (mut page, mut last) = (Vec::new(), None);
        while page.len() < limit {
            let Some((name, item)) = rest.next() else { return Ok((page, None)) };
            last = Some(name.to_owned());
            page.push(item);
        }
        Ok((page, last.filter(|_| rest.peek().is_some())))
    }
}

/// All services, in the order of their names.
#[utoipa::path(get, path = "/services", tag = "services", params(Page), responses((status = 200, body = Services)))]
pub async fn list(State(shared): State<Shared>, Asked(page): Asked<Page>) -> Result<axum::Json<Services>, Problem> {
    let configuration = shared.traffic.configuration();
    let breakers = breakers(&shared);
    let (names, next) = page.of(configuration.services.keys().map(|name| (&**name, name)))?;
    let items = names.into_iter().filter_map(|name| service(&shared, &configuration, name, &breakers)).collect();
    Ok(axum::Json(Services { items, next }))
}

/// A service.
#[utoipa::path(get, path = "/services/{name}", tag = "services", params(("name" = String, Path)), responses((status = 200, body = Service, headers(("ETag" = String, description = "of its weights; without versions there is none")))))]
pub async fn get(State(shared): State<Shared>, Named(name): Named<String>) -> Result<Response, Problem> {
    let configuration = shared.traffic.configuration();
    let name = names::service(&configuration, &name)?;
    let found = service(&shared, &configuration, &name, &breakers(&shared));
    let found =
        found.ok_or_else(|| Problem::new(super::problem::Code::NotFound, format!("there is no service {name}")))?;
    let mut response = axum::Json(found).into_response();
    if let Ok(view) = shared.traffic.weights(&name)
        && let Ok(tag) = HeaderValue::from_str(&view.etag)
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The breakers before each service.
type Breakers = HashMap<String, Vec<BreakerStatus>>;

fn breakers(shared: &Shared) -> Breakers {
    let mut of_services = Breakers::new();
    for status in shared.gateway.breakers() {
        if let BreakerPlace::Service(service) = &status.place {
            of_services.entry(service.to_string()).or_default().push(status);
        }
    }
    of_services
}

fn breakers_of(breakers: &Breakers, service: &str) -> Vec<Breaker> {
    let of_service = breakers.get(service).map_or(&[][..], Vec::as_slice);
    let breaker = |status: &BreakerStatus| Breaker {
        middleware: status.middleware.to_string(),
        state: status.phase.name(),
        cause: status.cause.as_ref().map(|(cause, answers)| format!("{cause}, of {answers} answers")),
    };
    of_service.iter().map(breaker).collect()
}

/// `None`: it has left in this very moment.
fn service(shared: &Shared, configuration: &Configuration, name: &str, breakers: &Breakers) -> Option<Service> {
    let written = configuration.services.get(name)?;
    let status = shared.gateway.status(name)?;
    let weights = shared.traffic.weights(name).ok();
    let services = match &written.kind {
        ServiceKind::Failover(_) | ServiceKind::Mirroring(_) => {
            written.kind.references().iter().map(|name| name.value.clone()).collect()
        }
        _ => Vec::new(),
    };
    Some(Service {
        name: name.to_owned(),
        kind: written.kind.name(),
        available: status.available,
        owner: weights.as_ref().map(|view| view.owner.clone()),
        set_by: weights.as_ref().and_then(|view| view.set_by.clone()),
        set_at: weights.as_ref().and_then(|view| view.set_at.clone()),
        drift: weights.as_ref().is_some_and(|view| view.drift),
        versions: weights.as_ref().map(|view| versions(shared, &status, view, breakers)).unwrap_or_default(),
        servers: status.servers.iter().map(|(url, up)| Server { url: url.to_string(), up: *up }).collect(),
        services,
        breakers: breakers_of(breakers, name),
    })
}

fn versions(shared: &Shared, status: &ServiceStatus, view: &WeightsView, breakers: &Breakers) -> Vec<Version> {
    let total: u64 = status.versions.iter().map(|version| version.weight.0).sum();
    let drawn: u64 = status.versions.iter().map(|version| version.drawn_lately).sum();
    let braked = shared.traffic.brakes();
    let version = |version: &rollgate_gateway::VersionStatus| Version {
        name: version.name.to_string(),
        configured: view.configured.get(&*version.name).cloned().unwrap_or_default(),
        live: view.set_at.as_ref().and_then(|_| view.weights.get(&*version.name).cloned()),
        effective: version.weight.to_string(),
        share: part(version.weight, total),
        share_last_minute: (drawn > 0).then(|| version.drawn_lately as f64 / drawn as f64),
        requests_last_minute: version.drawn_lately,
        available: version.available,
        braked: version.braked_by_judge
            || braked.iter().any(|brake| brake.service == view.service && brake.version == *version.name),
        breakers: breakers_of(breakers, &version.name),
    };
    status.versions.iter().map(version).collect()
}

fn part(weight: Weight, total: u64) -> f64 {
    weight.0 as f64 / total.max(1) as f64
}
