//! What the workers share with each other and with the control plane.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::{
    access_log::AccessLog,
    body::spool::Disk,
    compile::Compiler,
    internal::{
        access::{Lockout, Policy},
        passage::Passage,
    },
    listener::admission::Admission,
    metrics::Metrics,
    pool::Targets,
    pressure::Pressure,
    snapshot::{Snapshot, retired::Retired},
    troubles::Troubles,
};

/// One per process.
pub(crate) struct Shared {
    pub(crate) current: ArcSwap<Snapshot>,
    /// The current snapshot's: what each request compares.
    pub(crate) generation: AtomicU64,
    /// Those that were current before.
    pub(crate) retired: Retired,
    pub(crate) metrics: Arc<Metrics>,
    /// The traefik_* families are counted.
    pub(crate) counts_traffic: bool,
    pub(crate) targets: Targets,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) bounds: Bounds,
    /// Where `buffering` keeps what is too long for memory.
    pub(crate) disk: Disk,
    pub(crate) troubles: Troubles,
    terminating: AtomicBool,
    /// What `/ping` answers from then on.
    pub(crate) terminating_status: u16,
    pub(crate) passage: Passage,
    /// Who may ask the internal entry point for what.
    pub(crate) policy: ArcSwap<Policy>,
    /// The admin API is configured.
    pub(crate) serves_api: bool,
    pub(crate) lockout: Lockout,
    /// The problems that `/ready` shows; empty: none.
    pub(crate) readiness: Mutex<String>,
}

/// What there may be of connections and memory.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) admission: Arc<Admission>,
    pub(crate) pressure: Arc<Pressure>,
    /// Bytes that each worker may keep of bodies that may have to be sent again.
    pub(crate) replays: u64,
    /// Bytes that each worker's copies for mirrors may hold.
    pub(crate) mirrors: u64,
    /// Bytes that each worker's encoders may hold.
    pub(crate) encoders: u64,
    /// Bytes of bodies that may lie in files at once; 0 is no limit.
    pub(crate) files: u64,
}

impl Shared {
    pub(crate) fn new(
        (first, retired): (Snapshot, Retired),
        compiler: &Compiler,
        counts_traffic: bool,
        access_log: Option<AccessLog>,
        bounds: Bounds,
        terminating_status: u16,
    ) -> Self {
        Self {
            generation: AtomicU64::new(first.generation),
            current: ArcSwap::from_pointee(first),
            retired,
            metrics: compiler.metrics.clone(),
            counts_traffic,
            targets: compiler.targets.clone(),
            access_log,
            disk: Disk::new(&compiler.helper, bounds.files),
            bounds,
            troubles: compiler.troubles.clone(),
            terminating: AtomicBool::new(false),
            terminating_status,
            passage: Passage::default(),
            policy: ArcSwap::from_pointee(Policy::new(compiler.statics.api.as_ref())),
            serves_api: compiler.statics.api.is_some(),
            lockout: Lockout::default(),
            readiness: Mutex::default(),
        }
    }

    /// Makes a snapshot the current one; each worker takes it with its next request.
    pub(crate) fn store(&self, snapshot: Snapshot) {
        let generation = snapshot.generation;
        let before = self.current.swap(Arc::new(snapshot));
        self.generation.store(generation, Ordering::Release);
        self.retired.hold(before);
    }

    pub(crate) fn is_terminating(&self) -> bool {
        self.terminating.load(Ordering::Relaxed)
    }

    pub(crate) fn terminate(&self) {
        self.terminating.store(true, Ordering::Relaxed);
    }
}
