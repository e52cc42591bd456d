//! How what is in force comes to the store.
//!
//! A change waits for it: [`Traffic::commit`], by whoever holds the turn to write. What is in force already does not: it is
//! owed, and [`Traffic::pay`] brings it there, however long the disk takes.

use std::{
    collections::BTreeSet,
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rollgate_gateway::Over;
use serde_json::{Map, Value, json};
use tokio::{sync::MutexGuard, time::timeout};

use super::{GATEWAY, State, Traffic, protect, settle::texts};
use crate::{
    events::{EventKind, News},
    store::{Brake, Change, Commit, LiveWeights, StoreError, Stored},
};

/// In force, and not yet in the store.
#[derive(Debug, Default)]
pub(super) struct Owed {
    commit: Commit,
    /// Counts what was ever owed.
    number: u64,
    /// Since when the store does not take it.
    since: Option<SystemTime>,
}

/// How far the store has come with what was owed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// All up to this number is there.
    paid: u64,
    /// It did not take what there was up to this one.
    refused: u64,
}

impl Owed {
    fn is_empty(&self) -> bool {
        self.commit.changes.is_empty() && self.commit.audit.is_empty()
    }

    /// Whether this is the brake's, and not in the store.
    pub(super) fn has_brake(&self, (service, version): &(String, String)) -> bool {
        self.commit.changes.iter().any(|change| match change {
            Change::SetBrake(of, brake) => of == service && brake.version == *version,
            _ => false,
        })
    }
}

impl State {
    /// This is in force, and has to come to the store. Returns what to ask [`Traffic::kept`] for.
    pub(super) fn owe(&mut self, commit: Commit) -> u64 {
        self.owed.commit.changes.extend(commit.changes);
        self.owed.commit.audit.extend(commit.audit);
        self.owed.number += 1;
        self.owed.number
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::SetWeights(service, live) => drop(self.live.insert(service, live)),
            Change::DropWeights(service) => drop(self.live.remove(&service)),
            Change::SetBrake(service, brake) => drop(self.brakes.insert((service, brake.version.clone()), brake)),
            Change::ReleaseBrake(service, version) => drop(self.brakes.remove(&(service, version))),
            Change::PutDocument(name, text) => drop(self.documents.insert(name, text)),
            Change::DropDocument(name) => drop(self.documents.remove(&name)),
            Change::PutRollout(rollout) => self.put_rollout(*rollout),
        }
    }
}

impl Traffic {
    /// The turn to decide and commit; one has it at a time. Whoever does not get it in time has changed nothing, and
    /// nothing is done for him later.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if too many wait, or it takes longer than 20 s: less than a caller waits for his answer.
    pub(super) async fn turn(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
        let _place = self.places.try_acquire().map_err(|_| StoreError::Busy)?;
        timeout(TURN, self.writing.lock()).await.map_err(|_| StoreError::Busy)
    }

    /// A commit of these changes and all that is owed, by whoever has the turn.
    pub(super) async fn commit(&self, mut commit: Commit) -> Result<(), StoreError> {
        let (owed, number) = {
            let state = self.state.lock();
            (state.owed.commit.clone(), state.owed.number)
        };
        let (changes, entries) = (owed.changes.len(), owed.audit.len());
        commit.changes.splice(0..0, owed.changes);
        commit.audit.splice(0..0, owed.audit);
        let has_changes = !commit.changes.is_empty();
        match self.store.commit(commit).await {
            Ok(()) => {
                let mut state = self.state.lock();
                state.revision += u64::from(has_changes);
                // More may have come to be owed since.
                state.owed.commit.changes.drain(..changes);
                state.owed.commit.audit.drain(..entries);
                state.owed.since = None;
                self.progress.send_modify(|progress| progress.paid = number);
                Ok(())
            }
            Err(StoreError::Stale) => {
                // Decided on what is no longer so: refused, and the next one is not.
                self.take_over().await?;
                Err(StoreError::Stale)
            }
            Err(error) => {
                self.progress.send_modify(|progress| progress.refused = number);
                Err(error)
            }
        }
    }

    /// Whether what is owed under a number has come to the store: true or false as soon as that is known, false if it takes
    /// longer than a second. It will be there in the end.
    pub(super) async fn kept(&self, number: u64) -> bool {
        self.owing.notify_one();
        let mut progress = self.progress.subscribe();
        let known = progress.wait_for(|progress| progress.paid >= number || progress.refused >= number);
        let kept = match timeout(SOON, known).await {
            Ok(Ok(progress)) => progress.paid >= number,
            _ => false,
        };
        if !kept {
            self.late();
        }
        kept
    }

    /// The store does not take what is in force.
    fn late(&self) {
        let mut state = self.state.lock();
        if !state.owed.is_empty() && state.owed.since.is_none() {
            state.owed.since = Some(SystemTime::now());
            tracing::error!("what is in force could not be kept yet; it is tried again each second");
        }
    }

    /// Since when something that is in force could not be kept.
    pub fn owing_since(&self) -> Option<SystemTime> {
        self.state.lock().owed.since
    }

