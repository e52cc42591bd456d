//! `tls`.

use std::{collections::BTreeMap, path::PathBuf};

use crate::problem::{Located, Place};

/// `tls`.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// `certificates`.
    pub certificates: Vec<Certificate>,
    /// `options`, by name; `default` holds where a router names none. Names other than `default` are qualified.
    pub options: BTreeMap<String, TlsOptions>,
    /// `stores.default.defaultCertificate`; `None`: one made at the start.
    pub default_certificate: Option<Certificate>,
}

/// A certificate and its key. Two are equal if what they name is: a line that moves changes nothing.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Where it was written.
    pub at: Place,
    /// `certFile`.
    pub cert: PemSource,
    /// `keyFile`.
    pub key: PemSource,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.cert == other.cert && self.key == other.key
    }
}

impl Eq for Certificate {}

/// Traefik takes a path or the PEM text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    /// A file to read.
    File(PathBuf),
    /// The text itself.
    Text(String),
}

/// `tls.options.<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// Where it was written.
    pub at: Place,
    /// `minVersion`, VersionTLS12.
    pub min_version: TlsVersion,
    /// `maxVersion`.
    pub max_version: TlsVersion,
    /// `cipherSuites`: TLS 1.2 suites by Go's names; empty is all that rustls has.
    pub cipher_suites: Vec<Located<String>>,
    /// `curvePreferences`: `X25519`, `CurveP256`, `CurveP384`, `X25519MLKEM768`; empty is rustls' own order.
    pub curve_preferences: Vec<Located<String>>,
    /// `clientAuth.caFiles`.
    pub client_ca: Vec<Located<PemSource>>,
    /// `clientAuth.clientAuthType`.
    pub client_auth: ClientAuth,
    /// `sniStrict`, false.
    pub sni_strict: bool,
    /// `alpnProtocols`; h2, http/1.1 (acme-tls/1 is accepted and unused).
    pub alpn: Vec<String>,
    /// `disableSessionTickets`, false.
    pub disable_session_tickets: bool,
}

/// The versions that rustls has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// `clientAuth.clientAuthType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// NoClientCert
    #[default]
    None,
    /// RequestClientCert: asked for, not verified.
    Request,
    /// RequireAnyClientCert: one must come, not verified.
    RequireAny,
    /// VerifyClientCertIfGiven
    VerifyIfGiven,
    /// RequireAndVerifyClientCert
    RequireAndVerify,
}
