//! `rateLimit` and `inFlightReq`.

use std::time::Duration;

use super::{ClientTls, Scope, SourceCriterion};
use crate::{problem::Place, scalar::Secret};

/// `rateLimit`: a bucket of tokens for each source.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// `average`, 0: requests in each `period`; 0 is no limit. A bucket of `burst` tokens takes at most a year to fill.
    pub average: u64,
    /// `period`, 1 s.
    pub period: Duration,
    /// `burst`, 1: requests at once.
    pub burst: u64,
    /// `sourceCriterion`; by default the peer's address.
    pub source: SourceCriterion,
    /// `scope`.
    pub scope: Scope,
    /// `maxSources` (ours), 1,000,000: sources beyond so many share one bucket.
    pub max_sources: usize,
    /// `responseHeaders` (ours), false: `RateLimit` and `RateLimit-Policy` on answers.
    pub response_headers: bool,
    /// `redis`: the limit is all replicas' together.
    pub redis: Option<Box<Redis>>,
}

/// `rateLimit.redis`.
#[derive(Debug, Clone, PartialEq)]
pub struct Redis {
    /// Where it was written.
    pub at: Place,
    /// `endpoints`, localhost:6379: host and port. Several are nodes of one cluster.
    pub endpoints: Vec<(String, u16)>,
    /// `tls`.
    pub tls: Option<ClientTls>,
    /// `username`.
    pub username: Option<String>,
    /// `password`.
    pub password: Option<Secret>,
    /// `db`, 0.
    pub db: u32,
    /// How many connections to each endpoint: `poolSize` (0 is 2), but at least `minIdleConns` and, unless that is 0, at most
    /// `maxActiveConns`.
    pub connections: usize,
    /// `readTimeout`, 3 s: for an answer.
    pub read_timeout: Duration,
    /// `writeTimeout`, 3 s: what was sent must be acknowledged within so long.
    pub write_timeout: Duration,
    /// `dialTimeout`, 5 s.
    pub dial_timeout: Duration,
    /// `onFailure` (ours).
    pub on_failure: OnFailure,
    /// `replicas` (ours), 1: among how many gateways the limit is divided while Redis fails.
    pub replicas: u32,
}

/// What becomes of requests that Redis does not decide on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They pass.
    Allow,
    /// They are answered with 503.
    Deny,
    /// Each gateway limits them to its share.
    #[default]
    Local,
}

/// `inFlightReq`: at most so many requests of a source at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlightReq {
    /// `amount`; 0 lets nothing through.
    pub amount: u32,
    /// `sourceCriterion`; by default the host.
    pub source: SourceCriterion,
    /// `scope`.
    pub scope: Scope,
}
