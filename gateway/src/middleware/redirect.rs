//! What both redirections share: the answer.

use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Answer;
use crate::{authority, path::is_soundly_encoded};

/// Sends the client to `location`; 500 if that is no URL.
///
/// GET may become GET again (301, 302); any other method must be kept (307, 308).
pub(super) fn answer(location: &str, method: &Method, permanent: bool) -> Answer {
    let Some(location) = url(location) else {
        return Answer::status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut answer = Answer::status(match (permanent, method == Method::GET) {
        (false, true) => StatusCode::FOUND,
        (false, false) => StatusCode::TEMPORARY_REDIRECT,
        (true, true) => StatusCode::MOVED_PERMANENTLY,
        (true, false) => StatusCode::PERMANENT_REDIRECT,
    });
    answer.headers.insert(header::LOCATION, location);
    answer
}

/// A URL or a reference relative to one, with what must not stand in it percent-encoded.
fn url(text: &str) -> Option<HeaderValue> {
    if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let end = text.find(['?', '#']).unwrap_or(text.len());
    (is_soundly_encoded(&text[..end]) && begins_well(&text[..end])).then_some(())?;
    let encoded = utf8_percent_encode(text, NOT_IN_URL).to_string();
    HeaderValue::try_from(encoded).ok()
}

/// Whether scheme and authority, if there are any, are sound.
fn begins_well(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    let rest = match first.split_once(':') {
        None => text,
        Some((scheme, _)) => {
            let letters = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            if !letters || !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) {
                return false;
            }
            &text[scheme.len() + 1..]
        }
    };
    let Some(authority) = rest.strip_prefix("//") else {
        return true;
    };
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    authority::parse(host).is_ok()
}

/// What a URL has only in encoded form (RFC 3986 section 2), but for `%`.
const NOT_IN_URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
