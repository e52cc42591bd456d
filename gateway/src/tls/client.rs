//! Transports: how servers behind TLS are verified and what is shown to them.

use std::{io, sync::Arc};

use rollgate_config::{dynamic::transport::ServersTransport, problem::Problem};
use rustls::{
    ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::ServerName,
};

use super::{options, pem, verify};

/// A transport, ready for use. Kept over reloads while its configuration stays the same.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) config: ServersTransport,
    /// If a server behind TLS is reached by it, or it has settings for that.
    pub(crate) tls: Option<Handshakes>,
}

/// One transport's TLS, for two kinds of exchange.
#[derive(Debug)]
pub(crate) struct Handshakes {
    /// With ALPN `h2, http/1.1`, or `http/1.1` alone under `disableHTTP2`.
    pub(crate) any: Arc<ClientConfig>,
    /// With ALPN `http/1.1`: for upgrades, which HTTP/2 servers seldom offer.
    pub(crate) http1: Arc<ClientConfig>,
}

impl Transport {
    /// Reads the files that the transport names. `tls`: a server behind TLS is reached by it.
    pub(crate) fn load(config: &ServersTransport, path: &str, tls: bool) -> Result<Arc<Self>, Problem> {
        // What names files is read even if nothing uses it yet: its problems are to be known now.
        let names_files = !config.root_cas.is_empty() || !config.certificates.is_empty();
        let tls = if tls || names_files { Some(Handshakes::load(config, path)?) } else { None };
        Ok(Arc::new(Self { config: config.clone(), tls }))
    }

    /// Whether it was made from this configuration, wherever that now stands in its file.
    pub(crate) fn is(&self, config: &ServersTransport) -> bool {
        self.config.is(config)
    }

    /// The name that a server's certificate must have.
    pub(crate) fn server_name(&self, host: &str) -> io::Result<ServerName<'static>> {
        let name = self.config.server_name.as_ref().map_or(host, |name| name.value.as_str());
        ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }
}

impl Handshakes {
    fn load(config: &ServersTransport, path: &str) -> Result<Self, Problem> {
        let provider = Arc::new(options::provider(&config.cipher_suites, &[], path)?);
        let wrong = |what: String| pem::wrong(&config.at, path, what);
        let versions = options::versions(config.min_version, config.max_version);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|error| wrong(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier(config, provider, path)?);
        let mut http1 = match config.certificates.first() {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let (chain, key) = pem::pair(certificate, &format!("{path}.certificates[0]"))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| wrong(error.to_string()))?
            }
        };
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut any = http1.clone();
        if !config.disable_http2 {
            any.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(Self { any: Arc::new(any), http1: Arc::new(http1) })
    }
}

fn verifier(
    config: &ServersTransport,
    provider: Arc<CryptoProvider>,
    path: &str,
) -> Result<Arc<dyn ServerCertVerifier>, Problem> {
    if config.insecure_skip_verify {
        return Ok(Arc::new(verify::Unverified { provider, trusts: true }));
    }
    let roots = if config.root_cas.is_empty() {
        let mut store = RootCertStore::empty();
        // A machine without a certificate store can still reach servers in clear text: verification fails later.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        store
    } else {
        pem::roots(config.root_cas.iter().map(|ca| (&ca.value, &ca.at)), &format!("{path}.rootCAs"))?
    };
    if roots.is_empty() {
        return Ok(Arc::new(verify::Unverified { provider, trusts: false }));
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| pem::wrong(&config.at, path, error.to_string()))?;
    Ok(match &config.peer_cert_uri {
        None => inner,
        Some(uri) => Arc::new(verify::ServerWithUri { inner, uri: uri.clone() }),
    })
}
