//! `entryPoints`.

use std::collections::BTreeMap;

use super::{router, statics::entry_point_name, transport::at_most_hours};
use crate::{
    fields::{
        Fields, Sink, Value, boolean, choice, duration, header_name, integer, located_text, network, present_text,
        quoted,
    },
    problem::Located,
    scalar::Trust,
    static_config::{
        EncodedCharacters, EntryPoint, EntryPointHttp, ForwardedHeaders, Http2, Redirection, UnderscoreHeaders,
    },
};

pub(super) fn read_all(fields: &mut Fields<'_>) -> BTreeMap<String, EntryPoint> {
    let mut all = BTreeMap::new();
    fields.named("entryPoints", |key, value, out| {
        let entry_point = entry_point(value, out);
        let name = key.name.to_ascii_lowercase();
        if name.is_empty() || name.contains(['@', ',', '.']) {
            out.problem(&key.at, value.path, format!("{} is no name for an entry point", quoted(&name)), "no @ , or .");
        }
        if all.contains_key(&name) {
            out.problem(&key.at, value.path, format!("entry point {name:?} is given twice"), "case does not matter");
        }
        // One for UDP, allowed though unsupported, has no address.
        let entry_point = entry_point.filter(|entry_point| !entry_point.address.value.is_empty())?;
        all.entry(name).or_insert(entry_point);
        Some(())
    });
    all
}

fn entry_point(value: Value<'_>, out: &mut Sink) -> Option<EntryPoint> {
    let read = value.section(out, |fields| {
        let address = fields.required("address", address);
        let unwritten = || Located { value: ":0".to_owned(), at: fields.at.clone() };
        // Without an address there is a problem already; the rest is read for its own.
        let mut entry = EntryPoint::new(fields.at.clone(), address.unwrap_or_else(unwritten));
        fields.set("asDefault", &mut entry.as_default, boolean);
        fields.inert(&["reusePort"]);
        fields.unsupported_unless("allowACMEByPass", "false");
        fields.within("transport", |transport| read_transport(transport, &mut entry));
        fields.set_some("proxyProtocol", &mut entry.proxy_protocol, trust);
        fields.within("forwardedHeaders", |headers| forwarded_headers(headers, &mut entry.forwarded_headers));
        fields.within("http", |http| read_http(http, &mut entry.http));
        fields.within("http2", |http2| {
            read_http2(http2, &mut entry.http2);
            http2.unsupported_unless("maxDecoderHeaderTableSize", "4096");
            http2.unsupported_unless("maxEncoderHeaderTableSize", "4096");
        });
        fields.within("observability", |observability| {
            observability.set("accessLogs", &mut entry.access_logs, boolean);
            observability.set("metrics", &mut entry.metrics, boolean);
            observability.inert(&["tracing", "traceVerbosity"]);
        });
        fields.unsupported(&["http3", "udp"]);
        entry
    })?;
    Some(read)
}

