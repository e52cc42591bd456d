//! `http.serversTransports` and the static `serversTransport`: how servers are reached.

use std::time::Duration;

use crate::{
    dynamic::tls::{Certificate, PemSource, TlsVersion},
    problem::{Located, Place},
};

/// How the servers of a load balancer are reached.
#[derive(Debug, Clone, PartialEq)]
pub struct ServersTransport {
    /// Where it was written; the default's source is `default`.
    pub at: Place,
    /// `serverName`: the name asked for by SNI and verified; `None`: the URL's host.
    pub server_name: Option<Located<String>>,
    /// `insecureSkipVerify`, false.
    pub insecure_skip_verify: bool,
    /// `rootCAs`; empty: the system's.
    pub root_cas: Vec<Located<PemSource>>,
    /// `certificates`: client certificates; the first is used.
    pub certificates: Vec<Certificate>,
    /// `cipherSuites`, as in TLS options.
    pub cipher_suites: Vec<Located<String>>,
    /// `minVersion`.
    pub min_version: TlsVersion,
    /// `maxVersion`.
    pub max_version: TlsVersion,
    /// `maxIdleConnsPerHost`, 200 for every transport, shared out over the workers. (Traefik's own trap, 2 for a
    /// transport of one's own, is not copied.) Negative in Traefik: none are kept; 0 here.
    pub max_idle_conns_per_host: usize,
    /// `disableHTTP2`, false: with it, ALPN offers only http/1.1.
    pub disable_http2: bool,
    /// `peerCertURI`: a URI name the server's certificate must carry.
    pub peer_cert_uri: Option<String>,
    /// `forwardingTimeouts.dialTimeout`, 30 s; zero is no limit.
    pub dial_timeout: Duration,
    /// `forwardingTimeouts.responseHeaderTimeout`, 0: no limit.
    pub response_header_timeout: Duration,
    /// `forwardingTimeouts.idleConnTimeout`, 4 s (Traefik: 90 s): idle connections are closed before the server does.
    pub idle_conn_timeout: Duration,
    /// `forwardingTimeouts.readIdleTimeout`, 0: HTTP/2 pings after this much silence.
    pub read_idle_timeout: Duration,
    /// `forwardingTimeouts.pingTimeout`, 15 s.
    pub ping_timeout: Duration,
    /// `forwardingTimeouts.tcpKeepAlive` (ours), 15 s: TCP probes after this much silence, and then as often; the kernel
    /// counts in seconds, one at least. Zero: none.
    pub tcp_keep_alive: Duration,
    /// `forwardingTimeouts.tcpUserTimeout` (ours), 30 s: a connection fails whose data or probes are not acknowledged for
    /// so long (RFC 5482). Zero is the kernel's own, a quarter of an hour.
    pub tcp_user_timeout: Duration,
}

impl ServersTransport {
    /// Whether it is the same one, wherever it is written.
    pub fn is(&self, other: &Self) -> bool {
        Self { at: other.at.clone(), ..self.clone() } == *other
    }
}
