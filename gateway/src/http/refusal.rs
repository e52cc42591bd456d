//! What hyper and h2 refuse themselves, before a request is handed over: for the counters and the access log.

use http::StatusCode;

/// Why, and what the client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The label in `rollgate_refused_total{reason}`.
    pub(super) reason: &'static str,
    /// HTTP/1: the status of the answer. HTTP/2: what stands in the log; the client got GOAWAY.
    pub(super) status: StatusCode,
}

/// `None` if the connection ended in another way: the client went away, or one of its sides was slow.
pub(super) fn of(error: &hyper::Error) -> Option<Refusal> {
    if error.is_parse() {
        return Some(unreadable(error));
    }
    let error = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    // What the client says of its own end is no refusal.
    let reason = error.reason().filter(|_| error.is_library())?;
    Some(of_http2(reason))
}

/// A connection that ended with GOAWAY and this.
pub(super) fn of_http2(reason: h2::Reason) -> Refusal {
    Refusal { reason: http2(reason), status: StatusCode::BAD_REQUEST }
}

/// A head that hyper could not read. It tells the kinds apart in its text alone; a text that is not known here is still
/// counted.
fn unreadable(error: &hyper::Error) -> Refusal {
    let bad = |reason| Refusal { reason, status: StatusCode::BAD_REQUEST };
    match error.to_string().as_str() {
        "invalid HTTP method parsed" => bad("method"),
        "invalid URI" => bad("target"),
        "URI too long" => Refusal { reason: "target_length", status: StatusCode::URI_TOO_LONG },
        "invalid HTTP header parsed" => bad("header"),
        "invalid content-length parsed" => bad("content_length"),
        "invalid transfer-encoding parsed" | "unexpected transfer-encoding parsed" => bad("transfer_encoding"),
        _ if error.is_parse_too_large() => {
            Refusal { reason: "header_bytes", status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE }
        }
        // "invalid HTTP version parsed", "... (found HTTP2 preface)".
        text if text.starts_with("invalid HTTP version") => bad("version"),
        _ => bad("unreadable"),
    }
}

/// RFC 9113 section 7.
fn http2(reason: h2::Reason) -> &'static str {
    match reason {
        h2::Reason::PROTOCOL_ERROR => "http2_protocol",
        h2::Reason::FLOW_CONTROL_ERROR => "http2_flow_control",
        h2::Reason::STREAM_CLOSED => "http2_stream_closed",
        h2::Reason::FRAME_SIZE_ERROR => "http2_frame_size",
        h2::Reason::COMPRESSION_ERROR => "http2_compression",
        h2::Reason::ENHANCE_YOUR_CALM => "http2_calm",
        _ => "http2_other",
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Empty;
    use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What hyper says of these bytes, and the status that it answers.
    async fn refused(bytes: &[u8]) -> (Option<Refusal>, u16) {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        let ended = http1::Builder::new().max_headers(20).serve_connection(TokioIo::new(near), service).await;
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        (ended.err().as_ref().and_then(of), answer.get(9..12).map_or(0, |status| status.parse().unwrap()))
    }

    #[tokio::test]
    async fn each_kind_of_bad_head_has_a_label_and_the_status_that_was_answered() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(30));
        let table: [(&[u8], &str); 11] = [
            (b"G@T / HTTP/1.1\r\n\r\n", "method"),
            (b"GET / <HTTP/1.1\r\n\r\n", "version"),
            (b"GET /\x01 HTTP/1.1\r\n\r\n", "target"),
            (b"GET / HTTP/1.2\r\n\r\n", "version"),
            (b"GET / HTTP/1.1\r\na b: c\r\n\r\n", "header"),
            (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "content_length"),
            (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "transfer_encoding"),
            (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer_encoding"),
            (long.as_bytes(), "target_length"),
            (many.as_bytes(), "header_bytes"),
            (b"GET / HTTP/1.1\r\n", ""),
        ];
        for (bytes, label) in table {
            let (refusal, status) = refused(bytes).await;
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            assert_eq!(refusal.map_or("", |refusal| refusal.reason), label, "{shown}");
            assert_eq!(refusal.map_or(0, |refusal| refusal.status.as_u16()), status, "{shown}");
        }
    }
}
