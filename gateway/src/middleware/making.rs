//! What compiling a middleware may need besides its own configuration.

use std::sync::Arc;

use crate::{
    compile::States,
    helper::Helper,
    metrics::{Metrics, Observed},
    pool::Targets,
    troubles::Troubles,
};

/// For one middleware of one snapshot.
pub(crate) struct Making<'c> {
    /// Its qualified name.
    pub(crate) name: &'c str,
    pub(crate) states: &'c States,
    pub(crate) metrics: &'c Arc<Metrics>,
    pub(crate) targets: &'c Targets,
    pub(crate) helper: &'c Helper,
    pub(crate) troubles: &'c Troubles,
    pub(crate) workers: usize,
}

impl Making<'_> {
    /// The [state](States::observed) of that kind and name.
    pub(crate) fn observed<T: Observed + 'static>(
        &self,
        kind: &'static str,
        name: &str,
        new: impl FnOnce() -> T,
    ) -> Arc<T> {
        self.states.observed(kind, name, self.metrics, new)
    }
}

/// Where a middleware stands; with its own name that is the name of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place<'c> {
    /// A router's qualified name.
    Router(&'c str),
    /// A service's qualified name.
    Service(&'c str),
}
