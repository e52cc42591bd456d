//! Routers: for each entry point one table of those that serve TLS and one of those that do not. A router that is written
//! as before keeps its route, and an entry point all of whose routers do keeps its tables.

use std::{iter::Peekable, sync::Arc, vec};

use rollgate_config::{
    dynamic::{
        Configuration, Item,
        middleware::MiddlewareKind,
        name,
        router::{Router, RouterTimeouts, RouterTls},
    },
    rule::{Expression, Matcher, Rule},
    static_config::INTERNAL,
    steps::step,
};

use super::{Chains, Compiler, DEFAULT};
use crate::{
    entry_point::EntryPoint,
    middleware::{Middleware, Place},
    router::{self, Table},
    snapshot::{Route, Routes, Routing, Step},
    tls::{HostOptions, OptionsId, Tls},
};

/// What the last snapshot's tables were made from, by entry point.
#[derive(Default)]
pub(crate) struct Kept {
    entries: Vec<KeptEntry>,
    /// The names of the TLS options, whose places routes hold.
    options: Vec<String>,
}

struct KeptEntry {
    entry: Arc<EntryPoint>,
    made: Vec<Made>,
    routes: Arc<Routes>,
}

/// A router's part in an entry point.
struct Made {
    /// The router's name; the entry point's own has none.
    name: Arc<str>,
    item: Option<Item<Router>>,
    key: Arc<router::Compiled>,
    route: Arc<Route>,
    /// `None`: it does not serve TLS.
    options: Option<OptionsId>,
}

/// One set of tables for each entry point, in their order.
pub(crate) fn compile(
    compiler: &mut Compiler,
    configuration: &Configuration,
    chains: &Chains,
    tls: &Tls,
) -> Vec<Arc<Routes>> {
    let kept = std::mem::take(&mut compiler.routes);
    let usable = kept.is_for(&compiler.entry_points) && kept.options == tls.names;
    let mut before = if usable { kept.entries } else { Vec::new() }.into_iter();
    let mut building: Vec<Building> = compiler.entry_points.iter().map(|_| Building::after(before.next())).collect();
    for (building, entry) in building.iter_mut().zip(&compiler.entry_points) {
        if let Some(made) = building.entrys_own().or_else(|| redirection(compiler, entry)) {
            building.made.push(made);
        }
    }
    let defaults = default_entry_points(&compiler.entry_points);
    let mut places: Vec<usize> = Vec::new();
    for (name, router) in &configuration.routers {
        step();
        places.clear();
        for wanted in &router.entry_points {
            let found = compiler.entry_points.iter().position(|entry| entry.name.eq_ignore_ascii_case(&wanted.value));
            places.extend(found.filter(|place| !places.contains(place)));
        }
        let places = if router.entry_points.is_empty() { &defaults } else { &places };
        for place in places {
            let (entry, building) = (&compiler.entry_points[*place], &mut building[*place]);
            let made = match building.as_before(name, router, entry, chains) {
                Some(made) => made,
                None => make(compiler, entry, name, router, places.len() > 1, (chains, tls)),
            };
            building.made.push(made);
        }
    }
    let entries = compiler.entry_points.iter().zip(building);
    let entries: Vec<KeptEntry> = entries.map(|(entry, building)| building.finish(entry.clone())).collect();
    let routes = entries.iter().map(|kept| kept.routes.clone()).collect();
    compiler.routes = Kept { entries, options: tls.names.clone() };
    routes
}

/// Those of an entry point that is not there.
pub(crate) fn none() -> Arc<Routes> {
    Arc::new(tables(&[]))
}

impl Kept {
    /// Whether these are the entry points that it was made for.
    fn is_for(&self, entry_points: &[Arc<EntryPoint>]) -> bool {
        let same = |(kept, entry): (&KeptEntry, &Arc<EntryPoint>)| Arc::ptr_eq(&kept.entry, entry);
        self.entries.len() == entry_points.len() && self.entries.iter().zip(entry_points).all(same)
    }
}

/// An entry point's routes before they are tables.
struct Building {
    /// In the order of names, as what is made.
    before: Peekable<vec::IntoIter<Made>>,
    tables: Option<Arc<Routes>>,
    made: Vec<Made>,
}

impl Building {
    fn after(kept: Option<KeptEntry>) -> Self {
        let (before, tables) = kept.map_or_else(Default::default, |kept| (kept.made, Some(kept.routes)));
        Self { made: Vec::with_capacity(before.len()), before: before.into_iter().peekable(), tables }
    }

    /// The route that the entry point itself has.
    fn entrys_own(&mut self) -> Option<Made> {
        self.before.next_if(|made| made.item.is_none())
    }

