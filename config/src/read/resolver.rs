//! `resolver`: how the names of servers are looked up. Ours; Traefik leaves it to the system.

use std::{net::SocketAddr, time::Duration};

use crate::{
    fields::{Sink, Value, duration, path, text},
    static_config::Resolver,
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Resolver> {
    let read = value.section(out, |fields| {
        let mut resolver = Resolver::default();
        fields.set("resolvConfig", &mut resolver.resolv_config, path);
        fields.set("hosts", &mut resolver.hosts, path);
        resolver.name_servers = fields.list("nameServers", name_server);
        fields.set("minTTL", &mut resolver.min_ttl, ttl);
        fields.set("maxTTL", &mut resolver.max_ttl, ttl);
        fields.set("negativeTTL", &mut resolver.negative_ttl, ttl);
        if resolver.min_ttl > resolver.max_ttl {
            fields.problem("minTTL", "is more than maxTTL", "at most maxTTL");
            return None;
        }
        Some(resolver)
    });
    read.flatten()
}

/// `10.0.0.10`, `10.0.0.10:5353`, `[fd00::10]:53`.
fn name_server(value: Value<'_>, out: &mut Sink) -> Option<SocketAddr> {
    let written = text(value, out)?;
    let address = written.parse().or_else(|_| written.parse().map(|ip| SocketAddr::new(ip, DNS)));
    if address.is_err() {
        out.problem(&value.node.at, value.path, "is no address", "an IP address, with :port if it is not 53");
    }
    address.ok()
}

/// A name is asked for again after it, so it cannot be nothing.
fn ttl(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    let read = duration(value, out)?;
    if read < SHORTEST || read > LONGEST {
        out.problem(&value.node.at, value.path, "is out of range", "100ms to 24h");
        return None;
    }
    Some(read)
}

const DNS: u16 = 53;
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
