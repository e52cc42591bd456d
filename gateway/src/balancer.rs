//! Which server of a load balancer gets the request.
//!
//! ```text
//! sticky cookie? -> those that are up, and were not tried before if there are others -> strategy
//! ```
//!
//! Round robins are each worker's own, started at a random phase so that replicas and workers do not march in step. What is
//! known of a server (requests in flight, how long its answers took) is the whole process's.

mod least_time;
mod load;
mod p2c;
mod wrr;

use std::{cell::RefCell, net::SocketAddr};

use http::{HeaderMap, HeaderValue};
use rollgate_config::dynamic::service::Strategy;

pub(crate) use self::load::{InFlight, Load};
use crate::{
    metrics::Assignment,
    snapshot::{LoadBalancer, Server},
    sticky::{Sent, Sticky},
};

/// A worker's round robins, by the load balancer's slot.
#[derive(Default)]
pub(crate) struct Rounds {
    rounds: RefCell<Vec<Round>>,
}

#[derive(Default)]
struct Round {
    /// For which list of servers the credits are.
    list: u64,
    credits: Vec<i64>,
}

/// A request that wants a server.
pub(crate) struct Asking<'r> {
    pub(crate) client: &'r SocketAddr,
    /// Some server of the process may be down.
    pub(crate) troubles: bool,
    /// Where the request has been in vain, by [`crate::pool::Target::unique`].
    pub(crate) tried: &'r [u64],
    /// In seconds, on the clock that samples are kept by.
    pub(crate) now: fn() -> u64,
}

impl Asking<'_> {
    fn has_tried(&self, server: &Server) -> bool {
        !self.tried.is_empty() && self.tried.contains(&server.target.unique)
    }
}

/// What comes of it where clients keep their servers.
pub(crate) struct Picked {
    /// The server's index.
    pub(crate) server: usize,
    /// The line of the answer that makes the client come back to it.
    pub(crate) cookie: Option<HeaderValue>,
    /// How the client came to it.
    pub(crate) assignment: Assignment,
}

/// The server for a client that keeps its own; `None` if none that is up has weight. `random` is called only where chance
/// decides.
pub(crate) fn pick_sticky(
    sticky: &Sticky,
    headers: &HeaderMap,
    rounds: &Rounds,
    balancer: &LoadBalancer,
    asking: &Asking<'_>,
    random: &mut impl FnMut() -> u64,
) -> Option<Picked> {
    let takes = |server: usize| {
        let server = &balancer.servers[server];
        (!asking.troubles || server.is_up()) && !asking.has_tried(server)
    };
    let assignment = match sticky.sent_in(headers) {
        Sent::Known(held) if takes(held.member) => {
            let cookie = held.outdated.then(|| sticky.line(held.member));
            return Some(Picked { server: held.member, cookie, assignment: Assignment::Kept });
        }
        Sent::Known(_) | Sent::Unknown => Assignment::Lost,
        Sent::Nothing => Assignment::Issued,
    };
    let server = pick(rounds, balancer, asking, random)?;
    Some(Picked { server, cookie: Some(sticky.line(server)), assignment })
}

/// The server for a request as the strategy says, among those that are up, and not tried if there are others; `None` if none
/// that is up has weight.
pub(crate) fn pick(
    rounds: &Rounds,
    balancer: &LoadBalancer,
    asking: &Asking<'_>,
    random: &mut impl FnMut() -> u64,
) -> Option<usize> {
    let servers = &balancer.servers;
    if !asking.troubles && asking.tried.is_empty() {
        return among(rounds, balancer, asking, random, |index| servers[index].weight);
    }
    let is_up = |server: &Server| !asking.troubles || server.is_up();
    let untried = |index: usize| {
        let server = &servers[index];
        if is_up(server) && !asking.has_tried(server) { server.weight } else { 0 }
    };
    let up = |index: usize| {
        let server = &servers[index];
        if is_up(server) { server.weight } else { 0 }
    };
    match among(rounds, balancer, asking, random, untried) {
        None if !asking.tried.is_empty() => among(rounds, balancer, asking, random, up),
        picked => picked,
    }
}

/// Among those with `weight`.
fn among(
    rounds: &Rounds,
    balancer: &LoadBalancer,
    asking: &Asking<'_>,
    random: &mut impl FnMut() -> u64,
    weight: impl Fn(usize) -> u64,
) -> Option<usize> {
    let servers = &balancer.servers;
    if servers.len() <= 1 {
        return (!servers.is_empty() && weight(0) > 0).then_some(0);
    }
    match balancer.strategy {
        Strategy::Wrr => rounds.of(balancer, random, |credits| wrr::turn(credits, weight)),
        Strategy::P2c => {
            p2c::pick(servers.len(), |index| weight(index) > 0, |index| servers[index].load.in_flight(), random())
        }
        Strategy::Hrw => {
            let names = balancer.by_address.as_ref()?;
            names.nearest(names.hash_address(asking.client.ip()), weight)
        }
        Strategy::LeastTime => {
            let now = (asking.now)();
            let standings = servers.iter().enumerate().map(|(index, server)| server.load.standing(now, weight(index)));
            rounds.of(balancer, random, |credits| least_time::pick(standings, credits))
        }
    }
}

impl Rounds {
    /// The credits of a load balancer's servers; new ones where the servers or their weights have changed.
    fn of<T>(
        &self,
        balancer: &LoadBalancer,
        random: &mut impl FnMut() -> u64,
        turn: impl FnOnce(&mut [i64]) -> T,
    ) -> T {
        let mut rounds = self.rounds.borrow_mut();
        let slot = balancer.slot as usize;
        if rounds.len() <= slot {
            rounds.resize_with(slot + 1, Round::default);
        }
        let round = &mut rounds[slot];
        if round.list != balancer.list {
            let servers = &balancer.servers;
            *round = Round { list: balancer.list, credits: vec![0; servers.len()] };
            let total: u64 = servers.iter().map(|server| server.weight).sum();
            for _ in 0..random() % total.clamp(1, 1000) {
                wrr::turn(&mut round.credits, |index| servers[index].weight);
            }
        }
        turn(&mut round.credits)
    }
}

#[cfg(test)]
mod tests;
