//! `ping`, `metrics` and `log`.

use super::{access_log, statics::entry_point_name};
use crate::{
    fields::{Fields, Sink, Value, boolean, choice, header_name, integer, path, quoted, text},
    static_config::{Ping, Prometheus, Static},
};

pub(super) fn read(fields: &mut Fields<'_>, statics: &mut Static) {
    fields.set_some("ping", &mut statics.ping, ping);
    fields.within("metrics", |metrics| {
        metrics.set("addInternals", &mut statics.metrics_add_internals, boolean);
        metrics.set_some("prometheus", &mut statics.prometheus, prometheus);
        metrics.unsupported(&["otlp", "datadog", "statsD", "influxDB2"]);
    });
    fields.within("log", |log| {
        log.set("level", &mut statics.log.level, level);
        log.set("format", &mut statics.log.json, choice([("common", false), ("json", true)]));
        log.set_some("filePath", &mut statics.log.file, path);
        log.inert(&["noColor"]);
        log.unsupported(&["maxSize", "maxAge", "maxBackups", "compress", "otlp"]);
    });
    fields.set_some("accessLog", &mut statics.access_log, access_log::read);
}

fn ping(value: Value<'_>, out: &mut Sink) -> Option<Ping> {
    value.section(out, |fields| {
        let mut ping = Ping::default();
        fields.set("entryPoint", &mut ping.entry_point, entry_point_name);
        fields.set("manualRouting", &mut ping.manual_routing, boolean);
        fields.set("terminatingStatusCode", &mut ping.terminating_status, integer(200..=599));
        ping
    })
}

fn prometheus(value: Value<'_>, out: &mut Sink) -> Option<Prometheus> {
    value.section(out, |fields| {
        let mut prometheus = Prometheus::default();
        fields.set("entryPoint", &mut prometheus.entry_point, entry_point_name);
        fields.set("manualRouting", &mut prometheus.manual_routing, boolean);
        fields.set("buckets", &mut prometheus.buckets, buckets);
        fields.set("addEntryPointsLabels", &mut prometheus.entry_points, boolean);
        fields.set("addRoutersLabels", &mut prometheus.routers, boolean);
        fields.set("addServicesLabels", &mut prometheus.services, boolean);
        let labels = fields.named("headerLabels", |key, value, out| {
            if !is_label(&key.name) {
                out.problem(
                    &key.at,
                    value.path,
                    format!("{} is no label", quoted(&key.name)),
                    "letters, digits and _; not first a digit or __",
                );
            }
            Some((key.name.clone(), header_name(value, out)?))
        });
        prometheus.header_labels = labels.into_iter().collect();
        prometheus
    })
}

fn buckets(value: Value<'_>, out: &mut Sink) -> Option<Vec<f64>> {
    let buckets = value.items(out, |value, out| {
        let text = text(value, out)?;
        let bucket = text.trim().parse::<f64>().ok().filter(|bucket| bucket.is_finite() && *bucket > 0.0);
        if bucket.is_none() {
            out.problem(
                &value.node.at,
                value.path,
                format!("{} is no bucket", quoted(&text)),
                "a number of seconds above 0",
            );
        }
        bucket
    })?;
    if !buckets.is_sorted_by(|a, b| a < b) {
        out.problem(&value.node.at, value.path, "the buckets do not ascend", "");
        return None;
    }
    Some(if buckets.is_empty() { Prometheus::default().buckets } else { buckets })
}

/// Prometheus' own rule for a label's name.
fn is_label(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.starts_with("__");
    starts && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Traefik's levels; ours ends at error.
fn level(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let levels = [
        ("trace", "trace"),
        ("debug", "debug"),
        ("info", "info"),
        ("warn", "warn"),
        ("error", "error"),
        ("fatal", "error"),
        ("panic", "error"),
    ];
    choice(levels)(value, out).map(str::to_owned)
}
