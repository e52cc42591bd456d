//! `rawdata`: everything at once, by name.

use serde_json::json;

use super::{TraefikAnswer, catalog::Catalog, middlewares, render::Object, routers, services};

pub(super) fn all(catalog: &Catalog<'_>) -> TraefikAnswer {
    let routers: Object =
        catalog.routers.iter().map(|(name, router)| (name.clone(), routers::shown(router).into())).collect();
    let middlewares: Object = catalog
        .middlewares
        .iter()
        .map(|(name, middleware)| (name.clone(), middlewares::shown(middleware).into()))
        .collect();
    let services: Object = catalog
        .services
        .iter()
        .map(|(name, service)| (name.clone(), services::shown(name, service, catalog.view).into()))
        .collect();
    let mut all = Object::new();
    for (key, found) in [("routers", routers), ("middlewares", middlewares), ("services", services)] {
        if !found.is_empty() {
            all.insert(key.to_owned(), found.into());
        }
    }
    TraefikAnswer::json(&json!(all))
}
