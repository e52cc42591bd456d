//! Caddy. Its share for the canary comes in turns.

use super::{Peer, Start, write};
use crate::site::{Behind, Site};

pub(super) const PEER: Peer = Peer {
    name: "caddy",
    program: "caddy",
    variable: "CADDY_BIN",
    version: &["version"],
    lacks: |job| {
        let is_more = job.policies || job.hosts > 0;
        is_more.then_some("it has no rate limit of its own, and reads no list of hosts")
    },
    files: |site, folder| {
        let file = write(folder, "Caddyfile", &text(site));
        let here = folder.display().to_string();
        let start = Start::of(["run", "--adapter", "caddyfile", "--config", &file]).with("GOMAXPROCS", "1");
        ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].into_iter().fold(start, |start, name| start.with(name, &here))
    },
    again: None,
};

fn text(site: &Site) -> String {
    let pass = match site.job.behind {
        Behind::Versions => {
            format!(
                "reverse_proxy {}{} {{\n  lb_policy round_robin\n }}",
                format!("{} ", site.stable()).repeat(9),
                site.canary()
            )
        }
        Behind::Grpc => format!("reverse_proxy h2c://{}", site.stable()),
        Behind::Websocket => format!("reverse_proxy {}", site.stable()),
    };
    format!(
        "{{
 admin off
 auto_https disable_redirects
 default_sni pro.coding
}}
http://pro.coding:{} {{
 bind 127.0.0.1
 {pass}
}}
https://pro.coding:{} {{
 bind 127.0.0.1
 tls {} {}
 {pass}
}}
",
        site.clear(),
        site.tls(),
        site.certificate().display(),
        site.key().display()
    )
}
