//! Which address of a request counts as the client's (`ipStrategy`).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use rollgate_config::scalar::IpStrategy;

use crate::networks::Networks;

/// A compiled `ipStrategy`.
#[derive(Debug, Clone)]
pub(crate) struct ClientAddress {
    source: Source,
    /// The bits of an IPv6 address that count.
    mask: Option<u128>,
}

#[derive(Debug, Clone)]
enum Source {
    Peer,
    /// The nth from the right, from 1.
    Depth(usize),
    /// The first from the right that is none of these.
    Beyond(Networks),
}

impl ClientAddress {
    /// Compiles a strategy: the depth counts before the excluded addresses, and without either it is the peer.
    pub(crate) fn compile(strategy: &IpStrategy) -> Self {
        let source = match strategy {
            IpStrategy { depth: 1.., .. } => Source::Depth(strategy.depth),
            IpStrategy { excluded_ips, .. } if !excluded_ips.is_empty() => Source::Beyond(Networks::new(excluded_ips)),
            _ => Source::Peer,
        };
        let mask = strategy.ipv6_subnet.map(|bits| u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0));
        Self { source, mask }
    }

    /// The address; `None` if X-Forwarded-For is too short or does not hold one there.
    ///
    /// The lines of X-Forwarded-For are one list (RFC 9110 section 5.3).
    pub(crate) fn of(&self, headers: &HeaderMap, peer: IpAddr) -> Option<IpAddr> {
        let address = match &self.source {
            Source::Peer => peer,
            Source::Depth(depth) => parse(forwarded(headers).nth(depth - 1)?)?,
            Source::Beyond(excluded) => {
                let mut named = forwarded(headers).filter(|text| !text.is_empty());
                parse(named.find(|text| parse(text).is_none_or(|address| !excluded.contains(address)))?)?
            }
        };
        Some(match (address.to_canonical(), self.mask) {
            (IpAddr::V6(six), Some(mask)) => Ipv6Addr::from_bits(six.to_bits() & mask).into(),
            (address, _) => address,
        })
    }
}

/// The elements of X-Forwarded-For, the last one first.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',')).map(str::trim)
}

/// An address, perhaps with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
