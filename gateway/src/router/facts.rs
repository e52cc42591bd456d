//! What rules are asked about a request.

use std::net::IpAddr;

use http::{HeaderMap, Method};

use crate::path::{hex, is_soundly_encoded};

/// A request as the router sees it; everything borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Canonical ([`crate::authority::canonical_host`]), without a port; empty if the request names none.
    pub host: &'a str,
    /// The routing path ([`crate::path::routing_path`]).
    pub path: &'a str,
    /// As it was sent, without the `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The headers. A `Host` among them is not matched: [`Self::host`] is.
    pub headers: &'a HeaderMap,
    /// The peer's address, after PROXY protocol.
    pub client: IpAddr,
}

impl<'a> Facts<'a> {
    /// The values of `key` in the query; see [`query_values`].
    pub(super) fn query_values(&self, key: &'a str) -> impl Iterator<Item = &'a str> {
        query_values(self.query.unwrap_or_default(), key)
    }
}

/// The values of `key` in a query, not decoded, in order.
///
/// Pairs end at `&` or `;`; a pair with a bad percent-encoding is as if it were not there.
pub(crate) fn query_values<'q>(query: &'q str, key: &'q str) -> impl Iterator<Item = &'q str> {
    let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
    pairs.filter_map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let sound = is_soundly_encoded(name) && is_soundly_encoded(value);
        (sound && decoded(name).eq(key.bytes())).then_some(value)
    })
}

/// The octets that a query's key or value stands for: `+` is a space, percent-encodings are decoded.
pub(crate) fn decoded(text: &str) -> impl Iterator<Item = u8> + Clone {
    let mut bytes = text.bytes();
    std::iter::from_fn(move || match bytes.next()? {
        b'+' => Some(b' '),
        b'%' => hex(&[bytes.next()?, bytes.next()?]),
        byte => Some(byte),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(query: &str, key: &str) -> Vec<String> {
        let facts = Facts {
            host: "",
            path: "/",
            query: Some(query),
            method: &Method::GET,
            headers: &HeaderMap::new(),
            client: IpAddr::from([10, 0, 0, 1]),
        };
        facts.query_values(key).map(|value| String::from_utf8(decoded(value).collect()).unwrap()).collect()
    }

    #[test]
    fn keys_and_values_are_compared_decoded() {
        let cases = [
            ("", "q", ""),
            ("q&q", "q", "|"),
            ("q=&q=", "q", "|"),
            ("q=1&q=2", "q", "1|2"),
            ("a=1;q=2", "q", "2"),
            ("%71=%31+2", "q", "1 2"),
            ("a+b=1", "a b", "1"),
            ("q=a=b", "q", "a=b"),
            ("q=%zz&q=1", "q", "1"),
            ("q%=1", "q", ""),
            ("Q=1", "q", ""),
            ("&&q=1&", "q", "1"),
            ("=x", "", "x"),
            ("q=%2526", "q", "%26"),
        ];
        for (query, key, expected) in cases {
            assert_eq!(values(query, key).join("|"), expected, "{query} {key}");
        }
    }
}
