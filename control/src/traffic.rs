//! Which version gets which share: live weights and brakes over what the configuration says.
//!
//! ```text
//! change:         turn -> names, owner, precondition -> store (commit) -> Gateway::lay_over (every worker) -> event, answer
//! brake:          names -> Gateway::lay_over (every worker) -> event -> store (until it is there) -> answer
//! document:       turn -> store (commit) -> Gateway::publish, as a configuration
//! configuration:  what still fits -> Gateway::publish -> events -> store (what was dropped)
//! ```
//!
//! One change at a time. What is answered is live and kept; what is refused has changed nothing. A brake is for safety: it
//! holds before it is kept, and is kept as soon as the store can. Neither it nor a configuration ever waits for a disk: there are
//! two locks, `writing` (held while the store commits), then `laying` (held while the workers take something, and never over a
//! disk).

mod brakes;
mod documents;
mod keeping;
pub mod names;
mod protect;
mod refused;
mod rollouts;
mod settle;
mod view;
mod weights;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use rollgate_config::{
    dynamic::{Configuration, service::WeightedChild},
    problem::Problem,
    static_config::Static,
    steps::Awaited,
};
use rollgate_gateway::{BreakerPlace, Gateway, ListeningSocket, Notice, Over, StartError, Trial};
use serde_json::{Value, json};
use tokio::sync::{MutexGuard, Notify, Semaphore, watch};

use self::keeping::{Owed, Progress};
pub use self::{
    brakes::BrakeView,
    documents::{KeptDocument, NotKept},
    protect::Protected,
    refused::Refused,
    rollouts::Found,
    view::{WeightsView, etag},
    weights::{Answer, Done, IfMatch, Key, Weighing, Wish},
};
use crate::{
    events::{EventKind, Events, News},
    store::{Brake, KeptRollout, LiveWeights, StoreError, StoreThread, Stored},
};

/// The one writer of weights and brakes.
pub struct Traffic {
    store: StoreThread,
    events: Arc<Events>,
    gateway: OnceLock<Arc<Gateway>>,
    /// Who may wait for `writing`.
    places: Semaphore,
    /// Held from the first look at what there is until the change is live; a disk may be waited for.
    writing: tokio::sync::Mutex<()>,
    /// Held while what lies over the configuration, or that itself, changes: in `state` and on the workers. No disk is waited for.
    laying: tokio::sync::Mutex<()>,
    /// Who waits for `laying`.
    awaited: Awaited,
    state: Mutex<State>,
    /// Something is owed to the store.
    owing: Notify,
    progress: watch::Sender<Progress>,
    documents_changed: Notify,
    rollouts_changed: Notify,
    /// Counts the configurations that have become live.
    configured: watch::Sender<u64>,
}

/// What is live.
#[derive(Default)]
struct State {
    /// What was published; protections lie over it.
    base: Arc<Configuration>,
    /// What is live.
    configuration: Arc<Configuration>,
    live: BTreeMap<String, LiveWeights>,
    /// By service and version.
    brakes: BTreeMap<(String, String), Brake>,
    /// Texts of configurations, by name.
    documents: BTreeMap<String, String>,
    /// Those that have not ended, by id.
    rollouts: BTreeMap<String, KeptRollout>,
    /// What judges, by service; gone with the process.
    trials: BTreeMap<String, Arc<Trial>>,
    revision: u64,
    owed: Owed,
    /// The brake that somebody is taking off.
    releasing: Option<(String, String)>,
}

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The caller's name.
    pub name: Arc<str>,
    /// `read`, `operate` or `admin`.
    pub role: &'static str,
    /// Where he comes from; `None`: from here.
    pub address: Option<SocketAddr>,
}

impl Actor {
    fn address(&self) -> String {
        self.address.map(|address| address.ip().to_string()).unwrap_or_default()
    }
}

