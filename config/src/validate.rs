//! References across the configuration: each must lead somewhere, and none in a circle.

mod cycles;

use std::collections::HashMap;

use crate::{
    dynamic::{
        Configuration,
        middleware::MiddlewareKind,
        router::RouterTls,
        service::{Service, ServiceKind},
    },
    fields::{did_you_mean, quoted},
    problem::{Located, Place, Problem},
    read::Merged,
    static_config::Static,
};

/// The services that are always there.
const INTERNAL_SERVICES: [&str; 4] = ["api@internal", "ping@internal", "prometheus@internal", "noop@internal"];

/// For how many unknown names the nearest known one is sought: each search goes over all names.
const MAX_HINTS: usize = 20;

/// What is wrong with the references of the dynamic configuration.
pub(crate) fn references(merged: &Merged, provider: &str, statics: Option<&Static>) -> Vec<Problem> {
    let Merged { value: configuration, declared } = merged;
    let mut check = Check { provider, problems: Vec::new(), hints: MAX_HINTS };
    for (name, router) in &configuration.routers {
        let path = Section { kind: "http.routers", name: check.shown(name) };
        for entry_point in
            statics.iter().flat_map(|statics| router.entry_points.iter().map(move |name| (statics, name)))
        {
            check.entry_point(entry_point.0, entry_point.1, path);
        }
        check.all(&router.middlewares, &declared.middlewares, "middleware", path, "middlewares");
        check.service(&router.service, &declared.services, path, "service");
        check.tls_options(router.tls.as_ref(), &declared.options, path);
    }
    for (name, service) in &configuration.services {
        let path = Section { kind: "http.services", name: check.shown(name) };
        check.all(&service.middlewares, &declared.middlewares, "middleware", path, "middlewares");
        check.children(service, merged, path);
    }
    for (name, middleware) in &configuration.middlewares {
        if let MiddlewareKind::Chain(middlewares) = &middleware.kind {
            let path = Section { kind: "http.middlewares", name: check.shown(name) };
            check.all(middlewares, &declared.middlewares, "middleware", path, "chain.middlewares");
        }
    }
    check.problems.extend(cycles::of_services(configuration, provider));
    check.problems.extend(cycles::of_chains(configuration, provider));
    check.problems
}

/// What is wrong with the references of entry points into the dynamic configuration: their middlewares and TLS options.
pub fn validate_entry_points(statics: &Static, configuration: &Configuration) -> Vec<Problem> {
    let places = |names: Vec<(&String, &Place)>| -> HashMap<String, Place> {
        names.into_iter().map(|(name, at)| (name.clone(), at.clone())).collect()
    };
    let middlewares =
        places(configuration.middlewares.iter().map(|(name, middleware)| (name, &middleware.at)).collect());
    let options = places(configuration.tls.options.iter().map(|(name, options)| (name, &options.at)).collect());
    let mut check = Check { provider: "file", problems: Vec::new(), hints: MAX_HINTS };
    for (name, entry_point) in &statics.entry_points {
        let path = Section { kind: "entryPoints", name };
        check.all(&entry_point.http.middlewares, &middlewares, "middleware", path, "http.middlewares");
        check.tls_options(entry_point.http.tls.as_ref(), &options, path);
    }
    check.problems
}

/// `http.routers.pro`
#[derive(Clone, Copy)]
struct Section<'n> {
    kind: &'static str,
    name: &'n str,
}

struct Check<'p> {
    provider: &'p str,
    problems: Vec<Problem>,
    hints: usize,
}

impl Check<'_> {
    /// A name as the operator wrote it.
    fn shown<'n>(&self, name: &'n str) -> &'n str {
        shown(name, self.provider)
    }

    fn all(
        &mut self,
        names: &[Located<String>],
        known: &HashMap<String, Place>,
        noun: &str,
        path: Section<'_>,
        key: &str,
    ) {
        for name in names {
            self.one(name, known, noun, path, key);
        }
    }

    fn one(
        &mut self,
        name: &Located<String>,
        known: &HashMap<String, Place>,
        noun: &str,
        path: Section<'_>,
        key: &str,
    ) {
        if !known.contains_key(&name.value) {
            self.unknown(name, known.keys().map(String::as_str), noun, path, key);
        }
    }

    fn service(&mut self, name: &Located<String>, known: &HashMap<String, Place>, path: Section<'_>, key: &str) {
        if !INTERNAL_SERVICES.contains(&&*name.value) && !known.contains_key(&name.value) {
            let names = known.keys().map(String::as_str).chain(INTERNAL_SERVICES);
            self.unknown(name, names, "service", path, key);
        }
    }

    fn children(&mut self, service: &Service, merged: &Merged, path: Section<'_>) {
        match &service.kind {
            ServiceKind::LoadBalancer(balancer) => {
                if let Some(transport) = &balancer.servers_transport {
                    self.one(
                        transport,
                        &merged.declared.transports,
                        "servers transport",
                        path,
                        "loadBalancer.serversTransport",
                    );
                }
            }
            ServiceKind::Weighted(weighted) => {
                for (index, child) in weighted.services.iter().enumerate() {
                    let known = &merged.declared.services;
                    if !known.contains_key(&child.name.value) && !INTERNAL_SERVICES.contains(&&*child.name.value) {
                        self.service(&child.name, known, path, &format!("weighted.services[{index}].name"));
                    }
                }
            }
        }
    }

    fn tls_options(&mut self, tls: Option<&RouterTls>, known: &HashMap<String, Place>, path: Section<'_>) {
        if let Some(options) = tls.and_then(|tls| tls.options.as_ref()).filter(|options| options.value != "default") {
            let key = if path.kind == "entryPoints" { "http.tls.options" } else { "tls.options" };
            self.one(options, known, "TLS options", path, key);
        }
    }

    fn entry_point(&mut self, statics: &Static, name: &Located<String>, path: Section<'_>) {
        if !statics.entry_points.contains_key(&name.value) {
            self.unknown(name, statics.entry_points.keys().map(String::as_str), "entry point", path, "entryPoints");
        }
    }

    fn unknown<'n>(
        &mut self,
        name: &Located<String>,
        names: impl Iterator<Item = &'n str>,
        noun: &str,
        path: Section<'_>,
        key: &str,
    ) {
        let wanted = self.shown(&name.value);
        let hint =
            (self.hints > 0).then(|| did_you_mean(wanted, names.map(|name| shown(name, self.provider)))).flatten();
        self.hints = self.hints.saturating_sub(1);
        let what = format!("unknown {noun} {}", quoted(wanted));
        let path = format!("{}.{}.{key}", path.kind, path.name);
        self.problems.push(Problem::new(&name.at, path, what, hint.unwrap_or_default()));
    }
}

/// A name without the provider that it has anyway.
fn shown<'n>(name: &'n str, provider: &str) -> &'n str {
    name.strip_suffix(provider).and_then(|name| name.strip_suffix('@')).unwrap_or(name)
}
