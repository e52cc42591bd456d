//! `failover`.

use crate::{problem::Located, scalar::StatusRanges};

/// A service, and one that takes its place while it is down, or answers as it should not.
#[derive(Debug, Clone)]
pub struct Failover {
    /// `service`, qualified.
    pub service: Located<String>,
    /// `fallback`, qualified.
    pub fallback: Located<String>,
    /// `errors`; `None` as well where it names no status.
    pub errors: Option<FailoverErrors>,
}

/// `failover.errors`: which answers are thrown away, the request going to the fallback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverErrors {
    /// `status`; at least one.
    pub status: StatusRanges,
    /// `maxRequestBodyBytes`; `None` (-1): no bound of its own.
    pub max_request_body_bytes: Option<u64>,
}
