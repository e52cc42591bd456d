//! The least time: the server whose answers begin soonest, by the average of its last answers times the requests that it has
//! to do, this one among them, over its weight. Equals take turns by weight.
//!
//! Answers are measured by the whole process, in whole milliseconds, as in Traefik: below that, differences say nothing of a
//! server. Two of Traefik's gaps are closed. A server without an answer yet counts as the fastest of the others and not as
//! one that takes no time, so it does not get every request until its first answer. And answers of long ago count no more,
//! so a server that was slow once is tried again.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use smallvec::SmallVec;

use super::wrr;

/// How long a server's last answers took to begin. Every worker writes; what two write at once may cost one of the samples.
#[derive(Debug)]
pub(crate) struct Samples {
    milliseconds: [AtomicU32; KEPT],
    /// How many there ever were since the last pause.
    count: AtomicU64,
    /// Of those that are kept, in thousandths of a millisecond.
    average: AtomicU64,
    /// When the last one came, on the worker's clock of seconds.
    last: AtomicU64,
}

/// What is known of a server at the moment of a pick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Of its last answers, in thousandths of a millisecond; `None` without any.
    pub(super) average: Option<u64>,
    pub(super) in_flight: usize,
    /// 0 is never taken.
    pub(super) weight: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            milliseconds: [const { AtomicU32::new(0) }; KEPT],
            count: AtomicU64::new(0),
            average: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }
}

impl Samples {
    /// An answer has begun, so long after its request was given to the server. `now` is in seconds.
    pub(crate) fn record(&self, took: Duration, now: u64) {
        if self.are_stale(now) {
            self.count.store(0, Relaxed);
        }
        self.last.store(now, Relaxed);
        let before = self.count.fetch_add(1, Relaxed);
        let milliseconds = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        self.milliseconds[(before % KEPT as u64) as usize].store(milliseconds, Relaxed);
        let kept = (before + 1).min(KEPT as u64);
        let sum: u64 = self.milliseconds.iter().take(kept as usize).map(|sample| u64::from(sample.load(Relaxed))).sum();
        self.average.store(sum * 1000 / kept, Relaxed);
    }

    /// In thousandths of a millisecond; `None` without an answer of late.
    pub(crate) fn average(&self, now: u64) -> Option<u64> {
        (self.count.load(Relaxed) > 0 && !self.are_stale(now)).then(|| self.average.load(Relaxed))
    }

    fn are_stale(&self, now: u64) -> bool {
        now.saturating_sub(self.last.load(Relaxed)) >= STALE
    }
}

/// One pick; `None` if none has weight. `credits` are those of [`wrr::turn`], which decides between equals.
pub(super) fn pick(servers: impl Iterator<Item = Standing>, credits: &mut [i64]) -> Option<usize> {
    let servers: SmallVec<[Standing; 16]> = servers.collect();
    let open = || servers.iter().filter(|server| server.weight > 0);
    let fastest = open().filter_map(|server| server.average).min().unwrap_or(0);
    let score = |server: &Standing| {
        server.average.unwrap_or(fastest) as f64 * (1 + server.in_flight) as f64 / server.weight as f64
    };
    let least = open().map(score).min_by(f64::total_cmp)?;
    let mut equals = servers.iter().enumerate().filter(|(_, server)| server.weight > 0 && score(server) == least);
    match (equals.next(), equals.next()) {
        (Some((only, _)), None) => Some(only),
        _ => wrr::turn(credits, |index| {
            let server = &servers[index];
            if server.weight > 0 && score(server) == least { server.weight } else { 0 }
        }),
    }
}

/// As many as in Traefik.
const KEPT: usize = 100;

/// Seconds after which answers say nothing more of a server: long beside any answer, short beside an outage.
const STALE: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn standing(milliseconds: Option<u64>, in_flight: usize, weight: u64) -> Standing {
        Standing { average: milliseconds.map(|milliseconds| milliseconds * 1000), in_flight, weight }
    }

    fn picks(servers: &[Standing], count: usize) -> Vec<usize> {
        let mut credits = vec![0; servers.len()];
        (0..count).map(|_| pick(servers.iter().copied(), &mut credits).unwrap()).collect()
    }

    #[test]
    fn the_fastest_is_taken_until_what_it_has_to_do_makes_it_slower() {
        assert_eq!(picks(&[standing(Some(10), 0, 1), standing(Some(30), 0, 1)], 3), [0; 3]);
        assert_eq!(picks(&[standing(Some(10), 3, 1), standing(Some(30), 0, 1)], 3), [1; 3]);
        assert_eq!(picks(&[standing(Some(10), 0, 1), standing(Some(30), 0, 4)], 3), [1; 3]);
    }

    #[test]
    fn equals_take_turns_by_weight() {
        let equal = [standing(Some(0), 0, 3), standing(Some(0), 7, 1)];
        assert_eq!(picks(&equal, 8), [0, 0, 1, 0, 0, 0, 1, 0]);
        let unknown = [standing(None, 0, 1), standing(None, 0, 1)];
        assert_eq!(picks(&unknown, 4), [0, 1, 0, 1]);
    }

    #[test]
    fn a_server_without_answers_counts_as_the_fastest_of_the_others() {
        let servers = |in_flight| [standing(Some(10), 0, 1), standing(Some(30), 0, 1), standing(None, in_flight, 1)];
        assert_eq!(picks(&servers(0), 4), [0, 2, 0, 2]);
        // It has enough to do until its first answer.
        assert_eq!(picks(&servers(1), 4), [0; 4]);
    }

    #[test]
    fn without_weight_none_is_taken() {
        assert_eq!(pick([standing(None, 0, 0)].into_iter(), &mut [0]), None);
        assert_eq!(picks(&[standing(Some(0), 0, 0), standing(Some(50), 9, 1)], 2), [1; 2]);
    }

    #[test]
    fn the_average_is_of_the_last_hundred() {
        let samples = Samples::default();
        assert_eq!(samples.average(0), None);
        samples.record(MS(10), 5);
        samples.record(MS(21), 5);
        assert_eq!(samples.average(5), Some(15_500));
        (0..100).for_each(|_| samples.record(MS(40), 6));
        assert_eq!(samples.average(6), Some(40_000));
        (0..50).for_each(|_| samples.record(MS(20), 6));
        assert_eq!(samples.average(6), Some(30_000));
        samples.record(Duration::MAX, 6);
        assert!(samples.average(6) > Some(40_000_000_000));
    }

    #[test]
    fn answers_of_long_ago_do_not_count() {
        let samples = Samples::default();
        (0..100).for_each(|_| samples.record(MS(500), 100));
        assert_eq!(samples.average(100 + STALE - 1), Some(500_000));
        assert_eq!(samples.average(100 + STALE), None);
        samples.record(MS(20), 100 + STALE);
        assert_eq!(samples.average(100 + STALE), Some(20_000));
    }
}
