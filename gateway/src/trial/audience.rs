//! Whom an A/B test is for: what of a request's head says that it belongs to the audience.

use std::{fmt, net::IpAddr};

use http::{HeaderMap, HeaderName};
use rollgate_config::dynamic::rollout::audience::{self, AllOf};

use crate::{
    cookie,
    middleware::ClientAddress,
    networks::Networks,
    router::{decoded, query_values},
};

/// Compiled: names and networks are parsed once.
#[derive(Debug)]
pub(crate) struct Audience(Box<[All]>);

/// A request belongs to the audience if all of these are true of it.
#[derive(Debug)]
struct All {
    headers: Box<[(HeaderName, Values)]>,
    cookies: Box<[(Box<str>, Values)]>,
    query: Box<[(Box<str>, Values)]>,
    client: Option<(ClientAddress, Networks)>,
}

/// One of which is wanted; empty: any will do.
#[derive(Debug)]
struct Values(Box<[Box<[u8]>]>);

/// What is looked at of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'r> {
    pub(crate) headers: &'r HeaderMap,
    /// Without the `?`.
    pub(crate) query: &'r str,
    /// The connection's address.
    pub(crate) client: IpAddr,
}

impl Audience {
    pub(crate) fn new(written: &audience::Audience) -> Self {
        Self(written.any_of.iter().filter_map(All::new).collect())
    }

    pub(crate) fn holds(&self, sight: &Sight<'_>) -> bool {
        self.0.iter().any(|all| all.holds(sight))
    }
}

impl All {
    /// `None`: it names a header that no request can have.
    fn new(written: &AllOf) -> Option<Self> {
        let header = |(name, values): &(String, Vec<String>)| Some((name.parse().ok()?, Values::new(values)));
        let named = |(name, values): &(String, Vec<String>)| (name.as_str().into(), Values::new(values));
        let networks = Networks::new(&written.client_ip);
        Some(Self {
            headers: written.headers.iter().map(header).collect::<Option<_>>()?,
            cookies: written.cookies.iter().map(named).collect(),
            query: written.query.iter().map(named).collect(),
            client: (!networks.is_empty()).then(|| (ClientAddress::compile(&written.ip_strategy), networks)),
        })
    }

    fn holds(&self, sight: &Sight<'_>) -> bool {
        let Sight { headers, query, client } = *sight;
        let header = |(name, values): &(HeaderName, Values)| {
            headers.get_all(name).iter().any(|line| values.hold(line.as_bytes().iter().copied()))
        };
        let cookie = |(name, values): &(Box<str>, Values)| {
            cookie::values_of(name, headers).any(|value| values.hold(value.iter().copied()))
        };
        let asked =
            |(name, values): &(Box<str>, Values)| query_values(query, name).any(|value| values.hold(decoded(value)));
        let address = |(address, networks): &(ClientAddress, Networks)| {
            address.of(headers, client).is_some_and(|address| networks.contains(address))
        };
        self.headers.iter().all(header)
            && self.cookies.iter().all(cookie)
            && self.query.iter().all(asked)
            && self.client.as_ref().is_none_or(address)
    }
}

impl Values {
    fn new(written: &[String]) -> Self {
        Self(written.iter().map(|value| value.as_bytes().into()).collect())
    }

    fn hold(&self, found: impl Iterator<Item = u8> + Clone) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| found.clone().eq(wanted.iter().copied()))
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(", or "))
    }
}

impl fmt::Display for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(name, values)| format!("header {name}{values}"));
        let cookies = self.cookies.iter().map(|(name, values)| format!("cookie {name}{values}"));
        let query = self.query.iter().map(|(name, values)| format!("query {name}{values}"));
        let client = self.client.iter().map(|(_, networks)| format!("client in {networks}"));
        let all: Vec<String> = headers.chain(cookies).chain(query).chain(client).collect();
        f.write_str(&all.join(" and "))
    }
}

impl fmt::Display for Values {
    /// What stands behind the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.0.iter().map(|value| String::from_utf8_lossy(value)).collect();
        if values.is_empty() { Ok(()) } else { write!(f, " = {}", values.join(" or ")) }
    }
}

