//! The scrape: sums the workers' cells into the families that the registry encodes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use prometheus::{
    core::{Collector, Desc},
    proto::{LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    Families, Shared, TlsLabels, breakers,
    families::{
        ACCEPT_FAILURES, ACCESS_LOG_DROPPED, ASSIGNMENTS, BUILD_INFO, CERTIFICATES, COMPRESS_SKIPPED, CONFIG_PROBLEMS,
        CONNECTIONS, DURATIONS, FAMILIES, HEALTH_CHECKS, HELD_BACK, KINDS, Kind, LAST_RELOAD, LOOKUPS, LOOKUPS_FAILING,
        MEMORY, MEMORY_REFUSING, NOTICES_LOST, OPEN_CONNECTIONS, PANICS, PASSWORD_CHECKS, REFUSED, RELOADS, REQUESTS,
        RESTART_NEEDED, RETRIES_ENDED, RETRIES_SKIPPED, SERVER_CHANGES, SERVER_UP, SERVICE_RETRIES, SINGLES,
        TRIAL_VERDICTS, UNSUPPORTED, UPSTREAM_CONNECTS, UPSTREAM_REPEATED, VERSION_REQUESTS, VERSION_SHARE, counter,
        family, gauge, histogram, key_labels, pair,
    },
    owner::Owner,
    series::{
        ASSIGNED, BUCKETS, CLOSED, CONNECT_ERROR, CONNECT_OK, DRAWS, Key, OPENED, REPEATED, REQUEST_BYTES,
        RESPONSE_BYTES, RETRIES, RETRY_ERROR, RETRY_OK, SKIPPED, Values,
    },
    share,
    worker::Skipped,
};

/// All families that are not the process collector's.
pub(super) struct Collected {
    shared: Arc<Shared>,
    descriptions: Vec<Desc>,
}

impl Collected {
    pub(super) fn new(shared: Arc<Shared>) -> prometheus::Result<Self> {
        let mut descriptions = Vec::new();
        let header_labels =
            shared.families.iter().flat_map(|families| &families.header_labels).map(|(label, _)| label.as_str());
        let header_labels: Vec<&str> = header_labels.collect();
        for kind in &KINDS {
            for (suffix, help, labels) in FAMILIES {
                let extra = if suffix == REQUESTS.0 { &header_labels[..] } else { &[] };
                let labels = labels.iter().chain(kind.labels).chain(extra).map(|label| (*label).to_owned());
                descriptions.push(Desc::new(
                    format!("{}_{suffix}", kind.prefix),
                    help.to_owned(),
                    labels.collect(),
                    HashMap::new(),
                )?);
            }
        }
        for single in SINGLES {
            let labels = single.labels.iter().map(|label| (*label).to_owned());
            descriptions.push(Desc::new(
                single.name.to_owned(),
                single.help.to_owned(),
                labels.collect(),
                HashMap::new(),
            )?);
        }
        Ok(Self { shared, descriptions })
    }
}

impl Collector for Collected {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shared = &*self.shared;
        let owners = &shared.owners;
        let (entry_points, routers, services) =
            (owners.entry_points.scrape(), owners.routers.scrape(), owners.services.scrape());
        let mut all = Vec::new();
        if let Some(families) = &shared.families {
            for (kind, owners) in KINDS.iter().zip([&entry_points, &routers, &services]) {
                kind.collect(families, owners, &mut all);
            }
        }
        connections(&entry_points, &mut all);
        upstream(&services, &mut all);
        versions(&owners.versions.scrape(), shared.now.load(Relaxed), &mut all);
        process(shared, &mut all);
        shared.observers.collect(&mut all);
        breakers::collect(&shared.breakers, &mut all);
        all
    }
}

impl Kind {
    fn collect(&self, families: &Families, owners: &[Arc<Owner>], all: &mut Vec<MetricFamily>) {
        let mut metrics: [Vec<Metric>; 5] = Default::default();
        for owner in owners {
            let summed = Summed::new(owner);
            let labels: Vec<LabelPair> =
                self.labels.iter().zip([&owner.first, &owner.second]).map(|(name, value)| pair(name, value)).collect();
            let [requests, durations, request_bytes, response_bytes, tls_requests] = &mut metrics;
            for (key, cells) in &summed.series {
                let labels = key_labels(*key, &labels);
                if families.header_labels.is_empty() {
                    requests.push(counter(labels.clone(), cells[BUCKETS..].iter().sum()));
                }
                durations.push(histogram(labels.clone(), &families.seconds, cells));
                request_bytes.push(counter(labels.clone(), cells[REQUEST_BYTES]));
                response_bytes.push(counter(labels, cells[RESPONSE_BYTES]));
            }
            for ((key, values), count) in &summed.labelled {
                let header_labels =
                    families.header_labels.iter().zip(values).map(|((label, _), value)| pair(label, value));
                let labels: Vec<LabelPair> = labels.iter().cloned().chain(header_labels).collect();
                requests.push(counter(key_labels(*key, &labels), *count));
            }
            for (tls, count) in &summed.tls {
                let own = [pair("tls_version", tls.version), pair("tls_cipher", tls.cipher)];
                tls_requests.push(counter(own.into_iter().chain(labels.iter().cloned()).collect(), *count));
            }
        }
        for ((suffix, help, _), metrics) in FAMILIES.into_iter().zip(metrics) {
            let kind = if suffix == DURATIONS.0 { MetricType::HISTOGRAM } else { MetricType::COUNTER };
            all.push(family(&format!("{}_{suffix}", self.prefix), help, kind, metrics));
        }
    }
}

