//! A list of what is held elsewhere.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// In the order in which they came. Those that are gone are forgotten each time the list has doubled, so that adding costs
/// the same however long it is.
#[derive(Debug)]
pub(crate) struct WeakList<T: ?Sized>(Mutex<Known<T>>);

#[derive(Debug)]
struct Known<T: ?Sized> {
    all: Vec<Weak<T>>,
    /// Past so many, those that are gone are forgotten.
    enough: usize,
}

impl<T: ?Sized> WeakList<T> {
    pub(crate) fn add(&self, one: Weak<T>) {
        let known = &mut *self.0.lock();
        if known.all.len() >= known.enough {
            known.all.retain(|one| one.strong_count() > 0);
            known.enough = (2 * known.all.len()).max(FEW);
        }
        known.all.push(one);
    }

    /// Those that are there.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.0.lock().all.iter().filter_map(Weak::upgrade).collect()
    }
}

impl<T: ?Sized> Default for WeakList<T> {
    fn default() -> Self {
        Self(Mutex::new(Known { all: Vec::new(), enough: FEW }))
    }
}

const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_forgotten_and_the_order_stays() {
        let list = WeakList::default();
        let kept: Vec<Arc<usize>> = (0..100)
            .map(|number| {
                (0..10).for_each(|_| list.add(Arc::downgrade(&Arc::new(1000))));
                let kept = Arc::new(number);
                list.add(Arc::downgrade(&kept));
                kept
            })
            .collect();
        assert_eq!(list.all(), kept);
        assert!(list.0.lock().all.len() <= 4 * kept.len(), "{}", list.0.lock().all.len());
    }
}
