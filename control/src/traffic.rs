//! Which version gets which share: live weights and brakes over what the configuration says.
//!
//! ```text
//! change:         names -> owner, precondition -> store (commit) -> Gateway::lay_over (every worker) -> event, answer
//! brake:          names -> Gateway::lay_over (every worker) -> store (until it is there) -> event, answer
//! document:       store (commit) -> Gateway::publish, as a configuration
//! configuration:  what still fits -> Gateway::publish -> store (what was dropped) -> events
//! ```
//!
//! One change at a time. What is answered is live and kept; what is refused has changed nothing. A brake is for safety: it
//! holds before it is kept, and is kept as soon as the store can.

mod brakes;
mod documents;
pub mod names;
mod refused;
mod settle;
mod view;
mod weights;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use rollgate_config::{
    dynamic::{Configuration, service::WeightedChild},
    problem::Problem,
    static_config::Static,
};
use rollgate_gateway::{BreakerPlace, Gateway, ListeningSocket, Notice, Over, StartError};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub use self::{
    brakes::BrakeView,
    documents::{KeptDocument, NotKept},
    refused::Refused,
    view::{WeightsView, etag},
    weights::{Answer, Done, IfMatch, Key, Weighing, Wish},
};
use crate::{
    events::{EventKind, Events, News},
    store::{Brake, Change, Commit, LiveWeights, StoreError, StoreThread, Stored},
};

/// The one writer of weights and brakes.
pub struct Traffic {
    store: StoreThread,
    events: Arc<Events>,
    gateway: OnceLock<Arc<Gateway>>,
    /// Held from the first look at what there is until the change is live.
    writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    owing: Notify,
    documents_changed: Notify,
}

/// What is live.
#[derive(Default)]
struct State {
    configuration: Arc<Configuration>,
    live: BTreeMap<String, LiveWeights>,
    /// By service and version.
    brakes: BTreeMap<(String, String), Brake>,
    /// Texts of configurations, by name.
    documents: BTreeMap<String, String>,
    revision: u64,
    /// In force, and not yet in the store.
    owed: Commit,
    owing_since: Option<SystemTime>,
}

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The caller's name.
    pub name: Arc<str>,
    /// `read`, `operate` or `admin`.
    pub role: &'static str,
    /// Where he comes from.
    pub address: SocketAddr,
}