    /// What a router was made into before, if nothing has changed that it is made of.
    fn as_before(
        &mut self,
        name: &Arc<str>,
        router: &Item<Router>,
        entry: &EntryPoint,
        chains: &Chains,
    ) -> Option<Made> {
        while self.before.next_if(|made| made.name < *name).is_some() {
            self.tables = None;
        }
        let made = self.before.next_if(|made| made.name == *name);
        let same = |made: &Made| made.item.as_ref().is_some_and(|item| item.is(router));
        let made = made.filter(|made| same(made) && !chains.any_changed(middlewares(entry, router)));
        if made.is_none() {
            self.tables = None;
        }
        made
    }

    fn finish(mut self, entry: Arc<EntryPoint>) -> KeptEntry {
        let unchanged = self.tables.take_if(|_| self.before.peek().is_none());
        let routes = unchanged.unwrap_or_else(|| Arc::new(tables(&self.made)));
        KeptEntry { entry, made: self.made, routes }
    }
}

fn tables(made: &[Made]) -> Routes {
    let mut host_options = HostOptions::default();
    for made in made {
        if let (Some(options), Some(router)) = (made.options, &made.item) {
            for_each_host(&router.rule.value.expression, &mut |host| host_options.add(host, options));
        }
    }
    let uniform_options = host_options.is_uniform();
    let [plain, tls] = [false, true].map(|tls| {
        let made = made.iter().filter(|made| made.options.is_some() == tls);
        let (keys, routes): (Vec<_>, Vec<_>) = made.map(|made| (made.key.clone(), made.route.clone())).unzip();
        Routing { table: Table::of(&keys), routes }
    });
    Routes { plain, tls, host_options, uniform_options }
}

/// The entry point's, then the router's.
fn middlewares<'a>(entry: &'a EntryPoint, router: &'a Router) -> impl Iterator<Item = &'a str> {
    entry.settings.http.middlewares.iter().chain(&router.middlewares).map(|name| name.value.as_str())
}

fn make(
    compiler: &Compiler,
    entry: &EntryPoint,
    name: &Arc<str>,
    router: &Item<Router>,
    shared: bool,
    (chains, tls): (&Chains, &Tls),
) -> Made {
    let http = &entry.settings.http;
    let has_model = !http.middlewares.is_empty() || http.tls.is_some();
    // As Traefik: an entry point that adds something to a router of several makes it a router of its own.
    let shown = if shared && has_model { format!("{}-{name}", entry.name) } else { name.to_string() };
    let service = &router.service.value;
    let options = router.tls.as_ref().or(http.tls.as_ref()).map(|wanted| options_id(tls, wanted));
    let route = Route {
        id: compiler.metrics.router_id(&shown, service),
        name: shown.as_str().into(),
        middlewares: chains.placed(compiler, Place::Router(&shown), middlewares(entry, router)),
        service: compiler.services.index(service),
        options: options.unwrap_or_default(),
        access_log: router.access_logs.unwrap_or(entry.settings.access_logs) && logged(compiler, service),
        metrics: router.metrics.unwrap_or(entry.settings.metrics) && counted(compiler, service),
        timeouts: router.timeouts,
    };
    let key = router::Route {
        name: shown,
        provider_rank: provider_rank(name),
        rule: router.rule.value.clone(),
        priority: router.priority,
    };
    Made {
        name: name.clone(),
        item: Some(router.clone()),
        key: Arc::new(router::Compiled::new(key)),
        route: Arc::new(route),
        options,
    }
}

/// Traefik's own order of providers, of those that there are; what the gateway adds itself comes first.
fn provider_rank(name: &str) -> u32 {
    let known = PROVIDERS.iter().position(|known| *known == name::provider(name));
    known.unwrap_or(PROVIDERS.len()) as u32
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
fn redirection(compiler: &Compiler, entry: &EntryPoint) -> Option<Made> {
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
    let middleware = Middleware::compile(&kind, &compiler.making(&name)).ok()?;
    let step = Step { name: name.as_str().into(), middleware: Arc::new(middleware) };
    let route = Route {
        id: compiler.metrics.router_id(&name, service),
        name: name.as_str().into(),
        middlewares: Arc::new([step]),
        service: compiler.services.index(service),
        options: OptionsId::default(),
        access_log: entry.settings.access_logs,
        metrics: entry.settings.metrics,
        timeouts: RouterTimeouts::default(),
    };
    let key = router::Route { name, provider_rank: 0, rule: everything(), priority: redirection.priority };
    Some(Made {
        name: "".into(),
        item: None,
        key: Arc::new(router::Compiled::new(key)),
        route: Arc::new(route),
        options: None,
    })
}

/// A rule that every request with a host matches.
fn everything() -> Rule {
    let expression = Expression::Matcher(Matcher::Host("*".to_owned()));
    Rule { text: "Host(`*`)".to_owned(), expression }
}

/// Of two routers with one priority, the one of the provider that stands first here is asked first.
const PROVIDERS: [&str; 3] = ["internal", "file", "rest"];
