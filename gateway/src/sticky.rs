//! Sticky cookies: a client comes back to the member (a load balancer's server, a weighted service's version) that it was
//! given. The cookie names the member, so nothing is remembered here, and every replica reads it the same.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use foldhash::fast::FixedState;
use http::{HeaderMap, HeaderValue};
use rollgate_config::dynamic::affinity;

use crate::cookie::{Template, hexadecimal};

/// The cookie of one service.
#[derive(Debug)]
pub(crate) struct Sticky {
    cookie: Template,
    /// By what a cookie may say.
    values: HashMap<Box<[u8]>, Held, FixedState>,
    /// By member: the line that gives the cookie out.
    lines: Box<[HeaderValue]>,
}

/// A member that a client holds the cookie of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) member: usize,
    /// In a form that older versions of Traefik wrote; it is given out anew.
    pub(crate) outdated: bool,
}

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Nothing,
    /// No member's value: of one that is gone, or made up.
    Unknown,
    Known(Held),
}

/// The name of the cookie by which a service's clients come back: the one that is written, or one that its qualified name
/// makes up.
pub fn cookie_name(cookie: &affinity::Cookie, service: &str) -> String {
    Template::new(cookie, NAME_SEED, service).name().to_owned()
}

/// One that a client can be given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'n> {
    /// The URL of a server, the name of a version; as written, for that is what Traefik hashes.
    pub(crate) name: &'n str,
    pub(crate) weight: u64,
    /// It gets nothing, not even whom it keeps.
    pub(crate) braked: bool,
}

impl Sticky {
    /// `service` is a qualified name.
    pub(crate) fn new<'n>(
        sticky: &affinity::Sticky,
        service: &str,
        members: impl Iterator<Item = Member<'n>> + Clone,
    ) -> Self {
        let cookie = Template::new(&sticky.cookie, NAME_SEED, service);
        // Without `drain`, what has weight 0 is as good as gone, as in Traefik.
        let held =
            members.clone().enumerate().filter(|(_, member)| !member.braked && (member.weight > 0 || sticky.drain));
        let mut values = HashMap::default();
        for (index, member) in held.clone() {
            let held = Held { member: index, outdated: false };
            values.entry(value(member.name).into_bytes().into()).or_insert(held);
        }
        for (index, member) in held {
            for old in outdated_values(member.name) {
                values.entry(old.into_bytes().into()).or_insert(Held { member: index, outdated: true });
            }
        }
        let lines = members.map(|member| cookie.with(&value(member.name))).collect();
        Self { cookie, values, lines }
    }

    /// The cookie's name.
    pub(crate) fn cookie(&self) -> &str {
        self.cookie.name()
    }

    /// What a request's cookie says.
    pub(crate) fn sent_in(&self, headers: &HeaderMap) -> Sent {
        match self.cookie.sent_in(headers) {
            None => Sent::Nothing,
            Some(value) => self.values.get(value).map_or(Sent::Unknown, |held| Sent::Known(*held)),
        }
    }

    /// The line of the answer that makes the client come back to a member.
    pub(crate) fn line(&self, member: usize) -> HeaderValue {
        self.lines[member].clone()
    }
}

/// The first 16 hexadecimal digits of the name's SHA-256.
fn value(name: &str) -> String {
    hexadecimal(&digest(&SHA256, name.as_bytes()).as_ref()[..8])
}

/// What Traefik wrote before: the name itself, its FNV-1 hash, and the hash of that.
fn outdated_values(name: &str) -> [String; 3] {
    let once = format!("{:x}", fnv1(name.as_bytes()));
    let twice = format!("{:x}", fnv1(once.as_bytes()));
    [name.to_owned(), once, twice]
}

/// Go's `fnv.New64`: multiplied before the byte is mixed in, where the better known FNV-1a does it after.
fn fnv1(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte))
}

/// What Traefik derives a cookie's name from, together with the service's.
const NAME_SEED: &str = "_TRAEFIK_BACKEND_";

#[cfg(test)]
mod tests {
    use http::header::COOKIE;
    use rollgate_config::dynamic::affinity::Cookie;

    use super::*;

    const FIRST: Member<'static> = Member { name: "http://10.0.0.1:80", weight: 1, braked: false };
    const IDLE: Member<'static> = Member { name: "idle", weight: 0, braked: false };

    fn sticky(drain: bool) -> Sticky {
        let cookie = Cookie { name: "c".to_owned(), ..Cookie::of_sessions() };
        Sticky::new(&affinity::Sticky { cookie, drain }, "pro@file", [FIRST, IDLE].into_iter())
    }

    fn sent(sticky: &Sticky, value: &str) -> Sent {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("c={value}").parse().unwrap());
        sticky.sent_in(&headers)
    }

    #[test]
    fn values_are_traefiks_of_today_and_of_before() {
        let sticky = sticky(false);
        // printf http://10.0.0.1:80 | sha256sum
        assert_eq!(sticky.line(0), "c=df5bd2f9c0180410; Path=/");
        let known = |outdated| Sent::Known(Held { member: 0, outdated });
        assert_eq!(sent(&sticky, "df5bd2f9c0180410"), known(false));
        for outdated in ["http://10.0.0.1:80", "6773b9eb3f0631af", "a3882de487ebf0dc"] {
            assert_eq!(sent(&sticky, outdated), known(true), "{outdated}");
        }
        assert_eq!(sent(&sticky, "df5bd2f9c0180411"), Sent::Unknown);
        assert_eq!(sticky.sent_in(&HeaderMap::new()), Sent::Nothing);
    }

    #[test]
    fn weight_0_is_unknown_unless_it_drains() {
        let value = value("idle");
        assert_eq!(sent(&sticky(false), &value), Sent::Unknown);
        assert_eq!(sent(&sticky(true), &value), Sent::Known(Held { member: 1, outdated: false }));
    }

    #[test]
    fn a_brake_keeps_nobody() {
        let cookie = Cookie { name: "c".to_owned(), ..Cookie::of_sessions() };
        let members = [FIRST, Member { braked: true, ..IDLE }];
        let sticky = Sticky::new(&affinity::Sticky { cookie, drain: true }, "pro@file", members.into_iter());
        assert_eq!(sent(&sticky, &value("idle")), Sent::Unknown);
    }
}
