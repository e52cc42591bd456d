//! Rollouts that are under way, as they are kept. What they mean is their engine's.

use super::{State, Traffic};
use crate::store::{AuditEntry, Change, Commit, KeptRollout, StoreError};

impl Traffic {
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
    pub async fn keep_rollout(&self, rollout: KeptRollout, audit: Vec<AuditEntry>) -> Result<(), StoreError> {
        let _writing = self.turn().await?;
        let changes = vec![Change::PutRollout(Box::new(rollout.clone()))];
        self.commit(Commit { changes, audit, ..Commit::default() }).await?;
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
