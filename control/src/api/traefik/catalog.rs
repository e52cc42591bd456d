//! What there is, by name: routers as they stand at entry points, services and middlewares with the routers that use them,
//! and what the gateway adds itself.

use std::collections::{BTreeMap, HashMap};

use rollgate_config::{
    Written,
    dynamic::{
        middleware::Middleware as TypedMiddleware, router::Router as TypedRouter, service::Service as TypedService,
    },
    static_config::{EntryPoint, INTERNAL, Static},
};

use super::{View, internal, render::Object};

/// All of it, each by its qualified name.
pub(super) struct Catalog<'v> {
    pub(super) view: &'v View<'v>,
    pub(super) routers: BTreeMap<String, Router<'v>>,
    pub(super) services: BTreeMap<String, Service<'v>>,
    pub(super) middlewares: BTreeMap<String, Middleware<'v>>,
}

/// A router.
#[derive(Debug)]
pub(super) struct Router<'v> {
    /// In their order.
    pub(super) entry_points: Vec<&'v str>,
    /// Qualified, in the order they run: those of the entry point too.
    pub(super) middlewares: Vec<String>,
    /// As the router writes it.
    pub(super) service: &'v str,
    /// Qualified.
    pub(super) leads_to: &'v str,
    pub(super) rule: &'v str,
    pub(super) priority: i64,
    /// The first of its entry points.
    pub(super) entry: Option<&'v EntryPoint>,
    /// `None`: one that the gateway adds.
    pub(super) typed: Option<&'v TypedRouter>,
    pub(super) written: Option<Written<'v>>,
}

/// A service.
#[derive(Debug)]
pub(super) struct Service<'v> {
    /// `None`: one that is always there.
    pub(super) typed: Option<&'v TypedService>,
    pub(super) written: Option<Written<'v>>,
    pub(super) used_by: Vec<String>,
}

/// A middleware.
#[derive(Debug)]
pub(super) struct Middleware<'v> {
    pub(super) kind: MiddlewareOf<'v>,
    pub(super) used_by: Vec<String>,
}

/// Where a middleware comes from.
#[derive(Debug)]
pub(super) enum MiddlewareOf<'v> {
    Provider(&'v TypedMiddleware, Option<Written<'v>>),
    /// The gateway adds it; its kind and what stands below it.
    Gateway(&'static str, Object),
}

impl<'v> Catalog<'v> {
    pub(super) fn of(view: &'v View<'v>) -> Self {
        let statics = view.statics;
        let mut catalog =
            Self { view, routers: routers(view), services: services(view), middlewares: middlewares(view) };
        catalog.routers.extend(internal::routers(statics));
        let internal = internal::services(statics);
        let unwritten =
            |name: &&str| (format!("{name}@internal"), Service { typed: None, written: None, used_by: vec![] });
        catalog.services.extend(internal.iter().map(unwritten));
        catalog.middlewares.extend(internal::middlewares(statics));
        catalog.tell_who_uses();
        catalog
    }

    /// By routers, as Traefik counts: what stands below other services or in chains is not used by it.
    fn tell_who_uses(&mut self) {
        for (name, router) in &self.routers {
            if let Some(service) = self.services.get_mut(router.leads_to) {
                service.used_by.push(name.clone());
            }
            for middleware in &router.middlewares {
                if let Some(middleware) = self.middlewares.get_mut(middleware) {
                    middleware.used_by.push(name.clone());
                }
            }
        }
    }
}

/// Each router; of one at several entry points each that adds something to it has a router of its own, as in Traefik and in
/// metrics.
fn routers<'v>(view: &View<'v>) -> BTreeMap<String, Router<'v>> {
    let View { configuration, statics, .. } = *view;
    let written = written(view, "routers");
    let defaults = default_entry_points(statics);
    let mut routers = BTreeMap::new();
    for (name, item) in &configuration.routers {
        let typed: &TypedRouter = item;
        let written = written.get(&**name).copied();
        let wanted = typed.entry_points.iter().filter_map(|wanted| find(statics, &wanted.value));
        let mut entries: Vec<(&'v str, &'v EntryPoint)> = Vec::new();
        for entry in if typed.entry_points.is_empty() { defaults.clone() } else { wanted.collect() } {
            if !entries.iter().any(|(name, _)| *name == entry.0) {
                entries.push(entry);
            }
        }
        let shared = entries.len() > 1;
        let (own, plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, entry)| adds_something(entry));
        for (entry_name, entry) in own {
            let shown = if shared { format!("{entry_name}-{name}") } else { name.to_string() };
            routers.insert(shown, router(typed, written, &[(entry_name, entry)]));
        }
        if !plain.is_empty() {
            routers.insert(name.to_string(), router(typed, written, &plain));
        }
    }
    routers
}

fn router<'v>(
    typed: &'v TypedRouter,
    written: Option<Written<'v>>,
    entries: &[(&'v str, &'v EntryPoint)],
) -> Router<'v> {
    let entry = entries.first().map(|(_, entry)| *entry);
    let of_entry = entry.into_iter().flat_map(|entry| &entry.http.middlewares);
    let middlewares = of_entry.chain(&typed.middlewares).map(|name| name.value.clone()).collect();
    let service = written.and_then(|written| written.key("service")?.text()).map(str::trim);
    Router {
        entry_points: entries.iter().map(|(name, _)| *name).collect(),
        middlewares,
        service: service.unwrap_or(&typed.service.value),
        leads_to: &typed.service.value,
        rule: &typed.rule.value.text,
        priority: typed.priority,
        entry,
        typed: Some(typed),
        written,
    }
}

fn adds_something(entry: &EntryPoint) -> bool {
    !entry.http.middlewares.is_empty() || entry.http.tls.is_some()
}

/// Those of a router that names none.
fn default_entry_points(statics: &Static) -> Vec<(&str, &EntryPoint)> {
    let all = || statics.entry_points.iter().map(|(name, entry)| (name.as_str(), entry));
    let marked: Vec<_> = all().filter(|(_, entry)| entry.as_default).collect();
    if marked.is_empty() { all().filter(|(name, _)| *name != INTERNAL).collect() } else { marked }
}

pub(super) fn find<'v>(statics: &'v Static, name: &str) -> Option<(&'v str, &'v EntryPoint)> {
    statics
        .entry_points
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(name, entry)| (&**name, entry))
}

fn services<'v>(view: &View<'v>) -> BTreeMap<String, Service<'v>> {
    let written = written(view, "services");
    let services = view.configuration.services.iter().map(|(name, item)| {
        let service = Service { typed: Some(&**item), written: written.get(&**name).copied(), used_by: Vec::new() };
        (name.to_string(), service)
    });
    services.collect()
}

fn middlewares<'v>(view: &View<'v>) -> BTreeMap<String, Middleware<'v>> {
    let written = written(view, "middlewares");
    let middlewares = view.configuration.middlewares.iter().map(|(name, item)| {
        let kind = MiddlewareOf::Provider(item, written.get(&**name).copied());
        (name.to_string(), Middleware { kind, used_by: Vec::new() })
    });
    middlewares.collect()
}

/// What a section of all documents holds, by qualified name.
fn written<'v>(view: &View<'v>, section: &str) -> HashMap<String, Written<'v>> {
    let documents = view.documents.iter();
    let found = documents.flat_map(|(provider, document)| {
        document.written(section).map(move |(name, written)| (format!("{name}@{provider}"), written))
    });
    found.collect()
}
