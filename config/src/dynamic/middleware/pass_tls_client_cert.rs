//! `passTLSClientCert`.

/// What servers are told of the client's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PassTlsClientCert {
    /// `pem`, false: the certificates themselves, in `X-Forwarded-Tls-Client-Cert`.
    pub pem: bool,
    /// `info`: what of each, in `X-Forwarded-Tls-Client-Cert-Info`.
    pub info: Option<CertificateInfo>,
}

/// `info`; each false.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each field is the key's own name, with Traefik's meaning")]
pub struct CertificateInfo {
    pub not_after: bool,
    pub not_before: bool,
    pub sans: bool,
    pub serial_number: bool,
    pub subject: NameInfo,
    pub issuer: NameInfo,
}

/// `subject` or `issuer`; each false.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each field is the key's own name, with Traefik's meaning")]
pub struct NameInfo {
    pub country: bool,
    pub province: bool,
    pub locality: bool,
    pub organization: bool,
    /// Of a subject only.
    pub organizational_unit: bool,
    pub common_name: bool,
    pub serial_number: bool,
    pub domain_component: bool,
}
