//! Rollouts that are judged in the data plane.

use std::sync::Arc;

use super::{Gateway, Writer};
use crate::trial::{NoTrial, Trial, TrialOrder, TrialState};

impl Gateway {
    /// Begins to judge two versions of a service, or goes on from what was kept. Nothing is judged before the trial lies over its
    /// service ([`Gateway::lay_over`], [`Gateway::publish`]).
    ///
    /// # Errors
    /// See [`NoTrial`].
    pub fn begin_trial(&self, order: TrialOrder, kept: Option<TrialState>) -> Result<Arc<Trial>, NoTrial> {
        let Writer { compiler, .. } = &*self.writer();
        Trial::begin(order, kept, compiler.workers, (&compiler.helper, &compiler.metrics))
    }
}
