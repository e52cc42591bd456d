//! Whether servers are up: asked of them (`healthCheck`), and learned from their answers (`passiveHealthCheck`).

use std::time::Duration;

/// `loadBalancer.healthCheck`: each server is asked at intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// `interval`, 30 s: from one probe of a server that is up to the next. At least 1 ms.
    pub interval: Duration,
    /// `unhealthyInterval`; `None`: `interval`. From one probe of a server that is down to the next. At least 1 ms.
    pub unhealthy_interval: Option<Duration>,
    /// `timeout`, 5 s: for a whole probe, connecting and redirects included. At least 1 ms.
    pub timeout: Duration,
}

/// What a probe asks a server, and which answer is a good one. It is what tells one health check from another: intervals may
/// change and the results of before still hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Probe {
    /// `mode`.
    pub mode: Mode,
    /// `scheme`; `None`: the server's.
    pub scheme: Option<Scheme>,
    /// `path`: a reference without scheme and host, resolved against the server's URL; empty is that URL itself. Without
    /// effect for gRPC.
    pub path: String,
    /// `method`, a token; empty is GET. Without effect for gRPC.
    pub method: String,
    /// `status`; `None`: 200 to 399. Without effect for gRPC.
    pub status: Option<u16>,
    /// `port`; `None`: the server's.
    pub port: Option<u16>,
    /// `hostname`: what `Host` says; `None`: the server's host and port.
    pub hostname: Option<String>,
    /// `followRedirects` turned off: the redirect itself is the answer.
    pub stays: bool,
    /// `headers`, names lower-cased.
    pub headers: Vec<(String, String)>,
}

/// `healthCheck.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// A request whose answer's status counts.
    #[default]
    Http,
    /// `grpc.health.v1.Health/Check`.
    Grpc,
}

/// `healthCheck.scheme`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 in clear text; for gRPC the same as h2c.
    Http,
    /// TLS.
    Https,
    /// HTTP/2 in clear text by prior knowledge.
    H2c,
}

/// `loadBalancer.passiveHealthCheck`: a server that fails requests is left out for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassiveHealthCheck {
    /// `failureWindow`, 10 s: the time in which failures count together, and for which a server is left out. At least 1 ms.
    pub failure_window: Duration,
    /// `maxFailedAttempts`, 1: so many consecutive failures within the window leave a server out. 1 to 1000.
    pub max_failed_attempts: u32,
    /// `maxEjectedPercent` (ours), 50: of the servers with weight at most so many are left out at a time, but one at least
    /// may be, and one always stays. 1 to 100.
    pub max_ejected_percent: u8,
}
