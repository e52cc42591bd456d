//! What holds where nothing is written. Traefik's defaults, but for the few that docs/traefik.md names.

use std::time::Duration;

use url::Url;

use crate::{
    dynamic::{
        affinity::Cookie,
        middleware::{ClientTls, ForwardAuth, OnFailure, RateLimit, Redis, Scope, SourceCriterion},
        service::{
            LoadBalancer, Strategy,
            health::{HealthCheck, PassiveHealthCheck, Probe},
        },
        tls::{TlsOptions, TlsVersion},
        transport::ServersTransport,
    },
    problem::{Located, Place},
    scalar::{IpStrategy, Trust},
    static_config::{
        AccessLog, AccessLogFormat, EncodedCharacters, EntryPoint, EntryPointHttp, FieldMode, ForwardedHeaders, Http2,
        INTERNAL, Limits, Log, Ping, Prometheus, Resolver, RespondingTimeouts, Static, UnderscoreHeaders,
    },
};

/// The source of what nobody wrote.
const DEFAULT: &str = "default";

/// Where the internal entry point listens.
const INTERNAL_ADDRESS: &str = "127.0.0.1:8080";

impl Place {
    /// The place of what nobody wrote.
    pub fn of_default() -> Self {
        Self::whole(DEFAULT)
    }
}

impl Default for Static {
    /// The configuration of an operator who wrote nothing.
    fn default() -> Self {
        let mut empty = Self {
            entry_points: std::collections::BTreeMap::new(),
            file_provider: None,
            rest_provider: false,
            ping: None,
            prometheus: None,
            metrics_add_internals: false,
            limits: Limits::default(),
            log: Log::default(),
            access_log: None,
            servers_transport: ServersTransport::new(Place::of_default()),
            resolver: Resolver::default(),
            api: None,
        };
        empty.add_implicit_entry_points();
        empty
    }
}

impl Static {
    /// Sets where the internal entry point listens if the operator did not say.
    pub fn set_internal_default(&mut self, address: &str) {
        if let Some(internal) = self.entry_points.get_mut(INTERNAL).filter(|internal| &*internal.at.source == DEFAULT) {
            address.clone_into(&mut internal.address.value);
        }
    }

    pub(crate) fn add_implicit_entry_points(&mut self) {
        if self.entry_points.is_empty() {
            self.entry_points.insert("http".to_owned(), implicit(":80"));
        }
        self.entry_points.entry(INTERNAL.to_owned()).or_insert_with(|| implicit(INTERNAL_ADDRESS));
    }
}

fn implicit(address: &str) -> EntryPoint {
    let at = Place::of_default();
    EntryPoint::new(at.clone(), Located { value: address.to_owned(), at })
}

impl EntryPoint {
    /// An entry point of which only the address is written.
    pub fn new(at: Place, address: Located<String>) -> Self {
        Self {
            at,
            address,
            as_default: false,
            timeouts: RespondingTimeouts::default(),
            request_accept_grace_timeout: Duration::ZERO,
            grace_timeout: Duration::from_secs(10),
            keep_alive_max_requests: 0,
            keep_alive_max_time: Duration::ZERO,
            proxy_protocol: None::<Trust>,
            forwarded_headers: ForwardedHeaders::default(),
            http: EntryPointHttp::default(),
            http2: Http2::default(),
            access_logs: true,
            metrics: true,
        }
    }
}

impl Default for RespondingTimeouts {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(60),
            write: Duration::ZERO,
            idle: Duration::from_secs(180),
            header: Duration::from_secs(10),
            tls_handshake: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            // RFC 1122 section 4.2.3.5 asks for 100 s at least: a client in a tunnel comes out again.
            tcp_user: Duration::from_secs(120),
        }
    }
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 250,
            max_resets: 250,
            max_pings: 100,
            max_settings: 50,
            max_empty_frames: 100,
            max_window_updates: 1000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: None,
            max_connections_per_client: 0,
            memory: None,
            memory_refuse_at: 90,
            max_replay_bytes: 128 * 1024 * 1024,
            max_buffer_file_bytes: 4 * 1024 * 1024 * 1024,
            max_compress_bytes: 128 * 1024 * 1024,
            max_mirror_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Default for EntryPointHttp {
    fn default() -> Self {
        Self {
            redirection: None,
            middlewares: Vec::new(),
            tls: None,
            sanitize_path: true,
            encoded_characters: EncodedCharacters::default(),
            encode_query_semicolons: false,
            underscore_headers: UnderscoreHeaders::Keep,
            max_header_bytes: 1 << 20,
            max_header_fields: 128,
            max_request_line_bytes: 64 * 1024,
            max_body_bytes: 0,
        }
    }
}

impl Default for EncodedCharacters {
    fn default() -> Self {
        Self::ALL
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "error".to_owned(), json: false, file: None }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            resolv_config: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
            name_servers: Vec::new(),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(300),
            negative_ttl: Duration::from_secs(5),
        }
    }
}

