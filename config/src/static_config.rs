//! What is read once, at the start: entry points, providers, observability.

mod api;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    dynamic::transport::ServersTransport,
    problem::{Located, Place},
    scalar::Trust,
};

pub use self::api::{Api, ClientCertificate, LOOPBACK, Role, TOKEN_PREFIX, Token};

/// The name of the internal entry point.
pub const INTERNAL: &str = "traefik";

/// The whole static configuration, with defaults filled in.
#[derive(Debug, Clone)]
pub struct Static {
    /// By name, lower-cased. Never empty: without any, `http` on `:80`, as Traefik does. The internal entry point `traefik` is always there.
    pub entry_points: BTreeMap<String, EntryPoint>,
    /// `providers.file`.
    pub file_provider: Option<FileProvider>,
    /// Whether there is `providers.rest`.
    pub rest_provider: bool,
    /// `ping`.
    pub ping: Option<Ping>,
    /// `metrics.prometheus`.
    pub prometheus: Option<Prometheus>,
    /// `metrics.addInternals`, `accessLog.addInternals` are each on their own.
    pub metrics_add_internals: bool,
    /// `limits` (ours).
    pub limits: Limits,
    /// `log`.
    pub log: Log,
    /// `accessLog`.
    pub access_log: Option<AccessLog>,
    /// `serversTransport`: the default transport.
    pub servers_transport: ServersTransport,
    /// `resolver` (ours).
    pub resolver: Resolver,
    /// `api`.
    pub api: Option<Api>,
}

/// One listening address and what holds for every connection on it.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryPoint {
    /// Where it was written; the implicit internal entry point has the source `default`.
    pub at: Place,
    /// `host:port`, the `/tcp` cut off; an empty host is every address (IPv6 and IPv4).
    pub address: Located<String>,
    /// Routers without `entryPoints` go here; if no entry point says so, to all but the internal one.
    pub as_default: bool,
    /// `transport.respondingTimeouts`.
    pub timeouts: RespondingTimeouts,
    /// `transport.lifeCycle.requestAcceptGraceTimeout`, 0.
    pub request_accept_grace_timeout: Duration,
    /// `transport.lifeCycle.graceTimeOut`, 10 s.
    pub grace_timeout: Duration,
    /// `transport.keepAliveMaxRequests`; 0 is no limit.
    pub keep_alive_max_requests: u64,
    /// `transport.keepAliveMaxTime`; zero is no limit.
    pub keep_alive_max_time: Duration,
    /// `proxyProtocol`.
    pub proxy_protocol: Option<Trust>,
    /// `forwardedHeaders`.
    pub forwarded_headers: ForwardedHeaders,
    /// `http`.
    pub http: EntryPointHttp,
    /// `http2`.
    pub http2: Http2,
    /// `observability.accessLogs`, true.
    pub access_logs: bool,
    /// `observability.metrics`, true.
    pub metrics: bool,
}

impl EntryPoint {
    /// Whether it is the same one, wherever it is written.
    pub fn is(&self, other: &Self) -> bool {
        Self { at: other.at.clone(), ..self.clone() } == *other
    }
}

/// `transport.respondingTimeouts`; zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RespondingTimeouts {
    /// `readTimeout`, 60 s: the whole request, its body included.
    pub read: Duration,
    /// `writeTimeout`, 0: from the end of the request head to the end of the response.
    pub write: Duration,
    /// `idleTimeout`, 180 s: between requests.
    pub idle: Duration,
    /// `headerTimeout` (ours), 10 s: from a request's first byte (or the connection's accept) to the end of its head.
    pub header: Duration,
    /// `tlsHandshakeTimeout` (ours), 10 s.
    pub tls_handshake: Duration,
    /// `bodyIdleTimeout` (ours), 30 s: between two pieces of a request's body that the gateway waits for.
    pub body_idle: Duration,
    /// `stallTimeout` (ours), 30 s: while there is something to send and the client takes nothing.
    pub stall: Duration,
    /// `tcpUserTimeout` (ours), 120 s, at most 9 h: a connection ends on which nothing that was sent is acknowledged for
    /// so long, or whose client's window stays closed (Linux's TCP_USER_TIMEOUT); zero is the kernel's own quarter of an
    /// hour.
    pub tcp_user: Duration,
}

