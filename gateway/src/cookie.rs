//! Cookies that the gateway gives to clients and finds again.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use http::{HeaderMap, HeaderValue, header};
use rollgate_config::dynamic::affinity::{Cookie, SameSite};

/// A cookie as configured, ready to be given out with any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    name: Box<str>,
    /// What stands behind the value, in Go's order: `; Path=/; HttpOnly`.
    attributes: Box<str>,
}

impl Template {
    /// `seed` and the service make up a name where none is written.
    pub(crate) fn new(cookie: &Cookie, seed: &str, service: &str) -> Self {
        let name = if cookie.name.is_empty() { derived_name(seed, service) } else { cookie.name.clone() };
        Self { name: name.into(), attributes: attributes(cookie).into() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The header line that gives it out. `value` is made of letters and digits.
    pub(crate) fn with(&self, value: &str) -> HeaderValue {
        let line = format!("{}={value}{}", self.name, self.attributes);
        HeaderValue::try_from(line).expect("the configuration's cookies are visible ASCII")
    }

    /// The value that a client sends; `None` without the cookie. Of several the first counts, as in Go.
    pub(crate) fn sent_in<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        values_of(&self.name, headers).next()
    }
}

/// The values that a client sends for the cookie of a name.
pub(crate) fn values_of<'h>(name: &str, headers: &'h HeaderMap) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| value_of(name, pair))
}

/// The value, if the pair has this cookie's name and a value that RFC 6265 section 4.1.1 allows, or that is between quotes.
fn value_of<'p>(name: &str, pair: &'p [u8]) -> Option<&'p [u8]> {
    let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    let value = value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value);
    let allowed = |byte: &u8| (b' '..=b'~').contains(byte) && !matches!(byte, b'"' | b'\\');
    value.iter().all(allowed).then_some(value)
}

/// Traefik's: `_` and five hexadecimal digits.
fn derived_name(seed: &str, service: &str) -> String {
    let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{seed}{service}").as_bytes());
    format!("_{}", &hexadecimal(sum.as_ref())[..5])
}

/// As Go's `http.Cookie` writes them.
fn attributes(cookie: &Cookie) -> String {
    let mut attributes = String::new();
    if !cookie.path.is_empty() {
        attributes += &format!("; Path={}", cookie.path);
    }
    if !cookie.domain.is_empty() {
        attributes += &format!("; Domain={}", cookie.domain);
    }
    if cookie.max_age != 0 {
        attributes += &format!("; Max-Age={}", cookie.max_age.max(0));
    }
    if cookie.http_only {
        attributes += "; HttpOnly";
    }
    if cookie.secure {
        attributes += "; Secure";
    }
    attributes += match cookie.same_site {
        None => "",
        Some(SameSite::None) => "; SameSite=None",
        Some(SameSite::Lax) => "; SameSite=Lax",
        Some(SameSite::Strict) => "; SameSite=Strict",
    };
    attributes
}

/// Lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Cookie {
        Cookie { name: name.to_owned(), ..Cookie::of_sessions() }
    }

    #[test]
    fn a_name_that_is_not_written_is_traefiks() {
        // printf _TRAEFIK_BACKEND_pro@file | sha1sum
        let template = Template::new(&named(""), "_TRAEFIK_BACKEND_", "pro@file");
        assert_eq!(template.with("v"), "_83ad0=v; Path=/");
    }

    #[test]
    fn attributes_stand_in_gos_order() {
        let cookie = Cookie {
            name: "c".to_owned(),
            secure: true,
            http_only: true,
            same_site: Some(SameSite::Lax),
            max_age: 60,
            path: "/shop".to_owned(),
            domain: "a.test".to_owned(),
        };
        let line = Template::new(&cookie, "", "").with("v");
        assert_eq!(line, "c=v; Path=/shop; Domain=a.test; Max-Age=60; HttpOnly; Secure; SameSite=Lax");
        let gone = Cookie { max_age: -1, path: String::new(), same_site: Some(SameSite::None), ..named("c") };
        assert_eq!(Template::new(&gone, "", "").with("v"), "c=v; Max-Age=0; SameSite=None");
        let strict = Cookie { same_site: Some(SameSite::Strict), ..named("c") };
        assert_eq!(Template::new(&strict, "", "").with("v"), "c=v; Path=/; SameSite=Strict");
    }

    #[test]
    fn a_cookie_is_found_among_others_and_over_several_lines() {
        let cases: [(&[&str], Option<&str>); 12] = [
            (&[], None),
            (&["id=1"], Some("1")),
            (&["a=b; id=1;c=d"], Some("1")),
            (&["xid=2; id =3; id=1"], Some("1")),
            (&["ID=2"], None),
            (&["id"], None),
            (&["id="], Some("")),
            (&["a=b", "id=1"], Some("1")),
            (&["id=1; id=2"], Some("1")),
            (&["id=\"1 2\""], Some("1 2")),
            (&["id=1\"2; id=3"], Some("3")),
            (&["a=id=1"], None),
        ];
        let template = Template::new(&named("id"), "", "");
        for (lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_static(line));
            }
            assert_eq!(template.sent_in(&headers), expected.map(str::as_bytes), "{lines:?}");
        }
    }
}