impl Traffic {
    /// With what the store has kept; it is in force from the gateway's start on.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn open(store: StoreThread, events: Arc<Events>) -> Result<Self, StoreError> {
        let stored = store.load().await?;
        let Stored { live, brakes, documents, rollouts, revision } = stored;
        let state = State { live, brakes, documents, rollouts, revision, ..State::default() };
        Ok(Self {
            store,
            events,
            gateway: OnceLock::new(),
            places: Semaphore::new(PLACES),
            writing: tokio::sync::Mutex::new(()),
            laying: tokio::sync::Mutex::new(()),
            awaited: Awaited::default(),
            state: Mutex::new(state),
            owing: Notify::new(),
            progress: watch::Sender::default(),
            documents_changed: Notify::new(),
            rollouts_changed: Notify::new(),
            configured: watch::Sender::default(),
        })
    }

    /// Starts the gateway with what lies over its first configuration.
    ///
    /// # Errors
    /// See [`Gateway::start`].
    pub async fn start(
        &self,
        statics: &Static,
        configuration: Arc<Configuration>,
        workers: usize,
        inherited: Vec<ListeningSocket>,
    ) -> Result<Arc<Gateway>, StartError> {
        let _laying = self.turn_to_lay().await;
        let (live, fit) = self.state.lock().fitted(&configuration);
        let gateway = Arc::new(Gateway::start(statics, (&live, fit.over.clone()), workers, inherited)?);
        drop(self.gateway.set(gateway.clone()));
        self.state.lock().base = configuration;
        self.settled(live, fit);
        Ok(gateway)
    }

    /// Makes a configuration live, with what lies over it. `statics`: its entry points have changed.
    ///
    /// # Errors
    /// See [`Gateway::publish`].
    pub async fn publish(
        &self,
        statics: Option<&Static>,
        configuration: Arc<Configuration>,
    ) -> Result<u64, Vec<Problem>> {
        // The last ones let go of what was live, and that takes long: they do it when nobody waits for them.
        let _before = {
            let state = self.state.lock();
            (state.base.clone(), state.configuration.clone())
        };
        let _laying = self.turn_to_lay().await;
        self.make_live(statics, configuration).await
    }

    async fn turn_to_lay(&self) -> MutexGuard<'_, ()> {
        let _waiting = self.awaited.wait();
        self.laying.lock().await
    }

    /// Whether anybody waits until a configuration is live: a change of weights, a brake, somebody who looks.
    pub fn is_awaited(&self) -> bool {
        self.awaited.by_anybody() || self.gateway.get().is_some_and(|gateway| gateway.is_awaited())
    }

    /// By whoever holds `laying`.
    async fn make_live(
        &self,
        statics: Option<&Static>,
        configuration: Arc<Configuration>,
    ) -> Result<u64, Vec<Problem>> {
        let Some(gateway) = self.gateway.get() else { return Ok(0) };
        let (live, fit) = self.state.lock().fitted(&configuration);
        let generation = match statics {
            Some(statics) => gateway.publish_with_entry_points(statics, &live, fit.over.clone()).await?,
            None => gateway.publish(&live, fit.over.clone()).await?,
        };
        // Letting a configuration go takes long where it is the last who has it: not while the state is locked.
        let _before = std::mem::replace(&mut self.state.lock().base, configuration);
        self.settled(live, fit);
        Ok(generation)
    }

    /// What lies over all services that anything was said of.
    pub fn over(&self) -> Vec<(Arc<str>, Over)> {
        let state = self.state.lock();
        settle::fit(&state, &state.configuration).over
    }

    /// The configuration that is live.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.state.lock().configuration.clone()
    }

    /// Is told when another one is.
    pub fn reconfigured(&self) -> watch::Receiver<u64> {
        self.configured.subscribe()
    }

    /// The data plane, once it has started.
    pub fn gateway(&self) -> Option<&Arc<Gateway>> {
        self.gateway.get()
    }

    /// The store, for what is only read there.
    pub fn store(&self) -> &StoreThread {
        &self.store
    }

    /// What happens.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// Something that nobody asked for has happened.
    pub fn event<const N: usize>(&self, kind: EventKind, cause: Option<String>, details: [(&str, Value); N]) {
        self.event_of(kind, None, cause, details);
    }

    /// A breaker or a server has changed.
    pub fn notice(&self, notice: Notice) {
        match notice {
            Notice::Breaker { middleware, place, from, to, cause } => {
                let service = match &place {
                    BreakerPlace::Service(service) => Some(service.to_string()),
                    BreakerPlace::Router(_) => None,
                };
                let details = [
                    ("middleware", json!(middleware)),
                    ("place", json!(place.to_string())),
                    ("from", json!(from)),
                    ("to", json!(to)),
                ];
                self.event_of(EventKind::BreakerChanged, service, cause, details);
            }
            Notice::Server { service, url, up, cause } => {
                let details = [("url", json!(url)), ("up", json!(up))];
                self.event_of(EventKind::ServerChanged, Some(service.to_string()), Some(cause.to_owned()), details);
            }
            // For whoever runs rollouts.
            Notice::Verdict { .. } => {}
        }
    }

    fn event_of<const N: usize>(
        &self,
        kind: EventKind,
        service: Option<String>,
        cause: Option<String>,
        details: [(&str, Value); N],
    ) {
        let details = details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let service = service.map(Arc::from);
        self.events.add(News { kind, actor: GATEWAY.into(), cause, service, details }, SystemTime::now());
    }

    async fn lay(&self, over: Vec<(Arc<str>, Over)>) -> u64 {
        match self.gateway.get() {
            Some(gateway) => gateway.lay_over(over).await,
            None => 0,
        }
    }

    /// The generation that is current; 0 before the start.
    pub fn generation(&self) -> u64 {
        self.gateway.get().map_or(0, |gateway| gateway.generation())
    }
}

