//! `rateLimit.redis`.

use std::time::Duration;

use super::forward_auth::client_tls;
use crate::{
    dynamic::middleware::{OnFailure, Redis},
    fields::{Fields, Sink, Value, choice, duration, integer, quoted, text},
    scalar::Secret,
};

pub(super) fn redis(value: Value<'_>, out: &mut Sink) -> Option<Box<Redis>> {
    value.section(out, |fields| {
        let mut redis = Redis::new(fields.at.clone());
        let endpoints = fields.list("endpoints", endpoint);
        if !endpoints.is_empty() {
            redis.endpoints = endpoints;
        }
        fields.set_some("tls", &mut redis.tls, client_tls);
        redis.username = fields.read("username", text).filter(|username| !username.is_empty());
        redis.password = fields.read("password", text).filter(|password| !password.is_empty()).map(Secret);
        fields.set("db", &mut redis.db, integer(0..=i64::from(u32::MAX)));
        redis.connections = connections(fields, redis.connections);
        fields.set("readTimeout", &mut redis.read_timeout, timeout);
        fields.set("writeTimeout", &mut redis.write_timeout, timeout);
        fields.set("dialTimeout", &mut redis.dial_timeout, timeout);
        fields.set("onFailure", &mut redis.on_failure, choice(ON_FAILURE));
        fields.ours("onFailure");
        fields.set("replicas", &mut redis.replicas, integer(1..=1_000_000));
        fields.ours("replicas");
        Box::new(redis)
    })
}

/// `host:port`.
fn endpoint(value: Value<'_>, out: &mut Sink) -> Option<(String, u16)> {
    let text = text(value, out)?;
    let parts = text.trim().rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let bare = |host: &str| match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').map(str::to_owned),
        // An address of IPv6 without brackets could be read in two ways.
        None => Some(host.to_owned()).filter(|host| !host.contains([':', '/', '@'])),
    };
    let found = parts.and_then(|(host, port): (&str, u16)| Some((bare(host)?, port)));
    let found = found.filter(|(host, port)| !host.is_empty() && *port > 0);
    if found.is_none() {
        out.problem(&value.node.at, value.path, format!("{} is no host with a port", quoted(&text)), "like redis:6379");
    }
    found
}

/// `poolSize`, but at least `minIdleConns` and at most `maxActiveConns`; 0 is none of these.
fn connections(fields: &mut Fields<'_>, default: usize) -> usize {
    let mut numbers = [0_usize; 3];
    for (key, number) in ["poolSize", "minIdleConns", "maxActiveConns"].into_iter().zip(&mut numbers) {
        fields.set(key, number, integer(0..=MOST_CONNECTIONS));
    }
    let [pool, least, most] = numbers;
    let wanted = if pool == 0 { default } else { pool }.max(least);
    if most == 0 { wanted } else { wanted.min(most) }
}

/// Zero is the default, as in Traefik: a request does not wait for ever.
fn timeout(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    let (at, path) = (value.node.at.clone(), value.path.to_owned());
    let timeout = duration(value, out)?;
    if timeout > LONGEST_TIMEOUT {
        out.problem(&at, path, "is too long", "at most 5m");
        return None;
    }
    (!timeout.is_zero()).then_some(timeout)
}

const ON_FAILURE: [(&str, OnFailure); 3] =
    [("allow", OnFailure::Allow), ("deny", OnFailure::Deny), ("local", OnFailure::Local)];
const MOST_CONNECTIONS: i64 = 1_000;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);
