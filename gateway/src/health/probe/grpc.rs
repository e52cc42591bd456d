//! gRPC's own question, `grpc.health.v1.Health/Check` for the server as a whole. The request is an empty message and the
//! answer has one number in it, so both are written and read here.
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>

use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, uri::PathAndQuery};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use url::Url;

use super::{
    Check,
    connection::{self, Answer},
    destination::Destination,
    http,
};
use crate::{
    health::fault::Fault,
    pool::{Targets, target::Scheme},
};

pub(super) async fn ask(check: &Check, server: &Url, targets: &Targets) -> Result<(), Fault> {
    let probe = &check.config.probe;
    let mut to = Destination::of(probe, server)?;
    to.target = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    if to.scheme == Scheme::Http {
        to.scheme = Scheme::H2c;
    }
    let host = to.host_value(probe)?;
    let mut request = Request::new(Full::new(Bytes::from_static(&EMPTY_MESSAGE)));
    *request.method_mut() = Method::POST;
    *request.headers_mut() = http::headers(probe)?;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    let Answer { response, connection: _connection } =
        connection::exchange(&to, &check.transport, targets, &host, request).await?;
    let (parts, body) = response.into_parts();
    if parts.status != StatusCode::OK {
        return Err(Fault::Status(parts.status));
    }
    // An error may be all in the head.
    if let Some(status) = grpc_status(&parts.headers)? {
        return if status == 0 { Err(Fault::NotGrpc("it is empty")) } else { Err(Fault::Grpc(status)) };
    }
    let collected = Limited::new(body, LONGEST).collect().await;
    let collected = collected.map_err(|_| Fault::NotGrpc("it breaks off or is too long"))?;
    match collected.trailers().map(grpc_status).transpose()?.flatten() {
        Some(0) => {}
        Some(status) => return Err(Fault::Grpc(status)),
        None => return Err(Fault::NotGrpc("it has no status")),
    }
    match serving_status(message(&collected.to_bytes())?) {
        Some(SERVING) => Ok(()),
        Some(0) => Err(Fault::NotServing("UNKNOWN")),
        Some(2) => Err(Fault::NotServing("NOT_SERVING")),
        Some(3) => Err(Fault::NotServing("SERVICE_UNKNOWN")),
        Some(_) => Err(Fault::NotServing("something that has no name")),
        None => Err(Fault::NotGrpc("its message is malformed")),
    }
}

fn grpc_status(headers: &HeaderMap) -> Result<Option<u32>, Fault> {
    let Some(status) = headers.get("grpc-status") else { return Ok(None) };
    let status = status.to_str().ok().and_then(|status| status.parse().ok());
    status.map(Some).ok_or(Fault::NotGrpc("its status is no number"))
}

/// The one message of a body: a byte that says whether it is compressed, four bytes of length, the message.
fn message(body: &[u8]) -> Result<&[u8], Fault> {
    let [0, a, b, c, d, message @ ..] = body else { return Err(Fault::NotGrpc("it has no message")) };
    let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    if length != message.len() {
        return Err(Fault::NotGrpc("its message is not as long as it says"));
    }
    Ok(message)
}

/// Field 1 of a protobuf message, 0 if it is not there; `None` if it is malformed.
fn serving_status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

const EMPTY_MESSAGE: [u8; 5] = [0; 5];
const SERVING: u64 = 1;
/// Bytes that an answer may have; a good one has seven.
const LONGEST: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_status_is_found_among_other_fields() {
        for (message, status) in [
            (&[][..], Some(0)),
            (&[0x08, 1], Some(1)),
            (&[0x08, 2], Some(2)),
            (&[0x08, 1, 0x08, 2], Some(2)),
            (&[0x12, 2, 9, 9, 0x08, 1, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0x28, 0xff, 0x01], Some(1)),
            (&[0x08], None),
            (&[0x08, 0x80], None),
            (&[0x12, 2, 9], None),
            (&[0x0b], None),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], None),
        ] {
            assert_eq!(serving_status(message), status, "{message:?}");
        }
    }

    #[test]
    fn a_message_is_as_long_as_it_says_and_not_compressed() {
        assert_eq!(message(&[0, 0, 0, 0, 2, 8, 1]).unwrap(), [8, 1]);
        assert!(message(&[0, 0, 0, 0, 3, 8, 1]).is_err());
        assert!(message(&[1, 0, 0, 0, 2, 8, 1]).is_err());
        assert!(message(&[0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much_for_it(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            serving_status(&bytes);
            let _ = message(&bytes);
        }
    }
}
