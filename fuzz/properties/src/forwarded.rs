//! Who a request comes from is said by the gateway and nobody else, and what was meant for this hop ends here.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use rollgate_config::{
    scalar::Trust,
    static_config::{ForwardedHeaders, UnderscoreHeaders},
};
use rollgate_gateway::memory::{ForwardedPolicy, Peer, prepare_response, prepare_upstream, sanitise_incoming};

/// The first two bytes' bits are the peer and the entry point's rules, the rest are header lines.
pub fn forwarded(data: &[u8]) {
    let [first, second, lines @ ..] = data else { return };
    let bit = |at: u8| first & 1 << at != 0;
    let trusted = bit(0);
    let peer = Peer::new(
        "192.0.2.9:4711".parse().expect("an address"),
        bit(1),
        &Trust { insecure: trusted, trusted_ips: Vec::new() },
    );
    let underscores = match second & 3 {
        0 | 1 => UnderscoreHeaders::Keep,
        2 => UnderscoreHeaders::Delete,
        _ => UnderscoreHeaders::Reject,
    };
    let rules = ForwardedHeaders {
        not_append_x_forwarded_for: bit(2),
        add_x_forwarded_scheme_headers: bit(3),
        connection: if bit(4) { vec!["kept".into(), "x_kept".into()] } else { Vec::new() },
        ..ForwardedHeaders::default()
    };
    let policy = ForwardedPolicy::new(&rules, underscores, "gateway", 8443);
    let (websocket, upgrade) = (bit(5), bit(6));
    let sent = header_lines(lines);
    let host = sent.get(header::HOST).cloned();
    let mut headers = sent.clone();
    if sanitise_incoming(&mut headers, &peer, &policy, host.as_ref(), websocket).is_err() {
        assert_eq!(underscores, UnderscoreHeaders::Reject);
        assert!(sent.keys().any(|name| name.as_str().contains('_')), "{sent:?} was refused");
        return;
    }
    no_alias(&headers, underscores);
    if !trusted {
        ours_alone(&headers, host.as_ref());
    }
    let mut again = headers.clone();
    sanitise_incoming(&mut again, &peer, &policy, host.as_ref(), websocket).expect("nothing is left to refuse");
    assert_eq!(again, headers, "what {sent:?} becomes is not sanitised yet");
    prepare_upstream(&mut headers, &peer, &policy, upgrade);
    no_alias(&headers, underscores);
    ends_here(&sent, &headers, upgrade);
    let chain = headers.get("x-forwarded-for").map(HeaderValue::as_bytes);
    match (rules.not_append_x_forwarded_for, trusted) {
        (false, _) => assert!(chain.is_some_and(|chain| chain.ends_with(b"192.0.2.9")), "{headers:?}"),
        (true, false) => assert_eq!(chain, None, "{headers:?}"),
        (true, true) => {}
    }
    let mut answer = sent.clone();
    prepare_response(&mut answer, upgrade);
    ends_here(&sent, &answer, upgrade);
}

/// `name: value` lines; those that are none are left out, as hyper never gives them.
fn header_lines(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(MOST) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// No name that a server could take for one of ours, whoever sent it.
fn no_alias(headers: &HeaderMap, underscores: UnderscoreHeaders) {
    for name in headers.keys().map(HeaderName::as_str).filter(|name| name.contains('_')) {
        assert_eq!(underscores, UnderscoreHeaders::Keep, "{name} is still there");
        assert!(!FORWARDED.contains(&&*name.replace('_', "-")), "{name} is still there");
    }
}

/// Each one once at most, and with what the gateway knows.
fn ours_alone(headers: &HeaderMap, host: Option<&HeaderValue>) {
    for name in FORWARDED {
        let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
        let [value] = values[..] else {
            assert!(values.is_empty(), "{name} is there twice: {headers:?}");
            continue;
        };
        let value = value.as_bytes();
        let ours = match name {
            "x-real-ip" => value == b"192.0.2.9",
            "x-forwarded-proto" | "x-scheme" | "x-forwarded-scheme" => {
                [&b"http"[..], b"https", b"ws", b"wss"].contains(&value)
            }
            "x-forwarded-host" => Some(value) == host.map(HeaderValue::as_bytes),
            "x-forwarded-port" => !value.is_empty() && value.len() <= 5 && value.iter().all(u8::is_ascii_digit),
            "x-forwarded-server" => value == b"gateway",
            _ => false,
        };
        assert!(ours, "{name} is what the client says: {headers:?}");
    }
}

/// RFC 9110 section 7.6.1: nothing that was meant for this hop, and nothing that `Connection` named, goes on.
fn ends_here(sent: &HeaderMap, headers: &HeaderMap, upgrade: bool) {
    for name in ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "transfer-encoding"] {
        assert!(!headers.contains_key(name), "{name} goes on: {headers:?}");
    }
    assert!(!headers.contains_key("http2-settings"), "{headers:?}");
    assert!(
        headers.get_all(header::TE).iter().all(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers")),
        "{headers:?}"
    );
    let connection: Vec<&HeaderValue> = headers.get_all(header::CONNECTION).iter().collect();
    if upgrade && headers.contains_key(header::UPGRADE) {
        assert!(connection == ["Upgrade"], "{headers:?}");
    } else {
        assert!(connection.is_empty() && !headers.contains_key(header::UPGRADE), "{headers:?}");
    }
    let named = sent.get_all(header::CONNECTION).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    for name in named.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok()) {
        let stays = FORWARDED.contains(&name.as_str())
            || [header::HOST, header::CONTENT_LENGTH, header::UPGRADE, header::CONNECTION].contains(&name);
        assert!(stays || !headers.contains_key(&name), "{name} goes on although Connection names it: {headers:?}");
    }
}

/// Written down here again, so that a name that gets lost there is missed here.
const FORWARDED: [&str; 13] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "x-scheme",
    "x-forwarded-scheme",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-forwarded-prefix",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
];

/// More lines find nothing more.
const MOST: usize = 64;
