//! The `retry` middleware.

use std::time::Duration;

use crate::scalar::StatusRanges;

/// `retry`: sends a request again that a server has not answered, or not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// `attempts`: how often a request is sent at most, the first time included; at least 1.
    pub attempts: u32,
    /// `initialInterval`: before the second; zero is at once.
    pub initial_interval: Duration,
    /// `timeout`: nothing is sent again after so long; zero is no limit.
    pub timeout: Duration,
    /// `maxRequestBodyBytes`, 2 MiB: a longer body is not sent again. `None`: only what the worker may keep counts.
    pub max_request_body_bytes: Option<u64>,
    /// `status`: answers that are not passed on while there are attempts left.
    pub status: StatusRanges,
    /// `disableRetryOnNetworkError`, false; only with a `status`.
    pub disable_retry_on_network_error: bool,
    /// `retryNonIdempotentMethod`, false.
    pub retry_non_idempotent_method: bool,
    /// `perTryTimeout` (ours): until the head of each attempt's answer; zero is no limit.
    pub per_try_timeout: Duration,
    /// `budget` (ours).
    pub budget: RetryBudget,
}

/// `retry.budget` (ours): how many of the requests to a service may be further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// `percent`, 20: of the requests.
    pub percent: u32,
    /// `minPerSecond`, 3: so many are allowed however few requests there are.
    pub min_per_second: u32,
}

impl RetryBudget {
    /// Where nothing else is said.
    pub const DEFAULT: Self = Self { percent: 20, min_per_second: 3 };
}

impl Retry {
    /// With everything but the number of attempts as it is by default.
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts,
            initial_interval: Duration::ZERO,
            timeout: Duration::ZERO,
            max_request_body_bytes: Some(2 * 1024 * 1024),
            status: StatusRanges::default(),
            disable_retry_on_network_error: false,
            retry_non_idempotent_method: false,
            per_try_timeout: Duration::ZERO,
            budget: RetryBudget::DEFAULT,
        }
    }
}
