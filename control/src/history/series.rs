//! One series: what its cells were at the start, and each change since.

use std::{collections::VecDeque, sync::Arc};

use rollgate_gateway::metrics::SeriesId;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Requests to a service, by code, method and protocol.
    Service,
    /// Requests to a version.
    Version,
}

/// The names of a series' labels with their values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Labels {
    pub(super) family: Family,
    values: Box<[String]>,
}

impl Labels {
    pub(super) fn new(id: SeriesId, values: Vec<String>) -> Self {
        let family = match id {
            SeriesId::Service { .. } => Family::Service,
            SeriesId::Version { .. } => Family::Version,
        };
        Self { family, values: values.into() }
    }

    /// The service's qualified name.
    pub fn service(&self) -> &str {
        self.values.first().map_or("", |value| value)
    }

    /// Names with values.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names: &[&'static str] = match self.family {
            Family::Service => &["service", "code", "method", "protocol"],
            Family::Version => &["service", "version"],
        };
        names.iter().copied().zip(self.values.iter().map(|value| &**value))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Series {
    /// Under which it is counted now.
    pub(super) id: SeriesId,
    labels: Arc<Labels>,
    first_seen: i64,
    last_seen: i64,
    /// The cells before the first change that is kept.
    begin: Box<[u64]>,
    last: Box<[u64]>,
    chunks: VecDeque<Chunk>,
}

/// Some changes, one after the other: each the milliseconds since the one before, then how much each cell changed, as
/// variable-length integers, the latter in zigzag.
#[derive(Debug)]
struct Chunk {
    /// What the first change counts from.
    from: i64,
    /// The last change.
    until: i64,
    changes: Vec<u8>,
}

impl Series {
    /// A series that was seen for the first time. Unless it was there `before`, it came from nothing.
    pub fn new(id: SeriesId, labels: Labels, now: i64, cells: &[u64], before: bool) -> Self {
        let begin: Box<[u64]> = if before { cells.into() } else { vec![0; cells.len()].into() };
        Self {
            id,
            labels: Arc::new(labels),
            first_seen: now,
            last_seen: now,
            last: begin.clone(),
            begin,
            chunks: VecDeque::new(),
        }
    }

    pub fn labels(&self) -> &Arc<Labels> {
        &self.labels
    }

    pub fn first_seen(&self) -> i64 {
        self.first_seen
    }

    pub fn last_seen(&self) -> i64 {
        self.last_seen
    }

    /// What it takes, about.
    pub fn bytes(&self) -> usize {
        let strings: usize = self.labels.values.iter().map(|value| value.len() + 32).sum();
        OVERHEAD + strings + 16 * self.begin.len() + self.chunks.iter().map(Chunk::bytes).sum::<usize>()
    }

    /// What the cells are now; returns how many bytes more it takes.
    pub fn add(&mut self, now: i64, cells: &[u64]) -> usize {
        self.last_seen = now;
        if *self.last == *cells || cells.len() != self.last.len() {
            return 0;
        }
        let mut more = 0;
        if self.chunks.back().is_none_or(|chunk| chunk.changes.len() >= CHUNK) {
            let from = self.chunks.back().map_or(self.first_seen, |chunk| chunk.until);
            self.chunks.push_back(Chunk { from, until: from, changes: Vec::new() });
            more += CHUNK_OVERHEAD;
        }
        let Some(chunk) = self.chunks.back_mut() else { return 0 };
        let before = chunk.changes.capacity();
        varint((now - chunk.until).max(0) as u64, &mut chunk.changes);
        for (last, cell) in self.last.iter_mut().zip(cells) {
            varint(zigzag(cell.wrapping_sub(*last) as i64), &mut chunk.changes);
            *last = *cell;
        }
        chunk.until = now;
        more + chunk.changes.capacity() - before
    }

    /// Whether something could be forgotten.
    pub fn reaches_before(&self, horizon: i64) -> bool {
        self.chunks.front().is_some_and(|chunk| chunk.until < horizon)
    }

