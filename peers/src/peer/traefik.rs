//! Traefik: a binary that the environment names, or one on the path.

use std::{fmt::Write as _, path::Path};

use super::{Again, Peer, Start, nothing, write};
use crate::site::{Behind, INTERNAL, Site};

pub(super) const PEER: Peer = Peer {
    name: "traefik",
    program: "traefik",
    variable: "TRAEFIK_BIN",
    version: &["version"],
    lacks: nothing,
    files: |site, folder| {
        let file = files(site, folder);
        // One processor, as all others.
        Start::of([&format!("--configFile={file}")]).with("GOMAXPROCS", "1")
    },
    again: AGAIN,
};

/// Writes both files; the static one's path.
pub(super) fn files(site: &Site, folder: &Path) -> String {
    let dynamic = write(folder, "dynamic.yml", &dynamic(site, 0));
    let metrics = if site.job.policies { "metrics: {prometheus: {}}\n" } else { "" };
    let text = format!(
        "entryPoints:
  web: {{address: '127.0.0.1:{}'}}
  websecure: {{address: '127.0.0.1:{}'}}
  traefik: {{address: '127.0.0.1:{INTERNAL}'}}
providers: {{file: {{filename: {dynamic}}}}}
log: {{level: ERROR}}
{metrics}",
        site.clear(),
        site.tls()
    );
    write(folder, "static.yml", &text)
}

pub(super) const AGAIN: Option<Again> = Some(Again {
    write: |site, folder, generation| {
        write(folder, "dynamic.yml", &dynamic(site, generation));
    },
    signal: None,
});

fn dynamic(site: &Site, generation: u32) -> String {
    let policies = if site.job.policies { "[limit, breaker]" } else { "[]" };
    let by_header = "ab: {rule: 'Host(`pro.coding`) && Header(`X-Canary`, `true`)', service: canary, middlewares: [limit, breaker]}";
    let mut text = "http:\n  routers:\n".to_owned();
    // Writing to a string cannot fail.
    if site.job.policies {
        let _ = writeln!(text, "    {by_header}");
    }
    for (name, entry, tls) in [("pro", "web", ""), ("pros", "websecure", ", tls: {}")] {
        let _ = writeln!(
            text,
            "    {name}: {{rule: 'Host(`pro.coding`)', service: split, entryPoints: [{entry}], middlewares: {policies}{tls}}}"
        );
    }
    for host in site.hosts(generation) {
        let _ = writeln!(
            text,
            "    {}: {{rule: 'Host(`{host}`)', service: stable, entryPoints: [web]}}",
            &host[..host.len() - 7]
        );
    }
    if site.job.policies {
        text.push_str(
            "  middlewares:
    limit: {rateLimit: {average: 10000000, burst: 10000000}}
    breaker: {circuitBreaker: {expression: 'NetworkErrorRatio() > 0.30 || LatencyAtQuantileMS(50.0) > 5000'}}
",
        );
    }
    let scheme = if site.job.behind == Behind::Grpc { "h2c" } else { "http" };
    let server = |address: &str| format!("{{loadBalancer: {{servers: [{{url: '{scheme}://{address}'}}]}}}}");
    let _ = write!(
        text,
        "  services:
    split: {{weighted: {{services: [{{name: stable, weight: 90}}, {{name: canary, weight: 10}}]}}}}
    stable: {}
    canary: {}
tls: {{certificates: [{{certFile: {}, keyFile: {}}}]}}
",
        server(site.stable()),
        server(site.canary()),
        site.certificate().display(),
        site.key().display()
    );
    text
}
