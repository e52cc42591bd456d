//! `/routers`, `/middlewares`, `/entrypoints`, `/certificates`: what there is.

use std::collections::HashMap;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Shared, extract::Asked, problem::Problem, services::Page};

/// A router.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Router {
    /// Its qualified name.
    name: String,
    rule: String,
    priority: i64,
    /// Empty: the default ones.
    entry_points: Vec<String>,
    /// In the order they run, by their qualified names.
    middlewares: Vec<String>,
    /// By its qualified name.
    service: String,
    /// It serves TLS, and nothing else.
    tls: bool,
}

/// Some routers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Routers {
    items: Vec<Router>,
    /// What `after` has to be for those that follow.
    next: Option<String>,
}

/// A middleware.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Middleware {
    /// Its qualified name.
    name: String,
    /// As it is written: `rateLimit`, `headers`, ...
    kind: &'static str,
    /// The routers that use it, by their qualified names.
    used_by: Vec<String>,
}

/// Some middlewares.
#[derive(Debug, Serialize, ToSchema)]
pub struct Middlewares {
    items: Vec<Middleware>,
    /// What `after` has to be for those that follow.
    next: Option<String>,
}

/// An address that is listened on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryPoint {
    name: String,
    /// As configured.
    address: String,
    /// Where it listens.
    listening: Vec<String>,
    /// Routers that name no entry point go here.
    as_default: bool,
}

/// All entry points.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryPoints {
    items: Vec<EntryPoint>,
    /// Always null: all are in one page.
    next: Option<String>,
}

/// A certificate that is served.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Its subject's; may be empty.
    common_name: String,
    /// Its alternative names.
    names: Vec<String>,
    /// In decimal.
    serial: String,
    /// Its end, RFC 3339.
    not_after: String,
}

/// All certificates.
#[derive(Debug, Serialize, ToSchema)]
pub struct Certificates {
    items: Vec<Certificate>,
    /// Always null: all are in one page.
    next: Option<String>,
}

/// All routers, in the order of their names.
#[utoipa::path(get, path = "/routers", tag = "topology", params(Page), responses((status = 200, body = Routers)))]
pub async fn routers(State(shared): State<Shared>, Asked(page): Asked<Page>) -> Result<Json<Routers>, Problem> {
    let configuration = shared.traffic.configuration();
    let (routers, next) = page.of(configuration.routers.iter().map(|(name, router)| (&**name, (name, router))))?;
    let items = routers.into_iter().map(|(name, router)| Router {
        name: name.to_string(),
        rule: router.rule.value.text.clone(),
        priority: router.priority,
        entry_points: router.entry_points.iter().map(|name| name.value.clone()).collect(),
        middlewares: router.middlewares.iter().map(|name| name.value.clone()).collect(),
        service: router.service.value.clone(),
        tls: router.tls.is_some(),
    });
    Ok(Json(Routers { items: items.collect(), next }))
}

/// All middlewares, in the order of their names.
#[utoipa::path(get, path = "/middlewares", tag = "topology", params(Page), responses((status = 200, body = Middlewares)))]
pub async fn middlewares(State(shared): State<Shared>, Asked(page): Asked<Page>) -> Result<Json<Middlewares>, Problem> {
    let configuration = shared.traffic.configuration();
    let all = configuration.middlewares.iter().map(|(name, middleware)| (&**name, (name, middleware)));
    let (middlewares, next) = page.of(all)?;
    let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
    for (router, written) in &configuration.routers {
        for used in &written.middlewares {
            let users = users.entry(&used.value).or_default();
            // It may name one twice.
            if users.last() != Some(&&**router) {
                users.push(router);
            }
        }
    }
    let items = middlewares.into_iter().map(|(name, middleware)| {
        let used_by = users.get(&**name).into_iter().flatten().map(ToString::to_string).collect();
        Middleware { name: name.to_string(), kind: middleware.kind.name(), used_by }
    });
    Ok(Json(Middlewares { items: items.collect(), next }))
}

/// The entry points.
#[utoipa::path(get, path = "/entrypoints", tag = "topology", responses((status = 200, body = EntryPoints)))]
pub async fn entry_points(State(shared): State<Shared>) -> Json<EntryPoints> {
    let statics = shared.providers.statics();
    let listening = shared.gateway.addresses();
    let items = statics.entry_points.iter().map(|(name, entry)| EntryPoint {
        name: name.clone(),
        address: entry.address.value.clone(),
        listening: listening.iter().filter(|(of, _)| of == name).map(|(_, address)| address.to_string()).collect(),
        as_default: entry.as_default,
    });
    Json(EntryPoints { items: items.collect(), next: None })
}

/// The certificates that are served.
#[utoipa::path(get, path = "/certificates", tag = "topology", responses((status = 200, body = Certificates)))]
pub async fn certificates(State(shared): State<Shared>) -> Json<Certificates> {
    let items = shared.gateway.certificates().into_iter().map(|certificate| Certificate {
        common_name: certificate.common_name,
        names: certificate.sans.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        serial: certificate.serial,
        not_after: jiff::Timestamp::from_second(certificate.not_after)
            .map_or_else(|_| String::new(), |at| at.to_string()),
    });
    Json(Certificates { items: items.collect(), next: None })
}
