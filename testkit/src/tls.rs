//! Certificates for both sides of a test, made on the spot.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

/// A certificate authority of the test's own.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// Its certificate, for `rootCAs` and `caFiles`.
    pub pem: String,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, for `certFile`.
    pub cert_pem: String,
    /// The key, for `keyFile`.
    pub key_pem: String,
    /// The certificate as the handshake shows it.
    pub certificate: CertificateDer<'static>,
    /// What is shown behind it.
    more: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Authority {
    /// A new one, with a name of its own.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate: der, pem }
    }

    /// A certificate for these names (`a.test`, `*.a.test`, `127.0.0.1`), good for servers and clients.
    pub fn issue(&self, names: &[&str]) -> Identity {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names.clone()).expect("the names are valid");
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be signed");
        Identity {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            more: Vec::new(),
            key: key.serialize_der(),
        }
    }

    /// A client that trusts this authority alone and offers these protocols.
    pub fn client(&self, alpn: &[&str]) -> ClientConfig {
        self.client_with(alpn, rustls::ALL_VERSIONS, None)
    }

    /// The same with TLS versions and a certificate of its own.
    pub fn client_with(
        &self,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("the authority's certificate is valid");
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        let builder = builder.expect("the versions are supported");
        let builder = builder.with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => {
                let chain = [std::slice::from_ref(&identity.certificate), &identity.more].concat();
                builder.with_client_auth_cert(chain, identity.private_key()).expect("the key fits")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

impl Identity {
    /// One that was made before: its certificate, those to show behind it, and its key (PKCS #8).
    pub fn from_pem(chain: &str, key: &str) -> Self {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let mut certificates = certificates.expect("the chain is PEM");
        let certificate = certificates.remove(0);
        let parsed = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).expect("the key is PEM");
        Self {
            cert_pem: chain.to_owned(),
            key_pem: key.to_owned(),
            certificate,
            more: certificates,
            key: parsed.secret_pkcs8_der().to_vec(),
        }
    }

    /// A server that shows this certificate and speaks these protocols.
    pub fn server(&self, alpn: &[&str]) -> ServerConfig {
        self.server_of(alpn, None)
    }

    /// The same, for clients with certificates of an authority only.
    pub fn server_for(&self, alpn: &[&str], clients: &Authority) -> ServerConfig {
        self.server_of(alpn, Some(clients))
    }

    fn server_of(&self, alpn: &[&str], clients: Option<&Authority>) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.expect("the default versions are supported");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.clone()).expect("the authority's certificate is valid");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
                builder.with_client_cert_verifier(verifier.expect("there is an authority"))
            }
        };
        let chain = vec![self.certificate.clone()];
        let mut config = builder.with_single_cert(chain, self.private_key()).expect("the key fits");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// A client that takes any certificate: the test looks at it itself.
pub fn unverified_client(alpn: &[&str]) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.expect("the default versions are supported").dangerous();
    let mut config = builder.with_custom_certificate_verifier(Arc::new(anyone::Anyone)).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

mod anyone;
