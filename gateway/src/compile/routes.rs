//! Routers: for each entry point one table of those that serve TLS and one of those that do not.

use std::sync::Arc;

use rollgate_config::{
    dynamic::{
        Configuration,
        middleware::MiddlewareKind,
        router::{Router, RouterTls},
    },
    rule::{Expression, Matcher, Rule},
    static_config::INTERNAL,
};

use super::{Chains, Compiler, DEFAULT, services::Index};
use crate::{
    entry_point::EntryPoint,
    middleware::Middleware,
    router::{self, Table},
    snapshot::{Route, Routes, Routing, Step},
    tls::{HostOptions, OptionsId, Tls},
};

/// One set of tables for each entry point, in their order.
pub(crate) fn compile(
    compiler: &Compiler,
    configuration: &Configuration,
    index: &Index,
    chains: &Chains,
    tls: &Tls,
) -> Vec<Routes> {
    let mut building: Vec<Building> = compiler.entry_points.iter().map(|_| Building::default()).collect();
    for (place, entry) in compiler.entry_points.iter().enumerate() {
        if let Some(route) = redirection(compiler, entry, index) {
            building[place].plain.push(route);
        }
    }
    let defaults = default_entry_points(&compiler.entry_points);
    for (name, router) in &configuration.routers {
        let mut places: Vec<usize> = Vec::new();
        for wanted in &router.entry_points {
            let found = compiler.entry_points.iter().position(|entry| entry.name.eq_ignore_ascii_case(&wanted.value));
            places.extend(found.filter(|place| !places.contains(place)));
        }
        let places = if router.entry_points.is_empty() { &defaults } else { &places };
        for place in places {
            let entry = &compiler.entry_points[*place];
            let shared = places.len() > 1;
            add(&mut building[*place], compiler, entry, name, router, shared, (index, chains, tls));
        }
    }
    building.into_iter().map(Building::finish).collect()
}

/// Those of an entry point that is not there.
pub(crate) fn none() -> Routes {
    Building::default().finish()
}

/// An entry point's routes before they are a table.
#[derive(Default)]
struct Building {
    plain: Vec<(router::Route, Route)>,
    tls: Vec<(router::Route, Route)>,
    host_options: HostOptions,
}

impl Building {
    fn finish(self) -> Routes {
        let uniform_options = self.host_options.is_uniform();
        Routes { plain: routing(self.plain), tls: routing(self.tls), host_options: self.host_options, uniform_options }
    }
}

fn routing(routes: Vec<(router::Route, Route)>) -> Routing {
    let (keys, routes): (Vec<_>, Vec<_>) = routes.into_iter().unzip();
    Routing { table: Table::build(keys), routes }
}

fn add(
    building: &mut Building,
    compiler: &Compiler,
    entry: &EntryPoint,
    name: &str,
    router: &Router,
    shared: bool,
    (index, chains, tls): (&Index, &Chains, &Tls),
) {
    let http = &entry.settings.http;
    let has_model = !http.middlewares.is_empty() || http.tls.is_some();
    // As Traefik: an entry point that adds something to a router of several makes it a router of its own.
    let name = if shared && has_model { format!("{}-{name}", entry.name) } else { name.to_owned() };
    let of_entry = http.middlewares.iter().map(|name| name.value.as_str());
    let of_router = router.middlewares.iter().map(|name| name.value.as_str());
    let service = &router.service.value;
    let wanted = router.tls.as_ref().or(http.tls.as_ref());
    let route = Route {
        id: compiler.metrics.router_id(&name, service),
        name: name.as_str().into(),
        middlewares: chains.steps(of_entry.chain(of_router)).into(),
        service: index[service],
        options: wanted.map_or_else(OptionsId::default, |wanted| options_id(tls, wanted)),
        access_log: router.access_logs.unwrap_or(entry.settings.access_logs) && logged(compiler, service),
        metrics: router.metrics.unwrap_or(entry.settings.metrics) && counted(compiler, service),
    };
    let key = router::Route { name, provider_rank: 0, rule: router.rule.value.clone(), priority: router.priority };
    match wanted {
        None => building.plain.push((key, route)),
        Some(_) => {
            let options = route.options;
            for_each_host(&router.rule.value.expression, &mut |host| building.host_options.add(host, options));
            building.tls.push((key, route));
        }
    }
}

fn logged(compiler: &Compiler, service: &str) -> bool {
    !service.ends_with("@internal") || compiler.statics.access_log.as_ref().is_some_and(|log| log.add_internals)
}

fn counted(compiler: &Compiler, service: &str) -> bool {
    !service.ends_with("@internal") || compiler.statics.metrics_add_internals
}

fn options_id(tls: &Tls, wanted: &RouterTls) -> OptionsId {
    let name = wanted.options.as_ref().map_or(DEFAULT, |name| name.value.as_str());
    let place = tls.names.iter().position(|known| known == name).unwrap_or_default();
    OptionsId(place as u16)
}

fn for_each_host(expression: &Expression, act: &mut impl FnMut(&str)) {
    match expression {
        Expression::Matcher(Matcher::Host(host)) => act(host),
        Expression::Matcher(_) => {}
        Expression::And(parts) | Expression::Or(parts) => parts.iter().for_each(|part| for_each_host(part, act)),
        // What a router excludes is not its host.
        Expression::Not(_) => {}
    }
}

/// Those marked so; if none is, all but the internal one.
fn default_entry_points(entry_points: &[Arc<EntryPoint>]) -> Vec<usize> {
    let marked: Vec<usize> = places(entry_points, |entry| entry.settings.as_default);
    if marked.is_empty() { places(entry_points, |entry| &*entry.name != INTERNAL) } else { marked }
}

fn places(entry_points: &[Arc<EntryPoint>], wanted: impl Fn(&EntryPoint) -> bool) -> Vec<usize> {
    entry_points.iter().enumerate().filter(|(_, entry)| wanted(entry)).map(|(place, _)| place).collect()
}

/// `http.redirections.entryPoint`: a router over everything that leads to another entry point.
fn redirection(compiler: &Compiler, entry: &EntryPoint, index: &Index) -> Option<(router::Route, Route)> {
    let redirection = entry.settings.http.redirection.as_ref()?;
    let to = &redirection.to.value;
    let port = match to.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None => compiler.entry_points.iter().find(|entry| entry.name.eq_ignore_ascii_case(to))?.port,
    };
    let kind = MiddlewareKind::RedirectScheme {
        scheme: redirection.scheme.clone(),
        port: Some(port),
        permanent: redirection.permanent,
    };
    let name = format!("{}-to-{}@internal", entry.name, to.trim_start_matches(':'));
    let service = "noop@internal";
    let step = Step { name: name.as_str().into(), middleware: Arc::new(Middleware::compile(&kind).ok()?) };
    let route = Route {
        id: compiler.metrics.router_id(&name, service),
        name: name.as_str().into(),
        middlewares: Arc::new([step]),
        service: index[service],
        options: OptionsId::default(),
        access_log: entry.settings.access_logs,
        metrics: entry.settings.metrics,
    };
    let rule = everything();
    Some((router::Route { name, provider_rank: 0, rule, priority: redirection.priority }, route))
}

/// A rule that every request with a host matches.
fn everything() -> Rule {
    let expression = Expression::Matcher(Matcher::Host("*".to_owned()));
    Rule { text: "Host(`*`)".to_owned(), expression }
}