    /// Forgets changes before a time, as far as whole chunks of them are older; returns how many bytes fewer it takes.
    pub fn forget(&mut self, horizon: i64) -> usize {
        let mut fewer = 0;
        while self.reaches_before(horizon)
            && let Some(chunk) = self.chunks.pop_front()
        {
            chunk.each(&mut self.begin, |_, _| {});
            fewer += chunk.bytes();
        }
        fewer
    }

    /// Tells the cells before everything that is kept, with the time at which it was seen first, and after each change.
    pub fn each(&self, mut tell: impl FnMut(i64, &[u64])) {
        let mut cells = self.begin.clone();
        tell(i64::MIN, &cells);
        for chunk in &self.chunks {
            chunk.each(&mut cells, &mut tell);
        }
    }
}

impl Chunk {
    fn bytes(&self) -> usize {
        CHUNK_OVERHEAD + self.changes.capacity()
    }

    /// Applies each change.
    fn each(&self, cells: &mut [u64], mut tell: impl FnMut(i64, &[u64])) {
        let (mut rest, mut time) = (&self.changes[..], self.from);
        while !rest.is_empty() {
            time = time.wrapping_add(next(&mut rest) as i64);
            for cell in &mut *cells {
                *cell = cell.wrapping_add(unzigzag(next(&mut rest)) as u64);
            }
            tell(time, cells);
        }
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn next(from: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let Some((byte, rest)) = from.split_first() else { return value };
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// A chunk is closed when it has so many bytes: the oldest goes by whole chunks.
const CHUNK: usize = 240;
const CHUNK_OVERHEAD: usize = 64;

/// Of a series, with its places in the tables.
const OVERHEAD: usize = 320;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: SeriesId = SeriesId::Version { owner: 0 };

    fn labels() -> Labels {
        Labels::new(ID, vec!["pro@file".to_owned(), "a@file".to_owned()])
    }

    fn told(series: &Series) -> Vec<(i64, Vec<u64>)> {
        let mut told = Vec::new();
        series.each(|time, cells| told.push((time, cells.to_vec())));
        told
    }

    proptest! {
        #[test]
        fn what_was_taken_is_told_again(
            samples in prop::collection::vec((1..100_000_i64, prop::array::uniform3(any::<u64>())), 1..200), before: bool,
        ) {
            let mut now = 1_700_000_000_000;
            let mut series = Series::new(ID, labels(), now, &samples[0].1, before);
            let mut bytes = series.bytes();
            let mut expected = vec![(i64::MIN, if before { samples[0].1.to_vec() } else { vec![0; 3] })];
            for (later, cells) in &samples {
                now += later;
                bytes += series.add(now, cells);
                if expected.last().unwrap().1 != cells {
                    expected.push((now, cells.to_vec()));
                }
            }
            prop_assert_eq!(told(&series), expected.clone());
            prop_assert_eq!(bytes, series.bytes());
            let horizon = expected[expected.len() / 2].0.max(0);
            bytes -= series.forget(horizon);
            prop_assert_eq!(bytes, series.bytes());
            let rest = told(&series);
            let kept = &expected[expected.len() - rest.len()..];
            prop_assert_eq!(&rest[0].1, &kept[0].1, "what goes before is the state then");
            prop_assert_eq!(&rest[1..], &kept[1..]);
            prop_assert!(rest.len() > expected.iter().filter(|(time, _)| *time >= horizon).count().min(1));
        }

        #[test]
        fn no_bytes_are_too_few(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let chunk = Chunk { from: 0, until: 0, changes: bytes };
            chunk.each(&mut [0; 3], |_, _| {});
        }
    }

    #[test]
    fn what_does_not_change_takes_no_room() {
        let mut series = Series::new(ID, labels(), 0, &[5, 0, 0], true);
        let bytes = series.bytes();
        for time in 1..1_000 {
            assert_eq!(series.add(time, &[5, 0, 0]), 0);
        }
        assert_eq!((series.bytes(), series.last_seen(), told(&series).len()), (bytes, 999, 1));
    }
}