/// `[host]:port[/tcp]`
fn address(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    let Located { value: text, at } = located_text(value, out)?;
    let (address, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    if protocol.eq_ignore_ascii_case("udp") {
        out.unsupported(&at, value.path, "an entry point for UDP is not supported yet");
        return Some(Located { value: String::new(), at });
    }
    if !protocol.eq_ignore_ascii_case("tcp") || !is_address(address) {
        out.problem(
            &at,
            value.path,
            format!("{} is no address", quoted(&text)),
            "[host]:port, like :80 or 127.0.0.1:8080",
        );
        return None;
    }
    Some(Located { value: address.to_owned(), at })
}

fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_right = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    host_is_right && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn read_transport(transport: &mut Fields<'_>, entry: &mut EntryPoint) {
    transport.within("respondingTimeouts", |timeouts| {
        let slots = &mut entry.timeouts;
        timeouts.set("readTimeout", &mut slots.read, duration);
        timeouts.set("writeTimeout", &mut slots.write, duration);
        timeouts.set("idleTimeout", &mut slots.idle, duration);
        timeouts.set("headerTimeout", &mut slots.header, duration);
        timeouts.set("tlsHandshakeTimeout", &mut slots.tls_handshake, duration);
        timeouts.set("bodyIdleTimeout", &mut slots.body_idle, duration);
        timeouts.set("stallTimeout", &mut slots.stall, duration);
        timeouts.set("tcpUserTimeout", &mut slots.tcp_user, at_most_hours);
        for key in ["headerTimeout", "tlsHandshakeTimeout", "bodyIdleTimeout", "stallTimeout", "tcpUserTimeout"] {
            timeouts.ours(key);
        }
    });
    transport.within("lifeCycle", |life| {
        life.set("requestAcceptGraceTimeout", &mut entry.request_accept_grace_timeout, duration);
        life.set("graceTimeOut", &mut entry.grace_timeout, duration);
    });
    transport.set("keepAliveMaxRequests", &mut entry.keep_alive_max_requests, integer(0..=i64::MAX));
    transport.set("keepAliveMaxTime", &mut entry.keep_alive_max_time, duration);
}

fn trust(value: Value<'_>, out: &mut Sink) -> Option<Trust> {
    value.section(out, |fields| {
        let mut trust = Trust::default();
        read_trust(fields, &mut trust);
        trust
    })
}

fn read_trust(fields: &mut Fields<'_>, trust: &mut Trust) {
    fields.set("insecure", &mut trust.insecure, boolean);
    trust.trusted_ips = fields.list("trustedIPs", network);
}

fn forwarded_headers(fields: &mut Fields<'_>, headers: &mut ForwardedHeaders) {
    read_trust(fields, &mut headers.trust);
    headers.connection = fields.list("connection", header_name);
    fields.set("notAppendXForwardedFor", &mut headers.not_append_x_forwarded_for, boolean);
    fields.set("addXForwardedSchemeHeaders", &mut headers.add_x_forwarded_scheme_headers, boolean);
}

fn read_http(fields: &mut Fields<'_>, http: &mut EntryPointHttp) {
    fields.within("redirections", |redirections| {
        redirections.set_some("entryPoint", &mut http.redirection, redirection);
    });
    http.middlewares = fields.list("middlewares", router::reference);
    fields.set_some("tls", &mut http.tls, router::tls);
    fields.set("sanitizePath", &mut http.sanitize_path, boolean);
    fields.within("encodedCharacters", |characters| encoded_characters(characters, &mut http.encoded_characters));
    fields.set("encodeQuerySemicolons", &mut http.encode_query_semicolons, boolean);
    fields.set("underscoreHeadersStrategy", &mut http.underscore_headers, |value, out| {
        let strategies = [
            ("keep", UnderscoreHeaders::Keep),
            ("delete", UnderscoreHeaders::Delete),
            ("reject", UnderscoreHeaders::Reject),
        ];
        choice(strategies)(value, out)
    });
    fields.set("maxHeaderBytes", &mut http.max_header_bytes, |value, out| {
        let bytes = integer(0..=MAX_HEADER_BYTES)(value, out)?;
        Some(if bytes == 0 { EntryPointHttp::default().max_header_bytes } else { bytes })
    });
    fields.set("maxHeaderFields", &mut http.max_header_fields, integer(1..=MAX_HEADER_FIELDS));
    fields.set("maxRequestLineBytes", &mut http.max_request_line_bytes, integer(1..=MAX_REQUEST_LINE_BYTES));
    fields.set("maxBodyBytes", &mut http.max_body_bytes, integer(0..=i64::MAX));
    for key in ["maxHeaderFields", "maxRequestLineBytes", "maxBodyBytes"] {
        fields.ours(key);
    }
}

fn read_http2(fields: &mut Fields<'_>, http2: &mut Http2) {
    fields.set("maxConcurrentStreams", &mut http2.max_concurrent_streams, streams);
    let budgets = [
        ("maxResetsPerSecond", &mut http2.max_resets),
        ("maxPingsPerSecond", &mut http2.max_pings),
        ("maxSettingsPerSecond", &mut http2.max_settings),
        ("maxEmptyFramesPerSecond", &mut http2.max_empty_frames),
        ("maxWindowUpdatesPerSecond", &mut http2.max_window_updates),
    ];
    for (key, budget) in budgets {
        fields.set(key, budget, integer(0..=MAX_FRAMES_PER_SECOND));
        fields.ours(key);
    }
}

/// The longest request line that is read at all: 64 KiB.
const MAX_REQUEST_LINE_BYTES: i64 = 64 * 1024;

/// More than any connection can carry.
const MAX_FRAMES_PER_SECOND: i64 = 1_000_000;

/// The largest header block that can be asked for: 1 GiB.
const MAX_HEADER_BYTES: i64 = 1 << 30;

/// The most header fields that can be asked for.
const MAX_HEADER_FIELDS: i64 = 32_768;

fn redirection(value: Value<'_>, out: &mut Sink) -> Option<Redirection> {
    let read = value.section(out, |fields| {
        let to = fields.required("to", |value, out| {
            let to = entry_point_name(value, out)?;
            let port = to.value.strip_prefix(':');
            if to.value.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
                out.problem(
                    &to.at,
                    value.path,
                    format!("{} is no target", quoted(&to.value)),
                    "an entry point's name, or :port",
                );
                return None;
            }
            Some(to)
        });
        let mut scheme = "https".to_owned();
        fields.set("scheme", &mut scheme, present_text);
        let mut permanent = true;
        fields.set("permanent", &mut permanent, boolean);
        let mut priority = i64::MAX - 1;
        fields.set("priority", &mut priority, integer(i64::MIN..=i64::MAX));
        to.map(|to| Redirection { to, scheme, permanent, priority })
    });
    read.flatten()
}

/// Those of an entry point and those of a middleware, which differ in their defaults.
pub(super) fn encoded_characters(fields: &mut Fields<'_>, allowed: &mut EncodedCharacters) {
    fields.set("allowEncodedSlash", &mut allowed.slash, boolean);
    fields.set("allowEncodedBackSlash", &mut allowed.back_slash, boolean);
    fields.set("allowEncodedNullCharacter", &mut allowed.null_character, boolean);
    fields.set("allowEncodedSemicolon", &mut allowed.semicolon, boolean);
    fields.set("allowEncodedPercent", &mut allowed.percent, boolean);
    fields.set("allowEncodedQuestionMark", &mut allowed.question_mark, boolean);
    fields.set("allowEncodedHash", &mut allowed.hash, boolean);
}

/// 0 is the default, as for Go.
fn streams(value: Value<'_>, out: &mut Sink) -> Option<u32> {
    let streams = integer(0..=i64::from(i32::MAX))(value, out)?;
    Some(if streams == 0 { 250 } else { streams })
}
