//! `http/middlewares`.

use rollgate_config::dynamic::middleware::MiddlewareKind;
use serde_json::{Value, json};

use super::{
    ENABLED, TraefikAnswer,
    catalog::{Catalog, Middleware, MiddlewareOf},
    paging,
    query::{Criterion, Query},
    render::{Object, section, texts},
    routers::provider,
    shape,
    sort::{By, sort},
};

pub(super) fn list(query: &Query, catalog: &Catalog<'_>) -> TraefikAnswer {
    let criterion = Criterion::of(query);
    let middlewares = catalog.middlewares.iter().filter(|(name, _)| criterion.keeps(ENABLED, &[name]));
    let mut found: Vec<(&String, &Middleware<'_>)> = middlewares.collect();
    sort(query, &mut found, |(name, _)| name, by);
    paging::page(query, &found, |(name, middleware)| represented(name, middleware))
}

pub(super) fn one(name: &str, catalog: &Catalog<'_>) -> TraefikAnswer {
    TraefikAnswer::one("middleware", name, |name| Some(represented(name, catalog.middlewares.get(name)?)))
}

fn by<'t>((name, middleware): &'t (&String, &Middleware<'_>), word: &str) -> Option<By<'t>> {
    match word {
        "type" => Some(By::Lower(kind(middleware).to_lowercase())),
        "provider" => Some(By::Text(provider(name))),
        _ => None,
    }
}

fn represented(name: &str, middleware: &Middleware<'_>) -> Value {
    let mut shown = shown(middleware);
    shown.insert("name".to_owned(), json!(name));
    shown.insert("provider".to_owned(), json!(provider(name)));
    shown.insert("type".to_owned(), json!(kind(middleware).to_lowercase()));
    shown.into()
}

/// A middleware as `rawdata` has it.
pub(super) fn shown(middleware: &Middleware<'_>) -> Object {
    let mut shown = match &middleware.kind {
        MiddlewareOf::Provider(_, written) => section(shape::MIDDLEWARE, *written),
        MiddlewareOf::Gateway(..) => Object::new(),
    };
    let below = shown.entry(kind(middleware)).or_insert_with(|| Object::new().into());
    match &middleware.kind {
        MiddlewareOf::Gateway(_, made) => *below = made.clone().into(),
        MiddlewareOf::Provider(typed, _) => {
            if let MiddlewareKind::Chain(names) = &typed.kind {
                *below = json!({"middlewares": texts(names.iter().map(|name| &name.value))});
            }
        }
    }
    shown.insert("status".to_owned(), json!(ENABLED));
    if !middleware.used_by.is_empty() {
        shown.insert("usedBy".to_owned(), texts(&middleware.used_by));
    }
    shown
}

/// As it is written.
fn kind(middleware: &Middleware<'_>) -> &'static str {
    let typed = match &middleware.kind {
        MiddlewareOf::Gateway(kind, _) => return kind,
        MiddlewareOf::Provider(typed, _) => typed,
    };
    match typed.kind {
        MiddlewareKind::Headers(_) => "headers",
        MiddlewareKind::AddPrefix(_) => "addPrefix",
        MiddlewareKind::StripPrefix(_) => "stripPrefix",
        MiddlewareKind::StripPrefixRegex(_) => "stripPrefixRegex",
        MiddlewareKind::ReplacePath(_) => "replacePath",
        MiddlewareKind::ReplacePathRegex { .. } => "replacePathRegex",
        MiddlewareKind::RedirectScheme { .. } => "redirectScheme",
        MiddlewareKind::RedirectRegex { .. } => "redirectRegex",
        MiddlewareKind::Chain(_) => "chain",
        MiddlewareKind::BasicAuth(_) => "basicAuth",
        MiddlewareKind::DigestAuth(_) => "digestAuth",
        MiddlewareKind::ForwardAuth(_) => "forwardAuth",
        MiddlewareKind::IpAllowList { .. } => "ipAllowList",
        MiddlewareKind::RateLimit(_) => "rateLimit",
        MiddlewareKind::InFlightReq(_) => "inFlightReq",
        MiddlewareKind::Retry(_) => "retry",
        MiddlewareKind::Buffering(_) => "buffering",
        MiddlewareKind::Errors(_) => "errors",
        MiddlewareKind::Compress(_) => "compress",
        MiddlewareKind::GrpcWeb(_) => "grpcWeb",
        MiddlewareKind::CircuitBreaker(_) => "circuitBreaker",
        MiddlewareKind::EncodedCharacters(_) => "encodedCharacters",
        MiddlewareKind::PassTlsClientCert(_) => "passTLSClientCert",
        MiddlewareKind::ContentType { .. } => "contentType",
    }
}
