//! State that outlives a snapshot: token buckets, breakers, health, requests in flight. It belongs to a kind and a name, and
//! lives as long as a snapshot, or a request of one, holds it.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::metrics::{Metrics, Observed};

/// Every state of a process, by kind and name.
#[derive(Default)]
pub(crate) struct States(Mutex<Known>);

#[derive(Default)]
struct Known {
    states: HashMap<(&'static str, String), Weak<dyn Any + Send + Sync>>,
    /// Past so many, those that are gone are forgotten.
    enough: usize,
}

impl States {
    /// The state of that kind and name: the one that is there, or a new one. Of a name the kind decides the type: a type
    /// that differs from that of the state that is there gets a new one.
    ///
    /// A changed number is the state's to take; whatever gives a state its meaning (a criterion, an expression) belongs in
    /// the name.
    pub(crate) fn of<T: Any + Send + Sync>(&self, kind: &'static str, name: &str, new: impl FnOnce() -> T) -> Arc<T> {
        let known = &mut *self.0.lock();
        let key = (kind, name.to_owned());
        let there = known.states.get(&key).and_then(Weak::upgrade).and_then(|state| state.downcast().ok());
        if let Some(state) = there {
            return state;
        }
        if known.states.len() >= known.enough {
            known.states.retain(|_, state| state.strong_count() > 0);
            known.enough = (2 * known.states.len()).max(FEW);
        }
        let state = Arc::new(new());
        let weak: Weak<T> = Arc::downgrade(&state);
        known.states.insert(key, weak);
        state
    }

    /// The same, of one that is asked at each scrape what it counts, as long as it is there.
    pub(crate) fn observed<T: Observed + 'static>(
        &self,
        kind: &'static str,
        name: &str,
        metrics: &Metrics,
        new: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut is_new = false;
        let state = self.of(kind, name, || {
            is_new = true;
            new()
        });
        if is_new {
            metrics.observe(Arc::downgrade(&state) as Weak<dyn Observed>);
        }
        state
    }
}

const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_found_again_as_long_as_somebody_holds_it() {
        let states = States::default();
        let first = states.of("bucket", "a@file", || 1);
        assert_eq!(*states.of("bucket", "a@file", || 2), 1);
        assert_eq!(*states.of("breaker", "a@file", || 3), 3);
        assert_eq!(*states.of("bucket", "b@file", || 4), 4);
        drop(first);
        assert_eq!(*states.of("bucket", "a@file", || 5), 5);
    }

    #[test]
    fn names_that_are_gone_do_not_pile_up() {
        let states = States::default();
        let kept = states.of("bucket", "kept", || 0);
        for number in 0..10_000 {
            states.of("bucket", &number.to_string(), || number);
        }
        assert!(states.0.lock().states.len() <= 2 * FEW);
        assert!(Arc::ptr_eq(&kept, &states.of("bucket", "kept", || 1)));
    }
}
