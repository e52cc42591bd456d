//! A worker's own way to the cells of one owner.

use std::{
    cell::{self, RefCell},
    collections::HashMap,
    sync::{Arc, Weak, atomic::AtomicU64},
};

use super::{
    TlsLabels,
    owner::{MAX_COMBINATIONS, Owner, Table},
    series::{BUCKETS, Cell, Cells, Key, MAX_SERIES, OTHER, Part, REQUEST_BYTES, RESPONSE_BYTES, SUM, add, cells},
    worker::{Finished, LabelValues},
};

/// One request's numbers, ready to be added for each owner.
pub(super) struct Count<'a> {
    pub(super) key: Key,
    pub(super) nanoseconds: u64,
    pub(super) bucket: usize,
    pub(super) buckets: usize,
    pub(super) finished: &'a Finished<'a>,
}

/// A worker's counters of all owners of one kind, by id; `PLAIN` cells each.
#[derive(Default)]
pub(super) struct Locals<const PLAIN: usize> {
    by_id: RefCell<Vec<Option<Box<Local>>>>,
    /// What the table had forgotten when this was last pruned.
    pruned: cell::Cell<u64>,
}

impl<const PLAIN: usize> Locals<PLAIN> {
    /// Runs `count` on the counters of an owner, which are made at the first meeting.
    pub(super) fn with(&self, table: &Table, id: u32, count: impl FnOnce(&mut Local)) {
        let mut locals = self.by_id.borrow_mut();
        if let Some(Some(local)) = locals.get_mut(id as usize) {
            return count(local);
        }
        if locals.len() <= id as usize {
            locals.resize_with(id as usize + 1, || None);
        }
        count(locals[id as usize].insert(Box::new(Local::new(table.owner(id), PLAIN))));
    }

    /// Drops those that only this worker still knows.
    pub(super) fn prune(&self, table: &Table) {
        let forgotten = table.forgotten();
        if self.pruned.replace(forgotten) == forgotten {
            return;
        }
        for local in self.by_id.borrow_mut().iter_mut() {
            if local.as_ref().is_some_and(|local| Arc::strong_count(&local.part) == 1) {
                *local = None;
            }
        }
    }
}

/// A worker's counters of one owner: the shared part, and the worker's own way to its cells.
pub(super) struct Local {
    pub(super) part: Arc<Part>,
    /// Dangling if the owner was forgotten before this worker met it; then nobody sees the counts.
    owner: Weak<Owner>,
    series: Vec<(Key, Cells)>,
    tls: Vec<(TlsLabels, Cell)>,
    labelled: HashMap<Box<[u8]>, Cell>,
    /// No further combination of header labels gets a series.
    full: bool,
}

impl Local {
    fn new(owner: Option<Arc<Owner>>, plain: usize) -> Self {
        let part = Arc::new(Part::new(plain));
        if let Some(owner) = &owner {
            owner.parts.lock().push(Arc::clone(&part));
        }
        let owner = owner.as_ref().map(Arc::downgrade).unwrap_or_default();
        Self { part, owner, series: Vec::new(), tls: Vec::new(), labelled: HashMap::new(), full: false }
    }

    pub(super) fn count_series(&mut self, count: &Count<'_>) {
        let cells = self.series(count.key, count.buckets);
        add(&cells[REQUEST_BYTES], count.finished.request_bytes);
        add(&cells[RESPONSE_BYTES], count.finished.response_bytes);
        add(&cells[SUM], count.nanoseconds);
        add(&cells[BUCKETS + count.bucket], 1);
    }

    /// The cells of a key. The last hit stands first, since the next one is most likely the same.
    fn series(&mut self, key: Key, buckets: usize) -> &Cells {
        if let Some(at) = self.series.iter().position(|(known, _)| *known == key) {
            self.series.swap(0, at);
        } else if self.series.len() < MAX_SERIES || key == key.other() {
            let cells = cells(BUCKETS + buckets);
            self.part.series.lock().push((key, Arc::clone(&cells)));
            self.series.push((key, cells));
            let last = self.series.len() - 1;
            self.series.swap(0, last);
        } else {
            return self.series(key.other(), buckets);
        }
        &self.series[0].1
    }

    pub(super) fn count_tls(&mut self, tls: TlsLabels) {
        if let Some((_, cell)) = self.tls.iter().find(|(known, _)| *known == tls) {
            return add(cell, 1);
        }
        let cell = Arc::new(AtomicU64::new(1));
        self.part.tls.lock().push((tls, Arc::clone(&cell)));
        self.tls.push((tls, cell));
    }

    pub(super) fn count_labelled(&mut self, key: Key, values: &LabelValues, scratch: &mut Vec<u8>) {
        values.write_key(key, scratch);
        if let Some(cell) = self.labelled.get(&scratch[..]) {
            return add(cell, 1);
        }
        let (key, texts) = if self.admits(scratch) {
            (key, values.texts())
        } else {
            let key = if self.labelled.len() < 2 * MAX_COMBINATIONS { key } else { key.other() };
            scratch.clear();
            scratch.extend_from_slice(&key.0.to_ne_bytes());
            if let Some(cell) = self.labelled.get(&scratch[..]) {
                return add(cell, 1);
            }
            (key, (0..values.len()).map(|_| OTHER.to_owned()).collect())
        };
        let cell = Arc::new(AtomicU64::new(1));
        self.part.labelled.lock().push((key, texts, Arc::clone(&cell)));
        self.labelled.insert(scratch[..].into(), cell);
    }

    /// Whether a combination may have a series of its own. After the first refusal this worker no longer asks.
    fn admits(&mut self, combination: &[u8]) -> bool {
        if self.full {
            return false;
        }
        let admitted = self.owner.upgrade().is_some_and(|owner| owner.admit(combination));
        self.full = !admitted;
        admitted
    }
}
