//! Which of a message's header fields need a look: one pass, one bit for each name that matters.

use http::{
    HeaderMap, HeaderName,
    header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE},
};

/// The fields that say where a request came from. Only a trusted peer may send them, and `Connection` cannot name them away.
pub(super) static FORWARDED: [HeaderName; 13] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-scheme"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-tls-client-cert"),
    HeaderName::from_static("x-forwarded-tls-client-cert-info"),
];

/// Where a name stands in [`FORWARDED`].
pub(super) const FORWARDED_FOR: usize = 0;
pub(super) const FORWARDED_PROTO: usize = 1;
pub(super) const FORWARDED_HOST: usize = 2;
pub(super) const FORWARDED_PORT: usize = 3;
pub(super) const FORWARDED_SERVER: usize = 4;
pub(super) const REAL_IP: usize = 5;
pub(super) const SCHEME: usize = 6;
pub(super) const FORWARDED_SCHEME: usize = 7;

/// What a name means, other than those in [`FORWARDED`]; the value is its bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connection = 16,
    Te,
    Upgrade,
    KeepAlive,
    ProxyConnection,
    ProxyAuthenticate,
    ProxyAuthorization,
    TransferEncoding,
    Http2Settings,
    /// A name with an underscore: an alias of a forwarded header, or any if asked for.
    Underscore,
}

/// The fields that end at this hop, but `Connection` itself. `Trailer` is not one (RFC 9110 section 6.6.2): without it
/// HTTP/1.1 would lose the trailers that it announces.
pub(super) static HOP_BY_HOP: [(Kind, HeaderName); 8] = [
    (Kind::Te, TE),
    (Kind::Upgrade, UPGRADE),
    (Kind::KeepAlive, HeaderName::from_static("keep-alive")),
    (Kind::ProxyConnection, HeaderName::from_static("proxy-connection")),
    (Kind::ProxyAuthenticate, PROXY_AUTHENTICATE),
    (Kind::ProxyAuthorization, PROXY_AUTHORIZATION),
    (Kind::TransferEncoding, TRANSFER_ENCODING),
    (Kind::Http2Settings, HeaderName::from_static("http2-settings")),
];

/// What one pass over the names found: a bit for each entry of [`FORWARDED`] and each [`Kind`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen(u32);

impl Seen {
    /// `any_underscore`: names with an underscore are looked for even where they are no alias.
    pub(super) fn of(headers: &HeaderMap, any_underscore: bool) -> Self {
        let bits = headers.keys().fold(0, |bits, name| bits | classify(name));
        if any_underscore && headers.keys().any(|name| name.as_str().contains('_')) {
            return Self(bits | bit(Kind::Underscore));
        }
        Self(bits)
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.0 & bit(kind) != 0
    }

    pub(super) fn has_forwarded(&self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }

    pub(super) fn any_forwarded(&self) -> bool {
        self.0 & FORWARDED_BITS != 0
    }

    pub(super) fn any_hop_by_hop(&self) -> bool {
        self.0 & HOP_BY_HOP_BITS != 0
    }

    /// Whether it was there, and not any more.
    pub(super) fn take_forwarded(&mut self, at: usize) -> bool {
        let was = self.has_forwarded(at);
        self.0 &= !(1 << at);
        was
    }
}

/// Whether a name would be one of [`FORWARDED`] with `-` for each `_`, and is not as it stands.
pub(super) fn is_alias(name: &str) -> bool {
    may_be_forwarded(name) && is_forwarded_but_for_underscores(name)
}

/// Whether a name says where a request came from, also with `_` for `-`, or what is meant for one hop alone.
pub(super) fn is_of_this_hop(name: &HeaderName) -> bool {
    classify(name) != 0
}

/// The bit of a name, 0 if it is nothing special. The first byte rules most out.
fn classify(name: &HeaderName) -> u32 {
    let name = name.as_str();
    let kind = match (name.as_bytes()[0], name) {
        (b'x', _) => return classify_x(name),
        (b'c', "connection") => Kind::Connection,
        (b'h', "http2-settings") => Kind::Http2Settings,
        (b'k', "keep-alive") => Kind::KeepAlive,
        (b'p', "proxy-connection") => Kind::ProxyConnection,
        (b'p', "proxy-authenticate") => Kind::ProxyAuthenticate,
        (b'p', "proxy-authorization") => Kind::ProxyAuthorization,
        (b't', "te") => Kind::Te,
        (b't', "transfer-encoding") => Kind::TransferEncoding,
        (b'u', "upgrade") => Kind::Upgrade,
        _ => return 0,
    };
    bit(kind)
}

fn classify_x(name: &str) -> u32 {
    if !may_be_forwarded(name) {
        return 0;
    }
    // By the time a request is sent it has half a dozen of them as they should be.
    match FORWARDED.iter().position(|known| known.as_str() == name) {
        Some(at) => 1 << at,
        None if is_forwarded_but_for_underscores(name) => bit(Kind::Underscore),
        None => 0,
    }
}

/// `x-` and then `f`, `r` or `s`: what other names with an x have seldom.
fn may_be_forwarded(name: &str) -> bool {
    matches!(name.as_bytes(), [b'x', b'-' | b'_', b'f' | b'r' | b's', ..])
}

/// Whether a name with underscores would stand in [`FORWARDED`] with `-` for each.
fn is_forwarded_but_for_underscores(name: &str) -> bool {
    let is = |known: &HeaderName| {
        let known = known.as_str();
        known.len() == name.len()
            && known.bytes().zip(name.bytes()).all(|(known, byte)| known == byte || (known == b'-' && byte == b'_'))
    };
    name.contains('_') && FORWARDED.iter().any(is)
}

const fn bit(kind: Kind) -> u32 {
    1 << kind as u32
}

const FORWARDED_BITS: u32 = (1 << 13) - 1;
const HOP_BY_HOP_BITS: u32 = bit(Kind::Te)
    | bit(Kind::Upgrade)
    | bit(Kind::KeepAlive)
    | bit(Kind::ProxyConnection)
    | bit(Kind::ProxyAuthenticate)
    | bit(Kind::ProxyAuthorization)
    | bit(Kind::TransferEncoding)
    | bit(Kind::Http2Settings);
