//! What is counted, and how it is shown to Prometheus.
//!
//! ```text
//! worker 1: WorkerMetrics -> Part (its own cells) --.
//! worker 2: WorkerMetrics -> Part (its own cells) ---+-> Collected (sums when scraped) -> prometheus::Registry -> text
//! control plane: Rows (replaced whole) -------------'
//!                                                    (or sampled, see `sample`: for the control plane's history)
//! ```
//!
//! Every cell is written by one worker only, with a plain load and store, so counting a request takes neither a lock nor
//! an atomic read-modify-write; a lock is taken when a combination of labels is met for the first time.
//!
//! An owner (an entry point, router, service or version) is known by kind and qualified name and outlives reloads: a name
//! that stays goes on counting. One that leaves the configuration is shown in one more scrape and then forgotten; if its
//! name comes back before that, it goes on from where it was, after that it starts at zero.

mod breakers;
mod collect;
pub(crate) mod families;
mod local;
mod observed;
mod owner;
mod rows;
mod sample;
mod series;
mod share;
mod tls;
mod worker;

use std::{
    collections::HashSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::HeaderName;
use parking_lot::Mutex;
use prometheus::{Encoder, Registry, TextEncoder};
use rollgate_config::static_config::Prometheus;

use crate::{breaker::Reports, notice::Notices};

pub(crate) use observed::{Observed, Told};
pub use sample::{Sample, SeriesId};
pub use tls::TlsLabels;
pub use worker::{Assignment, Finished, LabelValues, Outcome, Protocol, Skipped, WorkerMetrics};

/// The `Content-Type` of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An entry point whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryPointId(u32);

/// A router whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouterId(u32);

/// A service (the leaf that holds the servers) whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceId(u32);

/// A version of a weighted service whose draws and outcomes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionId(u32);

/// All owners of the snapshot that was just published; see [`Metrics::retain`].
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Its entry points.
    pub entry_points: Vec<EntryPointId>,
    /// Its routers.
    pub routers: Vec<RouterId>,
    /// Its services.
    pub services: Vec<ServiceId>,
    /// Its versions.
    pub versions: Vec<VersionId>,
}

/// A certificate that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name; may be empty.
    pub common_name: String,
    /// The serial number in decimal.
    pub serial: String,
    /// The alternative names, sorted and joined by `,`.
    pub sans: String,
    /// Its end, in seconds since 1970.
    pub not_after: i64,
}

/// The counters of the process: one per process, shared by all workers.
pub struct Metrics {
    shared: Arc<Shared>,
    registry: Registry,
}

impl Metrics {
    /// Without `config` the `traefik_*` request families are not counted at all; Rollgate's own are.
    ///
    /// # Errors
    /// A header label with a name that is no label's or no header's.
    pub fn new(config: Option<&Prometheus>) -> prometheus::Result<Self> {
        let families = config.map(Families::new).transpose()?;
        let shared = Arc::new(Shared {
            families,
            owners: owner::Owners::default(),
            workers: Mutex::default(),
            rows: rows::ProcessRows::default(),
            observers: observed::Observers::default(),
            access_log_dropped: Arc::default(),
            notices: Notices::default(),
            breakers: Reports::default(),
            now: AtomicU64::new(0),
        });
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        registry.register(Box::new(collect::Collected::new(Arc::clone(&shared))?))?;
        Ok(Self { shared, registry })
    }

    /// The counters of one more worker. It stays on that worker's thread.
    pub fn worker(&self) -> WorkerMetrics {
        WorkerMetrics::new(Arc::clone(&self.shared))
    }

    /// Everything as text, format 0.0.4, families and series sorted. `now` is in seconds, on the clock of
    /// [`WorkerMetrics::drawn`]. It takes about 1.5 us per line, which for ten thousand routers is a third of a second:
    /// call it where that holds no worker up.
    pub fn encode(&self, now: u64) -> Vec<u8> {
        self.shared.now.store(now, Relaxed);
        let mut text = Vec::with_capacity(16 * 1024);
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        text
    }

    /// Interns an entry point.
    pub fn entry_point_id(&self, name: &str) -> EntryPointId {
        EntryPointId(self.shared.owners.entry_points.intern(name, ""))
    }

