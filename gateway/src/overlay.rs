//! What lies over the configuration's weights: those that an operator or a rollout has set, and brakes. It holds from one
//! configuration to the next, whatever the files say.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rollgate_config::scalar::Weight;

use crate::trial::Trial;

/// What lies over one weighted service; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Over {
    /// In place of the configured weights, by the qualified names of its children. A child that is not named has its
    /// configured weight.
    pub weights: Option<BTreeMap<Arc<str>, Weight>>,
    /// The children that get nothing, whatever their weight.
    pub braked: BTreeSet<Arc<str>>,
    /// What judges two of its children, and may give one of them to an audience. One that is of another service, or of children
    /// that are not there, changes nothing.
    pub trial: Option<Arc<Trial>>,
}

impl Over {
    /// The weight that a child gets.
    pub fn weight(&self, child: &str, configured: Weight) -> Weight {
        if self.braked.contains(child) {
            return Weight(0);
        }
        self.weights.as_ref().and_then(|weights| weights.get(child).copied()).unwrap_or(configured)
    }

    /// Whether it changes nothing.
    pub fn is_nothing(&self) -> bool {
        self.weights.is_none() && self.braked.is_empty() && self.trial.is_none()
    }

    /// The same without a child.
    pub(crate) fn without(&self, child: &Arc<str>) -> Self {
        let mut braked = self.braked.clone();
        braked.insert(child.clone());
        Self { weights: self.weights.clone(), braked, trial: None }
    }
}

/// What lies over all services, by their qualified names. A name that no service has waits for one.
#[derive(Debug, Default)]
pub(crate) struct Overlay(HashMap<Arc<str>, Over>);

impl Overlay {
    /// What lay over a service before.
    pub(crate) fn put(&mut self, service: Arc<str>, over: Over) -> Over {
        let before = if over.is_nothing() { self.0.remove(&service) } else { self.0.insert(service, over) };
        before.unwrap_or_default()
    }

    /// What lies over a service.
    pub(crate) fn of(&self, service: &str) -> &Over {
        self.0.get(service).unwrap_or(&NOTHING)
    }
}

static NOTHING: Over = Over { weights: None, braked: BTreeSet::new(), trial: None };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brake_lies_over_live_weights_and_these_over_the_configured_ones() {
        let live = |weight| Some(BTreeMap::from([(Arc::from("canary@file"), Weight(weight))]));
        let braked = BTreeSet::from([Arc::from("canary@file")]);
        let over = Over { weights: live(7), ..Over::default() };
        assert_eq!(over.weight("canary@file", Weight(3)), Weight(7));
        assert_eq!(over.weight("stable@file", Weight(3)), Weight(3));
        assert_eq!(
            Over { weights: live(7), braked: braked.clone(), trial: None }.weight("canary@file", Weight(3)),
            Weight(0)
        );
        assert_eq!(Over { braked, ..Over::default() }.weight("canary@file", Weight(3)), Weight(0));
    }

    #[test]
    fn nothing_is_not_kept() {
        let mut overlay = Overlay::default();
        let braked = Over { braked: BTreeSet::from([Arc::from("b")]), ..Over::default() };
        assert_eq!(overlay.put("a".into(), braked.clone()), Over::default());
        assert_eq!(overlay.put("a".into(), Over::default()), braked);
        assert!(overlay.0.is_empty());
    }
}
