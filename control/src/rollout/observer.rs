//! What a rollout has to know of the data plane and the configuration: looks of its judge, whether the canary has servers,
//! whether its service is still what it was.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollgate_gateway::{Trial, TrialVerdict};
use tokio::{sync::watch, time::MissedTickBehavior};

use super::{
    engine::{Change, EffectId, Event, Rollout, Verdict},
    judge,
};
use crate::traffic::Traffic;

/// Looks, one thing at a time.
pub(super) struct Observer {
    traffic: Arc<Traffic>,
    service: String,
    stable: String,
    canary: String,
    observed: Observed,
    configured: watch::Receiver<u64>,
    tick: tokio::time::Interval,
    ticks: u64,
    told: Told,
}

/// What has been told.
#[derive(Default)]
struct Told {
    verdict: Option<(EffectId, TrialVerdict)>,
    unavailable: bool,
    gone: bool,
    drift: bool,
}

/// The trial under way, shared with whoever lays it.
#[derive(Clone)]
pub(super) struct Observed {
    traffic: Arc<Traffic>,
    canary: String,
    trial: Arc<Mutex<Option<Laid>>>,
}

struct Laid {
    trial: Arc<Trial>,
    /// What has laid it.
    id: EffectId,
    /// What has begun its step.
    look: EffectId,
}

impl Observer {
    pub(super) fn new(traffic: Arc<Traffic>, rollout: &Rollout) -> Self {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut configured = traffic.reconfigured();
        configured.mark_changed();
        let (service, stable, canary) = (rollout.service.clone(), rollout.stable.clone(), rollout.canary.clone());
        let observed = Observed { traffic: traffic.clone(), canary: canary.clone(), trial: Arc::default() };
        Self { traffic, service, stable, canary, observed, configured, tick, ticks: 0, told: Told::default() }
    }

    pub(super) fn handle(&self) -> Observed {
        self.observed.clone()
    }

    /// The next thing that the engine has to know.
    pub(super) async fn next(&mut self, rollout: &Rollout) -> Event {
        loop {
            tokio::select! {
                _ = self.configured.changed() => {
                    if let Some(change) = self.configuration() {
                        return Event::ConfigurationChanged(change);
                    }
                }
                _ = self.tick.tick() => {
                    self.ticks += 1;
                    if let Some(event) = self.look(rollout) {
                        return event;
                    }
                }
            }
        }
    }

    fn look(&mut self, rollout: &Rollout) -> Option<Event> {
        let keeps = self.ticks.is_multiple_of(EVIDENCE);
        self.judged(rollout, keeps).or_else(|| self.availability())
    }

    /// What the judge finds, if it is another verdict than was told, and else, if asked for, what it has seen until now.
    pub(super) fn judged(&mut self, rollout: &Rollout, or_seen: bool) -> Option<Event> {
        let laid =
            self.observed.trial.lock().as_ref().map(|laid| (laid.trial.clone(), laid.id.clone(), laid.look.clone()));
        let (trial, id, look) = laid?;
        let found = trial.evidence();
        let evidence = || Box::new(judge::evidence(|margin| trial.advance(margin), &found, rollout));
        let verdict = (id.clone(), found.verdict);
        let was = self.told.verdict.as_ref();
        if was != Some(&verdict) && !(was.is_none() && found.verdict == TrialVerdict::Clear) {
            self.told.verdict = Some(verdict);
            let verdict = match found.verdict {
                TrialVerdict::Clear => Verdict::Clear,
                TrialVerdict::Hold => Verdict::Hold { evidence: evidence() },
                TrialVerdict::RollBack => Verdict::RollBack { family: judge::family(&found), evidence: evidence() },
            };
            return Some(Event::Verdict { trial: id, verdict });
        }
        or_seen.then(|| Event::Evidence { of: look, evidence: evidence(), judge: Some(judge::kept(&trial.state())) })
    }

    fn availability(&mut self) -> Option<Event> {
        let status = self.traffic.gateway()?.status(&self.canary)?;
        if status.available != self.told.unavailable {
            return None;
        }
        self.told.unavailable = !status.available;
        Some(match status.available {
            true => Event::CanaryAvailable,
            false => Event::CanaryUnavailable { why: format!("no server of {} is up", self.canary) },
        })
    }

    fn configuration(&mut self) -> Option<Change> {
        let found = self.traffic.found(&self.service);
        let missing = match &found {
            Err(refused) => Some(refused.to_string()),
            Ok(found) => [&self.stable, &self.canary]
                .into_iter()
                .find(|version| !found.weights.contains_key(*version))
                .map(|version| format!("{version} is no longer a version of {}", self.service)),
        };
        if let Some(why) = missing {
            return (!std::mem::replace(&mut self.told.gone, true)).then_some(Change::Gone { why });
        }
        self.told.gone = false;
        let drift = self.traffic.weights(&self.service).is_ok_and(|view| view.drift);
        let is_new = drift && !self.told.drift;
        self.told.drift = drift;
        let why = || format!("the configuration of {} has other weights now; the rollout's hold", self.service);
        is_new.then(|| Change::Drifted { why: why() })
    }
}

impl Observed {
    /// A trial in place of the one before.
    pub(super) fn put(&self, trial: Arc<Trial>, id: EffectId) -> Option<Arc<Trial>> {
        self.trial.lock().replace(Laid { trial, look: id.clone(), id }).map(|laid| laid.trial)
    }

    /// Its next step.
    pub(super) fn next_step(&self, look: EffectId) -> bool {
        let mut laid = self.trial.lock();
        laid.as_mut().is_some_and(|laid| {
            laid.trial.next_step();
            laid.look = look;
            true
        })
    }

    pub(super) fn take(&self) -> Option<Arc<Trial>> {
        self.trial.lock().take().map(|laid| laid.trial)
    }

    /// How many of the canary's servers take requests; of a service that is no load balancer, 1 if it can.
    pub(super) fn canary_servers_up(&self) -> u32 {
        let status = self.traffic.gateway().and_then(|gateway| gateway.status(&self.canary));
        status.map_or(0, |status| match status.servers.len() {
            0 => status.available.into(),
            _ => status.servers.iter().filter(|(_, up)| *up).count() as u32,
        })
    }
}

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks are one that is kept.
const EVIDENCE: u64 = 5;