/// An owner's cells summed over the workers.
#[derive(Default)]
struct Summed {
    series: BTreeMap<Key, Vec<u64>>,
    labelled: BTreeMap<(Key, Values), u64>,
    tls: BTreeMap<TlsLabels, u64>,
}

impl Summed {
    fn new(owner: &Owner) -> Self {
        let mut summed = Self::default();
        for part in owner.parts.lock().iter() {
            for (key, cells) in part.series.lock().iter() {
                let sums = summed.series.entry(*key).or_insert_with(|| vec![0; cells.len()]);
                sums.iter_mut().zip(cells.iter()).for_each(|(sum, cell)| *sum += cell.load(Relaxed));
            }
            for (key, values, cell) in part.labelled.lock().iter() {
                *summed.labelled.entry((*key, values.clone())).or_default() += cell.load(Relaxed);
            }
            for (tls, cell) in part.tls.lock().iter() {
                *summed.tls.entry(*tls).or_default() += cell.load(Relaxed);
            }
        }
        summed
    }
}

/// The sum of one plain cell over the workers.
pub(super) fn plain(owner: &Owner, cell: usize) -> u64 {
    owner.parts.lock().iter().map(|part| part.plain[cell].load(Relaxed)).sum()
}

fn connections(entry_points: &[Arc<Owner>], all: &mut Vec<MetricFamily>) {
    let (mut open, mut total) = (Vec::new(), Vec::new());
    for owner in entry_points {
        // The closed first: a connection that opens and closes in between is then not counted as less than none.
        let closed = plain(owner, CLOSED);
        let opened = plain(owner, OPENED);
        let labels = vec![pair("entrypoint", &owner.first)];
        open.push(gauge([&labels[..], &[pair("protocol", "TCP")]].concat(), opened.saturating_sub(closed) as f64));
        total.push(counter(labels, opened));
    }
    all.push(OPEN_CONNECTIONS.family(open));
    all.push(CONNECTIONS.family(total));
}

fn upstream(services: &[Arc<Owner>], all: &mut Vec<MetricFamily>) {
    let (mut retries, mut repeated, mut connects, mut assignments) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for owner in services {
        let service = pair("service", &owner.first);
        let retried = plain(owner, RETRIES);
        if retried > 0 {
            retries.push(counter(vec![service.clone()], retried));
        }
        let again = plain(owner, REPEATED);
        if again > 0 {
            repeated.push(counter(vec![service.clone()], again));
        }
        for (outcome, cell) in [("ok", CONNECT_OK), ("error", CONNECT_ERROR)] {
            let tried = plain(owner, cell);
            if tried > 0 {
                connects.push(counter(vec![pair("outcome", outcome), service.clone()], tried));
            }
        }
        for (assignment, cell) in ["kept", "issued", "lost", "keyless"].into_iter().zip(ASSIGNED..) {
            let assigned = plain(owner, cell);
            if assigned > 0 {
                assignments.push(counter(vec![pair("assignment", assignment), service.clone()], assigned));
            }
        }
    }
    again(services, all);
    all.push(SERVICE_RETRIES.family(retries));
    all.push(UPSTREAM_CONNECTS.family(connects));
    all.push(UPSTREAM_REPEATED.family(repeated));
    all.push(ASSIGNMENTS.family(assignments));
}

/// What retry did, and what it left.
fn again(services: &[Arc<Owner>], all: &mut Vec<MetricFamily>) {
    let counted = |label: &str, cells: &[(&str, usize)]| {
        let mut metrics = Vec::new();
        for owner in services {
            for (value, cell) in cells {
                let count = plain(owner, *cell);
                if count > 0 {
                    metrics.push(counter(vec![pair(label, value), pair("service", &owner.first)], count));
                }
            }
        }
        metrics
    };
    all.push(RETRIES_ENDED.family(counted("outcome", &[("ok", RETRY_OK), ("error", RETRY_ERROR)])));
    let reasons = [("budget", Skipped::Budget), ("body", Skipped::BodyTooLong), ("room", Skipped::NoRoom)];
    let reasons = reasons.map(|(reason, why)| (reason, SKIPPED + why as usize));
    all.push(RETRIES_SKIPPED.family(counted("reason", &reasons)));
}