/// `http2`; every budget but the first is ours, holds for each second of a connection, and 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2 {
    /// `maxConcurrentStreams`, 250.
    pub max_concurrent_streams: u32,
    /// `maxResetsPerSecond`, 250: requests that the client takes back; one more for every two that it begins.
    pub max_resets: u32,
    /// `maxPingsPerSecond`, 100; one more for every 64 bytes that were sent.
    pub max_pings: u32,
    /// `maxSettingsPerSecond`, 50.
    pub max_settings: u32,
    /// `maxEmptyFramesPerSecond`, 100: frames that should carry something and carry nothing.
    pub max_empty_frames: u32,
    /// `maxWindowUpdatesPerSecond`, 1,000; one more for every 64 bytes that were sent.
    pub max_window_updates: u32,
}

/// `limits` (ours): what holds for the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `maxConnections`: from clients, on all entry points but the internal one. `None`: by the descriptors there are.
    pub max_connections: Option<u32>,
    /// `maxConnectionsPerClient`: for one address (IPv6: one /64). 0 is no limit.
    pub max_connections_per_client: u32,
    /// `memory`: bytes that the process may use. `None`: what its cgroup grants.
    pub memory: Option<u64>,
    /// `memoryRefuseAt`, 90: percent of it above which new requests are refused. 0 is never.
    pub memory_refuse_at: u8,
    /// `maxReplayBytes`, 128 MiB: kept of all request bodies that may have to be sent again. 0: nothing is kept.
    pub max_replay_bytes: u64,
    /// `maxBufferFileBytes`, 4 GiB: of all bodies that `buffering` keeps in files at once. 0 is no limit.
    pub max_buffer_file_bytes: u64,
    /// `maxCompressBytes`, 128 MiB: what all encoders of `compress` may hold. 0 is no limit.
    pub max_compress_bytes: u64,
    /// `maxMirrorBytes`, 64 MiB: what all requests to mirrors may hold, each at least 64 KiB. 0: nothing is mirrored.
    pub max_mirror_bytes: u64,
}

/// `forwardedHeaders`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForwardedHeaders {
    /// Whose X-Forwarded-* are believed.
    pub trust: Trust,
    /// `connection`: headers named in `Connection` that stay all the same; lower-cased.
    pub connection: Vec<String>,
    /// `notAppendXForwardedFor` (also `global.notAppendXForwardedFor`).
    pub not_append_x_forwarded_for: bool,
    /// `addXForwardedSchemeHeaders`: X-Scheme and X-Forwarded-Scheme are set too.
    pub add_x_forwarded_scheme_headers: bool,
}

/// `entryPoints.<name>.http`.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryPointHttp {
    /// `redirections.entryPoint`.
    pub redirection: Option<Redirection>,
    /// `middlewares`, before those of each router; references like `name@file`.
    pub middlewares: Vec<Located<String>>,
    /// `tls`: every router of this entry point that has no `tls` of its own gets this one.
    pub tls: Option<crate::dynamic::router::RouterTls>,
    /// `sanitizePath`, true: `.`/`..` segments and doubled slashes are resolved before matching and forwarding.
    pub sanitize_path: bool,
    /// `encodedCharacters`.
    pub encoded_characters: EncodedCharacters,
    /// `encodeQuerySemicolons`, false.
    pub encode_query_semicolons: bool,
    /// `underscoreHeadersStrategy`, keep.
    pub underscore_headers: UnderscoreHeaders,
    /// `maxHeaderBytes`, 1 MiB.
    pub max_header_bytes: usize,
    /// `maxHeaderFields` (ours), 128.
    pub max_header_fields: usize,
    /// `maxRequestLineBytes` (ours), 64 KiB.
    pub max_request_line_bytes: usize,
    /// `maxBodyBytes` (ours): 0 is no limit.
    pub max_body_bytes: u64,
}

/// `http.redirections.entryPoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// `to`: an entry point's name, or `:port`.
    pub to: Located<String>,
    /// `scheme`, https.
    pub scheme: String,
    /// `permanent`, true.
    pub permanent: bool,
    /// `priority`, the largest less one.
    pub priority: i64,
}

/// `http.encodedCharacters`: which percent-encoded characters a path may have; all true by default. One that is not
/// allowed is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the key's own name")]
pub struct EncodedCharacters {
    pub slash: bool,
    pub back_slash: bool,
    pub null_character: bool,
    pub semicolon: bool,
    pub percent: bool,
    pub question_mark: bool,
    pub hash: bool,
}

