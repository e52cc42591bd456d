//! Who a request says it comes from, and which header fields end at this hop.
//!
//! ```text
//! sanitise_incoming (before routing) -> router, middlewares -> prepare_upstream (before it is sent)
//! prepare_response (as an answer's head arrives from upstream)
//! ```
//!
//! `X-Forwarded-*` are believed from trusted peers only; fields named in `Connection` and the hop-by-hop fields of RFC 9110
//! section 7.6.1 go. One pass over the names says what there is to do, so a plain request costs a look at a byte or two per
//! field, and the inserts. Values are made per process or per connection; only a chain of proxies, a `Connection` with
//! several names or an odd port in `Host` allocates.
//!
//! Where this is stricter than Traefik: names that differ from a forwarded header by `_` for `-` are removed whoever sends them, since
//! a backend may take one for the other; `Connection` cannot name `Host` or `Content-Length` away.

mod names;
mod trailers;

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, UPGRADE},
};
use rollgate_config::{
    scalar::Trust,
    static_config::{ForwardedHeaders, UnderscoreHeaders},
};
use smallvec::SmallVec;

use names::{
    FORWARDED, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PROTO, FORWARDED_SCHEME, FORWARDED_SERVER,
    HOP_BY_HOP, Kind, REAL_IP, SCHEME, Seen,
};

pub use trailers::sanitise_trailers;

/// Who sent a request: made once per connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address as text; as IPv4 also if it came as IPv4 in IPv6.
    pub ip_value: HeaderValue,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether its X-Forwarded-* are believed.
    pub trusted: bool,
    /// Whether it is believed by its address.
    pub known: bool,
}

impl Peer {
    /// `address` is the client's as the socket, or a PROXY protocol header, says.
    pub fn new(address: SocketAddr, tls: bool, trust: &Trust) -> Self {
        let ip = address.ip().to_canonical();
        let ip_value = HeaderValue::try_from(ip.to_string()).expect("an address is made of visible characters");
        Self { ip_value, tls, trusted: trust.covers(ip), known: trust.names(ip) }
    }
}

/// An entry point's rules for forwarded headers, compiled.
#[derive(Debug, Clone)]
pub struct ForwardedPolicy {
    /// Lower-cased names that stay until the request is sent although `Connection` names them.
    connection: Vec<String>,
    append_for: bool,
    scheme_headers: bool,
    underscores: UnderscoreHeaders,
    /// The machine's name; `None` if it has none that fits in a header.
    server: Option<HeaderValue>,
    /// The entry point's own port: the one that `Host` most likely has.
    port: (u16, HeaderValue),
}

impl ForwardedPolicy {
    /// `host_name` is this machine's, `port` the entry point's.
    pub fn new(headers: &ForwardedHeaders, underscores: UnderscoreHeaders, host_name: &str, port: u16) -> Self {
        Self {
            connection: headers.connection.clone(),
            append_for: !headers.not_append_x_forwarded_for,
            scheme_headers: headers.add_x_forwarded_scheme_headers,
            underscores,
            server: HeaderValue::try_from(host_name).ok().filter(|name| !name.is_empty()),
            port: (port, HeaderValue::from(port)),
        }
    }
}

/// Why a request cannot go on; it is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A header's name has an underscore, and `underscoreHeadersStrategy` is `reject`.
    Underscore,
}

impl Refusal {
    /// The label value for `rollgate_refused_total`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Underscore => "underscore_header",
        }
    }
}

/// Before routing: takes away what the peer may not say, and says who it is.
///
/// `host` is the request's `Host` or `:authority`. After this, `Connection` names nothing but an upgrade and the names that the
/// entry point's `forwardedHeaders.connection` lets through.
///
/// # Errors
/// If the request is to be refused. The headers may be changed by then.
pub fn sanitise_incoming(
    headers: &mut HeaderMap,
    peer: &Peer,
    policy: &ForwardedPolicy,
    host: Option<&HeaderValue>,
    is_websocket: bool,
) -> Result<(), Refusal> {
    let mut seen = Seen::of(headers, policy.underscores != UnderscoreHeaders::Keep);
    if seen.has(Kind::Underscore) {
        remove_underscored(headers, policy.underscores)?;
    }
    if !peer.trusted && seen.any_forwarded() {
        for (bit, name) in FORWARDED.iter().enumerate() {
            if seen.take_forwarded(bit) {
                headers.remove(name);
            }
        }
    }
    if seen.has(Kind::Connection) {
        apply_connection(headers, &policy.connection);
    }
    describe(headers, peer, policy, host, is_websocket, &seen);
    Ok(())
}

