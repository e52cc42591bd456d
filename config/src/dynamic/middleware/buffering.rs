//! The `buffering` middleware.

use super::RetryExpression;

/// `buffering`: reads a request to its end before a server hears of it, and an answer before the client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffering {
    /// `maxRequestBodyBytes`; 0 is no limit.
    pub max_request_body_bytes: u64,
    /// `memRequestBodyBytes`, 1 MiB: what is longer goes to a file.
    pub mem_request_body_bytes: u64,
    /// `maxResponseBodyBytes`; 0 is no limit.
    pub max_response_body_bytes: u64,
    /// `memResponseBodyBytes`, 1 MiB: what is longer goes to a file.
    pub mem_response_body_bytes: u64,
    /// `retryExpression`.
    pub retry_expression: Option<RetryExpression>,
}
