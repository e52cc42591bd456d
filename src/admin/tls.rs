//! TLS to the gateway: whom to trust, and what to show. Read at the beginning, so that a file that is no good is told of
//! as such and not as a failed handshake.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::{
    failure::Failure,
    reach::{Reach, text_of},
};

/// What a client over TLS needs. `is_needed` unless the address is one of HTTP in clear text.
pub(super) fn config(reach: &Reach, is_needed: bool) -> Result<TlsConfig, Failure> {
    let roots = match &reach.ca {
        Some(file) => authorities(file)?,
        // A machine without a certificate store reaches nobody: verification fails.
        None if is_needed => rustls_native_certs::load_native_certs().certs,
        None => Vec::new(),
    };
    let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let shown = match (&reach.client_certificate, &reach.client_key) {
        (Some(certificate), Some(key)) => Some(identity(certificate, key)?),
        _ => None,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider).client_cert(shown);
    Ok(builder.root_certs(RootCerts::new_with_certs(&roots)).build())
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = certificates(file)?;
    let mut store = RootCertStore::empty();
    for certificate in &found {
        store.add(certificate.clone()).map_err(|error| wrong(file, error))?;
    }
    Ok(found)
}

fn identity(certificate: &Path, key: &Path) -> Result<ClientCert, Failure> {
    let chain = certificates(certificate)?;
    let text = text_of(key)?;
    let parsed = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| wrong(key, error))?;
    CertifiedKey::from_der(chain.clone(), parsed, &aws_lc_rs::default_provider()).map_err(|error| wrong(key, error))?;
    let chain: Vec<_> = chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
    let key = PrivateKey::from_pem(text.as_bytes()).map_err(|error| wrong(key, error))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let text = text_of(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| wrong(file, error))?;
    if found.is_empty() {
        return Err(wrong(file, "no certificate in it (PEM)"));
    }
    Ok(found)
}

fn wrong(file: &Path, what: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("{}: {what}", file.display()))
}