    /// Interns a router and the service it leads to, both as qualified names.
    pub fn router_id(&self, router: &str, service: &str) -> RouterId {
        RouterId(self.shared.owners.routers.intern(router, service))
    }

    /// Interns a service by its qualified name.
    pub fn service_id(&self, service: &str) -> ServiceId {
        ServiceId(self.shared.owners.services.intern(service, ""))
    }

    /// Interns a version: a weighted service and one of its children.
    pub fn version_id(&self, service: &str, version: &str) -> VersionId {
        VersionId(self.shared.owners.versions.intern(service, version))
    }

    /// The share, 0 to 1, that the weights in force give to a version.
    pub fn set_target_share(&self, version: VersionId, share: f64) {
        if let Some(owner) = self.shared.owners.versions.owner(version.0) {
            owner.set_target_share(share);
        }
    }

    /// How often a version was drawn in the 50 to 60 seconds before `now`, on the clock of [`WorkerMetrics::drawn`].
    pub fn drawn_lately(&self, version: VersionId, now: u64) -> u64 {
        self.shared.owners.versions.owner(version.0).map_or(0, |owner| collect::drawn_lately(&owner, now))
    }

    /// To be called after each publish: owners that are not in `live` are shown once more and then forgotten.
    pub fn retain(&self, live: &Live) {
        let owners = &self.shared.owners;
        owners.entry_points.retain(live.entry_points.iter().map(|id| id.0));
        owners.routers.retain(live.routers.iter().map(|id| id.0));
        owners.services.retain(live.services.iter().map(|id| id.0));
        owners.versions.retain(live.versions.iter().map(|id| id.0));
    }

    /// A configuration was applied at `now`, in seconds since 1970.
    pub fn reloaded(&self, now: i64) {
        self.shared.rows.reloaded(now);
    }

    /// The certificates in use, in place of those told before.
    pub fn set_certificates(&self, certificates: &[Certificate]) {
        self.shared.rows.set_certificates(certificates);
    }

    /// The problems that the last update of a provider had; 0 after a good one.
    pub fn set_problems(&self, provider: &str, problems: usize) {
        self.shared.rows.problems.set(vec![provider.to_owned()], problems as f64);
    }

    /// How many files of a provider are not live with their newest text.
    pub fn set_held_back(&self, provider: &str, files: usize) {
        self.shared.rows.held_back.set(vec![provider.to_owned()], files as f64);
    }

