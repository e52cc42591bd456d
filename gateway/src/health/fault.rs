//! Why a probe is bad.

use std::{io, time::Duration};

use http::StatusCode;

/// What was wrong with a server, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("it cannot be connected to: {0}")]
    Connect(#[source] io::Error),
    #[error("no TLS with it: {0}")]
    Tls(#[source] io::Error),
    #[error("its answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("its status is {0}")]
    Status(StatusCode),
    #[error("its status is {0}, not {1}")]
    OtherStatus(StatusCode, u16),
    #[error("more than {MAX_REDIRECTS} redirects")]
    Redirects,
    #[error("what it asks for cannot be asked: {0}")]
    Unaskable(String),
    #[error("gRPC status {0}{hint}", hint = if *.0 == UNIMPLEMENTED { " (it has no grpc.health.v1.Health)" } else { "" })]
    Grpc(u32),
    #[error("its answer is not gRPC: {0}")]
    NotGrpc(&'static str),
    #[error("it says {0}")]
    NotServing(&'static str),
}

/// As many as Go's client follows.
pub(super) const MAX_REDIRECTS: usize = 10;

const UNIMPLEMENTED: u32 = 12;
