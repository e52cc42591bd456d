//! A limiter's state by its name, and the register of all of them: for what is counted, and for giving memory back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use rollgate_config::dynamic::middleware::SourceCriterion;

use super::{buckets::Buckets, redis::RemoteTally, shard::Tally};
use crate::{
    clock::Moment,
    helper::Helper,
    metrics::{Observed, Told, families},
    middleware::{Making, Place},
    weak_list::WeakList,
};

/// The buckets of one middleware, or of one place of it.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// The middleware's qualified name.
    middleware: Arc<str>,
    pub(crate) buckets: Buckets,
    /// If the limit is all replicas', the buckets are for when it cannot be kept so.
    is_shared: bool,
    pub(super) remote: RemoteTally,
    register: Arc<Register>,
}

/// How many requests met each of [`DECISIONS`].
type Decided = [u64; 5];

impl Limiter {
    /// The limiter of a middleware and a place. Its numbers may change; another criterion is another limiter.
    pub(super) fn of(
        criterion: &SourceCriterion,
        is_shared: bool,
        place: Option<&Place<'_>>,
        making: &Making<'_>,
    ) -> Arc<Self> {
        let register = Register::of(making);
        let name = format!("{} {place:?} {criterion:?} {is_shared}", making.name);
        let mut is_new = false;
        let limiter = making.states.of("rateLimit", &name, || {
            is_new = true;
            Self {
                middleware: making.name.into(),
                buckets: Buckets::new(making.workers, Moment::now()),
                is_shared,
                remote: RemoteTally::default(),
                register: register.clone(),
            }
        });
        if is_new {
            register.limiters.add(Arc::downgrade(&limiter));
        }
        limiter
    }

    fn decided(&self) -> Decided {
        if self.is_shared {
            return self.remote.counts();
        }
        let Tally { allowed, delayed, refused } = self.buckets.tally();
        [allowed, delayed, refused, 0, 0]
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        let decided = self.decided();
        add(self.register.gone.lock().entry(self.middleware.clone()).or_default(), decided);
    }
}

/// All limiters of a process.
#[derive(Debug, Default)]
struct Register {
    limiters: WeakList<Limiter>,
    /// What was counted by limiters that are gone, by middleware.
    gone: Mutex<BTreeMap<Arc<str>, Decided>>,
}

impl Register {
    fn of(making: &Making<'_>) -> Arc<Self> {
        let mut is_new = false;
        let register = making.observed("rateLimit register", "", || {
            is_new = true;
            Self::default()
        });
        if is_new {
            sweep_on(making.helper, Arc::downgrade(&register));
        }
        register
    }
}

impl Observed for Register {
    /// A middleware's are one, wherever it stands.
    fn tell(&self, told: &mut Told) {
        let limiters = self.limiters.all();
        self.gone.lock().retain(|middleware, _| limiters.iter().any(|limiter| limiter.middleware == *middleware));
        let mut decided: BTreeMap<Arc<str>, Decided> = self.gone.lock().clone();
        for limiter in &limiters {
            add(decided.entry(limiter.middleware.clone()).or_default(), limiter.decided());
            told.add(&families::RATE_LIMIT_SOURCES, &[&limiter.middleware], limiter.buckets.sources() as u64);
        }
        for (middleware, decided) in decided {
            let is_shared = |limiter: &&Arc<Limiter>| limiter.is_shared && limiter.middleware == middleware;
            let shown = if limiters.iter().any(|limiter| is_shared(&limiter)) { DECISIONS.len() } else { 3 };
            for (decision, count) in DECISIONS.iter().zip(decided).take(shown) {
                told.add(&families::RATE_LIMIT, &[&middleware, decision], count);
            }
        }
    }
}

fn add(sum: &mut Decided, part: Decided) {
    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
}

/// Takes out full buckets now and then, a part at a time, so that a limiter without traffic gives its memory back.
fn sweep_on(helper: &Helper, register: Weak<Register>) {
    let Some(runtime) = helper.runtime() else { return };
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            let Some(limiters) = register.upgrade().map(|register| register.limiters.all()) else { return };
            for limiter in limiters {
                for part in 0..limiter.buckets.parts() {
                    limiter.buckets.sweep(part, Moment::now());
                    tokio::task::yield_now().await;
                }
            }
        }
    });
}

/// In the order of [`Met`](super::redis::Met).
const DECISIONS: [&str; 5] = ["allowed", "delayed", "refused", "fallback_allowed", "fallback_refused"];

/// How long memory may stay that nobody needs.
const SWEEP: Duration = Duration::from_secs(10);
