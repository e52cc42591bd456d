//! `Authorization: Digest` (RFC 7616) with MD5 and `qop=auth`, which is what htdigest's files allow.

use http::HeaderMap;
use md5::{Digest as _, Md5};

use rollgate_config::static_config::EncodedCharacters;

use super::{credentials::one, is_same};
use crate::path::{self, PathRules};

/// What a client says, quotes taken off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) username: Vec<u8>,
    pub(crate) uri: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    nc: Vec<u8>,
    cnonce: Vec<u8>,
    response: Vec<u8>,
}

impl Digest {
    /// That of a request; `None` without one, with several, with another algorithm or quality of protection, and where
    /// anything that belongs to it is missing or said twice.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(one(headers, "digest")?)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut fields = Fields::default();
        let mut rest = text;
        loop {
            rest = rest.trim_ascii_start();
            let (name, value, after) = parameter(rest)?;
            fields.set(name, value)?;
            rest = after.trim_ascii_start();
            match rest.split_first() {
                None => return fields.finish(),
                Some((b',', after)) => rest = after,
                Some(_) => return None,
            }
        }
    }

    /// `nc` as a number.
    pub(crate) fn count(&self) -> Option<u64> {
        u64::from_str_radix(std::str::from_utf8(&self.nc).ok()?, 16).ok()
    }

    /// Whether the response is the one for this secret and method (RFC 7616 section 3.4.1).
    pub(crate) fn answers(&self, ha1: &str, method: &str) -> bool {
        let ha2 = hex(&[method.as_bytes(), &self.uri]);
        let expected = hex(&[ha1.as_bytes(), &self.nonce, &self.nc, &self.cnonce, b"auth", &ha2]);
        is_same(&expected, &self.response)
    }

    /// Whether `uri` is this target, which is in normal form, however it is written; it may have a host.
    pub(crate) fn is_for(&self, target: &str) -> bool {
        let Ok(uri) = std::str::from_utf8(&self.uri) else { return false };
        let uri = match uri.split_once("://") {
            Some(("http" | "https", rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => uri,
        };
        let (path, query) = split(uri);
        let (wanted, wanted_query) = split(target);
        let same_path = path == wanted
            || [true, false].into_iter().any(|sanitize| {
                let rules = PathRules { sanitize, encoded: EncodedCharacters::default() };
                path::normalise(&rules, path).is_ok_and(|path| path == wanted)
            });
        // An entry point may have written one for the other.
        same_path && (query == wanted_query || query.map(|query| query.replace(';', "&")).as_deref() == wanted_query)
    }
}

fn split(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// Parameters on their way.
#[derive(Default)]
struct Fields {
    username: Option<Vec<u8>>,
    uri: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    nc: Option<Vec<u8>>,
    cnonce: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
    qop: Option<Vec<u8>>,
    algorithm: Option<Vec<u8>>,
}

impl Fields {
    /// `None`: it was said before.
    fn set(&mut self, name: &[u8], value: Vec<u8>) -> Option<()> {
        let slot = match &*name.to_ascii_lowercase() {
            b"username" => &mut self.username,
            b"uri" => &mut self.uri,
            b"nonce" => &mut self.nonce,
            b"nc" => &mut self.nc,
            b"cnonce" => &mut self.cnonce,
            b"response" => &mut self.response,
            b"qop" => &mut self.qop,
            b"algorithm" => &mut self.algorithm,
            _ => return Some(()),
        };
        slot.replace(value).is_none().then_some(())
    }

    fn finish(self) -> Option<Digest> {
        if !self.qop?.eq_ignore_ascii_case(b"auth") {
            return None;
        }
        // Some clients do not say it.
        if self.algorithm.is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case(b"md5")) {
            return None;
        }
        Some(Digest {
            username: self.username?,
            uri: self.uri?,
            nonce: self.nonce?,
            nc: self.nc?,
            cnonce: self.cnonce?,
            response: self.response?,
        })
    }
}

/// `name=token` or `name="quoted"` (RFC 9110 section 11.2), and what stands behind it.
fn parameter(text: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let name = text[..equals].trim_ascii();
    if name.is_empty() {
        return None;
    }
    let rest = text[equals + 1..].trim_ascii_start();
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let end = rest.iter().position(|byte| matches!(byte, b',' | b' ' | b'\t')).unwrap_or(rest.len());
        return Some((name, rest[..end].to_vec(), &rest[end..]));
    };
    let mut value = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((name, value, &quoted[at + 1..])),
            b'\\' => value.push(*bytes.next()?.1),
            byte => value.push(*byte),
        }
    }
    None
}