    /// Brings what is in force and not yet kept to the store, as long as there is any. Never returns.
    pub async fn pay(&self) {
        loop {
            if self.state.lock().owed.is_empty() {
                self.owing.notified().await;
            }
            if !self.pay_once().await {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// One attempt to bring what is owed to the store: whether nothing is owed then.
    pub async fn pay_once(&self) -> bool {
        let _writing = self.writing.lock().await;
        let late = self.owing_since().is_some();
        for _ in 0..2 {
            if self.state.lock().owed.is_empty() {
                return true;
            }
            match self.commit(Commit::default()).await {
                Ok(()) if late => tracing::info!("all that is in force is in the store again"),
                Ok(()) => {}
                // What another process did is taken over by now.
                Err(StoreError::Stale) => continue,
                Err(error) => {
                    if !late {
                        tracing::error!(%error, "the store does not take what is in force");
                    }
                    self.late();
                    return false;
                }
            }
        }
        self.state.lock().owed.is_empty()
    }

    /// Takes over what another process has committed: at a handover the one before may decide something when this one has
    /// looked already.
    ///
    /// # Errors
    /// If the store cannot be read; all is as before then.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _writing = self.turn().await?;
        self.take_over().await
    }

    async fn take_over(&self) -> Result<(), StoreError> {
        let stored = self.store.load().await?;
        let _laying = self.turn_to_lay().await;
        let (over, news, protected) = {
            let mut state = self.state.lock();
            let before = protect::of(&state.documents);
            if stored.revision == state.revision {
                return Ok(());
            }
            if state.documents != stored.documents {
                self.documents_changed.notify_one();
            }
            if state.rollouts != stored.rollouts {
                self.rollouts_changed.notify_one();
            }
            let Stored { live, brakes, documents, rollouts, revision } = stored;
            let live = mem::replace(&mut state.live, live);
            let brakes = mem::replace(&mut state.brakes, brakes);
            (state.documents, state.rollouts, state.revision) = (documents, rollouts, revision);
            // What is owed is in force.
            state.owed.commit.changes.clone().into_iter().for_each(|change| state.apply(change));
            let concerned: BTreeSet<&String> =
                [&live, &state.live].into_iter().flat_map(|live| live.keys()).chain(braked(&brakes, &state)).collect();
            let over: Vec<(Arc<str>, Over)> =
                concerned.iter().map(|name| (name.as_str().into(), state.over_of(name))).collect();
            let mut news = weights_changed(&live, &state.live);
            news.extend(brakes_changed(&brakes, &state.brakes));
            let protected = before != protect::of(&state.documents);
            (over, news, protected.then(|| state.base.clone()))
        };
        tracing::warn!("another process has changed weights or brakes; they are taken over");
        self.lay(over).await;
        if let Some(base) = protected
            && let Err(problems) = self.make_live(None, base).await
        {
            tracing::error!(?problems, "a protection that another process has laid is not live");
        }
        let now = SystemTime::now();
        for news in news {
            self.events.add(news, now);
        }
        Ok(())
    }
}

type Brakes = std::collections::BTreeMap<(String, String), Brake>;
type Live = std::collections::BTreeMap<String, LiveWeights>;

fn braked<'s>(before: &'s Brakes, state: &'s State) -> impl Iterator<Item = &'s String> {
    before.keys().chain(state.brakes.keys()).map(|(service, _)| service)
}

fn weights_changed(before: &Live, after: &Live) -> Vec<News> {
    let services: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = services.into_iter().filter(|service| before.get(*service) != after.get(*service));
    changed
        .map(|service| {
            let shown = |live: &Live| json!(live.get(service).map(|live| texts(&live.weights)));
            let kind = if after.contains_key(service) { EventKind::WeightsSet } else { EventKind::WeightsReset };
            let actor = after.get(service).map_or(GATEWAY, |live| &live.actor);
            elsewhere(kind, service, actor, [("from", shown(before)), ("to", shown(after))])
        })
        .collect()
}

fn brakes_changed(before: &Brakes, after: &Brakes) -> Vec<News> {
    let set = after.iter().filter(|(at, _)| !before.contains_key(*at));
    let set = set.map(|((service, version), brake)| {
        elsewhere(EventKind::BrakeSet, service, &brake.actor, [("version", json!(version))])
    });
    let released = before.keys().filter(|at| !after.contains_key(*at));
    let released = released
        .map(|(service, version)| elsewhere(EventKind::BrakeReleased, service, GATEWAY, [("version", json!(version))]));
    set.chain(released).collect()
}

/// What another process has done.
fn elsewhere<const N: usize>(kind: EventKind, service: &str, actor: &str, details: [(&str, Value); N]) -> News {
    let details = details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>();
    let cause = Some("done by another process, and taken over".to_owned());
    News { kind, actor: actor.into(), cause, service: Some(service.into()), details }
}

/// How long a change waits for those before it.
const TURN: Duration = Duration::from_secs(20);
/// How long an answer waits to tell that what is in force is kept.
const SOON: Duration = Duration::from_secs(1);
/// Between two attempts to keep what is owed.
const AGAIN: Duration = Duration::from_secs(1);