impl Default for Ping {
    fn default() -> Self {
        Self { entry_point: internal_name(), manual_routing: false, terminating_status: 503 }
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            entry_point: internal_name(),
            manual_routing: false,
            buckets: vec![0.1, 0.3, 1.2, 5.0],
            entry_points: true,
            routers: false,
            services: true,
            header_labels: std::collections::BTreeMap::new(),
        }
    }
}

fn internal_name() -> Located<String> {
    Located { value: INTERNAL.to_owned(), at: Place::of_default() }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            file: None,
            format: AccessLogFormat::Common,
            buffering_size: 8_192,
            status_codes: Vec::new(),
            retry_attempts: false,
            min_duration: Duration::ZERO,
            fields_default: FieldMode::Keep,
            fields: std::collections::BTreeMap::new(),
            headers_default: FieldMode::Drop,
            headers: std::collections::BTreeMap::new(),
            add_internals: false,
        }
    }
}

impl ForwardAuth {
    /// Asks this address, with Traefik's defaults but for the bounds.
    pub fn new(address: Located<Url>) -> Self {
        Self {
            address,
            tls: ClientTls::default(),
            trust_forward_header: None,
            auth_response_headers: Vec::new(),
            auth_response_headers_regex: None,
            auth_request_headers: Vec::new(),
            max_response_body_size: 1 << 20,
            add_auth_cookies_to_response: Vec::new(),
            header_field: None,
            forward_body: false,
            max_body_size: 2 << 20,
            preserve_location_header: false,
            preserve_request_method: false,
            auth_signin_url: None,
        }
    }
}

impl ServersTransport {
    /// A transport of which nothing is written.
    pub fn new(at: Place) -> Self {
        Self {
            at,
            server_name: None,
            insecure_skip_verify: false,
            root_cas: Vec::new(),
            certificates: Vec::new(),
            cipher_suites: Vec::new(),
            min_version: TlsVersion::Tls12,
            max_version: TlsVersion::Tls13,
            max_idle_conns_per_host: 200,
            disable_http2: false,
            peer_cert_uri: None,
            dial_timeout: Duration::from_secs(30),
            response_header_timeout: Duration::ZERO,
            idle_conn_timeout: Duration::from_secs(4),
            read_idle_timeout: Duration::ZERO,
            ping_timeout: Duration::from_secs(15),
            tcp_keep_alive: Duration::from_secs(15),
            tcp_user_timeout: Duration::from_secs(30),
        }
    }
}

impl TlsOptions {
    /// Options of which nothing is written.
    pub fn new(at: Place) -> Self {
        Self {
            at,
            min_version: TlsVersion::Tls12,
            max_version: TlsVersion::Tls13,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            client_ca: Vec::new(),
            client_auth: crate::dynamic::tls::ClientAuth::None,
            sni_strict: false,
            alpn: vec!["h2".to_owned(), "http/1.1".to_owned()],
            disable_session_tickets: false,
        }
    }
}

impl Default for LoadBalancer {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            strategy: Strategy::Wrr,
            sticky: None,
            pass_host_header: true,
            servers_transport: None,
            flush_interval: None,
            health_check: None,
            passive_health_check: None,
        }
    }
}

impl Cookie {
    /// A sticky cookie of which nothing is written: it lasts as long as the browser.
    pub fn of_sessions() -> Self {
        Self {
            name: String::new(),
            secure: false,
            http_only: false,
            same_site: None,
            max_age: 0,
            path: "/".to_owned(),
            domain: String::new(),
        }
    }

    /// A cohort's cookie of which nothing is written: it lasts for 30 days, longer than a rollout.
    pub fn of_cohorts() -> Self {
        Self { max_age: 30 * 24 * 3600, ..Self::of_sessions() }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            average: 0,
            period: Duration::from_secs(1),
            burst: 1,
            source: SourceCriterion::Ip(IpStrategy::default()),
            scope: Scope::default(),
            max_sources: 1_000_000,
            response_headers: false,
            redis: None,
        }
    }
}

impl Redis {
    /// A server of which nothing is written.
    pub fn new(at: Place) -> Self {
        Self {
            at,
            endpoints: vec![("localhost".to_owned(), 6379)],
            tls: None,
            username: None,
            password: None,
            db: 0,
            connections: 2,
            read_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(3),
            dial_timeout: Duration::from_secs(5),
            on_failure: OnFailure::default(),
            replicas: 1,
        }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            probe: Probe::default(),
            interval: Duration::from_secs(30),
            unhealthy_interval: None,
            timeout: Duration::from_secs(5),
        }
    }
}

impl Default for PassiveHealthCheck {
    fn default() -> Self {
        Self { failure_window: Duration::from_secs(10), max_failed_attempts: 1, max_ejected_percent: 50 }
    }
}
