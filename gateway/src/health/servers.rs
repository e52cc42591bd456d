//! The servers of one load balancer: their roster, and everything that is to learn of a change.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rollgate_config::dynamic::service::health::{HealthCheck, PassiveHealthCheck};
use tokio::{sync::watch, task::AbortHandle};
use url::Url;

use super::{
    Health,
    fault::Fault,
    probe::{Asking, Check},
    roster::{Cause, Change, Roster, Rules},
    watching,
};
use crate::{
    helper::Helper,
    metrics::Metrics,
    notice::Notice,
    pool::Targets,
    tls::client::Transport,
    troubles::{Trouble, Troubles},
};

/// What all load balancers' servers share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// Without, nothing is probed and nobody left out comes back: the gateway only explains itself.
    helper: Option<Helper>,
    metrics: Arc<Metrics>,
    troubles: Troubles,
    asking: Asking,
}

/// One load balancer's.
pub(crate) struct Servers {
    service: Arc<str>,
    surroundings: Surroundings,
    state: Mutex<State>,
    itself: Weak<Self>,
}

#[derive(Default)]
struct State {
    roster: Roster,
    known: BTreeMap<Arc<str>, Known>,
    checks: Option<watch::Sender<Check>>,
}

struct Known {
    health: Arc<Health>,
    /// Asks it.
    watching: Option<Watching>,
    /// As long as it is down.
    trouble: Option<Trouble>,
}

/// A task that ends with this.
struct Watching(AbortHandle);

/// What is configured.
pub(crate) struct Configured<'c> {
    pub(crate) active: Option<&'c HealthCheck>,
    pub(crate) passive: Option<PassiveHealthCheck>,
    pub(crate) transport: &'c Arc<Transport>,
    /// Each with the URL as it is shown, and whether it has weight.
    pub(crate) servers: Vec<(Arc<str>, &'c Url, bool)>,
}

impl Surroundings {
    pub(crate) fn new(helper: Option<Helper>, metrics: Arc<Metrics>, troubles: Troubles, targets: Targets) -> Self {
        Self { helper, metrics, troubles, asking: Asking::new(targets) }
    }
}

