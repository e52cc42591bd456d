//! Which certificate a client gets: the one with its server name, one with a wildcard for it, else the default.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use rollgate_config::{dynamic::tls::Tls, problem::Problem};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::pem::{self, PairFault, Part};
use crate::metrics::Certificate as Facts;

/// Every certificate of a snapshot, by the names it carries.
#[derive(Debug)]
pub(crate) struct Certificates {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
    fallback: Arc<Fallback>,
    /// For `traefik_tls_certs_not_after`.
    pub(crate) facts: Vec<Facts>,
}

/// Hands a handshake its certificate; with `strict`, none rather than the default.
#[derive(Debug)]
pub(crate) struct Resolver {
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) strict: bool,
}

impl Certificates {
    /// Reads every certificate of the configuration. `fallback` is used where it names no default.
    pub(crate) fn load(tls: &Tls, fallback: &Arc<Fallback>) -> Result<Self, Vec<Problem>> {
        let (mut by_name, mut facts, mut problems) = (HashMap::new(), Vec::new(), Vec::new());
        for (index, certificate) in tls.certificates.iter().enumerate() {
            match certified(certificate, &format!("tls.certificates[{index}]")) {
                Ok((key, names)) => {
                    facts.push(names.facts);
                    for name in names.dns {
                        by_name.entry(name).or_insert_with(|| key.clone());
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        let mut default = None;
        if let Some(certificate) = &tls.default_certificate {
            match certified(certificate, "tls.stores.default.defaultCertificate") {
                Ok((key, names)) => {
                    facts.push(names.facts);
                    default = Some(key);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self { by_name, default, fallback: fallback.clone(), facts })
        } else {
            Err(problems)
        }
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(exact) = self.by_name.get(&name) {
            return Some(exact);
        }
        let (_, rest) = name.split_once('.')?;
        self.by_name.get(&format!("*.{rest}"))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name().and_then(|name| self.certificates.find(name)) {
            Some(found) => Some(found.clone()),
            None if self.strict => None,
            None => self.certificates.default.clone().or_else(|| self.certificates.fallback.key()),
        }
    }
}

/// The default certificate where the configuration gives none: made once per process, when the first handshake wants
/// it, for no real name.
#[derive(Debug, Default)]
pub(crate) struct Fallback(OnceLock<Option<Arc<CertifiedKey>>>);

impl Fallback {
    fn key(&self) -> Option<Arc<CertifiedKey>> {
        let made = self.0.get_or_init(|| match self_made() {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::error!(%error, "the default certificate could not be made");
                None
            }
        });
        made.clone()
    }
}

fn self_made() -> Result<Arc<CertifiedKey>, String> {
    let made = rcgen::generate_simple_self_signed(vec!["rollgate.default".to_owned()]).map_err(|e| e.to_string())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let signing = aws_lc_rs::sign::any_supported_type(&key).map_err(|e| e.to_string())?;
    Ok(Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], signing)))
}

struct Names {
    dns: Vec<String>,
    facts: Facts,
}

fn certified(
    certificate: &rollgate_config::dynamic::tls::Certificate,
    path: &str,
) -> Result<(Arc<CertifiedKey>, Names), Problem> {
    let (chain, key) = pem::pair(certificate, path)?;
    together(chain, key).map_err(|fault| pem::wrong(&certificate.at, path, fault.what))
}

fn together(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<(Arc<CertifiedKey>, Names), PairFault> {
    let names = names(&chain[0]).map_err(|what| PairFault { part: Part::Certificate, what })?;
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| {
        let what = format!("the certificate and the key do not go together: {error}");
        PairFault { part: Part::Both, what }
    })?;
    Ok((Arc::new(key), names))
}

/// Whether a certificate and its key, in PEM, are whole and go together.
///
/// # Errors
/// What is wrong with them, and which of the two it is.
pub fn check_pair(certificate: &str, key: &str) -> Result<(), PairFault> {
    let (chain, key) = pem::parsed(certificate.as_bytes(), key.as_bytes())?;
    together(chain, key).map(drop)
}

fn names(certificate: &CertificateDer<'_>) -> Result<Names, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| format!("not a certificate: {error}"))?;
    let common_name =
        parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    let mut dns = Vec::new();
    if let Ok(Some(sans)) = parsed.subject_alternative_name() {
        for name in &sans.value.general_names {
            if let GeneralName::DNSName(name) = name {
                dns.push(name.to_ascii_lowercase());
            }
        }
    }
    let sans = dns.join(",");
    if dns.is_empty() && !common_name.is_empty() {
        dns.push(common_name.to_ascii_lowercase());
    }
    let facts = Facts {
        common_name: common_name.to_owned(),
        serial: parsed.serial.to_string(),
        sans,
        not_after: parsed.validity().not_after.timestamp(),
    };
    Ok(Names { dns, facts })
}
