//! One worker's side: what is called for each request.

use std::{
    cell::RefCell,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{
    EntryPointId, Families, RouterId, ServiceId, Shared, TlsLabels, VersionId,
    local::{Count, Local, Locals},
    series::{
        ASSIGNED, CLOSED, CONNECT_ERROR, CONNECT_OK, Cell, DRAWS, ENTRY_POINT_CELLS, Key, OPENED, OTHER, REPEATED,
        RETRIES, RETRY_ERROR, RETRY_OK, SERVICE_CELLS, SKIPPED, VERSION_CELLS, Values, add,
    },
    share,
};

/// What a request spoke, Traefik's label `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Anything but the following.
    Http,
    /// `content-type: application/grpc`; the code is the `grpc-status`.
    Grpc,
    /// `content-type: application/grpc-web`; the code is the `grpc-status`.
    GrpcWeb,
    /// `accept: text/event-stream`.
    Sse,
    /// An upgrade to WebSocket.
    WebSocket,
}

/// How a request to a version ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with less than 500.
    Ok,
    /// 500 or more, or no whole answer from upstream.
    Error,
    /// The client went away before the end.
    Client,
}

/// How a client came to the version or the server that it was given, where something keeps clients with theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// As before.
    Kept,
    /// It had nothing to go by, and was given a cookie.
    Issued,
    /// What it had is gone or not available.
    Lost,
    /// It had nothing to go by: drawn at random.
    Keyless,
}

/// Why a request was not sent once more although it was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// The service's budget is used up.
    Budget,
    /// More of its body has passed than `maxRequestBodyBytes`.
    BodyTooLong,
    /// The worker had no room to keep its body.
    NoRoom,
}

/// A request that has come to its end. Where an owner is `None`, nothing is counted for its kind.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// Where it came in.
    pub entry_point: Option<EntryPointId>,
    /// The router that won.
    pub router: Option<RouterId>,
    /// The service whose server answered, or should have.
    pub service: Option<ServiceId>,
    /// The versions that were drawn, one for each weighted service on the way.
    pub versions: &'a [VersionId],
    /// Its method.
    pub method: &'a Method,
    /// What it spoke.
    pub protocol: Protocol,
    /// HTTP status, or `grpc-status` for gRPC.
    pub code: u16,
    /// The connection's TLS, if it has any.
    pub tls: Option<TlsLabels>,
    /// From the request's head to the last byte of the answer.
    pub duration: Duration,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// How it ended, for its versions.
    pub outcome: Outcome,
    /// What [`WorkerMetrics::label_values`] returned when the request came.
    pub header_labels: Option<&'a LabelValues>,
}

/// The values of the configured header labels on one request; empty where it has no such header.
#[derive(Debug, Clone)]
pub struct LabelValues(SmallVec<[Option<HeaderValue>; 2]>);

/// The counters of one worker. Cheap calls without locks, but for the first meeting with an owner or a combination of labels.
pub struct WorkerMetrics {
    shared: Arc<Shared>,
    cells: Arc<WorkerCells>,
    refused: RefCell<Vec<Refused>>,
    entry_points: Locals<ENTRY_POINT_CELLS>,
    routers: Locals<0>,
    services: Locals<SERVICE_CELLS>,
    versions: Locals<VERSION_CELLS>,
    /// Where the key of a combination of header labels is put together.
    scratch: RefCell<Vec<u8>>,
}

