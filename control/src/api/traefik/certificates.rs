//! `certificates`: those that routers are served with, by their configuration.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{Timestamp, ToSpan as _};
use rollgate_config::dynamic::tls::PemSource;
use serde_json::{Value, json};
use x509_parser::{
    asn1_rs::oid,
    der_parser::Oid,
    error::X509Error,
    pem::Pem,
    prelude::{AlgorithmIdentifier, FromDer as _, GeneralName, X509Certificate},
    public_key::PublicKey,
    signature_algorithm::SignatureAlgorithm,
    time::ASN1Time,
    x509::{AttributeTypeAndValue, X509Name},
};

use super::{
    TraefikAnswer, View, paging,
    query::{Criterion, Query},
    sort::{By, sort},
};

pub(super) fn list(query: &Query, view: &View<'_>) -> TraefikAnswer {
    let criterion = Criterion::of(query);
    let mut found = all(view);
    found.retain(|certificate| {
        let Certificate { common_name, issuer_organization, issuer_name, .. } = certificate;
        let texts: Vec<&str> = [common_name, issuer_organization, issuer_name]
            .into_iter()
            .chain(&certificate.names)
            .map(|text| &**text)
            .collect();
        criterion.keeps(certificate.status, &texts)
    });
    sort(query, &mut found, |certificate| &certificate.common_name, by);
    paging::page(query, &found, |certificate| certificate.shown.clone())
}

pub(super) fn one(fingerprint: &str, view: &View<'_>) -> TraefikAnswer {
    TraefikAnswer::one("certificate", fingerprint, |name| {
        all(view).into_iter().find(|certificate| certificate.fingerprint == name).map(|certificate| certificate.shown)
    })
}

/// How many there are, and of these how many end soon or are over.
pub(super) fn counted(view: &View<'_>) -> [usize; 3] {
    let all = all(view);
    let count = |status| all.iter().filter(|certificate| certificate.status == status).count();
    [all.len(), count(WARNING), count(EXPIRED)]
}

fn by<'t>(certificate: &'t Certificate, word: &str) -> Option<By<'t>> {
    match word {
        "status" => Some(By::Text(certificate.status)),
        "issuer" if certificate.issuer_organization.is_empty() => Some(By::Text(&certificate.issuer_name)),
        "issuer" => Some(By::Text(&certificate.issuer_organization)),
        "validUntil" => Some(By::Number(certificate.not_after)),
        _ => None,
    }
}

/// What a list is made of.
struct Certificate {
    fingerprint: String,
    common_name: String,
    issuer_organization: String,
    issuer_name: String,
    /// Alternative names, sorted.
    names: Vec<String>,
    /// In seconds since 1970.
    not_after: i64,
    status: &'static str,
    shown: Value,
}

/// Each once. The configuration was accepted, so that they can be read; one that cannot is left out.
fn all(view: &View<'_>) -> Vec<Certificate> {
    let tls = &view.configuration.tls;
    let mut found: Vec<Certificate> = Vec::new();
    for certificate in tls.certificates.iter().chain(&tls.default_certificate) {
        let PemSource::Text(text) = &certificate.cert else { continue };
        let Some(Ok(pem)) = Pem::iter_from_buffer(text.as_bytes()).next() else { continue };
        found.extend(
            read(&pem.contents, view.now).filter(|new| found.iter().all(|old| old.fingerprint != new.fingerprint)),
        );
    }
    found
}

fn read(der: &[u8], now: Timestamp) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = alternative_names(&certificate)?;
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    let not_after = certificate.validity().not_after;
    let fingerprint = hexadecimal(der);
    let status = status(not_after, now);
    let (key_type, key_size) = key(&certificate);
    let mut shown = json!({
        "name": fingerprint,
        "sans": names,
        "notAfter": time(not_after),
        "notBefore": time(certificate.validity().not_before),
        "serialNumber": certificate.tbs_certificate.serial.to_string(),
        "commonName": first(subject.iter_common_name()),
        "version": format!("v{}", certificate.version().0 + 1),
        "keyType": key_type,
        "signatureAlgorithm": signature(&certificate.signature_algorithm),
        "certFingerprint": fingerprint,
        "publicKeyFingerprint": hexadecimal(certificate.public_key().raw),
        "status": status,
    });
    let seldom = [
        ("issuerOrg", first(issuer.iter_organization())),
        ("issuerCN", first(issuer.iter_common_name())),
        ("issuerCountry", country(issuer)),
        ("organization", first(subject.iter_organization())),
        ("country", country(subject)),
    ];
    for (key, text) in seldom.into_iter().filter(|(_, text)| !text.is_empty()) {
        shown[key] = json!(text);
    }
    if key_size > 0 {
        shown["keySize"] = json!(key_size);
    }
    Some(Certificate {
        fingerprint,
        common_name: first(subject.iter_common_name()),
        issuer_organization: first(issuer.iter_organization()),
        issuer_name: first(issuer.iter_common_name()),
        names,
        not_after: not_after.timestamp(),
        status,
        shown,
    })
}