    /// The keys of the static configuration that take effect at the next start.
    pub fn set_restart_needed<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        self.shared.rows.restart.replace(keys.into_iter().map(|key| (vec![key.to_owned()], 1.0)));
    }

    /// The unsupported keys that the operator allowed and that have no effect.
    pub fn set_unsupported_allowed<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        let rows = keys.into_iter().map(|key| (vec![key.to_owned()], 1.0));
        self.shared.rows.unsupported.replace(rows);
    }

    /// The servers of a service and whether they are up, in place of those told before; none: the service is gone.
    pub fn set_servers<'a>(&self, service: &str, servers: impl IntoIterator<Item = (&'a str, bool)>) {
        let rows = &self.shared.rows;
        let mut urls = HashSet::new();
        let servers = servers.into_iter().map(|(url, up)| {
            urls.insert(url);
            (vec![service.to_owned(), url.to_owned()], f64::from(up))
        });
        rows.servers.replace_of(service, servers);
        rows.server_changes.retain_of(service, |values| urls.contains(values[1].as_str()));
        if urls.is_empty() {
            rows.health_checks.retain_of(service, |_| false);
        }
    }

    /// The memory in use and its limit, in bytes, and whether requests are refused for want of it.
    pub fn set_memory(&self, used: u64, limit: u64, refusing: bool) {
        let rows = &self.shared.rows;
        let kinds = [("limit", limit as f64), ("used", used as f64)];
        rows.memory.replace(kinds.into_iter().map(|(kind, bytes)| (vec![kind.to_owned()], bytes)));
        rows.memory_refusing.set(Vec::new(), f64::from(refusing));
    }

    /// A server went up or down, for a cause that is a constant.
    pub fn server_changed(&self, service: &str, url: &str, up: bool, cause: &'static str) {
        let rows = &self.shared.rows;
        rows.servers.set(vec![service.to_owned(), url.to_owned()], f64::from(up));
        let values = [service, url, if up { "up" } else { "down" }, cause];
        rows.server_changes.add(values.map(str::to_owned).to_vec());
    }

    /// A server was probed.
    pub fn count_health_check(&self, service: &str, good: bool) {
        let outcome = if good { "ok" } else { "error" };
        self.shared.rows.health_checks.add(vec![service.to_owned(), outcome.to_owned()]);
    }

    /// The judge of a service's trial says `roll_back`, `hold` or `clear`, and did not before.
    pub(crate) fn count_trial_verdict(&self, service: &str, verdict: &'static str) {
        self.shared.rows.trial_verdicts.add(vec![service.to_owned(), verdict.to_owned()]);
    }

    /// A name of a server was looked up: `ok`, `absent` or `error`.
    pub fn count_lookup(&self, outcome: &'static str) {
        let mut lookups = self.shared.rows.lookups.lock();
        *lookups.entry(outcome).or_default() += 1;
    }

    /// A password was compared with a slow hash: `right` or `wrong`; or it was not, as too many were: `busy`.
    pub fn count_password_check(&self, outcome: &'static str) {
        *self.shared.rows.password_checks.lock().entry(outcome).or_default() += 1;
    }

    /// Whether a name's lookups fail now.
    pub fn set_lookup_failing(&self, host: &str, failing: bool) {
        let values = vec![host.to_owned()];
        if failing {
            self.shared.rows.lookups_failing.set(values, 1.0);
        } else {
            self.shared.rows.lookups_failing.remove(&values);
        }
    }

    /// Asks it at each scrape, as long as it is there.
    pub(crate) fn observe(&self, observed: Weak<dyn Observed>) {
        self.shared.observers.add(observed);
    }

    /// Where the control plane is told of what changes.
    pub(crate) fn notices(&self) -> &Notices {
        &self.shared.notices
    }

    /// The circuit breakers that there are.
    pub(crate) fn breakers(&self) -> &Reports {
        &self.shared.breakers
    }

    /// The count of access log lines that were lost. Not a worker's own cell: it is touched only when a line is lost.
    pub fn access_log_dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.access_log_dropped)
    }
}

/// What workers, scrapes and the control plane share.
struct Shared {
    families: Option<Families>,
    owners: owner::Owners,
    workers: Mutex<Vec<Arc<worker::WorkerCells>>>,
    rows: rows::ProcessRows,
    observers: observed::Observers,
    access_log_dropped: Arc<AtomicU64>,
    notices: Notices,
    breakers: Reports,
    /// The time of the scrape under way, in seconds.
    now: AtomicU64,
}

/// Which of Traefik's request families are counted, and how.
struct Families {
    entry_points: bool,
    routers: bool,
    services: bool,
    /// Upper bounds in nanoseconds, ascending.
    bounds: Vec<u64>,
    /// The same bounds in seconds, as they were written.
    seconds: Vec<f64>,
    /// Label and the header it takes its value from.
    header_labels: Vec<(String, HeaderName)>,
}

impl Families {
    fn new(config: &Prometheus) -> prometheus::Result<Self> {
        let header_labels = config.header_labels.iter().map(|(label, header)| {
            let name =
                header.parse().map_err(|_| prometheus::Error::Msg(format!("{header:?} is not a header's name")))?;
            Ok((label.clone(), name))
        });
        Ok(Self {
            entry_points: config.entry_points,
            routers: config.routers,
            services: config.services,
            bounds: config.buckets.iter().map(|seconds| nanoseconds(*seconds)).collect(),
            seconds: config.buckets.clone(),
            header_labels: header_labels.collect::<prometheus::Result<_>>()?,
        })
    }

    /// The index of the bucket that a duration falls into; the last one is everything above.
    fn bucket(&self, nanoseconds: u64) -> usize {
        self.bounds.iter().position(|bound| nanoseconds <= *bound).unwrap_or(self.bounds.len())
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |bound| u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
