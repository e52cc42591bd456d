//! References across the configuration: each must lead somewhere, and none in a circle.

mod cycles;
mod pipelines;
mod redistribute;

use std::{borrow::Borrow, collections::BTreeMap};

use self::redistribute::Redistributing;
use crate::{
    dynamic::{
        Configuration,
        middleware::MiddlewareKind,
        name,
        rollout::Pipeline,
        router::RouterTls,
        service::{Service, ServiceKind},
    },
    fields::{did_you_mean, quoted},
    problem::{Located, Problem},
    read::{Merged, Names},
    static_config::Static,
    steps::step,
};

/// The services that are always there.
const INTERNAL_SERVICES: [&str; 4] = ["api@internal", "ping@internal", "prometheus@internal", "noop@internal"];

/// For how many unknown names the nearest known one is sought: each search goes over all names.
const MAX_HINTS: usize = 20;

/// What is wrong with the references of the dynamic configuration.
pub(crate) fn references(merged: &Merged, statics: Option<&Static>) -> Vec<Problem> {
    let Merged { value: configuration, declared } = merged;
    let mut check = Check { problems: Vec::new(), hints: MAX_HINTS };
    let redistributing = Redistributing::of(configuration.middlewares.iter().map(|(name, item)| (&**name, item)));
    for (name, router) in &configuration.routers {
        step();
        let path = Section::of("http.routers", name, router.lines_before());
        for entry_point in
            statics.iter().flat_map(|statics| router.entry_points.iter().map(move |name| (statics, name)))
        {
            check.entry_point(entry_point.0, entry_point.1, path);
        }
        check.all(&router.middlewares, &declared.middlewares, "middleware", path, "middlewares");
        check.without_versions(&router.middlewares, &redistributing, path, "middlewares");
        check.service(&router.service, &declared.services, path, "service");
        check.tls_options(router.tls.as_ref(), &declared.options, path);
    }
    for (name, service) in &configuration.services {
        step();
        let path = Section::of("http.services", name, service.lines_before());
        check.all(&service.middlewares, &declared.middlewares, "middleware", path, "middlewares");
        check.children(service, merged, path);
    }
    for (name, middleware) in &configuration.middlewares {
        step();
        let path = Section::of("http.middlewares", name, middleware.lines_before());
        match &middleware.kind {
            MiddlewareKind::Chain(middlewares) => {
                check.all(middlewares, &declared.middlewares, "middleware", path, "chain.middlewares");
            }
            MiddlewareKind::Errors(pages) => check.service(&pages.service, &declared.services, path, "errors.service"),
            _ => {}
        }
    }
    for (name, pipeline) in &configuration.rollouts {
        let path = Section::of("rollouts", name, 0);
        pipelines::check(&mut check, pipeline, path, &declared.services, &declared.routers, configuration);
    }
    check.problems.extend(cycles::of_services(configuration));
    check.problems.extend(cycles::of_chains(configuration));
    check.problems
}

/// What is wrong with the references of entry points into the dynamic configuration: their middlewares and TLS options.
pub fn validate_entry_points(statics: &Static, configuration: &Configuration) -> Vec<Problem> {
    let Configuration { middlewares, tls, .. } = configuration;
    let mut check = Check { problems: Vec::new(), hints: MAX_HINTS };
    let redistributing = Redistributing::of(middlewares.iter().map(|(name, item)| (&**name, item)));
    for (name, entry_point) in &statics.entry_points {
        let path = Section { kind: "entryPoints", name, provider: "file", lines_before: 0 };
        check.all(&entry_point.http.middlewares, middlewares, "middleware", path, "http.middlewares");
        check.without_versions(&entry_point.http.middlewares, &redistributing, path, "http.middlewares");
        check.tls_options(entry_point.http.tls.as_ref(), &tls.options, path);
    }
    check.problems
}

/// What is wrong with the references of a pipeline, by its qualified name, into a configuration that may be another one
/// than it was read with.
pub fn validate_pipeline(name: &str, pipeline: &Pipeline, configuration: &Configuration) -> Vec<Problem> {
    of_pipeline(Section::of("rollouts", name, 0), pipeline, configuration)
}

/// Of one that is a document by itself.
pub(crate) fn pipeline_by_itself(provider: &str, pipeline: &Pipeline, configuration: &Configuration) -> Vec<Problem> {
    of_pipeline(Section { kind: "", name: "", provider, lines_before: 0 }, pipeline, configuration)
}

fn of_pipeline(path: Section<'_>, pipeline: &Pipeline, configuration: &Configuration) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new(), hints: MAX_HINTS };
    pipelines::check(&mut check, pipeline, path, &configuration.services, &configuration.routers, configuration);
    check.problems
}