impl Traffic {
    /// With what the store has kept; it is in force from the gateway's start on.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn open(store: StoreThread, events: Arc<Events>) -> Result<Self, StoreError> {
        let stored = store.load().await?;
        let Stored { live, brakes, documents, revision } = stored;
        let state = State { live, brakes, documents, revision, ..State::default() };
        Ok(Self {
            store,
            events,
            gateway: OnceLock::new(),
            writing: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            owing: Notify::new(),
            documents_changed: Notify::new(),
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
        let _writing = self.writing.lock().await;
        let fit = settle::fit(&self.state.lock(), &configuration);
        let gateway = Arc::new(Gateway::start(statics, (&configuration, fit.over.clone()), workers, inherited)?);
        drop(self.gateway.set(gateway.clone()));
        self.settled(configuration, fit).await;
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
        let _writing = self.writing.lock().await;
        self.make_live(statics, configuration).await
    }

    async fn make_live(
        &self,
        statics: Option<&Static>,
        configuration: Arc<Configuration>,
    ) -> Result<u64, Vec<Problem>> {
        let Some(gateway) = self.gateway.get() else { return Ok(0) };
        let fit = settle::fit(&self.state.lock(), &configuration);
        let generation = match statics {
            Some(statics) => gateway.publish_with_entry_points(statics, &configuration, fit.over.clone()).await?,
            None => gateway.publish(&configuration, fit.over.clone()).await?,
        };
        self.settled(configuration, fit).await;
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

    /// Since when something that is in force could not be kept.
    pub fn owing_since(&self) -> Option<SystemTime> {
        self.state.lock().owing_since
    }

    /// Brings what is in force and not yet kept to the store, as long as there is any. Never returns.
    pub async fn pay(&self) {
        loop {
            if self.state.lock().owed.changes.is_empty() {
                self.owing.notified().await;
            }
            tokio::time::sleep(AGAIN).await;
            let _writing = self.writing.lock().await;
            let owes = !self.state.lock().owed.changes.is_empty();
            if owes && self.commit(Commit::default()).await.is_ok() {
                tracing::info!("all that is in force is in the store again");
            }
        }
    }

    /// Takes over what another process has committed: at a handover the one before may decide something when this one has
    /// looked already.
    ///
    /// # Errors
    /// If the store cannot be read; all is as before then.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        self.take_over().await
    }

    async fn take_over(&self) -> Result<(), StoreError> {
        let stored = self.store.load().await?;
        let over = {
            let mut state = self.state.lock();
            if stored.revision == state.revision {
                return Ok(());
            }
            let services = |state: &State| -> BTreeSet<String> {
                let braked = state.brakes.keys().map(|(service, _)| service.clone());
                state.live.keys().cloned().chain(braked).collect()
            };
            let mut concerned = services(&state);
            if state.documents != stored.documents {
                self.documents_changed.notify_one();
            }
            let Stored { live, brakes, documents, revision } = stored;
            (state.live, state.brakes, state.documents, state.revision) = (live, brakes, documents, revision);
            // What is owed is in force.
            state.owed.changes.clone().into_iter().for_each(|change| state.apply(change));
            concerned.extend(services(&state));
            let over = concerned.iter().map(|name| (name.as_str().into(), state.over(name, state.live.get(name))));
            over.collect()
        };
        tracing::warn!("another process has changed weights or brakes; they are taken over");
        self.lay(over).await;
        Ok(())
    }

    /// A commit of these changes and all that is owed.
    async fn commit(&self, mut commit: Commit) -> Result<(), StoreError> {
        let owed = self.state.lock().owed.clone();
        commit.changes.splice(0..0, owed.changes);
        commit.audit.splice(0..0, owed.audit);
        let has_changes = !commit.changes.is_empty();
        match self.store.commit(commit).await {
            Err(StoreError::Stale) => {
                // Decided on what is no longer so: refused, and the next one is not.
                self.take_over().await?;
                return Err(StoreError::Stale);
            }
            done => done?,
        }
        self.state.lock().revision += u64::from(has_changes);
        self.paid();
        Ok(())
    }

    fn paid(&self) {
        let mut state = self.state.lock();
        state.owed = Commit::default();
        state.owing_since = None;
    }

    /// Brings what is in force to the store, now or as soon as it can: whether it is there.
    async fn keep(&self, commit: Commit) -> bool {
        {
            let mut state = self.state.lock();
            state.owed.changes.extend(commit.changes);
            state.owed.audit.extend(commit.audit);
        }
        let mut kept = self.commit(Commit::default()).await;
        if kept == Err(StoreError::Stale) {
            kept = self.commit(Commit::default()).await;
        }
        let Err(error) = kept else { return true };
        tracing::error!(%error, "what is in force could not be kept; it is tried again each second");
        self.state.lock().owing_since.get_or_insert_with(SystemTime::now);
        self.owing.notify_one();
        false
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
    fn apply(&mut self, change: Change) {
        match change {
            Change::SetWeights(service, live) => drop(self.live.insert(service, live)),
            Change::DropWeights(service) => drop(self.live.remove(&service)),
            Change::SetBrake(service, brake) => drop(self.brakes.insert((service, brake.version.clone()), brake)),
            Change::ReleaseBrake(service, version) => drop(self.brakes.remove(&(service, version))),
            Change::PutDocument(name, text) => drop(self.documents.insert(name, text)),
            Change::DropDocument(name) => drop(self.documents.remove(&name)),
        }
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

    /// What lies over a service with these live weights and the brakes that there are.
    fn over(&self, service: &str, live: Option<&LiveWeights>) -> Over {
        over(service, live, self.brakes.keys())
    }

    fn view(&self, service: &str) -> Result<WeightsView, Refused> {
        let live = self.live.get(service);
        Ok(WeightsView::new(service, self.children(service)?, live, &self.over(service, live)))
    }
}

fn over<'b>(service: &str, live: Option<&LiveWeights>, brakes: impl Iterator<Item = &'b (String, String)>) -> Over {
    let weights =
        live.map(|live| live.weights.iter().map(|(name, weight)| (Arc::from(name.as_str()), *weight)).collect());
    let braked: BTreeSet<Arc<str>> =
        brakes.filter(|(of, _)| of == service).map(|(_, version)| Arc::from(version.as_str())).collect();
    Over { weights, braked }
}

/// Milliseconds since 1970.
fn milliseconds(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Who acts where nobody asked.
const GATEWAY: &str = "gateway";

/// Between two attempts to keep what is owed.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
