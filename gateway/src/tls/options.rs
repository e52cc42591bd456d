//! TLS options as rustls configurations.

use std::{collections::HashMap, sync::Arc};

use rollgate_config::{
    dynamic::tls::{ClientAuth, TlsOptions, TlsVersion},
    problem::{Located, Place, Problem},
};
use rustls::{
    ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
    server::{
        NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    version::{TLS12, TLS13},
};

use super::{
    certificates::{Certificates, Resolver},
    pem, verify,
};

/// What outlives snapshots: a client that has a ticket keeps it over a reload.
#[derive(Debug)]
pub(crate) struct Sessions {
    tickets: Arc<dyn ProducesTickets>,
    /// What the options of the last configuration stand for, each with the tickets of its sessions.
    known: HashMap<(String, Option<Demand>), Session>,
    next: u32,
}

type Session = (Agreed, Arc<dyn ProducesTickets>);

/// Whose certificate options ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Demand {
    kind: u8,
    authorities: Vec<u8>,
}

/// What a handshake has agreed to: options by name, and what they demand of a client, as a number that is the same over
/// reloads. A connection shows its certificate once; it is good for requests that want the same, and for no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    number: u32,
    /// A certificate was asked for.
    pub(crate) asks: bool,
    /// And one that came was verified.
    pub(crate) verifies: bool,
}

impl Sessions {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        Ok(Self { tickets: aws_lc_rs::Ticketer::new()?, known: HashMap::new(), next: 0 })
    }

    /// What options stand for, and the tickets of their sessions. A session that is resumed shows no certificate again: one
    /// from before certificates were asked for, or from other authorities, must not pass for one that had it.
    pub(crate) fn of(&mut self, name: &str, options: Option<&TlsOptions>) -> Result<Session, rustls::Error> {
        let key = (name.to_owned(), options.and_then(demand));
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let asks = key.1.is_some();
        let mode = options.map(|options| options.client_auth).unwrap_or_default();
        let verifies = matches!(mode, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify);
        let tickets = if asks { aws_lc_rs::Ticketer::new()? } else { self.tickets.clone() };
        let made = (Agreed { number: self.next, asks, verifies }, tickets);
        self.next += 1;
        self.known.insert(key, made.clone());
        Ok(made)
    }

    /// Forgets what is no longer there.
    pub(crate) fn retain(&mut self, agreed: &[Agreed]) {
        self.known.retain(|_, (number, _)| agreed.contains(number));
    }
}

/// `None` if no certificate is asked for. What cannot be read is a problem of the handshake's configuration.
fn demand(options: &TlsOptions) -> Option<Demand> {
    if options.client_auth == ClientAuth::None {
        return None;
    }
    let texts = options.client_ca.iter().map(|ca| pem::read(&ca.value, &ca.at, "").unwrap_or_default());
    Some(Demand { kind: options.client_auth as u8, authorities: texts.flatten().collect() })
}

/// One options section as a configuration for handshakes.
pub(crate) fn server_config(
    name: &str,
    options: Option<&TlsOptions>,
    certificates: &Arc<Certificates>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, Problem> {
    let path = format!("tls.options.{name}");
    let strict = options.is_some_and(|options| options.sni_strict);
    let resolver = Arc::new(Resolver { certificates: certificates.clone(), strict });
    let Some(options) = options else {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| pem::wrong(&nowhere(), &path, error.to_string()))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        finish(&mut config, &[], false, tickets);
        return Ok(Arc::new(config));
    };
    let provider = Arc::new(provider(&options.cipher_suites, &options.curve_preferences, &path)?);
    let versions = versions(options.min_version, options.max_version);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| pem::wrong(&options.at, &path, error.to_string()))?;
    let builder = match client_verifier(options, provider, &path)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver);
    finish(&mut config, &options.alpn, options.disable_session_tickets, tickets);
    Ok(Arc::new(config))
}

/// A problem with options that the machine causes.
pub(crate) fn unusable(name: &str, options: Option<&TlsOptions>, error: rustls::Error) -> Problem {
    let at = options.map_or_else(nowhere, |options| options.at.clone());
    pem::wrong(&at, &format!("tls.options.{name}"), error.to_string())
}

