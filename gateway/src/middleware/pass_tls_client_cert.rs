//! `passTLSClientCert`: servers are told which certificates the client has shown.
//!
//! Whoever is not among the entry point's `trustedIPs` cannot say it in the gateway's place.

use std::ops::ControlFlow;

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rollgate_config::dynamic::middleware::{CertificateInfo, NameInfo, PassTlsClientCert as Config};

use super::{Answer, Head};
use crate::tls::client_chain::{Attribute, Facts, Name};

/// Compiled.
#[derive(Debug, Clone)]
pub(crate) struct PassTlsClientCert {
    config: Config,
}

impl PassTlsClientCert {
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    pub(super) fn request(&self, head: &mut Head<'_>) -> ControlFlow<Answer> {
        let Config { pem, info } = &self.config;
        let mut pass = |name: HeaderName, value: Option<HeaderValue>| match value {
            Some(value) => drop(head.parts.headers.insert(name, value)),
            // A proxy in front, which the client showed its certificate to, has said it.
            None if head.known_peer => {}
            None => drop(head.parts.headers.remove(name)),
        };
        if *pem {
            pass(CERTIFICATE, head.certificates.map(|chain| chain.encoded().clone()));
        }
        if let Some(info) = info {
            pass(INFO, head.certificates.map(|chain| header(info, chain.facts())));
        }
        ControlFlow::Continue(())
    }
}

/// What is said of each certificate, escaped as in a form. Of a damaged one nothing is.
fn header(wanted: &CertificateInfo, certificates: &[Option<Facts>]) -> HeaderValue {
    let told = |facts: &Option<Facts>| facts.as_ref().map(|facts| told(wanted, facts)).unwrap_or_default();
    let text = certificates.iter().map(told).collect::<Vec<_>>().join(",");
    let escaped = utf8_percent_encode(&text, ESCAPED).to_string().replace(' ', "+");
    HeaderValue::try_from(escaped).expect("what is left is visible")
}

/// `Subject="C=FR,CN=a";NB="0"`: what there is of what is wanted.
fn told(wanted: &CertificateInfo, facts: &Facts) -> String {
    let seconds = |time: i64| time.cast_unsigned().to_string();
    let of = |name: &'static str, wanted: bool, text: String| (wanted && !text.is_empty()).then_some((name, text));
    let parts = [
        of("Subject", true, name(&wanted.subject, &facts.subject)),
        of("Issuer", true, name(&wanted.issuer, &facts.issuer)),
        of("SerialNumber", wanted.serial_number, facts.serial_number.clone()),
        of("NB", wanted.not_before, seconds(facts.not_before)),
        of("NA", wanted.not_after, seconds(facts.not_after)),
        of("SAN", wanted.sans, facts.alternative_names.join(",")),
    ];
    let parts = parts.into_iter().flatten().map(|(name, text)| format!("{name}=\"{text}\""));
    parts.collect::<Vec<_>>().join(";")
}

/// `DC=org,C=FR,CN=a`. Of an attribute that a name has once, the last counts.
fn name(wanted: &NameInfo, name: &Name) -> String {
    let mut parts: Vec<String> = Vec::new();
    if wanted.domain_component {
        parts.extend(name.all(Attribute::DomainComponent).map(|value| format!("DC={value}")));
    }
    for (wanted, prefix, attribute) in [
        (wanted.country, "C", Attribute::Country),
        (wanted.province, "ST", Attribute::Province),
        (wanted.locality, "L", Attribute::Locality),
        (wanted.organization, "O", Attribute::Organization),
        (wanted.organizational_unit, "OU", Attribute::OrganizationalUnit),
    ] {
        let values = name.all(attribute).filter(|value| wanted && !value.is_empty());
        parts.extend(values.map(|value| format!("{prefix}={value}")));
    }
    for (wanted, prefix, attribute) in
        [(wanted.serial_number, "SN", Attribute::SerialNumber), (wanted.common_name, "CN", Attribute::CommonName)]
    {
        let value = name.all(attribute).last().filter(|value| wanted && !value.is_empty());
        parts.extend(value.map(|value| format!("{prefix}={value}")));
    }
    parts.join(",")
}

const CERTIFICATE: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert");
const INFO: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert-info");
/// A blank becomes a plus afterwards.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

#[cfg(test)]
mod tests;
