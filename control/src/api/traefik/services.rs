//! `http/services`.

use rollgate_config::dynamic::{
    affinity::Sticky,
    service::{LoadBalancer, ServiceKind},
};
use rollgate_gateway::sticky_cookie_name;
use serde_json::{Value, json};

use super::{
    ENABLED, TraefikAnswer, View,
    catalog::{Catalog, Service},
    paging,
    query::{Criterion, Query},
    render::{Object, section, texts},
    routers::provider,
    shape,
    sort::{By, sort},
};

pub(super) fn list(query: &Query, catalog: &Catalog<'_>) -> TraefikAnswer {
    let criterion = Criterion::of(query);
    let services = catalog.services.iter().filter(|(name, _)| criterion.keeps(ENABLED, &[name]));
    let mut found: Vec<(&String, &Service<'_>)> = services.collect();
    sort(query, &mut found, |(name, _)| name, by);
    paging::page(query, &found, |(name, service)| represented(name, service, catalog.view))
}

pub(super) fn one(name: &str, catalog: &Catalog<'_>) -> TraefikAnswer {
    TraefikAnswer::one("service", name, |name| Some(represented(name, catalog.services.get(name)?, catalog.view)))
}

fn by<'t>((name, service): &'t (&String, &Service<'_>), word: &str) -> Option<By<'t>> {
    match word {
        "type" => Some(By::Text(kind(service).unwrap_or_default().1)),
        "servers" => Some(By::Number(i64::try_from(servers(service)).unwrap_or(i64::MAX))),
        "provider" => Some(By::Text(provider(name))),
        _ => None,
    }
}

fn servers(service: &Service<'_>) -> usize {
    load_balancer(service).map_or(0, |balancer| balancer.servers.len())
}

fn load_balancer<'v>(service: &Service<'v>) -> Option<&'v LoadBalancer> {
    match &service.typed?.kind {
        ServiceKind::LoadBalancer(balancer) => Some(balancer),
        _ => None,
    }
}

/// The kind as it is written, and as `type` has it; none of one that is always there.
fn kind(service: &Service<'_>) -> Option<(&'static str, &'static str)> {
    Some(match service.typed?.kind {
        ServiceKind::LoadBalancer(_) => ("loadBalancer", "loadbalancer"),
        ServiceKind::Weighted(_) => ("weighted", "weighted"),
        ServiceKind::HighestRandomWeight(_) => ("highestRandomWeight", "highestrandomweight"),
        ServiceKind::Failover(_) => ("failover", "failover"),
        ServiceKind::Mirroring(_) => ("mirroring", "mirroring"),
    })
}

fn represented(name: &str, service: &Service<'_>, view: &View<'_>) -> Value {
    let mut shown = shown(name, service, view);
    shown.insert("name".to_owned(), json!(name));
    shown.insert("provider".to_owned(), json!(provider(name)));
    if let Some((_, kind)) = kind(service) {
        shown.insert("type".to_owned(), json!(kind));
    }
    shown.into()
}

/// A service as `rawdata` has it.
pub(super) fn shown(name: &str, service: &Service<'_>, view: &View<'_>) -> Object {
    let mut shown = section(shape::SERVICE, service.written);
    if let Some((kind, _)) = kind(service) {
        let below = shown.entry(kind).or_insert_with(|| Object::new().into());
        if let Some(cookie) = service.typed.and_then(|typed| sticky(&typed.kind)).map(|sticky| &sticky.cookie)
            && let Some(shown) = below.pointer_mut("/sticky/cookie")
        {
            shown["name"] = json!(sticky_cookie_name(cookie, name));
        }
    }
    shown.insert("status".to_owned(), json!(ENABLED));
    if !service.used_by.is_empty() {
        shown.insert("usedBy".to_owned(), texts(&service.used_by));
    }
    let statuses = server_status(name, service, view);
    if !statuses.is_empty() {
        shown.insert("serverStatus".to_owned(), statuses.into());
    }
    shown
}

fn sticky(kind: &ServiceKind) -> Option<&Sticky> {
    match kind {
        ServiceKind::LoadBalancer(balancer) => balancer.sticky.as_ref(),
        ServiceKind::Weighted(weighted) => weighted.sticky.as_ref(),
        ServiceKind::HighestRandomWeight(_) | ServiceKind::Failover(_) | ServiceKind::Mirroring(_) => None,
    }
}

/// By URL as written.
fn server_status(name: &str, service: &Service<'_>, view: &View<'_>) -> Object {
    let Some(balancer) = load_balancer(service).filter(|balancer| !balancer.servers.is_empty()) else {
        return Object::new();
    };
    let status = (view.services)(name).unwrap_or_default();
    let statuses = balancer.servers.iter().filter_map(|server| {
        let is = |url: &str| *url == *server.written || *url == *server.url.value.as_str();
        let (_, up) = status.servers.iter().find(|(url, _)| is(url))?;
        Some((server.written.trim().to_owned(), json!(if *up { "UP" } else { "DOWN" })))
    });
    statuses.collect()
}