/// Before a request is sent upstream: the client's address joins `X-Forwarded-For`, and what was meant for this hop goes.
///
/// `upgrade`: the request is sent over HTTP/1.1 and asks to switch protocols; `Upgrade` stays and `Connection` says so. Otherwise neither is left.
pub fn prepare_upstream(headers: &mut HeaderMap, peer: &Peer, policy: &ForwardedPolicy, upgrade: bool) {
    let seen = Seen::of(headers, false);
    remove_hop_by_hop(headers, &seen, upgrade);
    match (seen.has_forwarded(FORWARDED_FOR), policy.append_for) {
        (false, true) => {
            headers.insert(&FORWARDED[FORWARDED_FOR], peer.ip_value.clone());
        }
        (true, append) => join_forwarded_for(headers, append.then_some(&peer.ip_value)),
        (false, false) => {}
    }
}

/// As the head of an answer comes from upstream: what was meant for this hop goes. With `switching` (a 101) `Upgrade` stays and `Connection` says so.
pub fn prepare_response(headers: &mut HeaderMap, switching: bool) {
    let seen = Seen::of(headers, false);
    remove_hop_by_hop(headers, &seen, switching);
}

/// Whether a field says where a request came from; only a trusted peer's is believed.
pub(crate) fn is_forwarded(name: &HeaderName) -> bool {
    FORWARDED.contains(name)
}

/// Takes away whatever says where a request came from, whoever said it.
pub(crate) fn remove_all(headers: &mut HeaderMap) {
    for name in &FORWARDED {
        headers.remove(name);
    }
}

/// Sets what says where the request came from, where it is not said yet.
fn describe(
    headers: &mut HeaderMap,
    peer: &Peer,
    policy: &ForwardedPolicy,
    host: Option<&HeaderValue>,
    is_websocket: bool,
    seen: &Seen,
) {
    // One growth at most: six names here, X-Forwarded-For later.
    headers.reserve(8);
    let is_set = |headers: &HeaderMap, at: usize| {
        seen.has_forwarded(at) && headers.get(&FORWARDED[at]).is_some_and(|value| !value.is_empty())
    };
    if !is_set(headers, REAL_IP) {
        headers.insert(&FORWARDED[REAL_IP], peer.ip_value.clone());
    }
    let proto = if is_set(headers, FORWARDED_PROTO) {
        headers.get(&FORWARDED[FORWARDED_PROTO]).cloned().unwrap_or(HTTP)
    } else {
        let proto = match (is_websocket, peer.tls) {
            (false, false) => HTTP,
            (false, true) => HTTPS,
            (true, false) => WS,
            (true, true) => WSS,
        };
        headers.insert(&FORWARDED[FORWARDED_PROTO], proto.clone());
        proto
    };
    if policy.scheme_headers {
        for at in [SCHEME, FORWARDED_SCHEME] {
            if !is_set(headers, at) {
                headers.insert(&FORWARDED[at], proto.clone());
            }
        }
    }
    if !is_set(headers, FORWARDED_PORT) {
        headers.insert(&FORWARDED[FORWARDED_PORT], port(host, &proto, peer, policy));
    }
    if let Some(host) = host
        && !host.is_empty()
        && !is_set(headers, FORWARDED_HOST)
    {
        headers.insert(&FORWARDED[FORWARDED_HOST], host.clone());
    }
    if seen.has_forwarded(FORWARDED_FOR) {
        join_forwarded_for(headers, None);
    }
    if let Some(server) = &policy.server {
        headers.insert(&FORWARDED[FORWARDED_SERVER], server.clone());
    }
}

/// The port that `Host` names, or the one that the protocol stands for.
fn port(host: Option<&HeaderValue>, proto: &HeaderValue, peer: &Peer, policy: &ForwardedPolicy) -> HeaderValue {
    if let Some(port) = host.and_then(|host| port_of(host.as_bytes())) {
        return match port {
            b"80" => PORT_80,
            b"443" => PORT_443,
            port if port == policy.port.1.as_bytes() => policy.port.1.clone(),
            port => HeaderValue::from_bytes(port).unwrap_or_else(|_| HeaderValue::from(policy.port.0)),
        };
    }
    if peer.tls || proto == HTTPS || proto == WSS { PORT_443 } else { PORT_80 }
}

