//! Which answers may be compressed.

use http::{HeaderMap, Method, StatusCode, header, request, response};
use rollgate_config::dynamic::middleware::{Compress, ContentTypes};

/// Whether a request's answer may be compressed at all. A request of an excluded type is excluded itself, as in Traefik.
pub(super) fn is_asked(config: &Compress, parts: &request::Parts) -> bool {
    let excluded = match (&config.content_types, essence(&parts.headers)) {
        (_, Some(essence)) if is_grpc(essence) => true,
        (ContentTypes::Except(types), Some(essence)) => is_of(types, essence),
        _ => false,
    };
    parts.method != Method::HEAD && parts.method != Method::CONNECT && !excluded
}

/// Whether an answer may.
pub(super) fn is_allowed(config: &Compress, parts: &response::Parts) -> bool {
    // What has no body, what is a part, and what says that its bytes are to stay.
    !matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
    ) && !parts.status.is_informational()
        && !FIXED.iter().any(|name| parts.headers.contains_key(*name))
        && !is_encoded(&parts.headers)
        && !says_no_transform(&parts.headers)
        && is_of_type(config, &parts.headers)
}

/// A stream of events, which nobody waits for to be long.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"))
}

fn is_of_type(config: &Compress, headers: &HeaderMap) -> bool {
    match (&config.content_types, essence(headers)) {
        (_, Some(essence)) if is_grpc(essence) => false,
        (ContentTypes::Except(types), Some(essence)) => !is_of(types, essence),
        (ContentTypes::Except(_), None) => !headers.contains_key(header::CONTENT_TYPE),
        (ContentTypes::Only(types), essence) => essence.is_some_and(|essence| is_of(types, essence)),
    }
}

fn is_of(types: &[String], essence: &str) -> bool {
    types.iter().any(|one| one.eq_ignore_ascii_case(essence))
}

/// gRPC has a compression of its own.
fn is_grpc(essence: &str) -> bool {
    let kind = essence.split_once('+').map_or(essence, |(kind, _)| kind);
    kind.eq_ignore_ascii_case("application/grpc")
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// RFC 9111 section 5.2.2.6.
fn says_no_transform(headers: &HeaderMap) -> bool {
    let directives =
        headers.get_all(header::CACHE_CONTROL).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    directives.map(<[u8]>::trim_ascii).any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// `type/subtype`, in whatever case it came; `None` if there is none that can be read.
fn essence(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = text.split(';').next()?.trim();
    (!essence.is_empty()).then_some(essence)
}

/// What is about the bytes as they are.
const FIXED: [&str; 4] = ["content-range", "content-digest", "repr-digest", "content-md5"];

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Request, Response};

    use super::*;

    fn config(content_types: ContentTypes) -> Compress {
        Compress { content_types, min_response_body_bytes: 1024, encodings: Vec::new(), default_encoding: None }
    }

    fn allowed(config: &Compress, status: u16, fields: &[(&'static str, &'static str)]) -> bool {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(status).unwrap();
        for (name, value) in fields {
            parts.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_allowed(config, &parts)
    }

    #[test]
    fn what_must_stay_as_it_is_stays() {
        let all = config(ContentTypes::Except(Vec::new()));
        for (status, fields, expected) in [
            (200, &[][..], true),
            (404, &[("content-type", "text/html")], true),
            (204, &[], false),
            (206, &[], false),
            (304, &[], false),
            (200, &[("content-encoding", "br")], false),
            (200, &[("content-encoding", "identity")], true),
            (200, &[("content-encoding", "identity"), ("content-encoding", "gzip")], false),
            (416, &[("content-range", "bytes */5")], false),
            (200, &[("content-digest", "sha-256=:x:")], false),
            (200, &[("cache-control", "max-age=5, No-Transform")], false),
            (200, &[("cache-control", "no-transform-at-all")], true),
            (200, &[("content-type", "application/grpc")], false),
            (200, &[("content-type", "Application/gRPC+Proto")], false),
            (200, &[("content-type", "application/grpc+proto; x=y")], false),
            (200, &[("content-type", "application/grpc-web+proto")], true),
            (200, &[("content-type", "")], false),
        ] {
            assert_eq!(allowed(&all, status, fields), expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn types_are_excluded_or_included_whatever_their_case_and_parameters() {
        let except = config(ContentTypes::Except(vec!["image/png".into()]));
        let only = config(ContentTypes::Only(vec!["text/html".into()]));
        for (kind, by_except, by_only) in [
            ("image/png", false, false),
            ("Image/PNG ; q=1", false, false),
            ("text/html", true, true),
            ("text/HTML;charset=utf-8", true, true),
            ("text/htmlx", true, false),
        ] {
            let field = [("content-type", kind)];
            assert_eq!((allowed(&except, 200, &field), allowed(&only, 200, &field)), (by_except, by_only), "{kind}");
        }
        assert!(allowed(&except, 200, &[]) && !allowed(&only, 200, &[]), "without any");
    }

    #[test]
    fn some_requests_are_left_alone() {
        let except = config(ContentTypes::Except(vec!["image/png".into()]));
        for (method, kind, expected) in [
            ("GET", None, true),
            ("POST", Some("text/plain"), true),
            ("HEAD", None, false),
            ("CONNECT", None, false),
            ("POST", Some("image/png"), false),
            ("POST", Some("application/grpc+proto"), false),
        ] {
            let mut request = Request::new(());
            *request.method_mut() = method.parse().unwrap();
            if let Some(kind) = kind {
                request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            assert_eq!(is_asked(&except, &request.into_parts().0), expected, "{method} {kind:?}");
        }
    }
}
