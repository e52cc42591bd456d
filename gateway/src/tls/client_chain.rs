//! The certificates that a client has shown in its handshake, or in the one that its session was made in.
//!
//! Kept for connections with one only. What servers are told of them is worked out when a request first asks, once for the connection.

mod facts;

use std::sync::{Arc, OnceLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use rustls::{ServerConnection, pki_types::CertificateDer};

pub(crate) use self::facts::{Attribute, Facts, Name};

/// The client's own certificate, then those that it sent with it, as they came.
#[derive(Debug)]
pub(crate) struct ClientChain {
    certificates: Box<[CertificateDer<'static>]>,
    encoded: OnceLock<HeaderValue>,
    facts: OnceLock<Box<[Option<Facts>]>>,
}

impl ClientChain {
    /// `None` if the client has shown none.
    pub(crate) fn of(session: &ServerConnection) -> Option<Arc<Self>> {
        let certificates = session.peer_certificates().filter(|certificates| !certificates.is_empty())?;
        Some(Arc::new(Self::new(certificates)))
    }

    pub(crate) fn new(certificates: &[CertificateDer<'static>]) -> Self {
        Self { certificates: certificates.into(), encoded: OnceLock::new(), facts: OnceLock::new() }
    }

    /// Each as PEM without its first and last line and the breaks between, divided by commas.
    pub(crate) fn encoded(&self) -> &HeaderValue {
        self.encoded.get_or_init(|| {
            let encoded: Vec<String> = self.certificates.iter().map(|one| BASE64_STANDARD.encode(one)).collect();
            HeaderValue::try_from(encoded.join(",")).expect("base64 is made of visible characters")
        })
    }

    /// What each of them says; `None` for one that is damaged. Only the first is known to be sound.
    pub(crate) fn facts(&self) -> &[Option<Facts>] {
        self.facts.get_or_init(|| self.certificates.iter().map(|one| Facts::read(one)).collect())
    }
}

#[cfg(test)]
mod tests;
