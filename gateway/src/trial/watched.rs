//! What a trial's draws and answers touch: read by all workers, written by none of them, but for cells that are each
//! worker's own.

use std::{
    sync::{
        OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use rollgate_config::dynamic::rollout::analysis::{Analysis, ErrorRule};
use tokio::sync::Notify;

use super::{booking::Ended, latency::Histogram, strata::bump, users::Users};

/// The data plane's side of a trial.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The judge's brake: no request goes to the canary.
    braked: AtomicBool,
    /// The canary has warmed up.
    counting: AtomicBool,
    /// An answer that takes longer is slow, in microseconds.
    tau: AtomicU64,
    errors: ErrorRule,
    /// How paths begin that are not judged.
    exclude: Box<[Box<str>]>,
    /// Whether a version keeps its users, and what they have done; `None`: each request is drawn for itself.
    pub(super) users: Option<Users>,
    /// By worker; empty where no quantile is wanted.
    latencies: Box<[OnceLock<Box<Histogram>>]>,
    arrivals: Box<[Arrivals]>,
    /// When the canary got its first request, in microseconds since the process started and one more; 0: it has not.
    first: AtomicU64,
    /// The canary has failed.
    pub(super) wake: Notify,
}

/// The draws of one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Arrivals(AtomicU64);

impl Watched {
    pub(super) fn new(analysis: &Analysis, by_user: bool, wants_quantile: bool, workers: usize) -> Self {
        let users = by_user.then(|| Users::new(analysis.repeated_errors));
        Self {
            braked: AtomicBool::new(false),
            counting: AtomicBool::new(analysis.discard.is_zero()),
            tau: AtomicU64::new(u64::MAX),
            errors: analysis.errors.clone(),
            exclude: analysis.exclude.iter().map(|path| path.as_str().into()).collect(),
            users,
            latencies: (0..if wants_quantile { workers } else { 0 }).map(|_| OnceLock::new()).collect(),
            arrivals: (0..workers).map(|_| Arrivals::default()).collect(),
            first: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }

    pub(super) fn workers(&self) -> usize {
        self.arrivals.len()
    }

    /// Whether the judge has stopped the canary: one load, which no other thread writes until it does.
    #[inline]
    pub(crate) fn is_braked(&self) -> bool {
        self.braked.load(Acquire)
    }

    pub(crate) fn brake(&self) {
        self.braked.store(true, Release);
    }

    /// A request has come to the service. Only the worker itself calls it.
    #[inline]
    pub(crate) fn arrived(&self, worker: usize) {
        bump(&self.arrivals[worker].0);
    }

    /// The same of several; worker 0 has none of its own.
    pub(super) fn arrived_many(&self, requests: u64) {
        self.arrivals[0].0.fetch_add(requests, Relaxed);
    }

    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals.iter().map(|arrivals| arrivals.0.load(Relaxed)).sum()
    }

    /// Whether a request of this path is judged now. `now` is since the process started.
    #[inline]
    pub(crate) fn counts(&self, path: &str, is_canary: bool, now: impl FnOnce() -> Duration) -> bool {
        if !self.counting.load(Relaxed) {
            if is_canary && self.first.load(Relaxed) == 0 {
                self.first.store(micros(now()) + 1, Relaxed);
            }
            return false;
        }
        self.exclude.is_empty() || !self.exclude.iter().any(|start| path.starts_with(&**start))
    }

    /// When the canary got its first request while nothing was counted yet.
    pub(super) fn first(&self) -> Option<Duration> {
        self.first.load(Relaxed).checked_sub(1).map(Duration::from_micros)
    }

    pub(super) fn is_counting(&self) -> bool {
        self.counting.load(Relaxed)
    }

    pub(super) fn count_from_now(&self) {
        self.counting.store(true, Relaxed);
    }

    /// In microseconds; `u64::MAX`: none is known.
    #[inline]
    pub(super) fn tau(&self) -> u64 {
        self.tau.load(Relaxed)
    }

    pub(super) fn set_tau(&self, micros: u64) {
        self.tau.store(micros, Relaxed);
    }

    /// Whether an end is an error of its version; `None`: it says nothing about it.
    pub(super) fn is_error(&self, ended: Ended) -> Option<bool> {
        match ended {
            Ended::Answered { status, grpc } => {
                let is_grpc_error = grpc.is_some_and(|grpc| self.errors.grpc.contains(&grpc));
                Some(is_grpc_error || self.errors.status.contains(status))
            }
            Ended::Broken => Some(self.errors.connect),
            Ended::Late => Some(self.errors.timeout),
            Ended::Nobodys => None,
        }
    }

    /// Stable has answered. Only the worker itself calls it.
    #[inline]
    pub(super) fn took(&self, worker: usize, micros: u64) {
        if let Some(histogram) = self.latencies.get(worker) {
            histogram.get_or_init(|| Box::new(Histogram::new())).record(micros);
        }
    }

    /// The same of several answers; worker 0 has none of its own.
    pub(super) fn took_many(&self, micros: u64, answers: u32) {
        if let Some(histogram) = self.latencies.first() {
            histogram.get_or_init(|| Box::new(Histogram::new())).record_many(micros, answers);
        }
    }

    pub(super) fn histograms(&self) -> impl Iterator<Item = &Histogram> {
        self.latencies.iter().filter_map(OnceLock::get).map(|histogram| &**histogram)
    }
}

/// At most 584,000 years.
fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}
