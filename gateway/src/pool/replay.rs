//! Sending a request once more whose connection died unanswered (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
//!
//! Only on a fresh connection, only once, only if not a byte of an answer has come, only methods that are idempotent and
//! only without a body. All else is the client's to decide.

use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::body::RequestBody;

/// Whether a request that got no answer may be sent again.
pub(crate) fn may_repeat(method: &Method, body: &RequestBody) -> bool {
    matches!(body, RequestBody::Empty) && method.is_idempotent()
}

/// A request from the head that was sent; `None` if the bytes are none, which does not happen.
pub(crate) fn request(head: &[u8]) -> Option<Request<RequestBody>> {
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    let mut fields = vec![httparse::EMPTY_HEADER; lines];
    let mut parsed = httparse::Request::new(&mut fields);
    if !matches!(parsed.parse(head), Ok(httparse::Status::Complete(_))) {
        return None;
    }
    let mut request = Request::new(RequestBody::Empty);
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    for field in parsed.headers.iter() {
        let value = HeaderValue::from_bytes(field.value).ok()?;
        request.headers_mut().append(HeaderName::from_bytes(field.name.as_bytes()).ok()?, value);
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_sent() {
        let head = b"DELETE /a%20b?c HTTP/1.1\r\nhost: h:80\r\nx-two: 1\r\nx-two: \xe4\xbd\xa0\r\nempty: \r\n\r\n";
        let request = request(head).unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::DELETE, "/a%20b?c".to_owned()));
        let values: Vec<&[u8]> = request.headers().get_all("x-two").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, [&b"1"[..], "你".as_bytes()]);
        assert_eq!((request.headers().len(), request.headers()["host"].as_bytes()), (4, &b"h:80"[..]));
    }

    #[test]
    fn half_a_head_is_no_request() {
        assert!(request(b"GET / HTTP/1.1\r\nhost: h\r\n").is_none());
        assert!(request(b"").is_none());
    }

    #[test]
    fn only_idempotent_methods_are_repeated() {
        for (method, repeated) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("TRACE", true),
            ("PUT", true),
            ("DELETE", true),
            ("POST", false),
            ("PATCH", false),
            ("CONNECT", false),
            ("PURGE", false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(may_repeat(&method, &RequestBody::Empty), repeated, "{method}");
        }
    }
}
