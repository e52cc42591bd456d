//! What a request must be before anything looks at it: one host, one framing, one path. What two hops could read
//! differently is refused, not repaired (RFC 9112 sections 3.2 and 6.1).

use std::borrow::Cow;

use http::{HeaderValue, Method, StatusCode, Uri, header, request, uri::PathAndQuery};

use crate::{
    authority,
    connection::{Connection, phase::Ambiguity},
    error::{Error, Refusal},
    forwarded, path,
    upgrade::Wanted,
};

/// The host belongs to other TLS options than those of this connection.
pub(crate) const MISDIRECTED: Error = Error::Refused(Refusal {
    status: StatusCode::MISDIRECTED_REQUEST,
    reason: "misdirected",
    says: Cow::Borrowed("Misdirected Request\n"),
});

/// Checks a head and brings it into its one form: Host set, target in origin form, path normal, X-Forwarded-* ours.
pub(crate) fn request(
    connection: &Connection,
    parts: &mut request::Parts,
    wanted: Option<&Wanted>,
) -> Result<(), Error> {
    fields(connection, parts)?;
    framing(connection, parts)?;
    expectation(parts)?;
    method(parts, wanted)?;
    host(parts)?;
    target(connection, parts)?;
    let websocket = wanted.is_some_and(Wanted::is_websocket);
    let host = parts.headers.get(header::HOST).cloned();
    let (peer, policy) = (&connection.peer, &connection.entry.forwarded);
    forwarded::sanitise_incoming(&mut parts.headers, peer, policy, host.as_ref(), websocket)
        .map_err(|refusal| Error::bad_request(refusal.reason(), "a header's name has an underscore\n"))
}

/// hyper counts the lines of HTTP/1 only.
fn fields(connection: &Connection, parts: &request::Parts) -> Result<(), Error> {
    // HTTP/1 has cut the whitespace around a value by now; in HTTP/2 it is malformed (RFC 9113 section 8.2.1), and whoever
    // reads it next in HTTP/1 would cut it.
    let is_padded = |value: &HeaderValue| {
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        blank(value.as_bytes().first()) || blank(value.as_bytes().last())
    };
    if connection.http2 && parts.headers.values().any(is_padded) {
        return Err(Error::bad_request("header", "whitespace around a field's value\n"));
    }
    if parts.headers.len() <= connection.entry.settings.http.max_header_fields {
        return Ok(());
    }
    Err(Error::Refused(Refusal {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        reason: "header_fields",
        says: Cow::Borrowed("too many header fields\n"),
    }))
}

/// One framing, said once.
fn framing(connection: &Connection, parts: &request::Parts) -> Result<(), Error> {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    if length.is_some_and(|length| matches!(length.as_bytes(), [b'0', _, ..])) {
        // Octal to some.
        return Err(Error::bad_request("content_length", "Content-Length has leading zeros\n"));
    }
    let coded = parts.headers.contains_key(header::TRANSFER_ENCODING);
    if coded && connection.http2 {
        return Err(Error::bad_request("transfer_encoding", "HTTP/2 has no Transfer-Encoding\n"));
    }
    if coded || length.is_some() {
        match connection.ambiguity() {
            None => {}
            Some(Ambiguity::TwoFramings) => {
                let says = "both Transfer-Encoding and Content-Length\n";
                return Err(Error::bad_request("transfer_encoding_and_content_length", says));
            }
            Some(Ambiguity::TwoLengths) => {
                return Err(Error::bad_request("content_length", "more than one Content-Length\n"));
            }
        }
    }
    // hyper reads "chunked" as the last word of anything; a server behind us may not.
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Error::bad_request("transfer_encoding", "the only transfer coding is chunked, once\n")),
    }
}

/// RFC 9110 section 10.1.1; Go's server, and so Traefik, knows no other expectation either.
fn expectation(parts: &request::Parts) -> Result<(), Error> {
    let mut lines = parts.headers.get_all(header::EXPECT).iter();
    if lines.all(|line| line.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(Error::Refused(Refusal {
        status: StatusCode::EXPECTATION_FAILED,
        reason: "expect",
        says: Cow::Borrowed("the only expectation is 100-continue\n"),
    }))
}

fn method(parts: &request::Parts, wanted: Option<&Wanted>) -> Result<(), Error> {
    if parts.method == Method::CONNECT && wanted.is_none() {
        return Err(Error::Refused(Refusal {
            status: StatusCode::NOT_IMPLEMENTED,
            reason: "connect",
            says: Cow::Borrowed("CONNECT is not supported\n"),
        }));
    }
    Ok(())
}

/// Exactly one host, valid, and the same one in the target if that has one.
fn host(parts: &mut request::Parts) -> Result<(), Error> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(Error::bad_request("host", "more than one Host\n"));
    }
    let line = match line {
        None => None,
        Some(line) => {
            let text = line.to_str().map_err(|_| Error::bad_request("host", "invalid Host\n"))?;
            // Empty is no host either: URIs of http and https have one (RFC 9110 section 4.2.1).
            if authority::parse(text).is_err() {
                return Err(Error::bad_request("host", "invalid Host\n"));
            }
            Some(text)
        }
    };
    let Some(target) = parts.uri.authority() else {
        return match line {
            Some(_) => Ok(()),
            None if parts.version <= http::Version::HTTP_10 => Ok(()),
            None => Err(Error::bad_request("host", "no Host\n")),
        };
    };
    if authority::parse(target.as_str()).is_err() {
        return Err(Error::bad_request("host", "invalid authority\n"));
    }
    if line.is_some_and(|line| !line.eq_ignore_ascii_case(target.as_str())) {
        return Err(Error::bad_request("host", "Host and the target's authority differ\n"));
    }
    if line.is_none() {
        let value = HeaderValue::from_str(target.as_str());
        parts.headers.insert(header::HOST, value.map_err(|_| Error::bad_request("host", "invalid authority\n"))?);
    }
    Ok(())
}

/// Origin form, and the path in its normal form.
fn target(connection: &Connection, parts: &mut request::Parts) -> Result<(), Error> {
    let Some(path_and_query) = parts.uri.path_and_query() else {
        // Authority form belongs to CONNECT (RFC 9112 section 3.2.3), which was refused before.
        return Err(Error::bad_request("target", "the target has no path\n"));
    };
    if parts.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https" | "ws" | "wss")) {
        return Err(Error::bad_request("target", "the target's scheme is not http\n"));
    }
    let raw = path_and_query.path();
    if !raw.starts_with('/') {
        // `OPTIONS *` is answered before this; nothing else may look so.
        if raw == "*" && parts.method == Method::OPTIONS {
            return Ok(());
        }
        return Err(Error::bad_request("target", "the path must begin with a slash\n"));
    }
    let normal = path::normalise(&connection.entry.path_rules, raw)
        .map_err(|refusal| Error::bad_request("path", format!("{refusal}\n")))?;
    let semicolons = !connection.entry.settings.http.encode_query_semicolons
        && path_and_query.query().is_some_and(|query| query.contains(';'));
    match (normal, semicolons) {
        (Cow::Borrowed(_), false) => {
            if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
                parts.uri = Uri::from(path_and_query.clone());
            }
        }
        (normal, _) => {
            let mut target = normal.into_owned();
            if let Some(query) = path_and_query.query() {
                target.push('?');
                if semicolons {
                    target.push_str(&query.replace(';', "&"));
                } else {
                    target.push_str(query);
                }
            }
            let target: PathAndQuery =
                target.parse().map_err(|_| Error::bad_request("path", "the path is not valid\n"))?;
            parts.uri = Uri::from(target);
        }
    }
    Ok(())
}
