//! `http.middlewares`.

mod buffering;
mod circuit_breaker;
mod client_tls;
mod compress;
mod error_pages;
mod forward_auth;
mod pass_tls_client_cert;
mod rate_limit;
mod retry;
pub mod retry_expression;
mod source;
mod users;

pub use self::{
    buffering::Buffering,
    circuit_breaker::{CircuitBreaker, OnTrip},
    compress::{Compress, ContentTypes, Encoding},
    error_pages::ErrorPages,
    retry::{Retry, RetryBudget},
    retry_expression::RetryExpression,
};

use ipnet::IpNet;
use regex::Regex;

pub use self::{
    client_tls::ClientTls,
    forward_auth::ForwardAuth,
    pass_tls_client_cert::{CertificateInfo, NameInfo, PassTlsClientCert},
    rate_limit::{InFlightReq, OnFailure, RateLimit, Redis},
    source::{Scope, SourceCriterion},
    users::{BadLine, BasicUser, DigestUser, PasswordHash, User, UserAuth, UsersFile, users},
};
use crate::{
    problem::{Located, Place},
    scalar::IpStrategy,
    static_config::EncodedCharacters,
};

/// One policy.
#[derive(Debug, Clone)]
pub struct Middleware {
    /// Where it was written.
    pub at: Place,
    /// Exactly one kind.
    pub kind: MiddlewareKind,
}

/// The kinds of middleware.
#[derive(Debug, Clone)]
pub enum MiddlewareKind {
    /// `headers`.
    Headers(Box<Headers>),
    /// `addPrefix.prefix`: begins with `/`.
    AddPrefix(String),
    /// `stripPrefix.prefixes`.
    StripPrefix(Vec<String>),
    /// `stripPrefixRegex.regex`: as written; matched from the path's start.
    StripPrefixRegex(Vec<Regex>),
    /// `replacePath.path`.
    ReplacePath(String),
    /// `replacePathRegex`.
    ReplacePathRegex {
        /// `regex`.
        regex: Regex,
        /// `replacement`, in the regex crate's syntax: `$1` becomes `${1}` here.
        replacement: String,
    },
    /// `redirectScheme`.
    RedirectScheme {
        /// `scheme`.
        scheme: String,
        /// `port`; `None`: no port in the location.
        port: Option<u16>,
        /// `permanent`, false.
        permanent: bool,
    },
    /// `redirectRegex`.
    RedirectRegex {
        /// `regex`, on the whole URL.
        regex: Regex,
        /// `replacement`, in the regex crate's syntax.
        replacement: String,
        /// `permanent`, false.
        permanent: bool,
    },
    /// `chain.middlewares`, qualified names.
    Chain(Vec<Located<String>>),
    /// `basicAuth`.
    BasicAuth(Box<UserAuth<BasicUser>>),
    /// `digestAuth`.
    DigestAuth(Box<UserAuth<DigestUser>>),
    /// `forwardAuth`.
    ForwardAuth(Box<ForwardAuth>),
    /// `ipAllowList`.
    IpAllowList {
        /// `sourceRange`.
        source_range: Vec<IpNet>,
        /// `ipStrategy`.
        strategy: IpStrategy,
        /// `rejectStatusCode`, 403.
        reject_status: u16,
    },
    /// `rateLimit`.
    RateLimit(Box<RateLimit>),
    /// `inFlightReq`.
    InFlightReq(InFlightReq),
    /// `retry`.
    Retry(Retry),
    /// `buffering`.
    Buffering(Buffering),
    /// `errors`.
    Errors(ErrorPages),
    /// `compress`.
    Compress(Compress),
    /// `grpcWeb`: `allowOrigins`, each an origin or `*`.
    GrpcWeb(Vec<String>),
    /// `circuitBreaker`.
    CircuitBreaker(Box<CircuitBreaker>),
    /// `encodedCharacters`: all false by default, unlike those of an entry point.
    EncodedCharacters(EncodedCharacters),
    /// `passTLSClientCert`.
    PassTlsClientCert(Box<PassTlsClientCert>),
    /// `contentType`.
    ContentType {
        /// `autoDetect`, true.
        auto_detect: bool,
    },
}

impl MiddlewareKind {
    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Headers(_) => "headers",
            Self::AddPrefix(_) => "addPrefix",
            Self::StripPrefix(_) => "stripPrefix",
            Self::StripPrefixRegex(_) => "stripPrefixRegex",
            Self::ReplacePath(_) => "replacePath",
            Self::ReplacePathRegex { .. } => "replacePathRegex",
            Self::RedirectScheme { .. } => "redirectScheme",
            Self::RedirectRegex { .. } => "redirectRegex",
            Self::Chain(_) => "chain",
            Self::BasicAuth(_) => "basicAuth",
            Self::DigestAuth(_) => "digestAuth",
            Self::ForwardAuth(_) => "forwardAuth",
            Self::IpAllowList { .. } => "ipAllowList",
            Self::RateLimit(_) => "rateLimit",
            Self::InFlightReq(_) => "inFlightReq",
            Self::Retry(_) => "retry",
            Self::Buffering(_) => "buffering",
            Self::Errors(_) => "errors",
            Self::Compress(_) => "compress",
            Self::GrpcWeb(_) => "grpcWeb",
            Self::CircuitBreaker(_) => "circuitBreaker",
            Self::EncodedCharacters(_) => "encodedCharacters",
            Self::PassTlsClientCert(_) => "passTLSClientCert",
            Self::ContentType { .. } => "contentType",
        }
    }

    /// How it reaches a server of its own by TLS, and the key that says so.
    pub fn client_tls(&self) -> Option<(&'static str, &ClientTls)> {
        match self {
            Self::ForwardAuth(auth) => Some(("forwardAuth.tls", &auth.tls)),
            Self::RateLimit(limit) => Some(("rateLimit.redis.tls", limit.redis.as_ref()?.tls.as_ref()?)),
            _ => None,
        }
    }
}

/// `headers`: names are lower-cased and valid, values valid.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is the key's own name, with Traefik's meaning")]
pub struct Headers {
    /// An empty value deletes.
    pub custom_request_headers: Vec<(String, String)>,
    /// An empty value deletes.
    pub custom_response_headers: Vec<(String, String)>,
    pub access_control_allow_credentials: bool,
    pub access_control_allow_headers: Vec<String>,
    pub access_control_allow_methods: Vec<String>,
    pub access_control_allow_origin_list: Vec<String>,
    pub access_control_allow_origin_list_regex: Vec<Pattern>,
    pub access_control_expose_headers: Vec<String>,
    /// Seconds.
    pub access_control_max_age: Option<i64>,
    pub add_vary_header: bool,
    pub allowed_hosts: Vec<String>,
    pub hosts_proxy_headers: Vec<String>,
    pub ssl_proxy_headers: Vec<(String, String)>,
    /// Seconds.
    pub sts_seconds: u64,
    pub sts_include_subdomains: bool,
    pub sts_preload: bool,
    pub force_sts_header: bool,
    pub frame_deny: bool,
    pub custom_frame_options_value: Option<String>,
    pub content_type_nosniff: bool,
    pub browser_xss_filter: bool,
    pub custom_browser_xss_value: Option<String>,
    pub content_security_policy: Option<String>,
    pub content_security_policy_report_only: Option<String>,
    pub public_key: Option<String>,
    pub referrer_policy: Option<String>,
    pub permissions_policy: Option<String>,
    pub is_development: bool,
}

/// A regular expression that compares by its text.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
