//! Which server of a load balancer gets the request.
//!
//! Weighted round robin is smooth (each pick adds every server's weight to its credit and takes the total from the
//! winner) and each worker's own, started at a random phase so that replicas and workers do not march in step. Two
//! choices reads the requests in flight of the whole process.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use rollgate_config::dynamic::service::Strategy;

use crate::snapshot::{LoadBalancer, Server};

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

/// A request that is under way to a server; counted until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(std::sync::Arc<AtomicUsize>);

impl Rounds {
    /// The server's index, or `None` if none has weight. `random` is called only where chance decides.
    pub(crate) fn pick(&self, balancer: &LoadBalancer, mut random: impl FnMut() -> u64) -> Option<usize> {
        match (balancer.servers.as_ref(), balancer.strategy) {
            ([], _) => None,
            ([only], _) => (only.weight > 0).then_some(0),
            (servers, Strategy::P2c) => Some(two_choices(servers, random())),
            (servers, Strategy::Wrr) => {
                let mut rounds = self.rounds.borrow_mut();
                let slot = balancer.slot as usize;
                if rounds.len() <= slot {
                    rounds.resize_with(slot + 1, Round::default);
                }
                let round = &mut rounds[slot];
                if round.list != balancer.list {
                    *round = Round { list: balancer.list, credits: vec![0; servers.len()] };
                    let total: u64 = servers.iter().map(|server| server.weight).sum();
                    for _ in 0..random() % total.clamp(1, 1000) {
                        round_robin(servers, &mut round.credits);
                    }
                }
                round_robin(servers, &mut round.credits)
            }
        }
    }
}

/// One pick; `credits` has one entry per server.
fn round_robin(servers: &[Server], credits: &mut [i64]) -> Option<usize> {
    let (mut total, mut best) = (0, None);
    for (index, server) in servers.iter().enumerate() {
        if server.weight == 0 {
            continue;
        }
        let weight = server.weight as i64;
        total += weight;
        credits[index] += weight;
        if best.is_none_or(|best: usize| credits[index] > credits[best]) {
            best = Some(index);
        }
    }
    credits[best?] -= total;
    best
}

/// Two servers at random, never the same one twice; the one with fewer requests in flight. Weights do not count, as
/// in Traefik.
fn two_choices(servers: &[Server], random: u64) -> usize {
    let count = servers.len() as u64;
    let first = (random >> 32) % count;
    let second = (first + 1 + (random & u64::from(u32::MAX)) % (count - 1)) % count;
    let (first, second) = (first as usize, second as usize);
    if servers[second].in_flight.load(Relaxed) < servers[first].in_flight.load(Relaxed) { second } else { first }
}

impl InFlight {
    /// Counts a request, where the strategy reads the count.
    pub(crate) fn enter(balancer: &LoadBalancer, server: &Server) -> Option<Self> {
        matches!(balancer.strategy, Strategy::P2c).then(|| {
            server.in_flight.fetch_add(1, Relaxed);
            Self(server.in_flight.clone())
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
