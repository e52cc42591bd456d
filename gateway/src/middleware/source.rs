//! `sourceCriterion`: which requests count together.

use std::net::IpAddr;

use http::{HeaderName, header};
use rollgate_config::dynamic::middleware::SourceCriterion;

use super::{ClientAddress, CompileError, Head};
use crate::authority;

/// What a request's source is.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Address(ClientAddress),
    /// The first line of a header.
    Header(HeaderName),
    Host,
}

impl Source {
    pub(super) fn compile(criterion: &SourceCriterion) -> Result<Self, CompileError> {
        Ok(match criterion {
            SourceCriterion::Ip(strategy) => Self::Address(ClientAddress::compile(strategy)),
            SourceCriterion::Header(name) => {
                let name = name.parse().map_err(|_| CompileError::HeaderName(name.clone()))?;
                Self::Header(name)
            }
            SourceCriterion::Host => Self::Host,
        })
    }

    /// Hands out a request's source. Those of which it cannot be told (no such header, `X-Forwarded-For` too short) are one.
    /// IPv4 addresses count as what they are mapped to in IPv6, hosts in lower case and without a port.
    pub(super) fn of<T>(&self, head: &Head<'_>, with: impl FnOnce(&[u8]) -> T) -> T {
        let headers = &head.parts.headers;
        match self {
            Self::Address(address) => match address.of(headers, head.client) {
                Some(IpAddr::V4(four)) => with(&four.to_ipv6_mapped().octets()),
                Some(IpAddr::V6(six)) => with(&six.octets()),
                None => with(&[]),
            },
            Self::Header(name) => with(headers.get(name).map_or(&[], |value| value.as_bytes())),
            Self::Host => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let host = host.and_then(|host| authority::parse(host).ok()).map_or("", |authority| authority.host);
                with(authority::canonical_host(host).as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Request;
    use rollgate_config::scalar::IpStrategy;

    use super::*;

    fn seen(criterion: &SourceCriterion, client: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let client = client.parse().unwrap();
        let head = Head::plain(&mut parts, client);
        Source::compile(criterion).unwrap().of(&head, <[u8]>::to_vec)
    }

    fn ip(depth: usize, ipv6_subnet: Option<u8>) -> SourceCriterion {
        SourceCriterion::Ip(IpStrategy { depth, ipv6_subnet, ..IpStrategy::default() })
    }

    #[test]
    fn an_address_is_one_source_in_either_notation() {
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets().to_vec();
        assert_eq!(seen(&ip(0, None), "192.0.2.1", &[]), mapped);
        assert_eq!(seen(&ip(0, None), "::ffff:192.0.2.1", &[]), mapped);
        assert_eq!(seen(&ip(1, Some(64)), "::1", &[("x-forwarded-for", "203.0.113.9, 192.0.2.1")]), mapped);
        assert_eq!(seen(&ip(3, None), "::1", &[("x-forwarded-for", "203.0.113.9, 192.0.2.1")]), b"");
    }

    #[test]
    fn addresses_of_one_subnet_are_one_source() {
        let criterion = ip(0, Some(64));
        let of = |client| seen(&criterion, client, &[]);
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_ne!(seen(&ip(0, None), "2001:db8::1", &[]), seen(&ip(0, None), "2001:db8::2", &[]));
    }

    #[test]
    fn of_a_header_the_first_line_counts() {
        let criterion = SourceCriterion::Header("x-key".to_owned());
        assert_eq!(seen(&criterion, "::1", &[("x-key", "a"), ("x-key", "b")]), b"a");
        assert_eq!(seen(&criterion, "::1", &[("x-other", "a")]), b"");
    }

    #[test]
    fn a_host_is_one_source_however_it_is_written() {
        for host in ["pro.coding", "PRO.coding", "pro.coding:8080", "pro.coding."] {
            assert_eq!(seen(&SourceCriterion::Host, "::1", &[("host", host)]), b"pro.coding", "{host}");
        }
        assert_eq!(seen(&SourceCriterion::Host, "::1", &[]), b"");
    }
}
