//! What the head of a server's answer must be to be passed on. hyper parses it; what hyper reads one way and another hop
//! might read another way is a broken answer here (502), as it is a refused request on the client's side.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::error::Error;

/// Refuses an answer that two hops could read differently (RFC 9112 section 6.3), or that nobody asked for.
pub(crate) fn check<B>(response: Response<B>) -> Result<Response<B>, Error> {
    // Nobody asked for another protocol on this way.
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::UnaskedUpgrade);
    }
    framing(response.headers())?;
    Ok(response)
}

/// Looks at the framing also where there is no body (HEAD, 204, 304), where hyper does not: a client or a cache might.
fn framing(headers: &HeaderMap) -> Result<(), Error> {
    let coding = headers.get(header::TRANSFER_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH);
    if let Some(coding) = coding {
        // `gzip, chunked` is legal, but nobody here undoes the gzip, and the client would not be told of it.
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || is_repeated(headers, header::TRANSFER_ENCODING) {
            return Err(Error::BadAnswer("a transfer coding other than one chunked"));
        }
        if length.is_some() {
            return Err(Error::BadAnswer("both Transfer-Encoding and Content-Length"));
        }
    }
    if let Some(length) = length {
        if is_repeated(headers, header::CONTENT_LENGTH) {
            return Err(Error::BadAnswer("several Content-Length"));
        }
        if !is_number(length) {
            return Err(Error::BadAnswer("a malformed Content-Length"));
        }
    }
    Ok(())
}

fn is_repeated(headers: &HeaderMap, name: header::HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

fn is_number(length: &HeaderValue) -> bool {
    let digits = length.as_bytes();
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(fields: &[(&'static str, &'static str)]) -> Option<String> {
        let mut response = Response::new(());
        for (name, value) in fields {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        check(response).err().map(|error| error.to_string())
    }

    #[test]
    fn what_has_one_meaning_passes() {
        for fields in [
            &[][..],
            &[("content-length", "0")],
            &[("content-length", "007")],
            &[("transfer-encoding", "chunked")],
            &[("transfer-encoding", "Chunked")],
        ] {
            assert_eq!(says(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn what_has_two_meanings_is_a_bad_answer() {
        for fields in [
            &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
            &[("content-length", "5"), ("content-length", "5")],
            &[("content-length", "5, 5")],
            &[("content-length", "+5")],
            &[("content-length", "")],
            &[("content-length", "0x5")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked, chunked")],
            &[("transfer-encoding", "gzip")],
            &[("transfer-encoding", "identity")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        ] {
            assert!(says(fields).is_some_and(|says| says.starts_with("the server's answer: ")), "{fields:?}");
        }
    }

    #[test]
    fn another_protocol_was_not_asked_for() {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        assert!(matches!(check(response), Err(Error::UnaskedUpgrade)));
    }
}
