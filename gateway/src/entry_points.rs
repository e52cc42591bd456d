//! The entry points that there are, the sockets they listen on, and how both change while the others serve on.
//!
//! ```text
//! plan (binds what is new) -> compile -> adopt (each worker is told what to listen on)
//! ```
//!
//! A plan that is not adopted leaves nothing behind.

use std::{
    collections::{BTreeMap, HashMap},
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use rollgate_config::static_config::{EntryPoint as Settings, INTERNAL, Static};

use crate::{
    entry_point::EntryPoint,
    gateway::StartError,
    listener::{self, Inherited},
    metrics::Metrics,
    worker::{Listening, Wanted},
};

/// Which there are, and where they listen.
#[derive(Debug)]
pub(crate) struct EntryPoints {
    current: Vec<Bound>,
    /// The place of each name that there ever was in the snapshots' lists.
    places: HashMap<String, usize>,
    next_socket: u64,
    workers: usize,
    host_name: String,
}

/// An entry point and its sockets.
#[derive(Debug, Clone)]
struct Bound {
    entry: Arc<EntryPoint>,
    sockets: Vec<u64>,
}

/// What is to become of the entry points.
#[derive(Debug)]
pub(crate) struct Plan {
    next: Vec<Bound>,
    fresh: BTreeMap<u64, TcpListener>,
    places: HashMap<String, usize>,
}

impl EntryPoints {
    /// None yet.
    pub(crate) fn new(workers: usize) -> Self {
        let host_name = hostname::get().unwrap_or_default().to_string_lossy().into_owned();
        Self { current: Vec::new(), places: HashMap::new(), next_socket: 0, workers, host_name }
    }

    pub(crate) fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.current.iter().map(|bound| (bound.entry.name.to_string(), bound.entry.address)).collect()
    }

    pub(crate) fn entries(&self) -> Vec<Arc<EntryPoint>> {
        self.current.iter().map(|bound| bound.entry.clone()).collect()
    }

    /// What changes if the static configuration is this one. An entry point whose settings are equal stays; one whose
    /// address is equal keeps its sockets.
    pub(crate) fn plan(
        &self,
        statics: &Static,
        metrics: &Metrics,
        inherited: &mut Inherited,
    ) -> Result<Plan, StartError> {
        let mut plan = Plan { next: Vec::new(), fresh: BTreeMap::new(), places: self.places.clone() };
        for (name, settings) in &statics.entry_points {
            let before = self.current.iter().find(|bound| *bound.entry.name == **name);
            if let Some(same) = before.filter(|bound| bound.entry.settings.is(settings)) {
                plan.next.push(same.clone());
                continue;
            }
            let kept = before.filter(|bound| bound.entry.settings.address.value == settings.address.value);
            let (sockets, address) = match kept {
                Some(bound) => (bound.sockets.clone(), bound.entry.address),
                None => match self.bind(name, settings, &mut plan, inherited)? {
                    Some(bound) => bound,
                    None => continue,
                },
            };
            let count = plan.places.len();
            let index = *plan.places.entry(name.clone()).or_insert(count);
            let id = metrics.entry_point_id(name);
            let mut entry = EntryPoint::new(index, name, id, settings, address, &self.host_name, statics);
            if let Some(before) = before {
                entry = entry.in_place_of(&before.entry);
            }
            plan.next.push(Bound { entry: Arc::new(entry), sockets });
        }
        Ok(plan)
    }

    /// `None`: it does not matter that the address is taken.
    fn bind(
        &self,
        name: &str,
        settings: &Settings,
        plan: &mut Plan,
        inherited: &mut Inherited,
    ) -> Result<Option<(Vec<u64>, SocketAddr)>, StartError> {
        let address = &settings.address.value;
        let bound = listener::bind(name, (address, settings.timeouts.tcp_user), self.workers, inherited)
            .and_then(|bound| Ok((bound[0].local_addr()?, bound)));
        let (address, bound) = match bound {
            Ok(bound) => bound,
            // Nobody asked for the internal entry point by name; the machine's 8080 may be somebody else's.
            Err(error) if name == INTERNAL && &*settings.at.source == "default" => {
                tracing::warn!(address, %error, "no internal entry point");
                return Ok(None);
            }
            Err(error) => {
                let (entry_point, address) = (name.to_owned(), address.clone());
                return Err(StartError::Listen { entry_point, address, at: settings.address.at.clone(), error });
            }
        };
        let mut sockets = Vec::with_capacity(bound.len());
        for listener in bound {
            let socket = self.next_socket + plan.fresh.len() as u64;
            plan.fresh.insert(socket, listener);
            sockets.push(socket);
        }
        Ok(Some((sockets, address)))
    }

    /// The entry points of a plan that are not there any more.
    pub(crate) fn gone(&self, plan: &Plan) -> Vec<Arc<EntryPoint>> {
        let stays = |name: &str| plan.next.iter().any(|next| *next.entry.name == *name);
        self.current.iter().filter(|bound| !stays(&bound.entry.name)).map(|bound| bound.entry.clone()).collect()
    }

    /// Makes a plan come true; for each worker, what it is to listen on from now on.
    pub(crate) fn adopt(&mut self, mut plan: Plan) -> Vec<Listening> {
        let gone = self.gone(&plan);
        for before in &self.current {
            let replaced =
                |next: &Bound| next.entry.name == before.entry.name && !Arc::ptr_eq(&next.entry, &before.entry);
            if plan.next.iter().any(replaced) {
                before.entry.replace();
            }
        }
        let mut workers: Vec<Listening> =
            (0..self.workers).map(|_| Listening { sockets: Vec::new(), gone: gone.clone() }).collect();
        for bound in &plan.next {
            for (place, socket) in bound.sockets.iter().enumerate() {
                let (entry, listener) = (bound.entry.clone(), plan.fresh.remove(socket));
                // A socket's place among its entry point's never changes, so it stays with its worker.
                workers[place % self.workers].sockets.push(Wanted { socket: *socket, entry, listener });
                self.next_socket = self.next_socket.max(socket + 1);
            }
        }
        self.current = plan.next;
        self.places = plan.places;
        workers
    }
}

impl Plan {
    pub(crate) fn entries(&self) -> Vec<Arc<EntryPoint>> {
        self.next.iter().map(|bound| bound.entry.clone()).collect()
    }
}
