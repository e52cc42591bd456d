//! What a line is made of, and which parts of it are kept.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{REFERER, USER_AGENT},
    uri::PathAndQuery,
};
use rollgate_config::static_config::{AccessLog as Config, AccessLogFormat, FieldMode};

use crate::metrics::TlsLabels;

/// One request, told by what is cheap to clone. What is not known is left out of the line, or a `-` in it.
#[derive(Debug, Clone)]
pub struct Record {
    /// When its head had come.
    pub start: SystemTime,
    /// From then to the last byte of the answer.
    pub duration: Duration,
    /// Where it came in.
    pub entry_point: Arc<str>,
    /// The router that won; none if it was refused before.
    pub router: Option<Arc<str>>,
    /// The service whose server was asked.
    pub service: Option<Arc<str>>,
    /// The server's URL.
    pub server_url: Option<Arc<str>>,
    /// The server's `host:port`.
    pub server_address: Option<Arc<str>>,
    /// The peer.
    pub client: SocketAddr,
    /// X-Forwarded-For, as the peer may say it.
    pub forwarded_for: Option<HeaderValue>,
    /// Who the client says it is; proved, unless the request was refused for want of a proof.
    pub username: Option<Arc<str>>,
    /// `Host` or `:authority`.
    pub host: Option<HeaderValue>,
    /// Its method; none if its head could not be read.
    pub method: Option<Method>,
    /// Its path and query, as they came.
    pub path: Option<PathAndQuery>,
    /// Its protocol.
    pub version: Option<Version>,
    /// The connection's TLS.
    pub tls: Option<TlsLabels>,
    /// The subject of the client's certificate.
    pub tls_subject: Option<Arc<str>>,
    /// Tries after the first one.
    pub retries: u32,
    /// Bytes of its body.
    pub request_bytes: u64,
    /// What the server answered.
    pub origin: Option<Origin>,
    /// The status that the client got.
    pub status: u16,
    /// Bytes of the body that the client got.
    pub bytes: u64,
    /// From [`super::AccessLog::request_headers`].
    pub request_headers: Headers,
    /// From [`super::AccessLog::response_headers`], of the server's answer.
    pub origin_headers: Headers,
    /// From [`super::AccessLog::response_headers`], of the client's.
    pub downstream_headers: Headers,
}

impl Record {
    /// Of a request of which is known where it came from, and when: now.
    pub fn began(entry_point: Arc<str>, client: SocketAddr, tls: Option<TlsLabels>) -> Self {
        Self {
            start: SystemTime::now(),
            duration: Duration::ZERO,
            entry_point,
            router: None,
            service: None,
            server_url: None,
            server_address: None,
            client,
            forwarded_for: None,
            username: None,
            host: None,
            method: None,
            path: None,
            version: None,
            tls,
            tls_subject: None,
            retries: 0,
            request_bytes: 0,
            origin: None,
            status: 0,
            bytes: 0,
            request_headers: Headers::new(),
            origin_headers: Headers::new(),
            downstream_headers: Headers::new(),
        }
    }
}

/// A server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Its status.
    pub status: u16,
    /// From the request being sent to the end of the answer.
    pub duration: Duration,
    /// Bytes of its body.
    pub bytes: u64,
}

/// Header fields that are kept; those of one name stand together.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// `filters`.
pub(super) struct Filters {
    status_codes: Vec<(u16, u16)>,
    retry_attempts: bool,
    min_duration: Duration,
}

impl Filters {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            status_codes: config.status_codes.clone(),
            retry_attempts: config.retry_attempts,
            min_duration: config.min_duration,
        }
    }

    pub(super) fn keep(&self, status: u16, duration: Duration, retries: u32) -> bool {
        let by_duration = !self.min_duration.is_zero();
        (self.status_codes.is_empty() && !self.retry_attempts && !by_duration)
            || self.status_codes.iter().any(|(first, last)| (*first..=*last).contains(&status))
            || (self.retry_attempts && retries > 0)
            || (by_duration && duration > self.min_duration)
    }
}

/// `fields.headers`, as far as the format shows headers.
pub(super) struct HeaderPolicy {
    request: Kept,
    response: Kept,
}

