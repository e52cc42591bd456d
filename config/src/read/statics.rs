//! The static roots, and the providers.

use super::{api, entry_point, observability, resolver, transport};
use crate::{
    fields::{Fields, Sink, Value, boolean, did_you_mean, integer, path, quoted, text},
    problem::{Located, Place},
    static_config::{FileProvider, FileTarget, Limits, Static},
};

pub(super) fn read(fields: &mut Fields<'_>) -> Static {
    let mut statics = Static::default();
    let not_append = global(fields);
    let entry_points = entry_point::read_all(fields);
    if !entry_points.is_empty() {
        statics.entry_points = entry_points;
        statics.add_implicit_entry_points();
    }
    if not_append {
        statics.entry_points.values_mut().for_each(|entry| entry.forwarded_headers.not_append_x_forwarded_for = true);
    }
    let mut rest_at = None;
    fields.within("providers", |providers| {
        providers.inert(&["providersThrottleDuration"]);
        providers.set_some("file", &mut statics.file_provider, file_provider);
        rest_at = providers.read("rest", rest_provider);
        providers.unsupported(&OTHER_PROVIDERS);
    });
    fields.set_some("api", &mut statics.api, api::read);
    statics.rest_provider = rest_at.is_some();
    if let Some(at) = rest_at.filter(|_| statics.api.is_none()) {
        fields.out.problem(&at, "providers.rest", "is sent to the admin API, and there is no api", "api: {} beside it");
    }
    observability::read(fields, &mut statics);
    fields.within("limits", |limits| read_limits(limits, &mut statics.limits));
    fields.ours("limits");
    fields.set("serversTransport", &mut statics.servers_transport, transport::default_transport);
    fields.set("resolver", &mut statics.resolver, resolver::read);
    fields.ours("resolver");
    fields.within("core", |core| core.unsupported_unless("defaultRuleSyntax", "v3"));
    fields.unsupported(&[
        "tracing",
        "tcpServersTransport",
        "certificatesResolvers",
        "hostResolver",
        "experimental",
        "spiffe",
        "ocsp",
    ]);
    check_entry_points(&statics, fields.out);
    statics
}

/// Every provider of Traefik's but the files and `rest`.
const OTHER_PROVIDERS: [&str; 17] = [
    "precedence",
    "docker",
    "swarm",
    "kubernetesCRD",
    "kubernetesIngress",
    "kubernetesIngressNGINX",
    "kubernetesGateway",
    "knative",
    "consulCatalog",
    "nomad",
    "ecs",
    "consul",
    "etcd",
    "zooKeeper",
    "redis",
    "http",
    "plugin",
];

/// Where it is written.
fn rest_provider(value: Value<'_>, out: &mut Sink) -> Option<Place> {
    value.section(out, |rest| {
        rest.inert(&["insecure"]);
        rest.at.clone()
    })
}

/// `global`: only `notAppendXForwardedFor` has an effect.
fn global(fields: &mut Fields<'_>) -> bool {
    let mut not_append = false;
    fields.within("global", |global| {
        global.inert(&["checkNewVersion", "sendAnonymousUsage"]);
        global.set("notAppendXForwardedFor", &mut not_append, boolean);
    });
    not_append
}

fn read_limits(fields: &mut Fields<'_>, limits: &mut Limits) {
    fields.set_some("maxConnections", &mut limits.max_connections, integer(1..=i64::from(u32::MAX)));
    fields.set("maxConnectionsPerClient", &mut limits.max_connections_per_client, integer(0..=i64::from(u32::MAX)));
    fields.set_some("memory", &mut limits.memory, integer(1..=i64::MAX));
    fields.set("memoryRefuseAt", &mut limits.memory_refuse_at, integer(0..=100));
    fields.set("maxReplayBytes", &mut limits.max_replay_bytes, integer(0..=i64::MAX));
    fields.set("maxBufferFileBytes", &mut limits.max_buffer_file_bytes, integer(0..=i64::MAX));
    fields.set("maxCompressBytes", &mut limits.max_compress_bytes, integer(0..=i64::MAX));
    fields.set("maxMirrorBytes", &mut limits.max_mirror_bytes, integer(0..=i64::MAX));
}

fn file_provider(value: Value<'_>, out: &mut Sink) -> Option<FileProvider> {
    let read = value.section(out, |file| {
        let mut watch = true;
        file.set("watch", &mut watch, boolean);
        file.unsupported_unless("debugLogGeneratedTemplate", "false");
        let filename = file.read("filename", path);
        let directory = file.read("directory", path);
        let target = match (filename, directory) {
            (Some(filename), None) => FileTarget::File(filename),
            (None, Some(directory)) => FileTarget::Directory(directory),
            (Some(_), Some(_)) => {
                file.problem("directory", "names a directory beside a filename", "one of the two");
                return None;
            }
            (None, None) if file.has("filename") || file.has("directory") => return None,
            (None, None) => {
                file.out.problem(file.at, file.path, "names nothing to read", "filename or directory");
                return None;
            }
        };
        Some(FileProvider { at: file.at.clone(), target, watch })
    });
    read.flatten()
}

/// What names an entry point must name one that is there.
fn check_entry_points(statics: &Static, out: &mut Sink) {
    let names = || statics.entry_points.keys().map(String::as_str);
    let mut check = |path: &str, name: &Located<String>| {
        if !statics.entry_points.contains_key(&name.value) {
            let hint = did_you_mean(&name.value, names());
            let allowed = hint.unwrap_or_else(|| names().collect::<Vec<_>>().join(", "));
            out.problem(&name.at, path, format!("unknown entry point {}", quoted(&name.value)), allowed);
        }
    };
    if let Some(ping) = &statics.ping {
        check("ping.entryPoint", &ping.entry_point);
    }
    if let Some(prometheus) = &statics.prometheus {
        check("metrics.prometheus.entryPoint", &prometheus.entry_point);
    }
    for (name, entry_point) in &statics.entry_points {
        if let Some(redirection) = entry_point.http.redirection.as_ref().filter(|to| !to.to.value.starts_with(':')) {
            check(&format!("entryPoints.{name}.http.redirections.entryPoint.to"), &redirection.to);
        }
    }
}

/// An entry point's name: lower-cased.
pub(super) fn entry_point_name(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    let name = text(value, out)?.to_ascii_lowercase();
    let at: &Place = &value.node.at;
    Some(Located { value: name, at: at.clone() })
}
