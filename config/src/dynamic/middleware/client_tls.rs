//! How a middleware that asks a server of its own reaches it by TLS.

use crate::{
    dynamic::{
        tls::{Certificate, PemSource},
        transport::ServersTransport,
    },
    problem::{Located, Place},
};

/// `tls` of a client.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientTls {
    /// `ca`; `None`: the system's.
    pub ca: Option<Located<PemSource>>,
    /// `cert` and `key`.
    pub certificate: Option<Certificate>,
    /// `insecureSkipVerify`, false.
    pub insecure_skip_verify: bool,
}

impl ClientTls {
    /// The transport that reaches a server so; `at` is where it was written.
    pub fn transport(&self, at: Place) -> ServersTransport {
        let mut transport = ServersTransport::new(at);
        transport.insecure_skip_verify = self.insecure_skip_verify;
        transport.root_cas.extend(self.ca.clone());
        transport.certificates.extend(self.certificate.clone());
        transport
    }

    /// All that makes a difference, wherever it was written, as text: for a digest, since there may be a key in it.
    pub fn meaning(&self) -> String {
        let certificate = self.certificate.as_ref().map(|pair| (&pair.cert, &pair.key));
        format!("{:?} {certificate:?} {}", self.ca.as_ref().map(|ca| &ca.value), self.insecure_skip_verify)
    }

    /// Whether there is anything to read.
    pub fn names_files(&self) -> bool {
        self.ca.is_some() || self.certificate.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_stands_makes_no_difference() {
        let at = |line, ca: &str| ClientTls {
            ca: Some(Located {
                value: PemSource::Text(ca.to_owned()),
                at: Place { source: "a.yml".into(), line, column: line },
            }),
            ..ClientTls::default()
        };
        assert_eq!(at(1, "a").meaning(), at(2, "a").meaning());
        assert_ne!(at(1, "a").meaning(), at(1, "b").meaning());
        assert_ne!(at(1, "a").meaning(), ClientTls { insecure_skip_verify: true, ..at(1, "a") }.meaning());
    }
}
