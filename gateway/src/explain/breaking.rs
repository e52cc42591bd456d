//! What circuit breakers on a request's way would do to it.

use crate::{middleware::Middleware, snapshot::Step};

/// A circuit breaker on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaking {
    /// The middleware's qualified name.
    pub middleware: String,
    /// What trips it, in canonical form.
    pub expression: String,
    /// While it is tripped, the other versions of its service have its share.
    pub redistributes: bool,
    /// What it answers with where nobody takes the request.
    pub response_code: u16,
}

impl Breaking {
    /// Those among the middlewares of a router or a service, which may be a `version`.
    pub(super) fn among(steps: &[Step], version: bool) -> Vec<Self> {
        let breaking = |step: &Step| {
            let Middleware::CircuitBreaker(breaker) = &*step.middleware else { return None };
            let (expression, redistributes, response_code) = breaker.told();
            Some(Self {
                middleware: step.name.to_string(),
                expression: expression.to_owned(),
                redistributes: redistributes && version,
                response_code,
            })
        };
        steps.iter().filter_map(breaking).collect()
    }
}