/// MD5 of parts that colons divide, as 32 hexadecimal digits.
fn hex(parts: &[&[u8]]) -> [u8; 32] {
    let mut md5 = Md5::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            md5.update(b":");
        }
        md5.update(part);
    }
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_mut(2).zip(md5.finalize()) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1.
    const MUFASA: &str = "username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=MD5, \
                          nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                          cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
                          response=\"8ca523f5e9506fed4657c9700eebdbec\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    fn ha1(user: &str, realm: &str, password: &str) -> String {
        let digits = hex(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()]);
        String::from_utf8(digits.to_vec()).unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_is_right() {
        let digest = Digest::parse(MUFASA.as_bytes()).unwrap();
        assert_eq!((digest.username.as_slice(), digest.count()), (&b"Mufasa"[..], Some(1)));
        let secret = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
        assert!(digest.answers(&secret, "GET"));
        assert!(!digest.answers(&secret, "POST"));
        assert!(!digest.answers(&ha1("Mufasa", "http-auth@example.org", "Circle of life"), "GET"));
    }

    #[test]
    fn the_secret_of_htdigest_is_the_one_that_traefiks_test_has() {
        assert_eq!(ha1("test", "traefik", "test"), "a2688e031edb4be6a3797f3882655c05");
    }

    #[test]
    fn each_change_of_what_is_hashed_makes_it_wrong() {
        let secret = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
        for (from, to) in [
            ("/dir/index.html", "/dir/index.htm"),
            ("7ypf", "8ypf"),
            ("nc=00000001", "nc=00000002"),
            ("f2/w", "f3/w"),
            ("8ca523f5", "8CA523F5"),
            ("8ca523f5", ""),
        ] {
            let changed = MUFASA.replace(from, to);
            assert!(!Digest::parse(changed.as_bytes()).unwrap().answers(&secret, "GET"), "{from} {to}");
        }
    }

    #[test]
    fn parameters_are_read_as_they_may_be_written() {
        let text = "USERNAME = \"a \\\"b\\\" \\\\c\" ,uri=\"/\",nonce=n,nc=0000000a,cnonce=\"\",\tresponse=\"r,x\",qop=\"AUTH\",auth-param=1";
        let digest = Digest::parse(text.as_bytes()).unwrap();
        assert_eq!(digest.username, b"a \"b\" \\c");
        assert_eq!((digest.count(), digest.response.as_slice()), (Some(10), &b"r,x"[..]));
    }

    #[test]
    fn what_is_not_whole_or_not_md5_with_auth_is_none() {
        for (from, to) in [
            ("qop=auth", "qop=auth-int"),
            ("qop=auth, ", ""),
            ("algorithm=MD5", "algorithm=SHA-256"),
            ("algorithm=MD5", "algorithm=MD5-sess"),
            ("nc=00000001, ", ""),
            ("username=\"Mufasa\"", "username*=UTF-8''Mufasa"),
            ("nc=00000001", "nc=00000001, nc=00000002"),
            ("nc=00000001", "nc=00000001 x"),
            ("opaque=\"", "opaque"),
            ("QMkPqMAFRtzCUYo5tdS\"", "QMkPqMAFRtzCUYo5tdS"),
            ("nc=", "=nc="),
        ] {
            let changed = MUFASA.replace(from, to);
            assert_ne!(changed, MUFASA, "{from}");
            assert_eq!(Digest::parse(changed.as_bytes()), None, "{from} {to}");
        }
        assert!(Digest::parse(MUFASA.replace(" algorithm=MD5,", "").as_bytes()).is_some());
        assert_eq!(Digest::parse(b""), None);
        let many = Digest::parse(MUFASA.replace("nc=00000001", "nc=zz").as_bytes()).unwrap();
        assert_eq!(many.count(), None);
    }

    #[test]
    fn the_uri_is_the_target_however_it_is_written() {
        for (uri, target, is) in [
            ("/a?b=c", "/a?b=c", true),
            ("/a//b/../%7ec", "/a/~c", true),
            ("/a//b", "/a//b", true),
            ("/a?b;c", "/a?b&c", true),
            ("http://host/a?b=c", "/a?b=c", true),
            ("https://host", "/", true),
            ("/", "/a", false),
            ("/a", "/a?b=c", false),
            ("/a?b=d", "/a?b=c", false),
            ("ftp://host/a", "/a", false),
            ("a", "/a", false),
        ] {
            let digest = Digest { uri: uri.into(), ..Digest::default() };
            assert_eq!(digest.is_for(target), is, "{uri} {target}");
        }
    }
}
