//! The servers of one configuration, and which of them is asked. One client for all limits that name the same servers.
//!
//! Several endpoints are nodes of a cluster. Which node has a slot is learned from its own answers: whoever is asked for a key
//! that it has not says who has it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, time::timeout};

use super::{
    super::bucket::{Decision, Rate},
    link::{Address, Answer, Failure, Link, Reach},
    slots::{self, SLOTS},
};
use crate::metrics::{Observed, Told, families};

/// What decisions are asked of.
pub(crate) struct Client {
    reach: Arc<Reach>,
    runtime: Handle,
    /// To each server.
    connections: usize,
    nodes: Mutex<Nodes>,
    /// Requests that wait for a decision.
    waiting: AtomicUsize,
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct Nodes {
    known: Vec<Arc<Node>>,
    /// The place among the known of the one that has a slot. Empty: nobody has said.
    of_slot: Vec<u16>,
}

#[derive(Debug)]
struct Node {
    address: Address,
    links: Box<[Link]>,
}

impl Client {
    pub(super) fn new(reach: Reach, endpoints: &[Address], connections: usize, runtime: &Handle) -> Self {
        let client = Self {
            reach: Arc::new(reach),
            runtime: runtime.clone(),
            connections,
            nodes: Mutex::default(),
            waiting: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
        };
        endpoints.iter().for_each(|address| drop(client.node(&mut client.nodes.lock(), address)));
        client
    }

    /// Whether asking is known to be in vain.
    pub(super) fn is_down(&self) -> bool {
        self.nodes.lock().known.iter().all(|node| node.is_down())
    }

    /// Asks for a token from the bucket of this key. Whoever has to wait does so for `dialTimeout` and `readTimeout` at most.
    pub(super) async fn take(&self, key: &[u8], rate: &Rate) -> Result<Decision, Failure> {
        let _waiting = Waiting::begin(&self.waiting)?;
        let most = self.reach.dial_timeout + self.reach.read_timeout;
        timeout(most, self.ask(key, rate)).await.unwrap_or(Err(Failure::Failed))
    }

    async fn ask(&self, key: &[u8], rate: &Rate) -> Result<Decision, Failure> {
        let (mut node, mut asking) = (self.has(key).ok_or(Failure::Down)?, false);
        for _ in 0..REDIRECTIONS {
            let turn = self.turn.fetch_add(1, Relaxed);
            let answer = node.link(turn).ask(key, rate, &self.reach, asking).await;
            match answer.inspect_err(|failure| node.fails(*failure))? {
                Answer::Decided(decision) => return Ok(decision),
                Answer::Moved(slot, to) => (node, asking) = (self.learn(slot, &node, &to)?, false),
                Answer::Asked(to) => {
                    let address = address(&to, &node).ok_or(Failure::Failed)?;
                    let known = self.node(&mut self.nodes.lock(), &address).map(|(_, node)| node);
                    (node, asking) = (known.ok_or(Failure::Failed)?, true);
                }
            }
        }
        Err(Failure::Failed)
    }

    /// The node that has a key's slot, or any that can say who does.
    fn has(&self, key: &[u8]) -> Option<Arc<Node>> {
        let nodes = self.nodes.lock();
        // Outside of a cluster there are none, and nothing to compute.
        let slot = (!nodes.of_slot.is_empty()).then(|| slots::of(key));
        let owner =
            slot.and_then(|slot| nodes.of_slot.get(slot)).and_then(|place| nodes.known.get(usize::from(*place)));
        let any = || nodes.known.iter().find(|node| !node.is_down());
        owner.filter(|node| !node.is_down()).or_else(any).cloned()
    }

    fn learn(&self, slot: usize, from: &Node, to: &str) -> Result<Arc<Node>, Failure> {
        let address = address(to, from).ok_or(Failure::Failed)?;
        let nodes = &mut *self.nodes.lock();
        let (place, node) = self.node(nodes, &address).ok_or(Failure::Failed)?;
        if nodes.of_slot.is_empty() {
            // Whoever was asked first has the rest, as far as is known.
            nodes.of_slot = vec![0; SLOTS];
        }
        if let Some(owner) = nodes.of_slot.get_mut(slot) {
            *owner = place as u16;
        }
        Ok(node)
    }

    /// The node of an address and its place, a new one if there may be more.
    fn node(&self, nodes: &mut Nodes, address: &Address) -> Option<(usize, Arc<Node>)> {
        let place = nodes.known.iter().position(|node| node.address == *address);
        let place = match place {
            Some(place) => place,
            None if nodes.known.len() == MOST_NODES => return None,
            None => {
                let link = |number| Link::new(&self.runtime, &self.reach, address, number == 0);
                let links = (0..self.connections.max(1)).map(link).collect();
                nodes.known.push(Arc::new(Node { address: address.clone(), links }));
                nodes.known.len() - 1
            }
        };
        Some((place, nodes.known[place].clone()))
    }
}

impl Node {
    fn is_down(&self) -> bool {
        self.links.iter().all(Link::is_down)
    }

    /// What one question met, the others will.
    fn fails(&self, failure: Failure) {
        if failure == Failure::Failed {
            self.links.iter().for_each(Link::fail);
        }
    }

    /// One that is up, if any is, in turn; else one that may be.
    fn link(&self, turn: usize) -> &Link {
        let in_turn = || (0..self.links.len()).map(|step| &self.links[(turn.wrapping_add(step)) % self.links.len()]);
        let up = in_turn().find(|link| link.is_up());
        up.or_else(|| in_turn().find(|link| !link.is_down())).unwrap_or(&self.links[0])
    }
}

/// `host:port`; without a host, the one of the node that says so.
fn address(text: &str, from: &Node) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((if host.is_empty() { from.address.0.clone() } else { host.to_owned() }, port.parse().ok()?))
}

impl Observed for Client {
    fn tell(&self, told: &mut Told) {
        for node in &self.nodes.lock().known {
            let up = node.links.iter().filter(|link| link.is_up()).count();
            let (host, port) = &node.address;
            told.add(&families::REDIS_CONNECTIONS, &[&format!("{host}:{port}")], up as u64);
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

/// A request that waits, counted until this is dropped.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    fn begin(count: &'c AtomicUsize) -> Result<Self, Failure> {
        let waiting = Self(count);
        if count.fetch_add(1, Relaxed) < MOST_WAITING { Ok(waiting) } else { Err(Failure::Full) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Requests that wait for a decision at a time; any more are decided without.
const MOST_WAITING: usize = 10_000;
/// Servers that are asked for one decision.
const REDIRECTIONS: usize = 4;
/// Redis recommends 1,000 at most.
const MOST_NODES: usize = 1_000;

#[cfg(test)]
mod tests;
