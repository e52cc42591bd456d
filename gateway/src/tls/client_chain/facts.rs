//! What a certificate says of its owner and its issuer (RFC 5280), as Go reads it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::{
    asn1_rs::{Any, Oid, Tag, oid},
    prelude::{FromDer, GeneralName, X509Certificate, X509Name},
};

/// Of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) subject: Name,
    pub(crate) issuer: Name,
    /// A decimal number.
    pub(crate) serial_number: String,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    /// Seconds since 1970.
    pub(crate) not_after: i64,
    /// DNS names, then e-mail addresses, IP addresses and URIs.
    pub(crate) alternative_names: Vec<String>,
}

/// A distinguished name: its attributes in their order, those that nobody asks for left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Name(Vec<(Attribute, String)>);

/// What a name is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    DomainComponent,
    Country,
    Province,
    Locality,
    Organization,
    OrganizationalUnit,
    SerialNumber,
    CommonName,
}

impl Facts {
    /// `None` if it is no certificate, or says something that no certificate may say.
    pub(super) fn read(certificate: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let validity = certificate.validity();
        Some(Self {
            subject: Name::read(certificate.subject())?,
            issuer: Name::read(certificate.issuer())?,
            serial_number: certificate.serial.to_string(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            alternative_names: alternative_names(&certificate)?,
        })
    }
}

impl Name {
    /// Every value of an attribute.
    pub(crate) fn all(&self, attribute: Attribute) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(of, _)| *of == attribute).map(|(_, value)| &**value)
    }

    fn read(name: &X509Name<'_>) -> Option<Self> {
        let mut read = Vec::new();
        for attribute in name.iter_attributes() {
            if let Some((kind, _)) = ATTRIBUTES.iter().find(|(_, id)| attribute.attr_type() == id) {
                read.push((*kind, text(attribute.attr_value())?));
            }
        }
        Some(Self(read))
    }
}

/// The kinds of text that a name may be written in.
fn text(value: &Any<'_>) -> Option<String> {
    let data = value.as_bytes();
    let of_characters = |may_be: fn(u8) -> bool| {
        let text = std::str::from_utf8(data).ok()?;
        text.bytes().all(may_be).then(|| text.to_owned())
    };
    match value.tag() {
        Tag::Utf8String => of_characters(|_| true),
        Tag::PrintableString => of_characters(is_printable),
        Tag::Ia5String => of_characters(|byte| byte.is_ascii()),
        Tag::NumericString => of_characters(|byte| byte.is_ascii_digit() || byte == b' '),
        // Read as Latin-1, as everybody does.
        Tag::T61String => Some(data.iter().copied().map(char::from).collect()),
        Tag::BmpString => two_byte_text(data),
        _ => None,
    }
}

/// `*` and `&` are in no PrintableString, but in certificates.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(&byte)
}

fn two_byte_text(data: &[u8]) -> Option<String> {
    let (units, []) = data.as_chunks() else { return None };
    let units = units.strip_suffix(&[[0, 0]]).unwrap_or(units);
    let character = |unit: &[u8; 2]| match u16::from_be_bytes(*unit) {
        0xFFFE | 0xFFFF | 0xFDD0..=0xFDEF => None,
        unit => char::from_u32(unit.into()),
    };
    units.iter().map(character).collect()
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let Some(extension) = certificate.subject_alternative_name().ok()? else { return Some(Vec::new()) };
    let mut kinds: [Vec<String>; 4] = Default::default();
    for name in &extension.value.general_names {
        let (kind, text) = match name {
            GeneralName::DNSName(name) => (0, ascii(name)?.to_owned()),
            GeneralName::RFC822Name(address) => (1, ascii(address)?.to_owned()),
            GeneralName::IPAddress(octets) => (2, address(octets)?.to_string()),
            GeneralName::URI(uri) => (3, with_lower_scheme(ascii(uri)?)),
            GeneralName::Invalid(..) => return None,
            _ => continue,
        };
        kinds[kind].push(text);
    }
    Some(kinds.concat())
}

fn ascii(text: &str) -> Option<&str> {
    text.is_ascii().then_some(text)
}

/// IPv4 in IPv6 is IPv4.
fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(|four| Ipv4Addr::from(four).into());
    let sixteen = || <[u8; 16]>::try_from(octets).map(|sixteen| Ipv6Addr::from(sixteen).into());
    four.or_else(|_| sixteen()).ok().map(|address: IpAddr| address.to_canonical())
}

fn with_lower_scheme(uri: &str) -> String {
    match uri.split_once(':') {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) => {
            format!("{}:{rest}", scheme.to_ascii_lowercase())
        }
        _ => uri.to_owned(),
    }
}

/// RFC 4519 section 2; the domain's component is of RFC 2247.
const ATTRIBUTES: [(Attribute, Oid<'static>); 8] = [
    (Attribute::DomainComponent, oid!(0.9.2342.19200300.100.1.25)),
    (Attribute::Country, oid!(2.5.4.6)),
    (Attribute::Province, oid!(2.5.4.8)),
    (Attribute::Locality, oid!(2.5.4.7)),
    (Attribute::Organization, oid!(2.5.4.10)),
    (Attribute::OrganizationalUnit, oid!(2.5.4.11)),
    (Attribute::SerialNumber, oid!(2.5.4.5)),
    (Attribute::CommonName, oid!(2.5.4.3)),
];
