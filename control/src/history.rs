//! The course of the data plane's counters over the last hour, in memory and within a bound.
//!
//! ```text
//! Metrics --sample, each second--> History (series: changes only) --tracks--> promql
//! ```
//!
//! A counter that does not change takes no room, so an idle service costs its name. If there is too much, the oldest goes
//! first; `span` says how far it reaches. Times are milliseconds since 1970. Nothing here is on the request path.

mod follow;
mod series;
mod track;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use rollgate_gateway::metrics::SeriesId;

use self::series::{Labels, Series};
pub use self::{
    follow::follow,
    track::{Looked, NAMES, Name, Track},
};

/// What is kept.
#[derive(Debug)]
pub struct History {
    limits: Limits,
    /// Upper bounds of the buckets, as they are written.
    buckets: Vec<String>,
    /// When samples were taken, ascending.
    ticks: VecDeque<i64>,
    series: BTreeMap<u32, Series>,
    next: u32,
    by_id: HashMap<SeriesId, u32>,
    by_labels: HashMap<Arc<Labels>, u32>,
    /// Services that had more than there was room for, and when that was so for the last time.
    left_out: BTreeMap<String, i64>,
    /// What is kept takes about so much.
    bytes: usize,
}

/// Its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes.
    pub bytes: usize,
    /// Series.
    pub series: usize,
    /// Milliseconds.
    pub span: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: BYTES, series: SERIES, span: SPAN }
    }
}

impl History {
    /// An empty one. `buckets` are those of the durations.
    pub fn new(limits: Limits, buckets: &[f64]) -> Self {
        Self {
            limits,
            buckets: buckets.iter().map(ToString::to_string).collect(),
            ticks: VecDeque::new(),
            series: BTreeMap::new(),
            next: 0,
            by_id: HashMap::new(),
            by_labels: HashMap::new(),
            left_out: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Begins with a sample's time; what follows are its cells. A clock that was put back a little goes on by a millisecond;
    /// if it was more, what is known has times that have not come, and everything begins anew.
    pub fn tick(&mut self, now: i64) {
        if self.ticks.back().is_some_and(|last| last - now > PUT_BACK) {
            *self =
                Self { limits: self.limits, buckets: std::mem::take(&mut self.buckets), ..Self::new(self.limits, &[]) };
        }
        let now = self.ticks.back().map_or(now, |last| now.max(last + 1));
        self.ticks.push_back(now);
        self.forget(now - self.limits.span);
    }

    /// The cells under one id at the time of the last [`tick`](Self::tick).
    pub fn take(&mut self, id: SeriesId, cells: &[u64], labels: &dyn Fn() -> Vec<String>) {
        let Some(&now) = self.ticks.back() else { return };
        let known = self.by_id.get(&id).copied();
        let Some(known) = known.or_else(|| self.admit(id, cells, labels, now)) else { return };
        if let Some(series) = self.series.get_mut(&known) {
            self.bytes += series.add(now, cells);
        }
    }

    /// Ends a sample: what is too much goes, the oldest first.
    pub fn settle(&mut self) {
        while self.bytes > self.limits.bytes {
            let (Some(&first), Some(&last)) = (self.ticks.front(), self.ticks.back()) else { return };
            if last - first < SHORTEST {
                return;
            }
            self.forget(first + (last - first) / 8 + 1);
        }
    }

    /// When the oldest and the newest sample were taken.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((*self.ticks.front()?, *self.ticks.back()?))
    }

    /// The last sample at or before a time.
    pub fn sampled(&self, time: i64) -> Option<i64> {
        let after = self.ticks.partition_point(|tick| *tick <= time);
        after.checked_sub(1).map(|index| self.ticks[index])
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// A service that is not known whole since then, if a name is one of those that `are` says.
    pub fn left_out(&self, since: i64, are: impl Fn(&str) -> bool) -> Option<&str> {
        let mut left_out = self.left_out.iter().filter(|(_, last)| **last >= since);
        left_out.find(|(service, _)| are(service)).map(|(service, _)| &**service)
    }

    /// Tells the course of every series of a metric whose labels fit, one after the other, until it is told to stop.
    ///
    /// # Errors
    /// What `tell` or `fits` stop with.
    pub fn tracks<E>(
        &self,
        name: Name,
        fits: &dyn Fn(&Looked<'_>) -> Result<bool, E>,
        tell: &mut dyn FnMut(&Track) -> Result<(), E>,
    ) -> Result<(), E> {
        let parts = name.parts(&self.buckets);
        self.series.values().try_for_each(|series| track::each(name, &parts, series, fits, tell))
    }

    /// A series for an id that is met for the first time.
    fn admit(&mut self, id: SeriesId, cells: &[u64], labels: &dyn Fn() -> Vec<String>, now: i64) -> Option<u32> {
        let labels = Labels::new(id, labels());
        // A name that was gone and came back: its counters began again at zero.
        if let Some(&known) = self.by_labels.get(&labels) {
            let series = self.series.get_mut(&known)?;
            self.by_id.remove(&std::mem::replace(&mut series.id, id));
            self.by_id.insert(id, known);
            self.bytes += series.add(now, &vec![0; cells.len()]);
            return Some(known);
        }
        let is_late = self.left_out.contains_key(labels.service());
        if self.series.len() >= self.limits.series || self.bytes >= self.limits.bytes {
            self.left_out.insert(labels.service().to_owned(), now);
            return None;
        }
        // What it has counted before anybody looked is no increase of now.
        let is_first = self.ticks.len() == 1;
        let series = Series::new(id, labels, now, cells, is_first || is_late);
        self.bytes += series.bytes();
        let labels = Arc::clone(series.labels());
        self.by_labels.insert(labels, self.next);
        self.by_id.insert(id, self.next);
        self.series.insert(self.next, series);
        self.next += 1;
        Some(self.next - 1)
    }

    /// Forgets what was before a time.
    fn forget(&mut self, horizon: i64) {
        while self.ticks.len() > 1 && self.ticks.front().is_some_and(|tick| *tick < horizon) {
            self.ticks.pop_front();
        }
        if self.series.values().any(|series| series.reaches_before(horizon)) {
            for series in self.series.values_mut() {
                self.bytes -= series.forget(horizon).min(self.bytes);
            }
        }
        let gone: Vec<u32> = self.series.iter().filter(|(_, it)| it.last_seen() < horizon).map(|(id, _)| *id).collect();
        for id in &gone {
            if let Some(series) = self.series.remove(id) {
                self.bytes -= series.bytes().min(self.bytes);
                self.by_labels.remove(series.labels());
                self.by_id.remove(&series.id);
            }
        }
        self.left_out.retain(|_, last| *last >= horizon);
    }
}

/// A thousand services with traffic are known for an hour in it, ten thousand for some minutes.
const BYTES: usize = 64 << 20;

/// Each takes room for its name.
const SERIES: usize = 50_000;

/// An hour.
const SPAN: i64 = 60 * 60 * 1_000;

/// Milliseconds that a clock may be put back.
const PUT_BACK: i64 = 15_000;

/// What is kept even if it is too much: a judgment of nothing is none.
const SHORTEST: i64 = 60 * 1_000;

#[cfg(test)]
mod tests;
