//! `entrypoints`.

use std::time::Duration;

use rollgate_config::{
    scalar::Trust,
    static_config::{EncodedCharacters, EntryPoint, EntryPointHttp, UnderscoreHeaders},
};
use serde_json::{Value, json};

use super::{
    TraefikAnswer, View, paging,
    query::Query,
    render::{Object, duration, texts},
    routers::entry_points_tls,
};

/// All of them by name: neither sought nor sorted, as in Traefik.
pub(super) fn list(query: &Query, view: &View<'_>) -> TraefikAnswer {
    let all: Vec<(&String, &EntryPoint)> = view.statics.entry_points.iter().collect();
    paging::page(query, &all, |(name, entry)| shown(name, entry))
}

pub(super) fn one(name: &str, view: &View<'_>) -> TraefikAnswer {
    TraefikAnswer::one("entry point", name, |name| Some(shown(name, view.statics.entry_points.get(name)?)))
}

/// Keys of ours are left out: Traefik's say the same here.
fn shown(name: &str, entry: &EntryPoint) -> Value {
    let mut shown = Object::new();
    let mut set = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    set("name", json!(name));
    set("address", json!(entry.address.value));
    if entry.as_default {
        set("asDefault", json!(true));
    }
    set("transport", transport(entry));
    if let Some(proxy_protocol) = &entry.proxy_protocol {
        set("proxyProtocol", trust(proxy_protocol).into());
    }
    set("forwardedHeaders", forwarded_headers(entry));
    set("http", http(&entry.http));
    set("http2", http2(entry));
    set("udp", json!({"timeout": "3s"}));
    if !(entry.access_logs && entry.metrics) {
        set(
            "observability",
            json!({"accessLogs": entry.access_logs, "metrics": entry.metrics, "tracing": true, "traceVerbosity": "minimal"}),
        );
    }
    shown.into()
}

fn transport(entry: &EntryPoint) -> Value {
    let life_cycle = times(&[
        ("requestAcceptGraceTimeout", entry.request_accept_grace_timeout),
        ("graceTimeOut", entry.grace_timeout),
    ]);
    let timeouts = times(&[
        ("readTimeout", entry.timeouts.read),
        ("writeTimeout", entry.timeouts.write),
        ("idleTimeout", entry.timeouts.idle),
    ]);
    let mut shown = times(&[("keepAliveMaxTime", entry.keep_alive_max_time)]);
    shown.insert("lifeCycle".to_owned(), life_cycle.into());
    shown.insert("respondingTimeouts".to_owned(), timeouts.into());
    if entry.keep_alive_max_requests > 0 {
        shown.insert("keepAliveMaxRequests".to_owned(), json!(entry.keep_alive_max_requests));
    }
    shown.into()
}

/// Zero is left out.
fn times(times: &[(&str, Duration)]) -> Object {
    let times = times.iter().filter(|(_, time)| !time.is_zero());
    let nanoseconds = |time: &Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    times.map(|(key, time)| ((*key).to_owned(), json!(duration(nanoseconds(time))))).collect()
}

fn trust(trust: &Trust) -> Object {
    let mut shown = flags(&[("insecure", trust.insecure)]);
    if !trust.trusted_ips.is_empty() {
        shown.insert("trustedIPs".to_owned(), texts(trust.trusted_ips.iter().map(ToString::to_string)));
    }
    shown
}

fn forwarded_headers(entry: &EntryPoint) -> Value {
    let headers = &entry.forwarded_headers;
    let mut shown = trust(&headers.trust);
    shown.extend(flags(&[
        ("notAppendXForwardedFor", headers.not_append_x_forwarded_for),
        ("addXForwardedSchemeHeaders", headers.add_x_forwarded_scheme_headers),
    ]));
    if !headers.connection.is_empty() {
        shown.insert("connection".to_owned(), texts(&headers.connection));
    }
    shown.into()
}

fn http(http: &EntryPointHttp) -> Value {
    let mut shown = flags(&[("encodeQuerySemicolons", http.encode_query_semicolons)]);
    let mut set = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    if let Some(redirection) = &http.redirection {
        let mut to = flags(&[("permanent", redirection.permanent)]);
        to.insert("to".to_owned(), json!(redirection.to.value));
        to.insert("scheme".to_owned(), json!(redirection.scheme));
        if redirection.priority != 0 {
            to.insert("priority".to_owned(), json!(redirection.priority));
        }
        set("redirections", json!({"entryPoint": to}));
    }
    if !http.middlewares.is_empty() {
        set("middlewares", texts(http.middlewares.iter().map(|name| &name.value)));
    }
    if let Some(tls) = &http.tls {
        set("tls", entry_points_tls(tls).into());
    }
    if http.encoded_characters != EncodedCharacters::ALL {
        set("encodedCharacters", encoded_characters(http.encoded_characters).into());
    }
    set("sanitizePath", json!(http.sanitize_path));
    set("maxHeaderBytes", json!(http.max_header_bytes));
    let strategy = match http.underscore_headers {
        UnderscoreHeaders::Keep => "keep",
        UnderscoreHeaders::Delete => "delete",
        UnderscoreHeaders::Reject => "reject",
    };
    set("underscoreHeadersStrategy", json!(strategy));
    shown.into()
}

fn encoded_characters(allowed: EncodedCharacters) -> Object {
    flags(&[
        ("allowEncodedSlash", allowed.slash),
        ("allowEncodedBackSlash", allowed.back_slash),
        ("allowEncodedNullCharacter", allowed.null_character),
        ("allowEncodedSemicolon", allowed.semicolon),
        ("allowEncodedPercent", allowed.percent),
        ("allowEncodedQuestionMark", allowed.question_mark),
        ("allowEncodedHash", allowed.hash),
    ])
}

fn http2(entry: &EntryPoint) -> Value {
    json!({
        "maxConcurrentStreams": entry.http2.max_concurrent_streams,
        "maxDecoderHeaderTableSize": HEADER_TABLE,
        "maxEncoderHeaderTableSize": HEADER_TABLE,
    })
}

/// Those that are true.
fn flags(flags: &[(&str, bool)]) -> Object {
    flags.iter().filter(|(_, is)| *is).map(|(key, _)| ((*key).to_owned(), json!(true))).collect()
}

/// The only size that can be configured.
const HEADER_TABLE: u32 = 4096;
