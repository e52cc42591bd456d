//! What browsers want to know of other origins: as Traefik's grpcWeb says it (rs/cors with any header and credentials).

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request};

use crate::middleware::Answer;

/// Whether a browser asks if it may send a gRPC-Web request.
pub(super) fn is_preflight(parts: &request::Parts) -> bool {
    let names = |line: &HeaderValue| line.as_bytes().to_ascii_lowercase();
    let says_web = |line: &HeaderValue| names(line).windows(ASKED.len()).any(|name| name == ASKED);
    parts.method == Method::OPTIONS
        && parts.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty())
        && parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).is_some_and(says_web)
}

/// What it is told.
pub(super) fn preflight(origins: &[String], asked: &HeaderMap) -> Answer {
    let mut headers = HeaderMap::new();
    for name in ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"] {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
    let method = asked.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    if let (Some(origin), Some(method)) = (asked.get(header::ORIGIN), method)
        && is_allowed(origins, origin)
        && METHODS.iter().any(|known| method == known.as_str())
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        for line in asked.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.append(header::ACCESS_CONTROL_ALLOW_HEADERS, line.clone());
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    }
    Answer { status: StatusCode::NO_CONTENT, headers, body: bytes::Bytes::new() }
}

/// Puts into an answer who may read it, and which of its fields.
pub(super) fn response(origins: &[String], origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin
        && is_allowed(origins, origin)
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let own = ["grpc-status", "grpc-message"];
    let names = headers.keys().map(HeaderName::as_str).filter(|name| !own.contains(name)).chain(own);
    let names: Vec<&str> = names.collect();
    if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}

fn is_allowed(origins: &[String], origin: &HeaderValue) -> bool {
    !origin.is_empty() && origins.iter().any(|allowed| allowed == "*" || origin == allowed.as_str())
}

const ASKED: &[u8] = b"x-grpc-web";
const METHODS: [Method; 3] = [Method::GET, Method::POST, Method::HEAD];
/// Ten minutes.
const MAX_AGE: &str = "600";

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(fields: &[(&'static str, &'static str)]) -> request::Parts {
        let mut request = Request::options("/").body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    #[test]
    fn a_browser_asks_first() {
        let method = ("access-control-request-method", "POST");
        for (fields, expected) in [
            (&[method, ("access-control-request-headers", "content-type,X-Grpc-Web")][..], true),
            (&[method, ("access-control-request-headers", "content-type")], false),
            (&[method], false),
            (&[("access-control-request-headers", "x-grpc-web")], false),
        ] {
            assert_eq!(is_preflight(&asked(fields)), expected, "{fields:?}");
        }
        let mut post = asked(&[method, ("access-control-request-headers", "x-grpc-web")]);
        assert!(is_preflight(&post));
        post.method = Method::POST;
        assert!(!is_preflight(&post));
    }

    #[test]
    fn only_origins_that_are_allowed_are_told_so() {
        for (origins, origin, method, allowed) in [
            (&["https://a.test"][..], "https://a.test", "POST", true),
            (&["https://a.test"], "https://b.test", "POST", false),
            (&["https://a.test"], "https://A.test", "POST", false),
            (&["*"], "https://b.test", "POST", true),
            (&["*"], "https://b.test", "DELETE", false),
            (&["*"], "", "POST", false),
            (&[], "https://b.test", "POST", false),
        ] {
            let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
            let headers = ("access-control-request-headers", "x-grpc-web");
            let asked = asked(&[("origin", origin), ("access-control-request-method", method), headers]);
            let answer = preflight(&origins, &asked.headers);
            assert_eq!(answer.status, 204);
            assert_eq!(answer.headers.contains_key("access-control-allow-origin"), allowed, "{origin} {method}");
            assert_eq!(answer.headers.len(), if allowed { 8 } else { 3 });
            if method == "POST" {
                let mut answer = HeaderMap::new();
                response(&origins, asked.headers.get("origin"), &mut answer);
                assert_eq!(answer.contains_key("access-control-allow-origin"), allowed, "{origin}");
                assert_eq!(answer["vary"], "Origin");
                let names = answer["access-control-expose-headers"].to_str().unwrap();
                assert!(names.starts_with("vary") && names.ends_with("grpc-status, grpc-message"), "{names}");
            }
        }
    }
}