impl WorkerMetrics {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let cells = Arc::new(WorkerCells::default());
        shared.workers.lock().push(Arc::clone(&cells));
        Self {
            shared,
            cells,
            refused: RefCell::default(),
            entry_points: Locals::default(),
            routers: Locals::default(),
            services: Locals::default(),
            versions: Locals::default(),
            scratch: RefCell::default(),
        }
    }

    /// What a request's headers say for the configured header labels; `None` if there are none, at no cost.
    pub fn label_values(&self, headers: &HeaderMap) -> Option<LabelValues> {
        let labels = &self.shared.families.as_ref()?.header_labels;
        if labels.is_empty() {
            return None;
        }
        Some(LabelValues(labels.iter().map(|(_, header)| headers.get(header).cloned()).collect()))
    }

    /// Counts a request at its end: once, also when the client went away.
    pub fn finish(&self, finished: &Finished<'_>) {
        if let Some(families) = &self.shared.families {
            self.finish_families(families, finished);
        }
        for version in finished.versions {
            self.version_ended(*version, finished.outcome);
        }
    }

    /// A request to a version has ended so.
    pub fn version_ended(&self, version: VersionId, outcome: Outcome) {
        self.versions
            .with(&self.shared.owners.versions, version.0, |local| add(&local.part.plain[outcome as usize], 1));
    }

    /// A version was drawn at `now`, in seconds on any clock that only goes forward (the same for all workers and [`super::Metrics::encode`]).
    pub fn drawn(&self, version: VersionId, now: u64) {
        self.versions
            .with(&self.shared.owners.versions, version.0, |local| share::count(&local.part.plain[DRAWS..], now));
    }

    /// A connection was accepted.
    pub fn connection_opened(&self, entry_point: EntryPointId) {
        self.entry_points
            .with(&self.shared.owners.entry_points, entry_point.0, |local| add(&local.part.plain[OPENED], 1));
    }

    /// A connection that was counted as opened, on any worker, was closed.
    pub fn connection_closed(&self, entry_point: EntryPointId) {
        self.entry_points
            .with(&self.shared.owners.entry_points, entry_point.0, |local| add(&local.part.plain[CLOSED], 1));
    }

    /// A request or connection was refused by the gateway itself. Reasons are constants: the label's values are bounded by the code.
    pub fn refused(&self, reason: &'static str) {
        let mut refused = self.refused.borrow_mut();
        if let Some((_, cell)) = refused.iter().find(|(known, _)| *known == reason) {
            return add(cell, 1);
        }
        let cell = Arc::new(AtomicU64::new(1));
        self.cells.refused.lock().push((reason, Arc::clone(&cell)));
        refused.push((reason, cell));
    }

    /// A panic ended a request.
    pub fn panicked(&self) {
        add(&self.cells.panics, 1);
    }

    /// The requests that a panic ended on this worker.
    #[cfg(feature = "in-memory")]
    pub(crate) fn panics(&self) -> u64 {
        self.cells.panics.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Accepting failed for want of descriptors or memory.
    pub fn accept_failed(&self) {
        add(&self.cells.accept_failures, 1);
    }

    /// An answer was not compressed for want of room.
    pub fn compress_skipped(&self) {
        add(&self.cells.compress_skipped, 1);
    }

    /// A connection to a server of a service was tried.
    pub fn upstream_connect(&self, service: ServiceId, ok: bool) {
        let cell = if ok { CONNECT_OK } else { CONNECT_ERROR };
        self.services.with(&self.shared.owners.services, service.0, |local| add(&local.part.plain[cell], 1));
    }

    /// A request to a service was tried once more.
    pub fn retried(&self, service: ServiceId) {
        self.services.with(&self.shared.owners.services, service.0, |local| add(&local.part.plain[RETRIES], 1));
    }

    /// A further attempt has come to its end, with an answer that goes on or not.
    pub fn retry_ended(&self, service: ServiceId, ok: bool) {
        let cell = if ok { RETRY_OK } else { RETRY_ERROR };
        self.services.with(&self.shared.owners.services, service.0, |local| add(&local.part.plain[cell], 1));
    }

    /// A request to a service was not tried once more.
    pub fn retry_skipped(&self, service: ServiceId, why: Skipped) {
        let cell = SKIPPED + why as usize;
        self.services.with(&self.shared.owners.services, service.0, |local| add(&local.part.plain[cell], 1));
    }

    /// A request to a service was sent once more by the gateway's own decision, since its connection had died
    /// unanswered or the server had refused it untouched.
    pub fn repeated(&self, service: ServiceId) {
        self.services.with(&self.shared.owners.services, service.0, |local| add(&local.part.plain[REPEATED], 1));
    }

    /// A client was given a version or a server by a service that keeps clients with theirs.
    pub fn assigned(&self, service: ServiceId, how: Assignment) {
        self.services
            .with(&self.shared.owners.services, service.0, |local| add(&local.part.plain[ASSIGNED + how as usize], 1));
    }

    /// Gives back the memory of owners that are forgotten. To be called when the worker takes a new snapshot; it looks at
    /// every owner (25 ns each) only if some were forgotten since the last call.
    pub fn prune(&self) {
        let owners = &self.shared.owners;
        self.entry_points.prune(&owners.entry_points);
        self.routers.prune(&owners.routers);
        self.services.prune(&owners.services);
        self.versions.prune(&owners.versions);
    }

    fn finish_families(&self, families: &Families, finished: &Finished<'_>) {
        let nanoseconds = u64::try_from(finished.duration.as_nanos()).unwrap_or(u64::MAX);
        let count = Count {
            key: Key::new(finished.code, finished.method, finished.protocol),
            nanoseconds,
            bucket: families.bucket(nanoseconds),
            buckets: families.bounds.len() + 1,
            finished,
        };
        let owners = &self.shared.owners;
        if families.entry_points
            && let Some(id) = finished.entry_point
        {
            self.entry_points.with(&owners.entry_points, id.0, |local| self.count(local, &count));
        }
        if families.routers
            && let Some(id) = finished.router
        {
            self.routers.with(&owners.routers, id.0, |local| self.count(local, &count));
        }
        if families.services
            && let Some(id) = finished.service
        {
            self.services.with(&owners.services, id.0, |local| self.count(local, &count));
        }
    }

    fn count(&self, local: &mut Local, count: &Count<'_>) {
        local.count_series(count);
        if let Some(tls) = count.finished.tls {
            local.count_tls(tls);
        }
        if let Some(values) = count.finished.header_labels {
            local.count_labelled(count.key, values, &mut self.scratch.borrow_mut());
        }
    }
}

/// What a worker counts without an owner.
#[derive(Default)]
pub(super) struct WorkerCells {
    pub(super) panics: AtomicU64,
    pub(super) accept_failures: AtomicU64,
    pub(super) compress_skipped: AtomicU64,
    pub(super) refused: Mutex<Vec<Refused>>,
}

impl LabelValues {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The packed key, then each value with its length before it.
    pub(super) fn write_key(&self, key: Key, scratch: &mut Vec<u8>) {
        scratch.clear();
        scratch.extend_from_slice(&key.0.to_ne_bytes());
        for value in &self.0 {
            let bytes = bounded(value.as_ref());
            scratch.extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
            scratch.extend_from_slice(bytes);
        }
    }

    pub(super) fn texts(&self) -> Values {
        self.0.iter().map(|value| String::from_utf8_lossy(bounded(value.as_ref())).into_owned()).collect()
    }
}

/// A header's bytes as a label's value: one that is very long counts as `other`.
fn bounded(value: Option<&HeaderValue>) -> &[u8] {
    match value {
        None => b"",
        Some(value) if value.len() > MAX_VALUE_BYTES => OTHER.as_bytes(),
        Some(value) => value.as_bytes(),
    }
}

/// A refusal's reason and its count.
type Refused = (&'static str, Cell);

const MAX_VALUE_BYTES: usize = 256;
