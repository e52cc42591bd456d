//! Certificates and keys from files or from the configuration's own text.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

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
    parsed(&cert_text, &key_text).map_err(|PairFault { part, what }| {
        let path = part.key().map_or_else(|| path.to_owned(), |key| format!("{path}.{key}"));
        wrong(&certificate.at, &path, what)
    })
}

/// What keeps a certificate and a key from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFault {
    /// Which of them is at fault.
    pub part: Part,
    /// How.
    pub what: String,
}

/// A part of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The certificate.
    Certificate,
    /// The private key.
    Key,
    /// Each may be good, but they do not go together.
    Both,
}

impl Part {
    /// The key that it is configured by.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::Certificate => Some("certFile"),
            Self::Key => Some("keyFile"),
            Self::Both => None,
        }
    }
}

impl fmt::Display for PairFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// A chain and its key, parsed.
pub(super) fn parsed(
    certificate: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PairFault> {
    let fault = |part: Part, what: String| PairFault { part, what };
    let chain = chain(certificate).map_err(|what| fault(Part::Certificate, what))?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| fault(Part::Key, format!("no private key: {error}")))?;
    Ok((chain, key))
}

/// Whether certificate authorities can be used, in PEM.
///
/// # Errors
/// What is wrong with the text.
pub fn check_authorities(text: &str) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    for certificate in chain(text.as_bytes())? {
        store.add(certificate).map_err(|error| format!("unusable certificate: {error}"))?;
    }
    Ok(())
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

/// A file's or the configuration's own text.
pub(crate) fn read(source: &PemSource, at: &Place, path: &str) -> Result<Vec<u8>, Problem> {
    match source {
        PemSource::Text(text) => Ok(text.clone().into_bytes()),
        PemSource::File(file) => {
            contents(file).map_err(|error| wrong(at, path, format!("cannot read {}: {error}", file.display())))
        }
    }
}

/// Of a file only: a pipe or a device may have no end.
fn contents(file: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    File::open(file)?.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| format!("not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(chain)
}

/// The roots of a whole system are a quarter of one MiB.
const MAX_BYTES: u64 = 16 << 20;
