//! What the server that is asked is told of a request.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
    request,
    uri::PathAndQuery,
};

use super::ForwardAuth;
use crate::{forwarded, relay};

impl ForwardAuth {
    /// The headers of the question, but for `Host`. `client` is the peer's address.
    pub(super) fn told(&self, parts: &request::Parts, client: &HeaderValue, tls: bool) -> HeaderMap {
        let mut headers = parts.headers.clone();
        for name in &NOT_TOLD {
            headers.remove(name);
        }
        relay::join_cookies(&mut headers);
        if self.trust_forward_header == Some(false) {
            forwarded::remove_all(&mut headers);
        }
        if !self.request_headers.is_empty() {
            let trusts = self.trust_forward_header == Some(true);
            headers =
                only(&headers, |name| self.request_headers.contains(name) || (trusts && forwarded::is_forwarded(name)));
        }
        let method = HeaderValue::from_str(parts.method.as_str()).ok();
        let uri = parts.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or("/");
        let uri = HeaderValue::from_str(uri).ok();
        let host = parts.headers.get(HOST).cloned();
        let proto = HeaderValue::from_static(if tls { "https" } else { "http" });
        let said = [(METHOD, method), (PROTO, Some(proto)), (FORWARDED_HOST, host), (URI, uri)];
        if self.trust_forward_header.is_none() {
            // Set whatever was there; the rest is as it came.
            headers.insert(FOR, client.clone());
            for (name, value) in said {
                set(&mut headers, name, value);
            }
            return headers;
        }
        forwarded::join_forwarded_for(&mut headers, Some(client));
        for (name, value) in said {
            if !headers.contains_key(&name) {
                set(&mut headers, name, value);
            }
        }
        if !headers.contains_key(&PORT) {
            let port = port(parts.headers.get(HOST), headers.get(&PROTO), tls);
            headers.insert(PORT, port);
        }
        headers
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

fn only(headers: &HeaderMap, wanted: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| wanted(name));
    let mut only = HeaderMap::new();
    for (name, value) in kept {
        only.append(name, value.clone());
    }
    only
}

/// The port that `Host` names, or the one that the protocol stands for.
fn port(host: Option<&HeaderValue>, proto: Option<&HeaderValue>, tls: bool) -> HeaderValue {
    if let Some(port) = host.and_then(|host| forwarded::port_of(host.as_bytes()))
        && let Ok(port) = HeaderValue::from_bytes(port)
    {
        return port;
    }
    let secure = tls || proto.is_some_and(|proto| proto == "https" || proto == "wss");
    HeaderValue::from_static(if secure { "443" } else { "80" })
}

/// What is meant for one hop, or says how a body is framed that is not sent.
static NOT_TOLD: [HeaderName; 11] = [
    HOST,
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    CONTENT_LENGTH,
    EXPECT,
];

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
