//! What a rollout does to its service, and rollouts as they are kept. What they mean is their engine's.

use std::{collections::BTreeMap, sync::Arc};

use rollgate_config::scalar::Weight;
use rollgate_gateway::Trial;

use super::{Refused, State, Traffic, names, view::configured};
use crate::store::{AuditEntry, Brake, Change, Commit, KeptRollout, Owner, Remembered, StoreError};

/// A service as a rollout finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its qualified name.
    pub service: Arc<str>,
    /// Of every version: the live weights, or those of the configuration.
    pub weights: BTreeMap<String, Weight>,
    /// Who decides about them.
    pub owner: Owner,
    /// Who has set the live ones.
    pub actor: Option<String>,
    /// Those that are on its versions.
    pub brakes: BTreeMap<String, Brake>,
    /// For [`super::IfMatch`].
    pub etag: String,
}

impl Traffic {
    /// A weighted service as it is.
    ///
    /// # Errors
    /// If there is none.
    pub fn found(&self, service: &str) -> Result<Found, Refused> {
        let state = self.state.lock();
        let service = names::service(&state.configuration, service)?;
        let live = state.live.get(&*service);
        let brakes = state.brakes.iter().filter(|((of, _), _)| **of == *service);
        Ok(Found {
            weights: live.map_or_else(
                || Ok(configured(state.children(&service)?)),
                |live| Ok::<_, Refused>(live.weights.clone()),
            )?,
            owner: live.map_or(Owner::None, |live| live.owner.clone()),
            actor: live.map(|live| live.actor.clone()),
            brakes: brakes.map(|((_, version), brake)| (version.clone(), brake.clone())).collect(),
            etag: state.view(&service)?.etag,
            service,
        })
    }

    /// Lays a trial over a service, in place of the one that is there, or takes that off: returns when every worker has it.
    pub async fn lay_trial(&self, service: &str, trial: Option<Arc<Trial>>) {
        let _laying = self.turn_to_lay().await;
        let over = {
            let mut state = self.state.lock();
            match trial {
                Some(trial) => drop(state.trials.insert(service.to_owned(), trial)),
                None => drop(state.trials.remove(service)),
            }
            state.over_of(service)
        };
        self.lay(vec![(service.into(), over)]).await;
    }

    /// The trial that lies over a service.
    pub fn trial(&self, service: &str) -> Option<Arc<Trial>> {
        self.state.lock().trials.get(service).cloned()
    }

    /// The next change of the service's weights takes its trial off too.
    pub fn let_go_of_trial(&self, service: &str) -> Option<Arc<Trial>> {
        self.state.lock().trials.remove(service)
    }

    /// Nothing of a rollout is to come back with a service that is gone.
    ///
    /// # Errors
    /// It is not kept.
    pub async fn forget_weights(&self, service: &str, owner: &Owner) -> Result<(), StoreError> {
        let _writing = self.turn().await?;
        let is_its = |state: &State| state.live.get(service).is_some_and(|live| live.owner == *owner);
        if !is_its(&self.state.lock()) {
            return Ok(());
        }
        let changes = vec![Change::DropWeights(service.to_owned())];
        self.commit(Commit { changes, ..Commit::default() }).await?;
        let _laying = self.turn_to_lay().await;
        let over = {
            let mut state = self.state.lock();
            state.live.remove(service);
            state.over_of(service)
        };
        self.lay(vec![(service.into(), over)]).await;
        Ok(())
    }

    /// Those that have not ended.
    pub fn rollouts(&self) -> Vec<KeptRollout> {
        self.state.lock().rollouts.values().cloned().collect()
    }

    /// Another process has changed one.
    pub async fn rollouts_changed(&self) {
        self.rollouts_changed.notified().await;
    }

    /// Keeps a rollout in place of what was kept under its id: returns when it is durable, and before anything is done for it.
    ///
    /// # Errors
    /// It is not kept; [`StoreError::Stale`]: another process has decided something, which is taken over by now.
    pub async fn keep_rollout(
        &self,
        rollout: KeptRollout,
        audit: Vec<AuditEntry>,
        idempotency: Option<Remembered>,
    ) -> Result<(), StoreError> {
        let _writing = self.turn().await?;
        let changes = vec![Change::PutRollout(Box::new(rollout.clone()))];
        self.commit(Commit { changes, audit, idempotency }).await?;
        self.state.lock().put_rollout(rollout);
        Ok(())
    }
}

impl State {
    /// One that has ended is history, which the store alone has.
    pub(super) fn put_rollout(&mut self, rollout: KeptRollout) {
        match rollout.ended {
            Some(_) => drop(self.rollouts.remove(&rollout.id)),
            None => drop(self.rollouts.insert(rollout.id.clone(), rollout)),
        }
    }
}
