//! What the gateway adds itself, under the names that Traefik gives it.

use std::collections::BTreeMap;

use rollgate_config::static_config::{EntryPoint, INTERNAL, Redirection, Static};
use serde_json::json;

use super::{
    catalog::{Middleware, MiddlewareOf, Router, find},
    render::Object,
};

/// The services that are always there, as far as the configuration turns on what they serve.
pub(super) fn services(statics: &Static) -> Vec<&'static str> {
    let Static { api, ping, prometheus, rest_provider, .. } = statics;
    let services = [
        ("api", api.is_some()),
        ("noop", true),
        ("ping", ping.is_some()),
        ("prometheus", prometheus.is_some()),
        ("rest", *rest_provider),
    ];
    services.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

/// Routers to them, and those of `redirections`.
pub(super) fn routers(statics: &Static) -> BTreeMap<String, Router<'_>> {
    let mut routers = BTreeMap::new();
    if statics.api.is_some() {
        routers.insert(
            "api@internal".to_owned(),
            router(statics, INTERNAL, "api@internal", "PathPrefix(`/api`)", i64::MAX - 1),
        );
    }
    if statics.rest_provider {
        let router = router(statics, INTERNAL, "rest@internal", "PathPrefix(`/api/providers`)", i64::MAX);
        routers.insert("rest@internal".to_owned(), router);
    }
    if let Some(ping) = statics.ping.as_ref().filter(|ping| !ping.manual_routing) {
        let router = router(statics, &ping.entry_point.value, "ping@internal", "PathPrefix(`/ping`)", i64::MAX);
        routers.insert("ping@internal".to_owned(), router);
    }
    if let Some(prometheus) = statics.prometheus.as_ref().filter(|prometheus| !prometheus.manual_routing) {
        let entry = &prometheus.entry_point.value;
        let router = router(statics, entry, "prometheus@internal", "PathPrefix(`/metrics`)", i64::MAX);
        routers.insert("prometheus@internal".to_owned(), router);
    }
    for (name, _, redirection) in redirections(statics) {
        let entry = name.entry;
        let router = router(statics, entry, "noop@internal", "HostRegexp(`^.+$`)", redirection.priority);
        routers.insert(name.router(), Router { middlewares: vec![name.middleware()], ..router });
    }
    routers
}

/// Those of `redirections`.
pub(super) fn middlewares(statics: &Static) -> BTreeMap<String, Middleware<'_>> {
    let middlewares = redirections(statics).map(|(name, port, redirection)| {
        let mut below = Object::new();
        below.insert("scheme".to_owned(), json!(redirection.scheme));
        below.insert("port".to_owned(), json!(port));
        if redirection.permanent {
            below.insert("permanent".to_owned(), json!(true));
        }
        (name.middleware(), Middleware { kind: MiddlewareOf::Gateway("redirectScheme", below), used_by: Vec::new() })
    });
    middlewares.collect()
}

fn router<'v>(statics: &'v Static, entry: &'v str, service: &'v str, rule: &'v str, priority: i64) -> Router<'v> {
    let (entry_points, entry) =
        find(statics, entry).map_or_else(|| (vec![entry], None), |(name, entry)| (vec![name], Some(entry)));
    Router {
        entry_points,
        middlewares: Vec::new(),
        service,
        leads_to: service,
        rule,
        priority,
        entry,
        typed: None,
        written: None,
    }
}

/// `web-to-websecure`
struct Name<'v> {
    entry: &'v str,
    to: &'v str,
}

impl Name<'_> {
    fn router(&self) -> String {
        format!("{}-to-{}@internal", self.entry, self.to.trim_start_matches(':'))
    }

    fn middleware(&self) -> String {
        format!("redirect-{}", self.router())
    }
}

/// Each with the port that it leads to.
fn redirections(statics: &Static) -> impl Iterator<Item = (Name<'_>, &str, &Redirection)> {
    statics.entry_points.iter().filter_map(|(entry, EntryPoint { http, .. })| {
        let redirection = http.redirection.as_ref()?;
        let to = redirection.to.value.as_str();
        let port = match to.strip_prefix(':') {
            Some(port) => port,
            None => find(statics, to)?.1.address.value.rsplit_once(':')?.1,
        };
        Some((Name { entry, to }, port, redirection))
    })
}