impl State {
    /// A configuration with the protections that lie over it, and what of the rest fits that.
    fn fitted(&self, configuration: &Arc<Configuration>) -> (Arc<Configuration>, settle::Fit) {
        let live = protect::over(configuration, &self.documents);
        let fit = settle::fit(self, &live);
        (live, fit)
    }

    /// The children of a weighted service.
    fn children<'s>(&'s self, service: &str) -> Result<&'s [WeightedChild], Refused> {
        let Some(item) = self.configuration.services.get(service) else {
            return Err(Refused::NotFound { what: "service", name: service.to_owned() });
        };
        match item.kind.children() {
            ("", _) => Err(Refused::NotWeighted { service: service.to_owned(), kind: item.kind.name() }),
            (_, children) => Ok(children),
        }
    }

    /// What lies over a service.
    fn over_of(&self, service: &str) -> Over {
        self.over(service, self.live.get(service))
    }

    /// What lies over a service with these live weights and the brakes that there are.
    fn over(&self, service: &str, live: Option<&LiveWeights>) -> Over {
        over(service, live, self.brakes.keys(), self.trials.get(service))
    }

    fn view(&self, service: &str) -> Result<WeightsView, Refused> {
        let live = self.live.get(service);
        Ok(WeightsView::new(service, self.children(service)?, live, &self.over_of(service)))
    }
}

fn over<'b>(
    service: &str,
    live: Option<&LiveWeights>,
    brakes: impl Iterator<Item = &'b (String, String)>,
    trial: Option<&Arc<Trial>>,
) -> Over {
    let weights =
        live.map(|live| live.weights.iter().map(|(name, weight)| (Arc::from(name.as_str()), *weight)).collect());
    let braked: BTreeSet<Arc<str>> =
        brakes.filter(|(of, _)| of == service).map(|(_, version)| Arc::from(version.as_str())).collect();
    Over { weights, braked, trial: trial.cloned() }
}

/// Milliseconds since 1970.
fn milliseconds(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Who acts where nobody asked.
const GATEWAY: &str = "gateway";

/// Changes that may wait for their turn.
const PLACES: usize = 1024;

#[cfg(test)]
mod tests;
