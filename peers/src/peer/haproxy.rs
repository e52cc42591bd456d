//! HAProxy, as a master with one worker of one thread, so that it can be told of new files.

use std::path::Path;

use rustix::process::Signal;

use super::{Again, Peer, Start, nothing, write};
use crate::site::{Behind, Site};

pub(super) const PEER: Peer = Peer {
    name: "haproxy",
    program: "haproxy",
    variable: "HAPROXY_BIN",
    version: &["-v"],
    lacks: nothing,
    files: |site, folder| Start::of(["-W", "-db", "-f", &files(site, folder, 0)]),
    again: Some(Again {
        write: |site, folder, generation| {
            files(site, folder, generation);
        },
        signal: Some(Signal::USR2),
    }),
};

fn files(site: &Site, folder: &Path, generation: u32) -> String {
    let policies = match site.job.policies {
        true => {
            "  stick-table type ip size 100k expire 30s store http_req_rate(1s)
  http-request track-sc0 src
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 10000000 }
  acl ab hdr(x-canary) -m str true
  use_backend canary if ab
"
        }
        false => "",
    };
    let hosts = match site.job.hosts {
        0 => String::new(),
        _ => {
            let lines: String = site.hosts(generation).map(|host| format!("{host} stable\n")).collect();
            let map = write(folder, "hosts.map", &lines);
            let found = format!("%[req.hdr(host),lower,map_str({map})]");
            format!("  use_backend {found} if {{ req.hdr(host),lower,map_str({map}) -m found }}\n")
        }
    };
    let proto = if site.job.behind == Behind::Grpc { " proto h2" } else { "" };
    let text = format!(
        "global
  maxconn 9000
  nbthread 1
  tune.ssl.default-dh-param 2048
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
  option http-keep-alive
  http-reuse always
frontend clear
  bind 127.0.0.1:{} backlog 4096
  bind 127.0.0.1:{} ssl crt {} alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
{policies}{hosts}  use_backend split if {{ hdr(host),field(1,:) -i pro.coding }}
backend split
  balance roundrobin
  server s1 {} weight 90{proto}
  server s2 {} weight 10{proto}
backend canary
  server s2 {}
backend stable
  server s1 {}
",
        site.clear(),
        site.tls(),
        site.both().display(),
        site.stable(),
        site.canary(),
        site.canary(),
        site.stable()
    );
    write(folder, "haproxy.cfg", &text)
}
