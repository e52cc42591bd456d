//! Which version of a weighted service a request goes to.
//!
//! ```text
//! no key         -> draw by weight, each request for itself
//! sticky cookie  -> the version it names, if that is available; else drawn, and a new cookie
//! cohort         -> the nearest version to its key, or the next nearest if that is not available
//! ```
//!
//! A version that is not available gives its share to the others. Where none is available, the choice is made as if all
//! were: what makes them unavailable (a breaker, servers that are down) then answers for itself.

mod cohort;
mod draw;

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

use self::draw::among;
pub(crate) use self::{
    cohort::{Cohort, Key},
    draw::Draw,
};
use crate::{
    metrics::Assignment,
    snapshot::{Child, Weighted},
    sticky::{Sent, Sticky},
};

/// What keeps clients with their versions.
#[derive(Debug)]
pub(crate) enum Affinity {
    Sticky(Sticky),
    Cohort(Cohort),
}

/// A request that wants a version.
pub(crate) struct Asking<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) client: IpAddr,
    /// Some version of the process may be unavailable that was not when the snapshot was compiled.
    pub(crate) troubles: bool,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The version's index.
    pub(crate) version: usize,
    /// The line of the answer that makes the client come back to it.
    pub(crate) cookie: Option<HeaderValue>,
    /// How the client came to it, where something keeps clients.
    pub(crate) assignment: Option<Assignment>,
    pub(crate) by: By,
}

/// What has chosen a version, among those that were available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A random number of this request's own.
    Chance,
    /// The hash of the client's key.
    Key(u64),
    /// The client's cookie, and so a request before this one.
    Cookie,
}

impl Chosen {
    fn new(version: usize, assignment: Assignment, by: By) -> Self {
        Self { version, cookie: None, assignment: Some(assignment), by }
    }
}

/// The version for a request; `None` where none has weight and servers. `available` is asked only in trouble.
pub(crate) fn choose(
    weighted: &Weighted,
    asking: &Asking<'_>,
    random: &mut impl FnMut() -> u64,
    available: impl Fn(&Child) -> bool,
) -> Option<Chosen> {
    let children = &weighted.children;
    let open = |index: usize| children[index].available && (!asking.troubles || available(&children[index]));
    let draw = |random: &mut dyn FnMut() -> u64| {
        let random = random();
        let drawn = if asking.troubles { among(children, random, open) } else { None };
        drawn.or_else(|| weighted.draw.at(random))
    };
    match weighted.affinity.as_deref() {
        None => draw(random).map(|version| Chosen { version, cookie: None, assignment: None, by: By::Chance }),
        Some(Affinity::Sticky(sticky)) => {
            let assignment = match sticky.sent_in(asking.headers) {
                Sent::Known(held) if open(held.member) => {
                    let cookie = held.outdated.then(|| sticky.line(held.member));
                    return Some(Chosen { cookie, ..Chosen::new(held.member, Assignment::Kept, By::Cookie) });
                }
                Sent::Known(_) | Sent::Unknown => Assignment::Lost,
                Sent::Nothing => Assignment::Issued,
            };
            draw(random).map(|version| Chosen {
                cookie: Some(sticky.line(version)),
                ..Chosen::new(version, assignment, By::Chance)
            })
        }
        Some(Affinity::Cohort(cohort)) => {
            let (key, cookie, assignment) = match cohort.key(asking.headers, asking.client, &mut *random) {
                Key::Missing => {
                    return draw(random).map(|version| Chosen::new(version, Assignment::Keyless, By::Chance));
                }
                Key::Sent(key) => (key, None, Assignment::Kept),
                Key::Issued(key, line) => (key, Some(line), Assignment::Issued),
            };
            let home = cohort.version(children, key, |_| true)?;
            let away = if open(home) { None } else { cohort.version(children, key, open) };
            let assignment = if away.is_some() { Assignment::Lost } else { assignment };
            Some(Chosen { cookie, ..Chosen::new(away.unwrap_or(home), assignment, By::Key(key)) })
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
