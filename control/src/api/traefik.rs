//! Traefik's own paths below `/api`, read-only and in its shapes, so that what was written for them goes on: scripts,
//! dashboards, exporters.
//!
//! ```text
//! path, query, view -> catalog (what there is, by name) -> criterion, sort, page -> shape, render -> JSON
//! ```
//!
//! Pure: configuration and status in, an answer out. A request costs a walk over all routers, services and middlewares; only
//! those of the page that is asked for are rendered. Compared with Traefik's own answers in `golden`.

mod answer;
mod catalog;
mod certificates;
mod entry_points;
mod internal;
mod middlewares;
mod overview;
mod paging;
mod query;
mod raw;
mod render;
mod routers;
mod services;
mod shape;
mod sort;

use jiff::Timestamp;
use rollgate_config::{Document, dynamic::Configuration, static_config::Static};

pub(crate) use self::answer::TraefikAnswer;
use self::{catalog::Catalog, query::Query};

/// What is told of: all of it live together.
#[derive(Clone, Copy)]
pub(crate) struct View<'v> {
    /// Certificates are text in it.
    pub(crate) configuration: &'v Configuration,
    pub(crate) statics: &'v Static,
    /// The documents that the configuration was read from, each with its provider. What is in none of them is shown without
    /// what it is made of.
    pub(crate) documents: &'v [(&'v str, &'v Document)],
    /// By qualified name; `None` if nothing is known of it.
    pub(crate) services: &'v dyn Fn(&str) -> Option<ServiceStatus>,
    /// Rollgate's own.
    pub(crate) version: &'v str,
    /// When the process began.
    pub(crate) started: Timestamp,
    pub(crate) now: Timestamp,
}

/// How a load balancer's servers are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServiceStatus {
    /// Their URLs, as written or as parsed, and whether they are up.
    pub(crate) servers: Vec<(String, bool)>,
}

/// Answers a GET. `path` is what follows `/api/`, percent-encoded as it came; `query` what follows the `?`. `None`: Traefik has
/// no such path.
pub(crate) fn answer(path: &str, query: &str, view: &View<'_>) -> Option<TraefikAnswer> {
    let query = Query::parse(query);
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let catalog = || Catalog::of(view);
    let answer = match segments[..] {
        ["rawdata"] => raw::all(&catalog()),
        ["overview"] => overview::overview(&catalog()),
        ["version"] => overview::version(view),
        ["entrypoints"] => entry_points::list(&query, view),
        ["http", "routers"] => routers::list(&query, &catalog()),
        ["http", "services"] => services::list(&query, &catalog()),
        ["http", "middlewares"] => middlewares::list(&query, &catalog()),
        ["certificates"] => certificates::list(&query, view),
        ["tcp", "routers" | "services" | "middlewares"] | ["udp", "routers" | "services"] => {
            paging::list(&query, Vec::new())
        }
        [.., ""] => return None,
        ["entrypoints", name] => entry_points::one(name, view),
        ["http", "routers", name] => routers::one(name, &catalog()),
        ["http", "services", name] => services::one(name, &catalog()),
        ["http", "middlewares", name] => middlewares::one(name, &catalog()),
        ["certificates", name] => certificates::one(name, view),
        ["tcp" | "udp", "routers", name] => none("router", name),
        ["tcp" | "udp", "services", name] => none("service", name),
        ["tcp", "middlewares", name] => none("middleware", name),
        _ => return None,
    };
    Some(answer)
}

/// One of what there is none of.
fn none(kind: &str, name: &str) -> TraefikAnswer {
    TraefikAnswer::one(kind, name, |_| None)
}

/// All is in order with everything: what is not is refused with its file.
const ENABLED: &str = "enabled";

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
