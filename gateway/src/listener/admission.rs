//! How many connections from clients there may be: in total and from one address, for the whole process. Asked once for
//! each connection; a request never looks at it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use parking_lot::Mutex;
use rollgate_config::static_config::Limits;
use tokio::sync::Notify;

/// The count and its bounds; one per process.
#[derive(Debug)]
pub(crate) struct Admission {
    most: u32,
    open: AtomicU32,
    /// Somebody has said that it is full.
    full: AtomicBool,
    freed: Notify,
    most_per_client: u32,
    /// Only kept if there is a bound; addresses without a connection are not in it.
    clients: Mutex<HashMap<IpAddr, u32>>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Admission>);

/// A connection's place among those of its client.
#[derive(Debug)]
pub(crate) struct ClientPlace {
    admission: Arc<Admission>,
    client: IpAddr,
}

impl Admission {
    /// `descriptors`: how many files the process may have open.
    pub(crate) fn new(limits: &Limits, descriptors: u64) -> Arc<Self> {
        Arc::new(Self {
            most: limits.max_connections.unwrap_or_else(|| affordable(descriptors)),
            open: AtomicU32::new(0),
            full: AtomicBool::new(false),
            freed: Notify::new(),
            most_per_client: limits.max_connections_per_client,
            clients: Mutex::default(),
        })
    }

    /// Waits until there is room for one more. Workers that wait at the same moment may each find the same room, so that
    /// there can be one connection more for each listening socket.
    pub(crate) async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on nothing is missed.
            freed.as_mut().enable();
            if self.open.load(Ordering::Acquire) < self.most {
                if self.full.swap(false, Ordering::AcqRel) {
                    tracing::info!(connections = self.most, "there is room for connections again");
                }
                return;
            }
            if !self.full.swap(true, Ordering::AcqRel) {
                tracing::warn!(connections = self.most, "as many connections as there may be: accepting pauses");
            }
            freed.await;
        }
    }

    /// Takes a place, whether there is room or not.
    pub(crate) fn enter(self: &Arc<Self>) -> Place {
        self.open.fetch_add(1, Ordering::AcqRel);
        Place(self.clone())
    }

    /// Takes a place among a client's; `Err` if it has as many as it may. `None`: there is no bound.
    pub(crate) fn enter_client(self: &Arc<Self>, client: IpAddr) -> Result<Option<Box<ClientPlace>>, TooMany> {
        if self.most_per_client == 0 {
            return Ok(None);
        }
        let client = network(client);
        let mut clients = self.clients.lock();
        let open = clients.entry(client).or_default();
        if *open >= self.most_per_client {
            return Err(TooMany);
        }
        *open += 1;
        Ok(Some(Box::new(ClientPlace { admission: self.clone(), client })))
    }
}

/// A client has as many connections as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) >= self.0.most {
            self.0.freed.notify_waiters();
        }
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut clients = self.admission.clients.lock();
        if let Some(open) = clients.get_mut(&self.client) {
            *open -= 1;
            if *open == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// Each connection may need another one to a server, and some descriptors are for everything else.
fn affordable(descriptors: u64) -> u32 {
    let connections = if descriptors >= 3 * SPARE { (descriptors - SPARE) / 2 } else { descriptors / 3 };
    u32::try_from(connections).unwrap_or(u32::MAX).max(1)
}

/// What counts as one client: an IPv4 address, or what one site gets of IPv6 (RFC 6177), a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// Descriptors for listeners, files, the reserve and the runtimes.
const SPARE: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total: u32, per_client: u32) -> Arc<Admission> {
        let limits =
            Limits { max_connections: Some(total), max_connections_per_client: per_client, ..Limits::default() };
        Admission::new(&limits, 1024)
    }

    #[test]
    fn half_of_the_descriptors_are_for_connections_and_half_for_servers() {
        for (descriptors, connections) in
            [(0, 1), (100, 33), (1024, 341), (1536, 512), (1_048_576, 524_032), (u64::MAX, u32::MAX)]
        {
            assert_eq!(affordable(descriptors), connections, "{descriptors}");
        }
    }

    #[tokio::test]
    async fn who_waits_for_room_is_woken_by_a_place_given_back() {
        let admission = limits(2, 0);
        let (first, second) = (admission.enter(), admission.enter());
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { admission.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.unwrap().unwrap();
        drop(second);
        admission.room().await;
    }

    #[tokio::test]
    async fn more_than_there_may_be_leave_room_only_when_enough_have_gone() {
        let admission = limits(1, 0);
        let (first, second) = (admission.enter(), admission.enter());
        drop(first);
        let room = admission.room();
        assert!(tokio::time::timeout(std::time::Duration::ZERO, room).await.is_err());
        drop(second);
        admission.room().await;
    }

    #[test]
    fn a_client_is_an_address_or_a_64() {
        let admission = limits(100, 2);
        let enter = |address: &str| admission.enter_client(address.parse().unwrap());
        let kept = [enter("192.0.2.1"), enter("::ffff:192.0.2.1"), enter("2001:db8::1"), enter("2001:db8::ffff:1")];
        assert!(kept.iter().all(|place| matches!(place, Ok(Some(_)))));
        for full in ["192.0.2.1", "2001:db8::2"] {
            assert_eq!(enter(full).err(), Some(TooMany), "{full}");
        }
        for other in ["192.0.2.2", "2001:db8:0:1::1"] {
            assert!(enter(other).is_ok(), "{other}");
        }
        drop(kept);
        assert!(enter("192.0.2.1").is_ok());
        assert!(admission.clients.lock().is_empty());
    }

    #[test]
    fn without_a_bound_nobody_is_remembered() {
        let admission = limits(100, 0);
        assert!(matches!(admission.enter_client([192, 0, 2, 1].into()), Ok(None)));
        assert!(admission.clients.lock().is_empty());
    }
}
