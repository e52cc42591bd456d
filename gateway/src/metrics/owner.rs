//! Who is counted: entry points, routers, services and versions, by name, over all reloads.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::series::Part;

/// All owners, by kind.
#[derive(Default)]
pub(super) struct Owners {
    pub(super) entry_points: Table,
    pub(super) routers: Table,
    pub(super) services: Table,
    pub(super) versions: Table,
}

/// The owners of one kind. Ids are never used twice, so that a request of an old snapshot cannot count for another owner.
#[derive(Default)]
pub(super) struct Table {
    slots: Mutex<Slots>,
    forgotten: AtomicU64,
}

impl Table {
    /// How many owners were forgotten so far.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }

    /// The id of a name, a new one if it is not known.
    pub(super) fn intern(&self, first: &str, second: &str) -> u32 {
        let key = (first.to_owned(), second.to_owned());
        let slots = &mut *self.slots.lock();
        if let Some(&id) = slots.ids.get(&key) {
            if let Some(slot) = &mut slots.slots[id as usize] {
                slot.gone = None;
            }
            return id;
        }
        let id = u32::try_from(slots.slots.len()).expect("four billion names are not reached");
        slots.slots.push(Some(Slot { owner: Arc::new(Owner::new(first, second)), gone: None }));
        slots.ids.insert(key, id);
        id
    }

    /// The owner of an id, unless it was forgotten.
    pub(super) fn owner(&self, id: u32) -> Option<Arc<Owner>> {
        let slots = self.slots.lock();
        slots.slots.get(id as usize)?.as_ref().map(|slot| Arc::clone(&slot.owner))
    }

    /// All that are known, with their ids. It changes nothing.
    pub(super) fn all(&self) -> Vec<(u32, Arc<Owner>)> {
        let slots = self.slots.lock();
        let owners = (0..).zip(&slots.slots).filter_map(|(id, slot)| Some((id, Arc::clone(&slot.as_ref()?.owner))));
        owners.collect()
    }

    /// Marks all others as gone, and forgets those that nobody scrapes.
    pub(super) fn retain(&self, live: impl Iterator<Item = u32>) {
        let slots = &mut *self.slots.lock();
        let mut is_live = vec![false; slots.slots.len()];
        for id in live {
            if let Some(flag) = is_live.get_mut(id as usize) {
                *flag = true;
            }
        }
        slots.generation += 1;
        let generation = slots.generation;
        for (id, is_live) in is_live.into_iter().enumerate() {
            let Some(slot) = &mut slots.slots[id] else {
                continue;
            };
            match &slot.gone {
                _ if is_live => slot.gone = None,
                None => slot.gone = Some(Gone { since: generation, shown: false }),
                Some(gone) if generation - gone.since >= UNSEEN_GENERATIONS => slots.forget(id, &self.forgotten),
                Some(_) => {}
            }
        }
    }

    /// The owners to show now. One that is gone is shown once.
    pub(super) fn scrape(&self) -> Vec<Arc<Owner>> {
        let slots = &mut *self.slots.lock();
        let mut shown = Vec::with_capacity(slots.ids.len());
        for id in 0..slots.slots.len() {
            let Some(slot) = &mut slots.slots[id] else {
                continue;
            };
            match &mut slot.gone {
                Some(gone) if gone.shown => {
                    slots.forget(id, &self.forgotten);
                    continue;
                }
                Some(gone) => gone.shown = true,
                None => {}
            }
            shown.push(Arc::clone(&slot.owner));
        }
        shown
    }
}

/// One owner: its names and what each worker counted for it.
pub(super) struct Owner {
    /// Entry point, router, or service.
    pub(super) first: String,
    /// A router's service or a version; empty for the other kinds.
    pub(super) second: String,
    /// One for each worker that has met it.
    pub(super) parts: Mutex<Vec<Arc<Part>>>,
    /// A version's share by weight, an `f64`'s bits; NaN until it is told.
    target: AtomicU64,
    /// The combinations of labels, header labels included, that have series of their own.
    admitted: Mutex<HashSet<Box<[u8]>>>,
}

impl Owner {
    fn new(first: &str, second: &str) -> Self {
        Self {
            first: first.to_owned(),
            second: second.to_owned(),
            parts: Mutex::default(),
            target: AtomicU64::new(f64::NAN.to_bits()),
            admitted: Mutex::default(),
        }
    }

    /// The share that the weights give.
    pub(super) fn target_share(&self) -> Option<f64> {
        let share = f64::from_bits(self.target.load(Relaxed));
        (!share.is_nan()).then_some(share)
    }

    pub(super) fn set_target_share(&self, share: f64) {
        self.target.store(share.to_bits(), Relaxed);
    }

    /// Whether a combination of labels with header labels may have a series; the first [`MAX_COMBINATIONS`] may.
    pub(super) fn admit(&self, combination: &[u8]) -> bool {
        let mut admitted = self.admitted.lock();
        if admitted.contains(combination) {
            return true;
        }
        if admitted.len() >= MAX_COMBINATIONS {
            return false;
        }
        admitted.insert(combination.into())
    }
}

#[derive(Default)]
struct Slots {
    ids: HashMap<(String, String), u32>,
    slots: Vec<Option<Slot>>,
    generation: u64,
}

impl Slots {
    fn forget(&mut self, id: usize, forgotten: &AtomicU64) {
        if let Some(slot) = self.slots[id].take() {
            self.ids.remove(&(slot.owner.first.clone(), slot.owner.second.clone()));
            forgotten.fetch_add(1, Relaxed);
        }
    }
}

struct Slot {
    owner: Arc<Owner>,
    gone: Option<Gone>,
}

struct Gone {
    since: u64,
    shown: bool,
}

/// How many distinct combinations of labels one owner may have where header labels are among them.
pub(super) const MAX_COMBINATIONS: usize = 1_000;

/// After so many further publishes an owner that is gone is forgotten, scraped or not.
const UNSEEN_GENERATIONS: u64 = 64;