fn status(not_after: ASN1Time, now: Timestamp) -> &'static str {
    let end = Timestamp::from_second(not_after.timestamp()).unwrap_or(Timestamp::MAX);
    let soon = now.checked_add(SOON.hours()).unwrap_or(Timestamp::MAX);
    if end < now {
        EXPIRED
    } else if end < soon {
        WARNING
    } else {
        super::ENABLED
    }
}

fn time(time: ASN1Time) -> String {
    Timestamp::from_second(time.timestamp()).map(|time| time.to_string()).unwrap_or_default()
}

/// Names in DNS and addresses, sorted.
fn alternative_names(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let Some(extension) = certificate.subject_alternative_name().ok()? else { return Some(Vec::new()) };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    Some(names)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Go takes the last of several common names; there is one.
fn first<'n>(mut values: impl Iterator<Item = &'n AttributeTypeAndValue<'n>>) -> String {
    values.next().and_then(|value| value.as_str().ok()).unwrap_or_default().to_owned()
}

fn country(name: &X509Name<'_>) -> String {
    first(name.iter_country())
}

/// What Traefik knows: its bits too.
fn key(certificate: &X509Certificate<'_>) -> (&'static str, usize) {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => ("RSA", key.key_size()),
        Ok(PublicKey::EC(key)) => ("ECDSA", key.key_size()),
        _ => ("Unknown", 0),
    }
}

/// By Go's name; one that it does not know is `0`.
fn signature(algorithm: &AlgorithmIdentifier<'_>) -> &'static str {
    if algorithm.algorithm == PSS {
        return pss(SignatureAlgorithm::try_from(algorithm));
    }
    SIGNATURES.into_iter().find(|(oid, _)| *oid == algorithm.algorithm).map_or("0", |(_, name)| name)
}

/// With one hash for everything, and a salt as long as that.
fn pss(algorithm: Result<SignatureAlgorithm<'_>, X509Error>) -> &'static str {
    let Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) = &algorithm else { return "0" };
    let mask = parameters.mask_gen_algorithm().ok().map(|mask| mask.hash);
    let hash = parameters.hash_algorithm_oid();
    let salt_length = parameters.salt_length();
    let is = |(oid, salt, _): &(Oid<'_>, u32, &str)| oid == hash && mask.as_ref() == Some(oid) && salt_length == *salt;
    PSS_HASHES.into_iter().find(is).map_or("0", |(_, _, name)| name)
}

fn hexadecimal(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

const WARNING: &str = "warning";
const EXPIRED: &str = "expired";
/// From so many hours before its end on a certificate is told of: 30 days.
const SOON: i32 = 30 * 24;

const PSS: Oid<'static> = oid!(1.2.840.113549.1.1.10);
const SIGNATURES: [(Oid<'static>, &str); 9] = [
    (oid!(1.2.840.113549.1.1.5), "SHA1-RSA"),
    (oid!(1.2.840.113549.1.1.11), "SHA256-RSA"),
    (oid!(1.2.840.113549.1.1.12), "SHA384-RSA"),
    (oid!(1.2.840.113549.1.1.13), "SHA512-RSA"),
    (oid!(1.2.840.10045.4.1), "ECDSA-SHA1"),
    (oid!(1.2.840.10045.4.3.2), "ECDSA-SHA256"),
    (oid!(1.2.840.10045.4.3.3), "ECDSA-SHA384"),
    (oid!(1.2.840.10045.4.3.4), "ECDSA-SHA512"),
    (oid!(1.3.101.112), "Ed25519"),
];
const PSS_HASHES: [(Oid<'static>, u32, &str); 3] = [
    (oid!(2.16.840.1.101.3.4.2.1), 32, "SHA256-RSAPSS"),
    (oid!(2.16.840.1.101.3.4.2.2), 48, "SHA384-RSAPSS"),
    (oid!(2.16.840.1.101.3.4.2.3), 64, "SHA512-RSAPSS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_a_month_before_its_end() {
        let end = ASN1Time::from_timestamp(2_000_000_000).expect("it is a time");
        let days = |days: i64| Timestamp::from_second(2_000_000_000 - days * 86_400).expect("it is a time");
        for (now, expected) in
            [(days(31), "enabled"), (days(29), "warning"), (days(0), "warning"), (days(-1), "expired")]
        {
            assert_eq!(status(end, now), expected, "{now}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert!(read(b"", Timestamp::UNIX_EPOCH).is_none());
        assert!(read(&[0x30, 0x82, 0xff], Timestamp::UNIX_EPOCH).is_none());
    }
}
