//! `overview` and `version`.

use rollgate_config::static_config::Static;
use serde_json::{Value, json};

use super::{TraefikAnswer, View, catalog::Catalog, certificates};

pub(super) fn overview(catalog: &Catalog<'_>) -> TraefikAnswer {
    let view = catalog.view;
    let [total, warnings, errors] = certificates::counted(view);
    let metrics = if view.statics.prometheus.is_some() { "Prometheus" } else { "" };
    let mut overview = json!({
        "http": {
            "routers": section(catalog.routers.len()),
            "services": section(catalog.services.len()),
            "middlewares": section(catalog.middlewares.len()),
        },
        "tcp": {"routers": section(0), "services": section(0), "middlewares": section(0)},
        "udp": {"routers": section(0), "services": section(0)},
        "certificates": {"total": total, "warnings": warnings, "errors": errors},
        "features": {"tracing": "", "metrics": metrics, "accessLog": view.statics.access_log.is_some()},
    });
    let providers = providers(view);
    if !providers.is_empty() {
        overview["providers"] = json!(providers);
    }
    TraefikAnswer::json(&overview)
}

/// What is not in order is refused and never gets here.
fn section(total: usize) -> Value {
    json!({"total": total, "warnings": 0, "errors": 0})
}

fn providers(view: &View<'_>) -> Vec<&'static str> {
    let Static { file_provider, rest_provider, .. } = view.statics;
    let providers = [("File", file_provider.is_some()), ("Rest", *rest_provider)];
    providers.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

pub(super) fn version(view: &View<'_>) -> TraefikAnswer {
    TraefikAnswer::json(&json!({
        "Version": view.version,
        "Codename": "rollgate",
        "startDate": view.started.to_string(),
    }))
}
