//! nginx. It has no circuit breaker; its share for the canary is drawn from a hash of the request's id.

use std::path::Path;

use rustix::process::Signal;

use super::{Again, Peer, Start, nothing, write};
use crate::site::{Behind, Site};

pub(super) const PEER: Peer = Peer {
    name: "nginx",
    program: "nginx",
    variable: "NGINX_BIN",
    version: &["-v"],
    lacks: nothing,
    files: |site, folder| Start::of(["-c", &write(folder, "nginx.conf", &text(site, folder, 0))]),
    again: Some(Again {
        write: |site, folder, generation| {
            write(folder, "nginx.conf", &text(site, folder, generation));
        },
        signal: Some(Signal::HUP),
    }),
};

fn text(site: &Site, folder: &Path, generation: u32) -> String {
    let here = folder.display();
    let (zone, limit, target) = match site.job.policies {
        true => (
            "limit_req_zone $binary_remote_addr zone=limit:10m rate=1000000r/s; map $http_x_canary $target { \"true\" canary; default $version; }",
            "limit_req zone=limit burst=100000 nodelay;",
            "$target",
        ),
        false => ("", "", "$version"),
    };
    let forwarded = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
                     proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;";
    let kept = "proxy_http_version 1.1; proxy_set_header Connection \"\";";
    let pass = match site.job.behind {
        Behind::Versions => format!("{kept} {forwarded} proxy_pass http://{target};"),
        Behind::Grpc => "grpc_pass grpc://stable;".to_owned(),
        Behind::Websocket => format!(
            "proxy_http_version 1.1; proxy_set_header Connection upgrade; proxy_set_header Upgrade $http_upgrade; {forwarded} proxy_pass http://stable;"
        ),
    };
    let hosts = site.hosts(generation).map(|host| {
        format!(
            "server {{ listen 127.0.0.1:{}; server_name {host}; location / {{ {kept} {forwarded} proxy_pass http://stable; }} }}\n",
            site.clear()
        )
    });
    let hosts: String = hosts.collect();
    format!(
        "worker_processes 1; daemon off; user root; pid {here}/pid; error_log {here}/error crit;
events {{ worker_connections 20000; multi_accept on; }}
http {{ access_log off; server_names_hash_max_size 65536; server_names_hash_bucket_size 128;
keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on; sendfile on;
client_body_temp_path {here}/t1; proxy_temp_path {here}/t2; fastcgi_temp_path {here}/t3; uwsgi_temp_path {here}/t4; scgi_temp_path {here}/t5;
split_clients \"${{request_id}}\" $version {{ 10% canary; * stable; }}
{zone}
upstream stable {{ server {}; keepalive 256; keepalive_requests 100000000; }}
upstream canary {{ server {}; keepalive 256; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{} backlog=4096; listen 127.0.0.1:{} ssl http2; server_name pro.coding;
ssl_certificate {}; ssl_certificate_key {}; ssl_session_cache shared:s:10m;
location / {{ {limit} {pass} }} }}
{hosts}}}
",
        site.stable(),
        site.canary(),
        site.clear(),
        site.tls(),
        site.certificate().display(),
        site.key().display()
    )
}
