//! `http.serversTransports` and the static `serversTransport`.

use std::time::Duration;

use super::tls::{certificate, cipher_suites, located_pem, versions};
use crate::{
    dynamic::transport::ServersTransport,
    fields::{Fields, Sink, Value, boolean, duration, integer, located_text, present_text},
};

/// One of `http.serversTransports`.
pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<ServersTransport> {
    value.section(out, |fields| {
        let mut transport = ServersTransport::new(fields.at.clone());
        shared(fields, &mut transport);
        fields.set_some("serverName", &mut transport.server_name, located_text);
        transport.certificates = fields.list("certificates", certificate);
        versions(fields, &mut transport.min_version, &mut transport.max_version);
        transport.cipher_suites = cipher_suites(fields, &mut transport.min_version);
        fields.set("disableHTTP2", &mut transport.disable_http2, boolean);
        fields.set_some("peerCertURI", &mut transport.peer_cert_uri, present_text);
        fields.within("forwardingTimeouts", |timeouts| {
            forwarding_timeouts(timeouts, &mut transport);
            http2_timeouts(timeouts, &mut transport);
        });
        fields.unsupported(&["peerCertSANs", "spiffe"]);
        transport
    })
}

/// The static one, for services that name none.
pub(super) fn default_transport(value: Value<'_>, out: &mut Sink) -> Option<ServersTransport> {
    value.section(out, |fields| {
        let mut transport = ServersTransport::new(fields.at.clone());
        shared(fields, &mut transport);
        fields.within("forwardingTimeouts", |timeouts| {
            forwarding_timeouts(timeouts, &mut transport);
            http2_timeouts(timeouts, &mut transport);
            timeouts.ours("readIdleTimeout");
            timeouts.ours("pingTimeout");
        });
        fields.unsupported(&["spiffe"]);
        transport
    })
}

fn shared(fields: &mut Fields<'_>, transport: &mut ServersTransport) {
    fields.set("insecureSkipVerify", &mut transport.insecure_skip_verify, boolean);
    transport.root_cas = fields.list("rootCAs", located_pem);
    fields.set("maxIdleConnsPerHost", &mut transport.max_idle_conns_per_host, max_idle);
}

fn forwarding_timeouts(fields: &mut Fields<'_>, transport: &mut ServersTransport) {
    fields.set("dialTimeout", &mut transport.dial_timeout, duration);
    fields.set("responseHeaderTimeout", &mut transport.response_header_timeout, duration);
    fields.set("idleConnTimeout", &mut transport.idle_conn_timeout, duration);
    fields.set("tcpKeepAlive", &mut transport.tcp_keep_alive, at_most_hours);
    fields.ours("tcpKeepAlive");
    fields.set("tcpUserTimeout", &mut transport.tcp_user_timeout, at_most_hours);
    fields.ours("tcpUserTimeout");
}

fn http2_timeouts(fields: &mut Fields<'_>, transport: &mut ServersTransport) {
    fields.set("readIdleTimeout", &mut transport.read_idle_timeout, duration);
    fields.set("pingTimeout", &mut transport.ping_timeout, duration);
}

/// What the kernel takes: keep-alive times end at 32,767 s.
pub(super) fn at_most_hours(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    let (at, path) = (value.node.at.clone(), value.path.to_owned());
    let read = duration(value, out)?;
    if read > MOST {
        out.problem(&at, path, "is too long", "at most 9h");
        return None;
    }
    Some(read)
}

const MOST: Duration = Duration::from_secs(9 * 3600);

/// 0 is the default, and a negative number none at all.
fn max_idle(value: Value<'_>, out: &mut Sink) -> Option<usize> {
    let most: i64 = integer(i64::MIN..=1_000_000)(value, out)?;
    match most {
        0 => None,
        _ => Some(usize::try_from(most).unwrap_or(0)),
    }
}
