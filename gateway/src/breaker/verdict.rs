//! What a breaker said to a draw, before the request came to the breaker itself: it is asked once for each request.

use std::sync::Arc;

use super::{Breaker, Denied, Epoch};

/// A breaker's decision about the request that is being drawn for.
#[derive(Debug)]
pub(crate) struct Verdict {
    breaker: Arc<Breaker>,
    pub(crate) decision: Result<Epoch, Denied>,
}

impl Verdict {
    pub(crate) fn new(breaker: &Arc<Breaker>, decision: Result<Epoch, Denied>) -> Self {
        Self { breaker: breaker.clone(), decision }
    }

    /// Takes out what this breaker said, as far as it still holds: who was let through before a trip has to ask again.
    pub(crate) fn take(verdicts: &mut Vec<Self>, breaker: &Arc<Breaker>) -> Option<Result<Epoch, Denied>> {
        let place = verdicts.iter().position(|verdict| Arc::ptr_eq(&verdict.breaker, breaker))?;
        let decision = verdicts.swap_remove(place).decision;
        let holds = decision.map_or(true, |epoch| breaker.is_in(epoch));
        holds.then_some(decision)
    }

    /// The request found another version.
    pub(crate) fn went_elsewhere(&self, worker: usize) {
        if self.decision.is_err() {
            self.breaker.count_denied(worker, true);
        }
    }
}
