//! Cohorts: a key that a request carries decides the version, by weighted rendezvous hashing ([`crate::rendezvous`]).
//!
//! Every replica that has the same configuration comes to the same version, since nothing else goes in: no state, and no
//! randomness of a process.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use rollgate_config::dynamic::affinity::{self, CohortKey};

use crate::{
    cookie::Template,
    middleware::ClientAddress,
    rendezvous::{Candidates, Salt},
    snapshot::Child,
};

/// How a weighted service's versions are chosen by key.
#[derive(Debug)]
pub(crate) struct Cohort {
    source: Source,
    versions: Candidates,
}

/// Where the key stands in a request.
#[derive(Debug)]
enum Source {
    Cookie(Template),
    Header(HeaderName),
    Client(ClientAddress),
}

/// A request's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// Its hash.
    Sent(u64),
    /// The client is given one with this line of the answer.
    Issued(u64, HeaderValue),
    Missing,
}

impl Cohort {
    /// `versions` are the children's qualified names in their order. `rollout` is the salt of the one under way, or empty.
    pub(crate) fn new<'n>(
        cohort: &affinity::Cohort,
        service: &str,
        rollout: &str,
        versions: impl Iterator<Item = &'n str>,
    ) -> Self {
        let source = match &cohort.key {
            CohortKey::Cookie(cookie) => Source::Cookie(Template::new(cookie, NAME_SEED, service)),
            CohortKey::Header(name) => {
                Source::Header(HeaderName::try_from(name).expect("it was read as a header's name"))
            }
            CohortKey::ClientIp(strategy) => Source::Client(ClientAddress::compile(strategy)),
        };
        let text = cohort.salt.as_deref().unwrap_or("");
        let salt = Salt { purpose: "rollgate cohort", text, service, rollout };
        Self { source, versions: Candidates::new(salt, versions) }
    }

    /// Where the key stands, in words.
    pub(crate) fn place(&self) -> String {
        match &self.source {
            Source::Cookie(cookie) => format!("cookie {}", cookie.name()),
            Source::Header(name) => format!("header {name}"),
            Source::Client(_) => "the client's address".to_owned(),
        }
    }

    /// A request's key. `random` is asked for a new one.
    pub(crate) fn key(&self, headers: &HeaderMap, client: IpAddr, random: impl FnOnce() -> u64) -> Key {
        let sent = match &self.source {
            Source::Cookie(cookie) => match cookie.sent_in(headers).filter(|value| !value.is_empty()) {
                Some(value) => Some(self.versions.hash(value)),
                None => {
                    let value = format!("{:016x}", random());
                    return Key::Issued(self.versions.hash(value.as_bytes()), cookie.with(&value));
                }
            },
            Source::Header(name) => {
                headers.get(name).filter(|value| !value.is_empty()).map(|value| self.versions.hash(value.as_bytes()))
            }
            Source::Client(address) => address.of(headers, client).map(|address| self.versions.hash_address(address)),
        };
        sent.map_or(Key::Missing, Key::Sent)
    }

    /// The version of a key's hash, among those that are `open`; `None` where none of them has weight.
    pub(crate) fn version(&self, children: &[Child], key: u64, open: impl Fn(usize) -> bool) -> Option<usize> {
        self.versions.nearest(key, |index| if open(index) { children[index].weight } else { 0 })
    }
}

/// What the name of a cookie is derived from, together with the service's; another one than a sticky cookie's.
const NAME_SEED: &str = "_ROLLGATE_COHORT_";

#[cfg(test)]
mod tests;