/// `http.routers.pro`; of no kind and name it is the root.
#[derive(Clone, Copy)]
struct Section<'n> {
    kind: &'static str,
    name: &'n str,
    /// What its references without one are meant to be of.
    provider: &'n str,
    /// What the lines of its places are short of.
    lines_before: u32,
}

impl<'n> Section<'n> {
    /// Of a qualified name.
    fn of(kind: &'static str, name: &'n str, lines_before: u32) -> Self {
        Self { kind, name: name::bare(name), provider: name::provider(name), lines_before }
    }

    fn key(&self, key: &str) -> String {
        match self.kind {
            "" => key.to_owned(),
            kind => format!("{kind}.{}.{key}", self.name),
        }
    }
}

/// The names that there are.
trait Known {
    fn has(&self, name: &str) -> bool;

    fn all(&self) -> impl Iterator<Item = &str>;
}

impl Known for Names {
    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.keys().map(Borrow::borrow)
    }
}

impl<K: Borrow<str> + Ord, V> Known for BTreeMap<K, V> {
    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.keys().map(Borrow::borrow)
    }
}

struct Check {
    problems: Vec<Problem>,
    hints: usize,
}

impl Check {
    fn all(&mut self, names: &[Located<String>], known: &impl Known, noun: &str, path: Section<'_>, key: &str) {
        for name in names {
            self.one(name, known, noun, path, key);
        }
    }

    fn one(&mut self, name: &Located<String>, known: &impl Known, noun: &str, path: Section<'_>, key: &str) {
        if !known.has(&name.value) {
            self.unknown(name, known.all(), noun, path, key);
        }
    }

    /// What gives a share to other versions has no place where there are none.
    fn without_versions(
        &mut self,
        names: &[Located<String>],
        redistributing: &Redistributing<'_>,
        path: Section<'_>,
        key: &str,
    ) {
        for name in redistributing.among(names) {
            let at = name.at.moved(path.lines_before);
            let what = format!(
                "{} has onTrip: redistribute, and there are no versions here",
                quoted(shown(&name.value, path.provider))
            );
            let allowed = "in the middlewares of a service; or onTrip: fail";
            self.problems.push(Problem::new(&at, path.key(key), what, allowed));
        }
    }

    fn service(&mut self, name: &Located<String>, known: &impl Known, path: Section<'_>, key: &str) {
        if !known.has(&name.value) && !INTERNAL_SERVICES.contains(&&*name.value) {
            let names = known.all().chain(INTERNAL_SERVICES);
            self.unknown(name, names, "service", path, key);
        }
    }

    fn children(&mut self, service: &Service, merged: &Merged, path: Section<'_>) {
        if let ServiceKind::LoadBalancer(balancer) = &service.kind
            && let Some(transport) = &balancer.servers_transport
        {
            let known = &merged.declared.transports;
            self.one(transport, known, "servers transport", path, "loadBalancer.serversTransport");
        }
        for (index, child) in service.kind.references().into_iter().enumerate() {
            let known = &merged.declared.services;
            if !known.has(&child.value) && !INTERNAL_SERVICES.contains(&&*child.value) {
                self.service(child, known, path, &service.kind.key_of_reference(index));
            }
        }
    }

    fn tls_options(&mut self, tls: Option<&RouterTls>, known: &impl Known, path: Section<'_>) {
        if let Some(options) = tls.and_then(|tls| tls.options.as_ref()).filter(|options| options.value != "default") {
            let key = if path.kind == "entryPoints" { "http.tls.options" } else { "tls.options" };
            self.one(options, known, "TLS options", path, key);
        }
    }

    fn entry_point(&mut self, statics: &Static, name: &Located<String>, path: Section<'_>) {
        if !statics.entry_points.has(&name.value) {
            self.unknown(name, statics.entry_points.all(), "entry point", path, "entryPoints");
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
        let wanted = shown(&name.value, path.provider);
        let hint = if self.hints > 0 { nearest(wanted, names, path.provider) } else { None };
        self.hints = self.hints.saturating_sub(1);
        let what = format!("unknown {noun} {}", quoted(wanted));
        let at = name.at.moved(path.lines_before);
        self.problems.push(Problem::new(&at, path.key(key), what, hint.unwrap_or_default()));
    }
}

/// The known name that is likely to be meant: the same one of another provider, or one that is written nearly so.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>, provider: &str) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let of_another = |name: &&&str| name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('@'));
    match names.iter().filter(of_another).min() {
        Some(name) => Some(format!("did you mean {name:?}?")),
        None => did_you_mean(wanted, names.iter().map(|name| shown(name, provider))),
    }
}

/// A name as it is written where names are of this provider unless they say otherwise.
fn shown<'n>(name: &'n str, provider: &str) -> &'n str {
    name.strip_suffix(provider).and_then(|name| name.strip_suffix('@')).unwrap_or(name)
}
