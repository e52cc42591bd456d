//! What becomes of the answer of the server that was asked.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SET_COOKIE, TRAILER},
};
use url::Url;

use super::ForwardAuth;
use crate::{
    forwarded,
    middleware::{Answer, Note, admission},
};

impl ForwardAuth {
    /// What it says of the client joins the request; what the client has said of itself under these names goes.
    pub(super) fn admit(&self, request: &mut HeaderMap, answer: &HeaderMap) {
        for name in &self.response_headers {
            admission::remove(request, name);
            for value in answer.get_all(name) {
                request.append(name, value.clone());
            }
        }
        let Some(regex) = &self.response_headers_regex else { return };
        let matching = |name: &&HeaderName| regex.is_match(&canonical(name.as_str()));
        // The server may take `_` for `-`.
        let meant = |name: &&HeaderName| {
            matching(name)
                || name.as_str().contains('_') && regex.is_match(&canonical(&name.as_str().replace('_', "-")))
        };
        let gone: Vec<HeaderName> = request.keys().filter(meant).cloned().collect();
        for name in &gone {
            request.remove(name);
        }
        for name in answer.keys().filter(matching) {
            admission::remove(request, name);
            for value in answer.get_all(name) {
                request.append(name, value.clone());
            }
        }
    }

    /// The cookies that the client is to get with the server's answer.
    pub(super) fn cookies_of(&self, answer: &HeaderMap) -> Note {
        if self.cookies.is_empty() || !answer.contains_key(SET_COOKIE) {
            return Note::Nothing;
        }
        let wanted = answer.get_all(SET_COOKIE).iter().filter(|cookie| self.adds(cookie));
        Note::Cookies(wanted.cloned().collect())
    }

    /// The response half: its cookies in place of the server's own of these names.
    pub(crate) fn response(&self, cookies: &[HeaderValue], headers: &mut HeaderMap) {
        let own: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter(|cookie| !self.adds(cookie)).cloned().collect();
        headers.remove(SET_COOKIE);
        for cookie in own.into_iter().chain(cookies.iter().cloned()) {
            headers.append(SET_COOKIE, cookie);
        }
    }

    fn adds(&self, cookie: &HeaderValue) -> bool {
        let name = cookie.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        self.cookies.iter().any(|wanted| wanted.as_bytes() == name)
    }

    /// The answer that the client gets in the server's place.
    pub(super) fn refusal(&self, method: &Method, answer: Response<Bytes>) -> Answer {
        let (mut parts, body) = answer.into_parts();
        if let Some(url) = &self.signin_url
            && parts.status == StatusCode::UNAUTHORIZED
        {
            return signin(url, method);
        }
        forwarded::prepare_response(&mut parts.headers, false);
        parts.headers.remove(TRAILER);
        // It is what is sent that counts; an answer to HEAD alone speaks of another body.
        if !body.is_empty() {
            parts.headers.remove(CONTENT_LENGTH);
        }
        if !self.preserve_location_header
            && let Some(location) = parts.headers.get(LOCATION).filter(|location| !location.is_empty())
        {
            match absolute(&self.address, location) {
                Some(location) => drop(parts.headers.insert(LOCATION, location)),
                None => return Answer::status(StatusCode::INTERNAL_SERVER_ERROR),
            }
        }
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// A location as it is seen from outside: a relative one is the asked server's. `None`: it is no URL.
fn absolute(address: &Url, location: &HeaderValue) -> Option<HeaderValue> {
    let text = location.to_str().ok()?;
    if Url::parse(text).is_ok() {
        return Some(location.clone());
    }
    HeaderValue::from_str(address.join(text).ok()?.as_str()).ok()
}

/// 302 to where one signs in, as Go's `http.Redirect` says it.
fn signin(url: &HeaderValue, method: &Method) -> Answer {
    let mut headers = HeaderMap::from_iter([(LOCATION, url.clone())]);
    let mut body = Bytes::new();
    if matches!(*method, Method::GET | Method::HEAD) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let url = String::from_utf8_lossy(url.as_bytes());
        let url = url.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let url = url.replace('"', "&#34;").replace('\'', "&#39;");
        body = format!("<a href=\"{url}\">Found</a>.\n\n").into();
    }
    Answer { status: StatusCode::FOUND, headers, body }
}

/// A header's name as Go writes it: `X-Auth-User`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    let letters = name.chars().map(|letter| {
        let written = if upper { letter.to_ascii_uppercase() } else { letter };
        upper = letter == '-';
        written
    });
    letters.collect()
}