impl EncodedCharacters {
    /// All of them.
    pub const ALL: Self = Self {
        slash: true,
        back_slash: true,
        null_character: true,
        semicolon: true,
        percent: true,
        question_mark: true,
        hash: true,
    };
    /// None of them.
    pub const NONE: Self = Self {
        slash: false,
        back_slash: false,
        null_character: false,
        semicolon: false,
        percent: false,
        question_mark: false,
        hash: false,
    };
}

/// `http.underscoreHeadersStrategy`: what becomes of a header whose name has an underscore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnderscoreHeaders {
    /// Forwarded, but for aliases of the forwarded headers.
    #[default]
    Keep,
    /// Removed.
    Delete,
    /// The request is answered with 400.
    Reject,
}

/// `providers.file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProvider {
    /// Where it was written.
    pub at: Place,
    /// One of the two.
    pub target: FileTarget,
    /// `watch`, true.
    pub watch: bool,
}

/// What the file provider reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileTarget {
    /// `filename`.
    File(PathBuf),
    /// `directory`, recursively: every `.yml`, `.yaml`, `.toml`, `.json`.
    Directory(PathBuf),
}

/// `resolver` (ours): how the names of servers are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// `resolvConfig`, /etc/resolv.conf: name servers, search list and options; read anew when it changes.
    pub resolv_config: PathBuf,
    /// `hosts`, /etc/hosts: asked first; read anew when it changes.
    pub hosts: PathBuf,
    /// `nameServers`: in place of those of `resolvConfig`; empty: those.
    pub name_servers: Vec<SocketAddr>,
    /// `minTTL`, 1 s: a name is asked for again no sooner, 100 ms at least.
    pub min_ttl: Duration,
    /// `maxTTL`, 5 min: and no later.
    pub max_ttl: Duration,
    /// `negativeTTL`, 5 s: when to ask again after a lookup without addresses.
    pub negative_ttl: Duration,
}

/// `ping`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// `entryPoint`, traefik.
    pub entry_point: Located<String>,
    /// `manualRouting`: only where a router leads to `ping@internal`.
    pub manual_routing: bool,
    /// `terminatingStatusCode`, 503.
    pub terminating_status: u16,
}

/// `metrics.prometheus`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prometheus {
    /// `entryPoint`, traefik.
    pub entry_point: Located<String>,
    /// `manualRouting`: only where a router leads to `prometheus@internal`.
    pub manual_routing: bool,
    /// `buckets`, 0.1, 0.3, 1.2, 5: seconds, ascending.
    pub buckets: Vec<f64>,
    /// `addEntryPointsLabels`, true: the traefik_entrypoint_* family.
    pub entry_points: bool,
    /// `addRoutersLabels`, false: the traefik_router_* family.
    pub routers: bool,
    /// `addServicesLabels`, true: the traefik_service_* family.
    pub services: bool,
    /// `headerLabels`: label -> request header whose value it takes, on the `*_requests_total` counters.
    pub header_labels: BTreeMap<String, String>,
}

/// `log`: our own log, on standard error unless `filePath` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `level`, ERROR in Traefik and here. Lower-cased: trace, debug, info, warn, error.
    pub level: String,
    /// `format`: json, else text.
    pub json: bool,
    /// `filePath`.
    pub file: Option<PathBuf>,
}

/// `accessLog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// `filePath`; none is standard output.
    pub file: Option<PathBuf>,
    /// `format`, common.
    pub format: AccessLogFormat,
    /// `bufferingSize`: lines that may wait to be written; 0 takes the default of 8,192.
    pub buffering_size: usize,
    /// `filters.statusCodes`: inclusive ranges; empty is all.
    pub status_codes: Vec<(u16, u16)>,
    /// `filters.retryAttempts`: keep requests that were retried.
    pub retry_attempts: bool,
    /// `filters.minDuration`: keep requests that took longer.
    pub min_duration: Duration,
    /// `fields.defaultMode`, keep.
    pub fields_default: FieldMode,
    /// `fields.names`.
    pub fields: BTreeMap<String, FieldMode>,
    /// `fields.headers.defaultMode`, drop.
    pub headers_default: FieldMode,
    /// `fields.headers.names`, lower-cased.
    pub headers: BTreeMap<String, FieldMode>,
    /// `addInternals`, false: requests to internal services are logged too.
    pub add_internals: bool,
}

/// `accessLog.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// Traefik's extended common log format.
    Common,
    /// The plain combined format.
    GenericClf,
    /// One JSON object a line with Traefik's field names.
    Json,
}

/// What becomes of a field or header in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldMode {
    /// Written.
    Keep,
    /// Left out.
    Drop,
    /// Written as REDACTED (headers only).
    Redact,
}
