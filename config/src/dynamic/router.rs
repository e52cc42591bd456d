//! `http.routers`.

use std::time::Duration;

use crate::{
    problem::{Located, Place},
    rule::Rule,
};

/// A rule, its middlewares and the service it leads to.
#[derive(Debug, Clone)]
pub struct Router {
    /// Where it was written.
    pub at: Place,
    /// `entryPoints`; empty: the default ones.
    pub entry_points: Vec<Located<String>>,
    /// `rule`.
    pub rule: Located<Rule>,
    /// `priority`; 0 or absent: the rule's length in bytes. Resolved here.
    pub priority: i64,
    /// `middlewares`, in the order they run.
    pub middlewares: Vec<Located<String>>,
    /// `service`.
    pub service: Located<String>,
    /// `tls`: with it, the router serves only TLS; without, only plain text.
    pub tls: Option<RouterTls>,
    /// `observability.accessLogs`, inherited from the entry point if `None`.
    pub access_logs: Option<bool>,
    /// `observability.metrics`, inherited from the entry point if `None`.
    pub metrics: Option<bool>,
    /// `timeouts` (ours).
    pub timeouts: RouterTimeouts,
}

/// `timeouts` of a router (ours), as Gateway API has them; zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouterTimeouts {
    /// `request`: from the end of a request's head to the end of its answer.
    pub request: Duration,
    /// `backendRequest`: each attempt, from its beginning to the end of its answer.
    pub backend_request: Duration,
}

/// `tls` of a router or an entry point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouterTls {
    /// `options`: the name of a TLS options section; `None` is `default`.
    pub options: Option<Located<String>>,
    /// `domains`: main and sans, lower-cased; only hints without a certificate resolver.
    pub domains: Vec<String>,
}
