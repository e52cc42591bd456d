//! The counters of services and versions, for whoever keeps their course. Unlike a scrape it shows nobody for the last time.
//!
//! It costs about a microsecond for each service, and no string is made of what was met before.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use super::{
    Metrics, Shared,
    collect::plain,
    series::{BUCKETS, Key, SUM},
};

/// What is counted under one set of labels. An id is never used for other labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeriesId {
    /// Requests to a service with one code, method and protocol.
    Service {
        /// The service.
        owner: u32,
        /// The three.
        key: u32,
    },
    /// Requests to a version.
    Version {
        /// The version.
        owner: u32,
    },
}

/// One of them, now.
pub struct Sample<'m> {
    /// Which.
    pub id: SeriesId,
    /// Of a service: the count of each bucket of [`Metrics::buckets`], then of what is above all of them, then the sum of the
    /// durations in nanoseconds. Of a version: requests that ended `ok`, `error`, `client`.
    pub cells: &'m [u64],
    /// Its labels' values: of a service its name, `code`, `method`, `protocol`; of a version its service's and its own name.
    pub labels: &'m dyn Fn() -> Vec<String>,
}

impl Metrics {
    /// Everything that was counted of services and versions, one after the other.
    pub fn sample(&self, mut take: impl FnMut(Sample<'_>)) {
        services(&self.shared, &mut take);
        versions(&self.shared, &mut take);
    }

    /// The upper bounds of the buckets of durations in seconds, ascending; none if no durations are counted.
    pub fn buckets(&self) -> &[f64] {
        self.shared.families.as_ref().map_or(&[], |families| &families.seconds)
    }
}

fn services(shared: &Shared, take: &mut impl FnMut(Sample<'_>)) {
    let mut sums: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
    for (id, owner) in shared.owners.services.all() {
        sums.clear();
        for part in owner.parts.lock().iter() {
            for (key, cells) in part.series.lock().iter() {
                let ordered = cells[BUCKETS..].iter().chain([&cells[SUM]]);
                let sums = sums.entry(*key).or_insert_with(|| vec![0; cells.len() - BUCKETS + 1]);
                sums.iter_mut().zip(ordered).for_each(|(sum, cell)| *sum += cell.load(Relaxed));
            }
        }
        for (key, cells) in &sums {
            let labels = || vec![owner.first.clone(), key.code(), key.method().to_owned(), key.protocol().to_owned()];
            take(Sample { id: SeriesId::Service { owner: id, key: key.0 }, cells, labels: &labels });
        }
    }
}

fn versions(shared: &Shared, take: &mut impl FnMut(Sample<'_>)) {
    for (id, owner) in shared.owners.versions.all() {
        let cells = [0, 1, 2].map(|cell| plain(&owner, cell));
        let labels = || vec![owner.first.clone(), owner.second.clone()];
        take(Sample { id: SeriesId::Version { owner: id }, cells: &cells, labels: &labels });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::*;
    use crate::metrics::{Finished, Live, Outcome, Protocol};

    fn seen(metrics: &Metrics) -> Vec<(SeriesId, Vec<u64>, String)> {
        let mut seen = Vec::new();
        metrics.sample(|sample| seen.push((sample.id, sample.cells.to_vec(), (sample.labels)().join(" "))));
        seen
    }

    #[test]
    fn workers_are_summed_and_nobody_is_shown_for_the_last_time() {
        let config = crate::metrics::tests::config();
        let metrics = Metrics::new(Some(&config)).unwrap();
        assert_eq!(metrics.buckets(), [0.1, 0.3, 1.2, 5.0]);
        let (service, version) = (metrics.service_id("a@file"), metrics.version_id("pro@file", "a@file"));
        for (worker, code, millis) in
            [(metrics.worker(), 200, 50), (metrics.worker(), 200, 250), (metrics.worker(), 500, 9_000)]
        {
            worker.finish(&Finished {
                entry_point: None,
                router: None,
                service: Some(service),
                versions: &[version],
                method: &Method::GET,
                protocol: Protocol::Http,
                code,
                tls: None,
                duration: Duration::from_millis(millis),
                request_bytes: 0,
                response_bytes: 0,
                outcome: if code == 200 { Outcome::Ok } else { Outcome::Error },
                header_labels: None,
            });
        }
        metrics.retain(&Live::default());
        for _ in 0..2 {
            let seen: Vec<_> = seen(&metrics).into_iter().map(|(_, cells, labels)| (cells, labels)).collect();
            let expected = [
                (vec![1, 1, 0, 0, 0, 300_000_000], "a@file 200 GET http"),
                (vec![0, 0, 0, 0, 1, 9_000_000_000], "a@file 500 GET http"),
                (vec![2, 1, 0], "pro@file a@file"),
            ];
            assert_eq!(seen, expected.map(|(cells, labels)| (cells, labels.to_owned())));
        }
        metrics.encode(0);
        metrics.encode(0);
        assert_eq!(seen(&metrics), [], "a scrape has shown them for the last time");
    }
}