impl HeaderPolicy {
    pub(super) fn new(config: &Config) -> Self {
        let default = config.headers_default;
        let parsed = |(name, mode): (&String, &FieldMode)| Some((name.parse::<HeaderName>().ok()?, *mode));
        let names: Vec<(HeaderName, FieldMode)> = config.headers.iter().filter_map(parsed).collect();
        if config.format == AccessLogFormat::Json {
            return Self { request: Kept { default, names: names.clone() }, response: Kept { default, names } };
        }
        let mode = |shown: HeaderName| {
            let mode = names.iter().find(|(name, _)| *name == shown).map_or(default, |(_, mode)| *mode);
            (shown, mode)
        };
        Self {
            request: Kept { default: FieldMode::Drop, names: vec![mode(REFERER), mode(USER_AGENT)] },
            response: Kept { default: FieldMode::Drop, names: Vec::new() },
        }
    }

    pub(super) fn of_request(&self, headers: &HeaderMap) -> Headers {
        self.request.of(headers)
    }

    pub(super) fn of_response(&self, headers: &HeaderMap) -> Headers {
        self.response.of(headers)
    }
}

struct Kept {
    default: FieldMode,
    names: Vec<(HeaderName, FieldMode)>,
}

impl Kept {
    fn of(&self, headers: &HeaderMap) -> Headers {
        let mut kept = Headers::new();
        if self.default == FieldMode::Drop {
            for (name, mode) in &self.names {
                headers.get_all(name).iter().for_each(|value| keep(&mut kept, name, value, *mode));
            }
            return kept;
        }
        for (name, value) in headers {
            let mode = self.names.iter().find(|(known, _)| known == name).map_or(self.default, |(_, mode)| *mode);
            keep(&mut kept, name, value, mode);
        }
        kept
    }
}

fn keep(kept: &mut Headers, name: &HeaderName, value: &HeaderValue, mode: FieldMode) {
    match mode {
        FieldMode::Keep => kept.push((name.clone(), value.clone())),
        FieldMode::Drop => {}
        // Once, however many lines the field has.
        FieldMode::Redact if kept.last().is_some_and(|(last, _)| last == name) => {}
        FieldMode::Redact => kept.push((name.clone(), HeaderValue::from_static("REDACTED"))),
    }
}

/// A field with Traefik's name; in the order of [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    ClientAddr,
    ClientHost,
    ClientPort,
    ClientUsername,
    DownstreamContentSize,
    DownstreamStatus,
    Duration,
    GzipRatio,
    OriginContentSize,
    OriginDuration,
    OriginStatus,
    Overhead,
    RequestAddr,
    RequestContentSize,
    RequestCount,
    RequestHost,
    RequestMethod,
    RequestPath,
    RequestPort,
    RequestProtocol,
    RequestScheme,
    RetryAttempts,
    RouterName,
    ServiceAddr,
    ServiceName,
    ServiceUrl,
    StartLocal,
    StartUtc,
    TlsCipher,
    TlsClientSubject,
    TlsVersion,
    EntryPointName,
}

impl Field {
    /// The key in JSON and in `fields.names`.
    pub(super) fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// `fields.defaultMode` and `fields.names`: which fields are written.
#[derive(Clone, Copy)]
pub(super) struct Fields(u32);

impl Fields {
    pub(super) fn new(default: FieldMode, names: &BTreeMap<String, FieldMode>) -> Self {
        let kept = |name: &str| {
            let named = names.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            named.map_or(default, |(_, mode)| *mode) != FieldMode::Drop
        };
        Self(NAMES.iter().enumerate().fold(0, |bits, (at, name)| bits | u32::from(kept(name)) << at))
    }

    pub(super) fn keep(self, field: Field) -> bool {
        self.0 & 1 << field as u32 != 0
    }
}

const NAMES: [&str; 32] = [
    "ClientAddr",
    "ClientHost",
    "ClientPort",
    "ClientUsername",
    "DownstreamContentSize",
    "DownstreamStatus",
    "Duration",
    "GzipRatio",
    "OriginContentSize",
    "OriginDuration",
    "OriginStatus",
    "Overhead",
    "RequestAddr",
    "RequestContentSize",
    "RequestCount",
    "RequestHost",
    "RequestMethod",
    "RequestPath",
    "RequestPort",
    "RequestProtocol",
    "RequestScheme",
    "RetryAttempts",
    "RouterName",
    "ServiceAddr",
    "ServiceName",
    "ServiceURL",
    "StartLocal",
    "StartUTC",
    "TLSCipher",
    "TLSClientSubject",
    "TLSVersion",
    "entryPointName",
];