impl Servers {
    pub(crate) fn new(service: Arc<str>, surroundings: Surroundings) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new_cyclic(|itself| Self { service, surroundings, state, itself: itself.clone() })
    }

    /// Takes over what is configured; servers that stay are what they were, those that are gone are asked no more.
    pub(crate) fn configure(&self, configured: &Configured<'_>) {
        let state = &mut *self.state.lock();
        let check =
            configured.active.map(|config| Check { config: config.clone(), transport: configured.transport.clone() });
        match (check, &state.checks) {
            (Some(check), Some(checks)) => drop(checks.send_replace(check)),
            (check, _) => state.checks = check.map(watch::Sender::new),
        }
        let mut before = std::mem::take(&mut state.known);
        for (url, server, _) in &configured.servers {
            if state.known.contains_key(url) {
                continue;
            }
            let mut known = before.remove(url).unwrap_or_else(|| Known::new(url));
            match &state.checks {
                None => known.watching = None,
                Some(checks) if known.watching.is_none() => {
                    known.watching = self.watch(url.clone(), (*server).clone(), checks.subscribe());
                }
                Some(_) => {}
            }
            state.known.insert(url.clone(), known);
        }
        let rules = Rules { probed: configured.active.is_some(), passive: configured.passive };
        let servers = configured.servers.iter().map(|(url, _, weighted)| (url, *weighted));
        let changes = state.roster.update(rules, servers);
        self.publish(state, changes, None);
        state.note_failures();
    }

    /// Its servers are no longer to be checked.
    pub(crate) fn forget(&self) {
        *self.state.lock() = State::default();
    }

    /// The health of a server that is configured.
    pub(crate) fn health(&self, url: &str) -> Option<Arc<Health>> {
        self.state.lock().known.get(url).map(|known| known.health.clone())
    }

    /// A request to a server went well. Two loads, unless it has failed of late.
    pub(crate) fn succeeded(&self, health: &Health) {
        if health.failing.load(Ordering::Relaxed) {
            let state = &mut *self.state.lock();
            state.roster.succeeded(&health.url);
            // Under the lock: a failure that comes now is not to be taken for forgiven.
            health.failing.store(false, Ordering::Relaxed);
        }
    }

    /// A request to a server failed, by the server's fault.
    pub(crate) fn failed(&self, health: &Health) {
        // Those that were under way when it was left out say nothing new.
        if !health.is_up() {
            return;
        }
        let state = &mut *self.state.lock();
        let failed = state.roster.failed(&health.url, Instant::now());
        health.failing.store(state.roster.is_failing(&health.url), Ordering::Relaxed);
        self.publish(state, failed.changes, None);
        if let (Some((ejection, window)), Some(runtime)) = (failed.ejection, self.runtime()) {
            let (servers, url) = (self.itself.clone(), health.url.clone());
            runtime.spawn(async move {
                tokio::time::sleep(window).await;
                if let Some(servers) = servers.upgrade() {
                    let state = &mut *servers.state.lock();
                    let changes = state.roster.over(&url, ejection);
                    servers.publish(state, changes, None);
                }
            });
        }
    }

    fn watch(&self, url: Arc<str>, server: Url, checks: watch::Receiver<Check>) -> Option<Watching> {
        let (servers, asking) = (self.itself.clone(), self.surroundings.asking.clone());
        let server = Arc::new(server);
        let ask = move |check: Check| {
            let (asking, server) = (asking.clone(), server.clone());
            async move { asking.ask(&check, &server).await }
        };
        let tell = move |began: Instant, answer: &Result<(), Fault>| {
            if let Some(servers) = servers.upgrade() {
                servers.probed(&url, began, answer);
            }
        };
        let task = self.runtime()?.spawn(watching::watch(checks, ask, tell, || fastrand::u64(..)));
        Some(Watching(task.abort_handle()))
    }

    fn probed(&self, url: &Arc<str>, began: Instant, answer: &Result<(), Fault>) {
        let took = began.elapsed();
        let state = &mut *self.state.lock();
        if !state.known.contains_key(url) {
            return;
        }
        self.surroundings.metrics.count_health_check(&self.service, answer.is_ok());
        if let Err(fault) = answer {
            tracing::debug!(service = %self.service, %url, %fault, ?took, "a probe was bad");
        }
        let changes = state.roster.probed(url, began, answer.is_ok());
        self.publish(state, changes, answer.as_ref().err().map(|fault| (fault, took)));
    }

    /// Tells everybody.
    fn publish(&self, state: &mut State, changes: Vec<Change>, fault: Option<(&Fault, Duration)>) {
        for Change { url, up, cause } in changes {
            let Some(known) = state.known.get_mut(&url) else { continue };
            // Whoever sees the server down sees the trouble too.
            if !up {
                known.trouble = Some(self.surroundings.troubles.begin());
            }
            known.health.up.store(up, Ordering::Release);
            if up {
                known.trouble = None;
            }
            self.surroundings.metrics.server_changed(&self.service, &url, up, cause.label());
            self.surroundings.metrics.notices().tell(|| Notice::Server {
                service: self.service.clone(),
                url: url.clone(),
                up,
                cause: cause.label(),
            });
            let service = &*self.service;
            match (up, cause, fault) {
                (true, ..) => tracing::info!(service, %url, cause = cause.label(), "a server is up"),
                (false, Cause::Probe, Some((fault, took))) => {
                    tracing::warn!(service, %url, %fault, ?took, "a server is down");
                }
                (false, Cause::New, _) => tracing::info!(service, %url, "a server waits for its first probe"),
                (false, ..) => tracing::warn!(service, %url, cause = cause.label(), "a server is left out"),
            }
        }
    }

    fn runtime(&self) -> Option<&tokio::runtime::Handle> {
        self.surroundings.helper.as_ref()?.runtime()
    }
}

impl State {
    /// What is configured may have wiped failures out.
    fn note_failures(&self) {
        for (url, known) in &self.known {
            known.health.failing.store(self.roster.is_failing(url), Ordering::Relaxed);
        }
    }
}

impl Known {
    fn new(url: &Arc<str>) -> Self {
        Self { health: Arc::new(Health::new(url.clone())), watching: None, trouble: None }
    }
}

impl Cause {
    /// In metrics and in the log.
    fn label(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Answers => "answers",
            Self::New => "new",
            Self::LastOne => "last_one",
            Self::Configuration => "configuration",
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Servers").field("service", &self.service).finish_non_exhaustive()
    }
}
