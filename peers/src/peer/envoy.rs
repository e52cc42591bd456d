//! Envoy, its routes in a file that it watches.

use std::path::Path;

use serde_json::{Value, json};

use super::{Again, Peer, Start, nothing, write};
use crate::site::{Behind, HOST, Site};

pub(super) const PEER: Peer = Peer {
    name: "envoy",
    program: "envoy",
    variable: "ENVOY_BIN",
    version: &["--version"],
    lacks: nothing,
    files: |site, folder| {
        let routes = write(folder, "routes.json", &routes(site, 0).to_string());
        let file = write(folder, "envoy.json", &bootstrap(site, folder, &routes).to_string());
        Start::of(["-c", &file, "--concurrency", "1", "-l", "error", "--disable-hot-restart"])
    },
    again: Some(Again {
        write: |site, folder, generation| {
            write(folder, "routes.json", &routes(site, generation).to_string());
        },
        signal: None,
    }),
};

fn routes(site: &Site, generation: u32) -> Value {
    let to = |cluster: &str| json!({"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}});
    let mut of_host = Vec::new();
    if site.job.policies {
        let canary = json!([{"name": "x-canary", "string_match": {"exact": "true"}}]);
        of_host.push(
            json!({"match": {"prefix": "/", "headers": canary}, "route": {"cluster": "canary", "timeout": "0s"}}),
        );
    }
    let split = json!([{"name": "stable", "weight": 90}, {"name": "canary", "weight": 10}]);
    let weighted = json!({"timeout": "0s", "weighted_clusters": {"clusters": split}});
    of_host.push(json!({"match": {"prefix": "/"}, "route": weighted}));
    let domains = json!([HOST, format!("{HOST}:*")]);
    let mut hosts = vec![json!({"name": "pro", "domains": domains, "routes": of_host})];
    hosts.extend(site.hosts(generation).map(|host| json!({"name": host, "domains": [host], "routes": [to("stable")]})));
    let forwarded = json!({
        "header": {"key": "x-forwarded-host", "value": "%REQ(:authority)%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    json!({"version_info": generation.to_string(), "resources": [{
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": "routes", "request_headers_to_add": [forwarded], "virtual_hosts": hosts,
    }]})
}

fn bootstrap(site: &Site, folder: &Path, routes: &str) -> Value {
    let watched = json!({"path": routes, "watched_directory": {"path": folder.display().to_string()}});
    let mut filters = Vec::new();
    if site.job.policies {
        let all = json!({"default_value": {"numerator": 100}});
        filters.push(json!({"name": "limit", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "limit", "filter_enabled": all, "filter_enforced": all,
            "token_bucket": {"max_tokens": 10_000_000, "tokens_per_fill": 10_000_000, "fill_interval": "1s"},
        }}));
    }
    filters.push(json!({"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    }}));
    let manager = json!({"name": "manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "codec_type": "AUTO", "use_remote_address": true, "http_filters": filters,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "rds": {"route_config_name": "routes", "config_source": {"path_config_source": watched, "resource_api_version": "V3"}},
    }});
    let file = |path: std::path::PathBuf| json!({"filename": path.display().to_string()});
    let tls = json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [{"certificate_chain": file(site.certificate()), "private_key": file(site.key())}],
        },
    }});
    let clear = format!("127.0.0.1:{}", site.clear());
    let secure = format!("127.0.0.1:{}", site.tls());
    json!({
        "node": {"id": "bench", "cluster": "bench"},
        "static_resources": {
            "listeners": [
                {"name": "web", "address": address(&clear), "filter_chains": [{"filters": [manager]}]},
                {"name": "websecure", "address": address(&secure), "filter_chains": [{"transport_socket": tls, "filters": [manager]}]},
            ],
            "clusters": [cluster(site, "stable", site.stable()), cluster(site, "canary", site.canary())],
        },
    })
}

fn cluster(site: &Site, name: &str, server: &str) -> Value {
    let limits = json!({"max_connections": 20_000, "max_pending_requests": 20_000, "max_requests": 20_000});
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(server)}}]}]},
    });
    if site.job.behind == Behind::Grpc {
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        });
    }
    cluster
}

fn address(text: &str) -> Value {
    let (host, port) = text.rsplit_once(':').expect("an address has a port");
    let port: u16 = port.parse().expect("a port is a number");
    json!({"socket_address": {"address": host, "port_value": port}})
}