fn finish(config: &mut ServerConfig, alpn: &[String], no_tickets: bool, tickets: Arc<dyn ProducesTickets>) {
    config.alpn_protocols = if alpn.is_empty() {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        alpn.iter().filter(|name| *name != "acme-tls/1").map(|name| name.as_bytes().to_vec()).collect()
    };
    if no_tickets {
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    } else {
        config.ticketer = tickets;
        // Tickets carry the session; the memory cache serves the few clients that resume TLS 1.2 by id.
        config.session_storage = ServerSessionMemoryCache::new(1024);
    }
    config.max_early_data_size = 0;
}

/// The provider with only the suites and groups that the configuration names.
pub(crate) fn provider(
    suites: &[Located<String>],
    curves: &[Located<String>],
    path: &str,
) -> Result<CryptoProvider, Problem> {
    let mut provider = aws_lc_rs::default_provider();
    if !suites.is_empty() {
        let mut wanted = Vec::new();
        for suite in suites {
            wanted.push(find_suite(suite).ok_or_else(|| {
                pem::wrong(
                    &suite.at,
                    &format!("{path}.cipherSuites"),
                    format!("unknown cipher suite {:?}", suite.value),
                )
            })?);
        }
        // As in Go, the list chooses among the suites of TLS 1.2; those of TLS 1.3 are always there.
        provider.cipher_suites.retain(|suite| suite.tls13().is_some() || wanted.contains(suite));
    }
    if !curves.is_empty() {
        let mut groups = Vec::new();
        for curve in curves {
            groups.push(find_group(&curve.value).ok_or_else(|| {
                pem::wrong(&curve.at, &format!("{path}.curvePreferences"), format!("unknown curve {:?}", curve.value))
            })?);
        }
        provider.kx_groups = groups;
    }
    Ok(provider)
}

/// The versions between two.
pub(crate) fn versions(min: TlsVersion, max: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    let mut versions = Vec::new();
    if max >= TlsVersion::Tls13 {
        versions.push(&TLS13);
    }
    if min <= TlsVersion::Tls12 {
        versions.push(&TLS12);
    }
    versions
}

fn client_verifier(
    options: &TlsOptions,
    provider: Arc<CryptoProvider>,
    path: &str,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Problem> {
    let mandatory = matches!(options.client_auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify);
    match options.client_auth {
        ClientAuth::None => Ok(None),
        ClientAuth::Request | ClientAuth::RequireAny => Ok(Some(Arc::new(verify::AnyClient { provider, mandatory }))),
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {
            let path = format!("{path}.clientAuth.caFiles");
            let roots = pem::roots(options.client_ca.iter().map(|ca| (&ca.value, &ca.at)), &path)?;
            let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if !mandatory {
                builder = builder.allow_unauthenticated();
            }
            let verifier = builder.build().map_err(|error| pem::wrong(&options.at, &path, error.to_string()))?;
            Ok(Some(verifier))
        }
    }
}

/// Go's name of a suite, `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, is rustls' name too but for TLS 1.3's.
fn find_suite(name: &Located<String>) -> Option<SupportedCipherSuite> {
    let wanted = name.value.to_ascii_uppercase();
    aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().find(|suite| {
        let ours = format!("{:?}", suite.suite());
        let short = wanted.strip_suffix("_SHA256").filter(|_| wanted.contains("CHACHA20"));
        ours == wanted || ours.replacen("TLS13_", "TLS_", 1) == wanted || short.is_some_and(|short| ours == short)
    })
}

fn find_group(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    use aws_lc_rs::kx_group;
    match name.to_ascii_lowercase().as_str() {
        "x25519" => Some(kx_group::X25519),
        "curvep256" | "secp256r1" => Some(kx_group::SECP256R1),
        "curvep384" | "secp384r1" => Some(kx_group::SECP384R1),
        "x25519mlkem768" => Some(kx_group::X25519MLKEM768),
        _ => None,
    }
}

fn nowhere() -> Place {
    Place { source: "default".into(), line: 0, column: 0 }
}
