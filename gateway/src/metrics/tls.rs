//! How a TLS version and a cipher suite are called in metrics and access log: as Traefik (that is, Go) calls them.

use rustls::{CipherSuite, ProtocolVersion};

/// The names of a connection's TLS version and cipher suite; made once per connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TlsLabels {
    /// `1.2`, `1.3` or `unknown`.
    pub version: &'static str,
    /// The suite's IANA name, or `unknown`.
    pub cipher: &'static str,
}

impl TlsLabels {
    /// The names of what a handshake agreed on.
    pub fn new(version: Option<ProtocolVersion>, cipher: Option<CipherSuite>) -> Self {
        Self { version: version_name(version), cipher: cipher.map_or(UNKNOWN, cipher_name) }
    }
}

fn version_name(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => UNKNOWN,
    }
}

fn cipher_name(cipher: CipherSuite) -> &'static str {
    match cipher {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        cipher => cipher.as_str().unwrap_or(UNKNOWN),
    }
}

const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_the_names_that_go_gives_them() {
        let table = [
            (ProtocolVersion::TLSv1_3, CipherSuite::TLS13_AES_128_GCM_SHA256, "1.3", "TLS_AES_128_GCM_SHA256"),
            (
                ProtocolVersion::TLSv1_2,
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                "1.2",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ),
            (ProtocolVersion::SSLv3, CipherSuite::Unknown(1), "unknown", "unknown"),
        ];
        for (version, suite, name, cipher) in table {
            assert_eq!(TlsLabels::new(Some(version), Some(suite)), TlsLabels { version: name, cipher });
        }
        assert_eq!(TlsLabels::new(None, None), TlsLabels { version: "unknown", cipher: "unknown" });
    }
}