/// The digits after the colon of `host:port` or `[v6]:port`.
pub(crate) fn port_of(host: &[u8]) -> Option<&[u8]> {
    let colon = host.iter().rposition(|byte| *byte == b':')?;
    let (name, port) = (&host[..colon], &host[colon + 1..]);
    let is_address = name.first() == Some(&b'[');
    let splits = if is_address { name.last() == Some(&b']') } else { !name.contains(&b':') };
    (splits && !port.is_empty() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)).then_some(port)
}

/// Makes one line of all lines of X-Forwarded-For and of the client's address.
pub(crate) fn join_forwarded_for(headers: &mut HeaderMap, client: Option<&HeaderValue>) {
    let name = &FORWARDED[FORWARDED_FOR];
    let mut lines = headers.get_all(name).iter();
    if client.is_none() && lines.nth(1).is_none() {
        return;
    }
    let mut joined = Vec::with_capacity(128);
    for line in headers.get_all(name).iter().chain(client) {
        if line.is_empty() {
            continue;
        }
        if !joined.is_empty() {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(line.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(name, value);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap, seen: &Seen, upgrade: bool) {
    if seen.has(Kind::Connection) {
        apply_connection(headers, &[]);
        headers.remove(CONNECTION);
    }
    let upgrade = upgrade && seen.has(Kind::Upgrade);
    if seen.any_hop_by_hop() {
        for (kind, name) in &HOP_BY_HOP {
            let stays = match kind {
                Kind::Te => is_trailers(headers),
                Kind::Upgrade => upgrade,
                _ => false,
            };
            if seen.has(*kind) && !stays {
                headers.remove(name);
            }
        }
    }
    if upgrade {
        headers.insert(CONNECTION, UPGRADE_TOKEN);
    }
}

/// Whether all that `TE` says is `trailers`, which gRPC needs to pass.
fn is_trailers(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TE).iter();
    lines.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers")) && lines.next().is_none()
}

/// Removes the fields that `Connection` names, but those in `kept`, and leaves in it only them and `Upgrade` (with the field of that name).
fn apply_connection(headers: &mut HeaderMap, kept: &[String]) {
    if is_plain_connection(headers) {
        headers.remove(CONNECTION);
        return;
    }
    let lines: SmallVec<[HeaderValue; 2]> = headers.get_all(CONNECTION).iter().cloned().collect();
    headers.remove(CONNECTION);
    let mut is_upgrade = false;
    for token in lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
        if token.eq_ignore_ascii_case(b"upgrade") {
            is_upgrade = true;
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(token) else {
            continue;
        };
        if kept.iter().any(|kept| name == kept.as_str()) {
            if let Ok(value) = HeaderValue::from_bytes(token) {
                headers.append(CONNECTION, value);
            }
        } else if !FORWARDED.contains(&name) && ![HOST, CONTENT_LENGTH, CONNECTION].contains(&name) {
            // Itself it cannot name: what it keeps would be forgotten.
            headers.remove(name);
        }
    }
    if is_upgrade && headers.contains_key(UPGRADE) {
        headers.append(CONNECTION, UPGRADE_TOKEN);
    }
}

/// One `Connection` line with `keep-alive` or `close`: what nearly every request has that has any.
fn is_plain_connection(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONNECTION).iter();
    let is_plain = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    lines.next().is_some_and(is_plain) && lines.next().is_none()
}

#[cold]
fn remove_underscored(headers: &mut HeaderMap, strategy: UnderscoreHeaders) -> Result<(), Refusal> {
    let has_underscore = |name: &&HeaderName| match strategy {
        UnderscoreHeaders::Keep => names::is_alias(name.as_str()),
        UnderscoreHeaders::Delete | UnderscoreHeaders::Reject => name.as_str().contains('_'),
    };
    if strategy == UnderscoreHeaders::Reject {
        return Err(Refusal::Underscore);
    }
    let underscored: Vec<HeaderName> = headers.keys().filter(has_underscore).cloned().collect();
    for name in underscored {
        headers.remove(name);
    }
    Ok(())
}

const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
const WS: HeaderValue = HeaderValue::from_static("ws");
const WSS: HeaderValue = HeaderValue::from_static("wss");
const PORT_80: HeaderValue = HeaderValue::from_static("80");
const PORT_443: HeaderValue = HeaderValue::from_static("443");
const UPGRADE_TOKEN: HeaderValue = HeaderValue::from_static("Upgrade");

#[cfg(test)]
mod tests;
