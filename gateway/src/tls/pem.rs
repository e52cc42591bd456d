//! Certificates and keys from files or from the configuration's own text.

use rollgate_config::{
    dynamic::tls::{Certificate, PemSource},
    problem::{Place, Problem},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A chain and its key, read and parsed.
pub(crate) fn pair(
    certificate: &Certificate,
    path: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Problem> {
    let cert_text = read(&certificate.cert, &certificate.at, &format!("{path}.certFile"))?;
    let key_text = read(&certificate.key, &certificate.at, &format!("{path}.keyFile"))?;
    let problem = |field: &str, what: String| wrong(&certificate.at, &format!("{path}.{field}"), what);
    let chain = chain(&cert_text).map_err(|what| problem("certFile", what))?;
    let key = PrivateKeyDer::from_pem_slice(&key_text)
        .map_err(|error| problem("keyFile", format!("no private key: {error}")))?;
    Ok((chain, key))
}

/// The certificates of several files as a store of roots.
pub(crate) fn roots<'a>(
    sources: impl IntoIterator<Item = (&'a PemSource, &'a Place)>,
    path: &str,
) -> Result<RootCertStore, Problem> {
    let mut store = RootCertStore::empty();
    for (source, at) in sources {
        let text = read(source, at, path)?;
        for certificate in chain(&text).map_err(|what| wrong(at, path, what))? {
            store.add(certificate).map_err(|error| wrong(at, path, format!("unusable certificate: {error}")))?;
        }
    }
    Ok(store)
}

/// A problem with no list of what is allowed.
pub(crate) fn wrong(at: &Place, path: &str, what: String) -> Problem {
    Problem { at: at.clone(), path: path.to_owned(), what, allowed: String::new(), unsupported: None }
}

fn read(source: &PemSource, at: &Place, path: &str) -> Result<Vec<u8>, Problem> {
    match source {
        PemSource::Text(text) => Ok(text.clone().into_bytes()),
        PemSource::File(file) => {
            std::fs::read(file).map_err(|error| wrong(at, path, format!("cannot read {}: {error}", file.display())))
        }
    }
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| format!("not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(chain)
}
