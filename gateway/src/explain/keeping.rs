//! What keeps a client with its version or its server, and where that leads a request.

use std::net::IpAddr;

use http::HeaderMap;

use crate::{
    snapshot::{LoadBalancer, Snapshot, Weighted},
    split::{Affinity, Key},
    sticky::{Sent, Sticky},
};

/// How a service keeps its clients, and what it makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// What is looked at: `cohort by header x-user`, `sticky by cookie at`, `hrw by the client's address`.
    pub by: String,
    /// What was found there.
    pub found: Found,
}

/// What a request has of what a service looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It leads to this version (its qualified name) or server (its URL).
    LeadsTo(String),
    /// It leads to nothing that is there and has servers: the request is balanced as if it had none.
    Unknown,
    /// There is none: the request is balanced, and the client is given a cookie to come back with.
    Issued,
    /// There is none: the request is drawn.
    Missing,
}

impl Keeping {
    /// Of a weighted service.
    pub(super) fn of_versions(
        snapshot: &Snapshot,
        weighted: &Weighted,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Option<Self> {
        let children = &weighted.children;
        let open = |index: usize| children[index].available;
        let name = |index: usize| snapshot.services.at(children[index].service).name.to_string();
        match weighted.affinity.as_deref()? {
            Affinity::Sticky(sticky) => {
                Some(Self::sticky(sticky, headers, |member| open(member).then(|| name(member))))
            }
            Affinity::Cohort(cohort) => {
                let found = match cohort.key(headers, client, || 0) {
                    Key::Sent(key) => {
                        cohort.version(children, key, open).map_or(Found::Unknown, |to| Found::LeadsTo(name(to)))
                    }
                    Key::Issued(..) => Found::Issued,
                    Key::Missing => Found::Missing,
                };
                Some(Self { by: format!("cohort by {}", cohort.place()), found })
            }
        }
    }

    /// Of a load balancer.
    pub(super) fn of_servers(balancer: &LoadBalancer, headers: &HeaderMap, client: IpAddr) -> Option<Self> {
        let servers = &balancer.servers;
        let url = |server: usize| servers[server].url.to_string();
        if let Some(sticky) = &balancer.sticky {
            return Some(Self::sticky(sticky, headers, |member| Some(url(member))));
        }
        let names = balancer.by_address.as_ref()?;
        let server = names.nearest(names.hash_address(client), |index| servers[index].weight);
        let found = server.map_or(Found::Unknown, |server| Found::LeadsTo(url(server)));
        Some(Self { by: "hrw by the client's address".to_owned(), found })
    }

    /// `member` is the name of one that can be had.
    fn sticky(sticky: &Sticky, headers: &HeaderMap, member: impl Fn(usize) -> Option<String>) -> Self {
        let found = match sticky.sent_in(headers) {
            Sent::Nothing => Found::Issued,
            Sent::Unknown => Found::Unknown,
            Sent::Known(held) => member(held.member).map_or(Found::Unknown, Found::LeadsTo),
        };
        Self { by: format!("sticky by cookie {}", sticky.cookie()), found }
    }
}