/// How often a version was drawn in the 50 to 60 seconds before `now`.
pub(super) fn drawn_lately(owner: &Owner, now: u64) -> u64 {
    owner.parts.lock().iter().map(|part| share::recent(&part.plain[DRAWS..], now)).sum()
}

fn versions(versions: &[Arc<Owner>], now: u64, all: &mut Vec<MetricFamily>) {
    let draws: Vec<u64> = versions.iter().map(|owner| drawn_lately(owner, now)).collect();
    let mut of_service: HashMap<&str, u64> = HashMap::new();
    for (owner, draws) in versions.iter().zip(&draws) {
        *of_service.entry(&owner.first).or_default() += draws;
    }
    let (mut shares, mut requests) = (Vec::new(), Vec::new());
    for (owner, draws) in versions.iter().zip(&draws) {
        let labels = |own: LabelPair| vec![own, pair("service", &owner.first), pair("version", &owner.second)];
        if let Some(target) = owner.target_share() {
            shares.push(gauge(labels(pair("kind", "target")), target));
        }
        let total = of_service[owner.first.as_str()];
        if total > 0 {
            shares.push(gauge(labels(pair("kind", "actual")), *draws as f64 / total as f64));
        }
        for (cell, outcome) in ["ok", "error", "client"].into_iter().enumerate() {
            requests.push(counter(labels(pair("outcome", outcome)), plain(owner, cell)));
        }
    }
    all.push(VERSION_SHARE.family(shares));
    all.push(VERSION_REQUESTS.family(requests));
}

fn process(shared: &Shared, all: &mut Vec<MetricFamily>) {
    let (mut panics, mut accept_failures, mut compress_skipped) = (0, 0, 0);
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for worker in shared.workers.lock().iter() {
        panics += worker.panics.load(Relaxed);
        accept_failures += worker.accept_failures.load(Relaxed);
        compress_skipped += worker.compress_skipped.load(Relaxed);
        for (reason, cell) in worker.refused.lock().iter() {
            *refused.entry(reason).or_default() += cell.load(Relaxed);
        }
    }
    let refused = refused.into_iter().map(|(reason, count)| counter(vec![pair("reason", reason)], count));
    all.push(REFUSED.family(refused.collect()));
    all.push(PANICS.family(vec![counter(Vec::new(), panics)]));
    all.push(ACCEPT_FAILURES.family(vec![counter(Vec::new(), accept_failures)]));
    all.push(COMPRESS_SKIPPED.family(vec![counter(Vec::new(), compress_skipped)]));
    all.push(NOTICES_LOST.family(vec![counter(Vec::new(), shared.notices.lost())]));
    all.push(ACCESS_LOG_DROPPED.family(vec![counter(Vec::new(), shared.access_log_dropped.load(Relaxed))]));
    all.push(BUILD_INFO.family(vec![gauge(vec![pair("version", env!("CARGO_PKG_VERSION"))], 1.0)]));

    let rows = &shared.rows;
    let reloads = *rows.reloads.lock();
    all.push(RELOADS.family(vec![counter(Vec::new(), reloads.total)]));
    all.push(LAST_RELOAD.family(vec![gauge(Vec::new(), reloads.last_success as f64)]));
    all.push(CERTIFICATES.rows(&rows.certificates));
    all.push(SERVER_UP.rows(&rows.servers));
    all.push(SERVER_CHANGES.counts(&rows.server_changes));
    all.push(HEALTH_CHECKS.counts(&rows.health_checks));
    all.push(TRIAL_VERDICTS.counts(&rows.trial_verdicts));
    all.push(MEMORY.rows(&rows.memory));
    all.push(MEMORY_REFUSING.rows(&rows.memory_refusing));
    all.push(CONFIG_PROBLEMS.rows(&rows.problems));
    all.push(HELD_BACK.rows(&rows.held_back));
    all.push(RESTART_NEEDED.rows(&rows.restart));
    all.push(UNSUPPORTED.rows(&rows.unsupported));
    let lookups =
        rows.lookups.lock().iter().map(|(outcome, count)| counter(vec![pair("outcome", outcome)], *count)).collect();
    all.push(LOOKUPS.family(lookups));
    all.push(LOOKUPS_FAILING.rows(&rows.lookups_failing));
    let checks = rows.password_checks.lock();
    let checks = checks.iter().map(|(outcome, count)| counter(vec![pair("outcome", outcome)], *count)).collect();
    all.push(PASSWORD_CHECKS.family(checks));
}
