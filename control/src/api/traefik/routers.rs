//! `http/routers`.

use rollgate_config::{dynamic::router::RouterTls, static_config::EntryPoint};
use serde_json::{Value, json};

use super::{
    ENABLED, TraefikAnswer,
    catalog::{Catalog, Router},
    paging,
    query::{Criterion, Query},
    render::{Object, section, texts},
    shape,
    sort::{By, sort},
};

pub(super) fn list(query: &Query, catalog: &Catalog<'_>) -> TraefikAnswer {
    let criterion = Criterion::of(query);
    let mut found: Vec<(&String, &Router<'_>)> =
        catalog.routers.iter().filter(|(name, router)| keeps(&criterion, name, router)).collect();
    sort(query, &mut found, |(name, _)| name, by);
    paging::page(query, &found, |(name, router)| represented(name, router))
}

pub(super) fn one(name: &str, catalog: &Catalog<'_>) -> TraefikAnswer {
    TraefikAnswer::one("router", name, |name| Some(represented(name, catalog.routers.get(name)?)))
}

fn keeps(criterion: &Criterion<'_>, name: &str, router: &Router<'_>) -> bool {
    criterion.keeps(ENABLED, &[router.rule, name])
        && criterion.is_service(router.service)
        && criterion.is_among(router.middlewares.iter().map(String::as_str))
}

fn by<'t>((name, router): &'t (&String, &Router<'_>), word: &str) -> Option<By<'t>> {
    match word {
        "provider" => Some(By::Text(provider(name))),
        "priority" => Some(By::Number(router.priority)),
        "rule" => Some(By::Text(router.rule)),
        "service" => Some(By::Text(router.service)),
        "entryPoints" => Some(By::Number(i64::try_from(router.entry_points.len()).unwrap_or(i64::MAX))),
        _ => None,
    }
}

/// What stands behind the name.
pub(super) fn provider(name: &str) -> &str {
    name.split_once('@').map_or("", |(_, provider)| provider)
}

fn represented(name: &str, router: &Router<'_>) -> Value {
    let mut shown = shown(router);
    shown.insert("name".to_owned(), json!(name));
    shown.insert("provider".to_owned(), json!(provider(name)));
    shown.insert("priorityStr".to_owned(), json!(router.priority.to_string()));
    shown.into()
}

/// A router as `rawdata` has it.
pub(super) fn shown(router: &Router<'_>) -> Object {
    let mut shown = section(shape::ROUTER, router.written);
    let mut set = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    set("entryPoints", texts(&router.entry_points));
    if !router.middlewares.is_empty() {
        set("middlewares", texts(&router.middlewares));
    }
    set("service", json!(router.service));
    set("rule", json!(router.rule));
    if router.typed.is_none() {
        set("ruleSyntax", json!("default"));
    }
    if router.priority != 0 {
        set("priority", json!(router.priority));
    }
    if let Some(tls) = tls(router) {
        set("tls", tls.into());
    }
    set("observability", observability(router));
    set("status", json!(ENABLED));
    let mut using = router.entry_points.clone();
    using.sort_unstable();
    set("using", texts(using));
    shown
}

/// The router's, or else its entry point's.
fn tls(router: &Router<'_>) -> Option<Object> {
    let typed = router.typed?;
    let mut shown = match (&typed.tls, router.entry.and_then(|entry| entry.http.tls.as_ref())) {
        (Some(_), _) => section(shape::TLS, router.written.and_then(|written| written.key("tls"))),
        (None, Some(tls)) => entry_points_tls(tls),
        (None, None) => return None,
    };
    shown.entry("options").or_insert_with(|| json!("default"));
    Some(shown)
}

/// `tls` of an entry point.
pub(super) fn entry_points_tls(tls: &RouterTls) -> Object {
    let mut shown = Object::new();
    if let Some(options) = &tls.options {
        shown.insert("options".to_owned(), json!(options.value));
    }
    let domains: Vec<Value> = tls.domains.iter().map(|main| json!({"main": main})).collect();
    if !domains.is_empty() {
        shown.insert("domains".to_owned(), domains.into());
    }
    shown
}

/// With what the entry point says where the router says nothing. There is no tracing; it is shown as it is written.
fn observability(router: &Router<'_>) -> Value {
    let of_entry = |is: fn(&EntryPoint) -> bool| router.entry.is_none_or(is);
    let access_logs = router.typed.and_then(|typed| typed.access_logs);
    let metrics = router.typed.and_then(|typed| typed.metrics);
    let written = router.written.and_then(|written| written.key("observability"));
    let tracing = written.and_then(|written| written.key("tracing")?.boolean());
    let verbosity = written.and_then(|written| written.key("traceVerbosity")?.text());
    json!({
        "accessLogs": access_logs.unwrap_or_else(|| of_entry(|entry| entry.access_logs)),
        "metrics": metrics.unwrap_or_else(|| of_entry(|entry| entry.metrics)),
        "tracing": tracing.unwrap_or(true),
        "traceVerbosity": verbosity.unwrap_or("minimal"),
    })
}
