//! `healthCheck` and `passiveHealthCheck` of a load balancer.

use std::time::Duration;

use url::Url;

use crate::{
    dynamic::service::health::{HealthCheck, Mode, PassiveHealthCheck, Probe, Scheme},
    fields::{Fields, Sink, Value, boolean, choice, duration, header_value, integer, is_token, quoted, text},
    read::middleware::pairs,
};

pub(super) fn active(value: Value<'_>, out: &mut Sink) -> Option<HealthCheck> {
    value.section(out, |fields| {
        let mut check = HealthCheck { probe: probe(fields), ..HealthCheck::default() };
        fields.set("interval", &mut check.interval, positive);
        fields.set_some("unhealthyInterval", &mut check.unhealthy_interval, positive);
        fields.set("timeout", &mut check.timeout, positive);
        check
    })
}

pub(super) fn passive(value: Value<'_>, out: &mut Sink) -> Option<PassiveHealthCheck> {
    value.section(out, |fields| {
        let mut check = PassiveHealthCheck::default();
        fields.set("failureWindow", &mut check.failure_window, positive);
        fields.set("maxFailedAttempts", &mut check.max_failed_attempts, integer(1..=1_000));
        fields.set("maxEjectedPercent", &mut check.max_ejected_percent, integer(1..=100));
        fields.ours("maxEjectedPercent");
        check
    })
}

/// `healthCheck` of a service that leads to others: what is below is always heeded.
pub(super) fn of_children(fields: &mut Fields<'_>) {
    fields.within("healthCheck", |_| ());
}

fn probe(fields: &mut Fields<'_>) -> Probe {
    let mut probe = Probe::default();
    fields.set("mode", &mut probe.mode, optional(choice([("http", Mode::Http), ("grpc", Mode::Grpc)])));
    let schemes = [("http", Scheme::Http), ("https", Scheme::Https), ("h2c", Scheme::H2c)];
    fields.set_some("scheme", &mut probe.scheme, optional(choice(schemes)));
    fields.set("path", &mut probe.path, path);
    fields.set("method", &mut probe.method, method);
    let status = fields.read("status", integer(0..=999)).unwrap_or(0);
    if (1..100).contains(&status) {
        fields.problem("status", format!("\"{status}\" is no status"), "from 100 to 999; 0 is any from 200 to 399");
    }
    probe.status = (status != 0).then_some(status);
    let port: u16 = fields.read("port", integer(0..=i64::from(u16::MAX))).unwrap_or(0);
    probe.port = (port != 0).then_some(port);
    fields.set_some("hostname", &mut probe.hostname, optional(hostname));
    let mut follows = true;
    fields.set("followRedirects", &mut follows, boolean);
    probe.stays = !follows;
    probe.headers = pairs(fields, "headers");
    for (name, _) in probe.headers.iter().filter(|(name, _)| TAKEN.contains(&name.as_str())) {
        fields.problem("headers", format!("{name:?} is not for a health check to set"), "the host is set by hostname");
    }
    probe
}

/// An empty text is as good as none.
fn optional<T>(
    decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
) -> impl FnOnce(Value<'_>, &mut Sink) -> Option<T> {
    move |value, out| if text(value, out)?.is_empty() { None } else { decode(value, out) }
}

pub(super) fn positive(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    let length = duration(value, out)?;
    if length < SHORTEST {
        out.problem(&value.node.at, value.path, "is too short", "at least 1ms");
        return None;
    }
    Some(length)
}

fn path(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let path = text(value, out)?;
    let base = Url::parse("http://host/").expect("it is a URL");
    let stays_there = base.join(&path).is_ok_and(|url| url.host_str() == Some("host") && url.scheme() == "http");
    if Url::parse(&path).is_ok() || !stays_there || path.starts_with("//") || path.contains(char::is_control) {
        out.problem(&value.node.at, value.path, format!("{} is no path", quoted(&path)), "like /health");
        return None;
    }
    Some(path)
}

fn method(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let method = text(value, out)?;
    if !method.is_empty() && !is_token(&method) || method.eq_ignore_ascii_case("connect") {
        out.problem(&value.node.at, value.path, format!("{} is no method for this", quoted(&method)), "like GET");
        return None;
    }
    Some(method)
}

fn hostname(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let host = header_value(value, out)?;
    if host.contains(|c: char| c.is_whitespace() || "/?#@\\".contains(c)) {
        out.problem(&value.node.at, value.path, format!("{} is no host", quoted(&host)), "");
        return None;
    }
    Some(host)
}

const SHORTEST: Duration = Duration::from_millis(1);

/// What says where a request goes and where it ends.
const TAKEN: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];
