//! Which fields a trailer section may hold. A recipient that merges trailers into the headers would otherwise take from
//! there what the gateway has refused, overwritten or authenticated in the head (RFC 9110 section 6.5).

use http::{HeaderMap, HeaderName, header};

use super::names;

/// Removes what frames, routes, authenticates or controls a message, and what says where a request came from. What is
/// left is metadata such as `grpc-status` or a digest.
pub fn sanitise_trailers(trailers: &mut HeaderMap) {
    if trailers.keys().all(|name| !is_forbidden(name)) {
        return;
    }
    let forbidden: Vec<HeaderName> = trailers.keys().filter(|name| is_forbidden(name)).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

fn is_forbidden(name: &HeaderName) -> bool {
    // `TE: trailers` may pass a hop, but not here.
    names::is_of_this_hop(name) || FORBIDDEN.contains(name) || name.as_str().starts_with("if-")
}

/// RFC 9110 section 6.5.1, and the list of RFC 7230 section 4.1.2.
static FORBIDDEN: [HeaderName; 26] = [
    // Framing and routing.
    header::CONTENT_LENGTH,
    header::HOST,
    header::TRAILER,
    // How the content is read.
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    // Who it is.
    header::AUTHORIZATION,
    header::COOKIE,
    header::FORWARDED,
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
    // Control.
    header::AGE,
    header::CACHE_CONTROL,
    header::DATE,
    header::EXPECT,
    header::EXPIRES,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::ORIGIN,
    header::PRAGMA,
    header::RANGE,
    header::RETRY_AFTER,
    header::STRICT_TRANSPORT_SECURITY,
    header::VARY,
    header::VIA,
    header::WARNING,
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_would_change_the_message_goes_and_metadata_stays() {
        let forbidden = [
            "transfer-encoding",
            "content-length",
            "host",
            "trailer",
            "te",
            "connection",
            "keep-alive",
            "upgrade",
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "content-type",
            "content-encoding",
            "expect",
            "if-match",
            "range",
            "forwarded",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded-prefix",
            "x-forwarded-tls-client-cert",
            "x-real-ip",
        ];
        let metadata = ["grpc-status", "grpc-message", "etag", "x-checksum", "server-timing", "authentication-info"];
        let mut trailers = HeaderMap::new();
        for name in forbidden.iter().chain(&metadata) {
            trailers.append(*name, HeaderValue::from_static("1"));
            trailers.append(*name, HeaderValue::from_static("2"));
        }
        sanitise_trailers(&mut trailers);
        let mut left: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let mut expected = metadata;
        expected.sort_unstable();
        assert_eq!(left, expected);
        assert_eq!(trailers.len(), 2 * metadata.len());
    }
}
