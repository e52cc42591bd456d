//! What becomes of a request whose client has proved who it is (`headerField`, `removeHeader`), and of one whose client has
//! not.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Answer, CompileError};

/// `headerField` and `removeHeader`.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    header_field: Option<HeaderName>,
    remove_header: bool,
}

impl Admission {
    pub(super) fn compile(header_field: Option<&str>, remove_header: bool) -> Result<Self, CompileError> {
        let name = |name: &str| name.parse().map_err(|_| CompileError::HeaderName(name.to_owned()));
        Ok(Self { header_field: header_field.map(name).transpose()?, remove_header })
    }

    /// Says who the client is, whatever it said itself.
    pub(super) fn admit(&self, headers: &mut HeaderMap, user: &HeaderValue) {
        if let Some(name) = &self.header_field {
            remove(headers, name);
            headers.insert(name.clone(), user.clone());
        }
        if self.remove_header {
            headers.remove(header::AUTHORIZATION);
        }
    }
}

/// Removes a field, and those that a server may take for it: with `_` for `-` and the other way round.
pub(super) fn remove(headers: &mut HeaderMap, name: &HeaderName) {
    headers.remove(name);
    let alias = |other: &&HeaderName| is_alias(other.as_str(), name.as_str());
    while let Some(other) = headers.keys().find(alias).cloned() {
        headers.remove(other);
    }
}

fn is_alias(name: &str, of: &str) -> bool {
    let same = |one: u8, other: u8| one == other || (matches!(one, b'-' | b'_') && matches!(other, b'-' | b'_'));
    name.len() == of.len() && name.bytes().zip(of.bytes()).all(|(one, other)| same(one, other))
}

/// 401 with a challenge, in Go's words.
pub(super) fn unauthorized(challenge: HeaderValue) -> Answer {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::WWW_AUTHENTICATE, challenge);
    Answer { status: StatusCode::UNAUTHORIZED, headers, body: Bytes::from_static(b"401 Unauthorized\n") }
}

/// A quoted string (RFC 9110 section 5.6.4).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_replaces_what_the_client_said_in_any_spelling() {
        let admission = Admission::compile(Some("x-webauth-user"), true).unwrap();
        let mut headers = HeaderMap::new();
        for name in
            ["x-webauth-user", "x-webauth-user", "x_webauth_user", "x-webauth_user", "authorization", "x-webauth-users"]
        {
            headers.append(name, HeaderValue::from_static("admin"));
        }
        admission.admit(&mut headers, &HeaderValue::from_static("test"));
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left, [("x-webauth-users", "admin"), ("x-webauth-user", "test")]);
    }

    #[test]
    fn without_either_nothing_is_touched() {
        let admission = Admission::compile(None, false).unwrap();
        let mut headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Basic YTpi"))]);
        admission.admit(&mut headers, &HeaderValue::from_static("test"));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(quoted(r#"the "office" \"#), r#""the \"office\" \\""#);
    }
}
