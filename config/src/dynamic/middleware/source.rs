//! `sourceCriterion`: which requests count together.

use crate::scalar::IpStrategy;

/// What a request's source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceCriterion {
    /// `ipStrategy`: an address.
    Ip(IpStrategy),
    /// `requestHeaderName`, lower-cased: the value of its first line. Requests without it are one source.
    Header(String),
    /// `requestHost`: the host without its port.
    Host,
}

/// Which requests meet the same limit; `scope`, ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// All that pass the middleware, wherever it stands.
    #[default]
    Middleware,
    /// Those of one router (or service) that uses the middleware.
    Router,
}