#[cfg(test)]
mod tests {
    use rollgate_config::scalar::IpStrategy;

    use super::*;

    fn pairs(written: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        written.iter().map(|(name, wanted)| ((*name).to_owned(), values(wanted))).collect()
    }

    fn of(any_of: Vec<AllOf>) -> Audience {
        Audience::new(&audience::Audience { any_of })
    }

    fn holds(audience: &Audience, lines: &[(&'static str, &'static str)], query: &str) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        audience.holds(&Sight { headers: &headers, query, client: [192, 0, 2, 7].into() })
    }

    #[test]
    fn a_header_has_one_of_the_values_on_one_of_its_lines() {
        let beta = of(vec![AllOf { headers: pairs(&[("x-beta", &["true", "1"])]), ..AllOf::default() }]);
        for (lines, expected) in [
            (&[][..], false),
            (&[("x-beta", "1")], true),
            (&[("x-beta", "0"), ("x-beta", "true")], true),
            (&[("x-beta", "TRUE")], false),
            (&[("x-beta", "true, 1")], false),
            (&[("x-other", "true")], false),
        ] {
            assert_eq!(holds(&beta, lines, ""), expected, "{lines:?}");
        }
        let any = of(vec![AllOf { headers: pairs(&[("x-beta", &[])]), ..AllOf::default() }]);
        assert!(holds(&any, &[("x-beta", "")], "") && !holds(&any, &[], ""));
    }

    #[test]
    fn a_cookie_and_the_query_are_matched_by_their_values() {
        let cookie = of(vec![AllOf { cookies: pairs(&[("group", &["b"])]), ..AllOf::default() }]);
        for (line, expected) in
            [("group=b", true), ("a=1; group=b", true), ("group=a; group=b", true), ("xgroup=b", false)]
        {
            assert_eq!(holds(&cookie, &[("cookie", line)], ""), expected, "{line}");
        }
        let query = of(vec![AllOf { query: pairs(&[("preview", &["new design"])]), ..AllOf::default() }]);
        for (asked, expected) in
            [("preview=new+design", true), ("a&preview=new%20design", true), ("preview=new", false)]
        {
            assert_eq!(holds(&query, &[], asked), expected, "{asked}");
        }
    }

    #[test]
    fn the_address_is_the_connections_or_one_that_was_forwarded() {
        let nets = |net: &str| vec![net.parse().unwrap()];
        let peer = of(vec![AllOf { client_ip: nets("192.0.2.0/24"), ..AllOf::default() }]);
        let other = of(vec![AllOf { client_ip: nets("10.0.0.0/8"), ..AllOf::default() }]);
        assert!(holds(&peer, &[], "") && !holds(&other, &[], ""));
        let ip_strategy = IpStrategy { depth: 1, ..IpStrategy::default() };
        let far = of(vec![AllOf { client_ip: nets("10.0.0.0/8"), ip_strategy, ..AllOf::default() }]);
        assert!(holds(&far, &[("x-forwarded-for", "192.0.2.7, 10.1.2.3")], ""));
        assert!(!holds(&far, &[], "") && !holds(&far, &[("x-forwarded-for", "10.1.2.3, 192.0.2.7")], ""));
    }

    #[test]
    fn all_of_one_and_any_of_several() {
        let both = AllOf { headers: pairs(&[("x-a", &["1"])]), query: pairs(&[("b", &[])]), ..AllOf::default() };
        let other = AllOf { headers: pairs(&[("x-c", &[])]), ..AllOf::default() };
        let audience = of(vec![both, other]);
        assert!(holds(&audience, &[("x-a", "1")], "b"));
        assert!(!holds(&audience, &[("x-a", "1")], ""));
        assert!(!holds(&audience, &[], "b"));
        assert!(holds(&audience, &[("x-c", "")], ""));
        assert_eq!(audience.to_string(), "header x-a = 1 and query b, or header x-c");
        assert!(!holds(&of(Vec::new()), &[], ""));
        let impossible = AllOf { headers: pairs(&[("x a", &[])]), ..AllOf::default() };
        assert!(!holds(&of(vec![impossible]), &[], ""));
    }
}
