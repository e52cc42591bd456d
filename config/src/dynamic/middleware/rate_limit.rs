//! `rateLimit` and `inFlightReq`.

use std::time::Duration;

use super::{Scope, SourceCriterion};

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
