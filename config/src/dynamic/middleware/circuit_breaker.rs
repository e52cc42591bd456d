//! `circuitBreaker`.

use std::time::Duration;

use crate::condition::Condition;

/// When requests are kept from a backend that fails, and for how long.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    /// `expression`.
    pub condition: Condition,
    /// `checkPeriod`, 100 ms: the condition is evaluated at an answer's end, not more often than this. Above 0.
    pub check_period: Duration,
    /// `fallbackDuration`, 10 s: so long no request is let through. Above 0.
    pub fallback_duration: Duration,
    /// `recoveryDuration`, 10 s: so long some are, more and more of them. Above 0.
    pub recovery_duration: Duration,
    /// `responseCode`, 503: what those that are not get. 200 to 599.
    pub response_code: u16,
    /// `minRequests`, 10: with fewer answers in the last ten seconds the condition is not evaluated.
    pub min_requests: u32,
    /// `onTrip`; `None`: redistribute where there are other versions.
    pub on_trip: Option<OnTrip>,
}

/// `onTrip`: where requests go that are not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTrip {
    /// To the other versions of the weighted service.
    Redistribute,
    /// Nowhere: they are answered.
    Fail,
}

impl CircuitBreaker {
    /// A breaker of which only the condition is written.
    pub fn new(condition: Condition) -> Self {
        Self {
            condition,
            check_period: Duration::from_millis(100),
            fallback_duration: Duration::from_secs(10),
            recovery_duration: Duration::from_secs(10),
            response_code: 503,
            min_requests: 10,
            on_trip: None,
        }
    }
}
