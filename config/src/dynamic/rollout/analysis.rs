//! `analysis`: how the canary is judged.

use std::time::Duration;

use crate::scalar::{Share, StatusRanges};

/// `analysis` of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// `alpha`, 1%: how often a rollout whose canary is as good as stable may be rolled back all the same. Above 0, at
    /// most 20%.
    pub alpha: Share,
    /// `beta`, 5%: how often a step may be passed by a canary that is worse by its margin. Above 0, at most 50%.
    pub beta: Share,
    /// `minErrors`, 3: canary errors before which nothing is rolled back; 1 to 1,000.
    pub min_errors: u64,
    /// `promise`, 1%: the share of requests that may fail. Above 0, below 100%.
    pub promise: Share,
    /// `veto`, false: a canary that is worse than stable, but keeps the promise, is not rolled back.
    pub veto: bool,
    /// `errors`.
    pub errors: ErrorRule,
    /// `exclude`: paths that begin so are not judged; each begins with `/`. At most 64.
    pub exclude: Vec<String>,
    /// `latency`; `None`: `false`.
    pub latency: Option<Latency>,
    /// `repeatedErrors`, false: a second look at users who meet several errors within 20 of their requests. Only if the
    /// service has a `cohort`.
    pub repeated_errors: bool,
    /// `discard`, 0: how long after the canary first gets requests nothing is counted, since it warms up. At most 24 h.
    pub discard: Duration,
}

impl Analysis {
    /// Whether it goes by stable's own latencies which answers are slow.
    pub fn slow_by_stable(&self) -> bool {
        self.latency.is_some_and(|latency| matches!(latency.slow, Slow::Quantile(_)))
    }
}

/// `analysis.errors`: what counts as an error of a version. Something does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorRule {
    /// `status`, 500-599.
    pub status: StatusRanges,
    /// `grpc`: gRPC statuses, 1 to 16; by default those that are the server's fault: 2, 4, 12, 13, 14, 15.
    pub grpc: Vec<u16>,
    /// `connect`, true: no connection to a server, or one that broke before an answer.
    pub connect: bool,
    /// `timeout`, true: no answer in time.
    pub timeout: bool,
}

/// `analysis.latency`: which answers are slow, and how many may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// `quantile` or `threshold`.
    pub slow: Slow,
    /// `margin`, 2: how many times as often as stable's answers the canary's may be slow, from 1 to 100.
    pub margin: f64,
}

/// Which answers are slow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slow {
    /// `quantile`, 95%: slower than this share of stable's own answers in the window before. 50% to 99.9%.
    Quantile(Share),
    /// `threshold`: slower than this; 1 ms to 10 min.
    Threshold(Duration),
}
