//! The authority of a request: what `Host`, `:authority` or an absolute target names.
//!
//! RFC 9112 section 3.2 wants a request with a bad `Host` answered with 400. Two hops that read one authority
//! differently are two routing decisions, so everything of doubt is refused: userinfo, lists, percent-encoding, an
//! address outside brackets, an empty label. Cost: one scan by a table.

use std::{borrow::Cow, net::Ipv6Addr};

use thiserror::Error;

/// A host and perhaps a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// As it was sent; an IPv6 address without its brackets.
    pub host: &'a str,
    /// `None` also if only the colon was sent.
    pub port: Option<u16>,
}

/// Why an authority is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthorityRefusal {
    /// Nothing before the port.
    #[error("the host is empty")]
    Empty,
    /// An octet that no host name has: `@`, `,`, `/`, `%`, a space, one outside ASCII, ...
    #[error("the host has a character that no host name has")]
    BadCharacter,
    /// A dot with nothing before it: `a..b`, `..`, `.`. Whoever drops a trailing dot and whoever does not would look for
    /// different hosts, over and over.
    #[error("the host has a label that is empty")]
    EmptyLabel,
    /// Brackets that do not close or do not hold an IPv6 address.
    #[error("the host's brackets do not hold an IPv6 address")]
    BadAddress,
    /// Not a number up to 65535.
    #[error("the port is not a number up to 65535")]
    BadPort,
}

/// Reads `host [":" port]` (RFC 3986 section 3.2, without userinfo).
pub fn parse(text: &str) -> Result<Authority<'_>, AuthorityRefusal> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => address(inner)?,
        None => name(text)?,
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| AuthorityRefusal::BadPort)?)
        }
        _ => return Err(AuthorityRefusal::BadPort),
    };
    Ok(Authority { host, port })
}

/// A host as rules are matched against it: in lower case, without one trailing dot. Borrows if it is so already.
pub fn canonical_host(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

fn address(inner: &str) -> Result<(&str, &str), AuthorityRefusal> {
    let (host, rest) = inner.split_once(']').ok_or(AuthorityRefusal::BadAddress)?;
    host.parse::<Ipv6Addr>().map_err(|_| AuthorityRefusal::BadAddress)?;
    if rest.is_empty() || rest.starts_with(':') { Ok((host, rest)) } else { Err(AuthorityRefusal::BadAddress) }
}

fn name(text: &str) -> Result<(&str, &str), AuthorityRefusal> {
    let end = text.bytes().position(|byte| !NAME[usize::from(byte)]).unwrap_or(text.len());
    let (host, rest) = text.split_at(end);
    match rest.as_bytes().first() {
        Some(byte) if *byte != b':' => Err(AuthorityRefusal::BadCharacter),
        _ if host.is_empty() => Err(AuthorityRefusal::Empty),
        _ if has_empty_label(host) => Err(AuthorityRefusal::EmptyLabel),
        _ => Ok((host, rest)),
    }
}

fn has_empty_label(host: &str) -> bool {
    host.starts_with('.') || host.as_bytes().windows(2).any(|pair| pair == b"..")
}

/// The octets of a registered name (RFC 3986 section 3.2.2) but for `,`, which joins two `Host` fields, and
/// percent-encoding.
const NAME: [bool; 256] = {
    let mut name = [false; 256];
    let text = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+;=";
    let mut at = 0;
    while at < text.len() {
        name[text[at] as usize] = true;
        at += 1;
    }
    name
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AuthorityRefusal::*, *};

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        let cases = [
            ("example.com", "example.com", None),
            ("example.com:8080", "example.com", Some(8080)),
            ("example.com:", "example.com", None),
            ("EXAMPLE.com.", "EXAMPLE.com.", None),
            ("localhost:0", "localhost", Some(0)),
            ("10.0.0.1:443", "10.0.0.1", Some(443)),
            ("a_b-c~.x", "a_b-c~.x", None),
            ("[::1]", "::1", None),
            ("[2001:db8::7]:8443", "2001:db8::7", Some(8443)),
            ("[::ffff:10.0.0.1]:", "::ffff:10.0.0.1", None),
            ("h:00080", "h", Some(80)),
        ];
        for (text, host, port) in cases {
            assert_eq!(parse(text), Ok(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn doubtful_authorities_are_refused() {
        let cases = [
            ("", Empty),
            (":80", Empty),
            (".", EmptyLabel),
            ("..", EmptyLabel),
            (".a", EmptyLabel),
            ("a..:80", EmptyLabel),
            ("a..b", EmptyLabel),
            ("user@host", BadCharacter),
            ("user:pass@host", BadPort),
            ("a,b", BadCharacter),
            ("a b", BadCharacter),
            (" a", BadCharacter),
            ("a\t", BadCharacter),
            ("a/b", BadCharacter),
            ("a\\b", BadCharacter),
            ("a?b", BadCharacter),
            ("a#b", BadCharacter),
            ("a%2eb", BadCharacter),
            ("ex\u{e4}mple", BadCharacter),
            ("a\u{0}", BadCharacter),
            ("::1", Empty),
            ("1::1", BadPort),
            ("[::1", BadAddress),
            ("[::1]x", BadAddress),
            ("[]", BadAddress),
            ("[host]", BadAddress),
            ("[10.0.0.1]", BadAddress),
            ("[fe80::1%25eth0]", BadAddress),
            ("[v1.a]", BadAddress),
            ("::1]", Empty),
            ("a:http", BadPort),
            ("a:+80", BadPort),
            ("a:-1", BadPort),
            ("a:65536", BadPort),
            ("a:80:80", BadPort),
            ("a:80/", BadPort),
            ("[::1]:65536", BadPort),
        ];
        for (text, refusal) in cases {
            assert_eq!(parse(text), Err(refusal), "{text:?}");
        }
    }

    #[test]
    fn a_canonical_host_is_lower_case_without_a_trailing_dot() {
        for (host, canonical, borrowed) in [
            ("example.com", "example.com", true),
            ("example.com.", "example.com", true),
            ("example.com..", "example.com.", true),
            ("Example.COM.", "example.com", false),
            ("", "", true),
            (".", "", true),
        ] {
            let found = canonical_host(host);
            assert_eq!(found, canonical, "{host}");
            assert_eq!(matches!(found, Cow::Borrowed(_)), borrowed, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_accepted_is_part_of_it(text in "\\PC{0,24}|[a-c.:\\[\\]0-9@,%]{0,16}") {
            if let Ok(authority) = parse(&text) {
                prop_assert!(!authority.host.is_empty());
                prop_assert!(text.contains(authority.host));
            }
        }
    }
}
