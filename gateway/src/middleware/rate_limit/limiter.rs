//! A limiter's state by its name, and the register of all of them: for what is counted, and for giving memory back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rollgate_config::dynamic::middleware::SourceCriterion;

use super::{buckets::Buckets, shard::Tally};
use crate::{
    helper::Helper,
    metrics::{Observed, Told, families},
    middleware::{Making, Place},
};

/// The buckets of one middleware, or of one place of it.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// The middleware's qualified name.
    middleware: Arc<str>,
    pub(crate) buckets: Buckets,
    register: Arc<Register>,
}

impl Limiter {
    /// The limiter of a middleware and a place. Its numbers may change; another criterion is another limiter.
    pub(super) fn of(criterion: &SourceCriterion, place: Option<&Place<'_>>, making: &Making<'_>) -> Arc<Self> {
        let register = Register::of(making);
        let name = format!("{} {place:?} {criterion:?}", making.name);
        let mut is_new = false;
        let limiter = making.states.of("rateLimit", &name, || {
            is_new = true;
            let buckets = Buckets::new(making.workers, Instant::now());
            Self { middleware: making.name.into(), buckets, register: register.clone() }
        });
        if is_new {
            register.limiters.lock().push(Arc::downgrade(&limiter));
        }
        limiter
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        let mut gone = self.register.gone.lock();
        let tally = gone.entry(self.middleware.clone()).or_default();
        *tally = *tally + self.buckets.tally();
    }
}

/// All limiters of a process.
#[derive(Debug, Default)]
struct Register {
    limiters: Mutex<Vec<Weak<Limiter>>>,
    /// What was counted by limiters that are gone, by middleware.
    gone: Mutex<BTreeMap<Arc<str>, Tally>>,
}

impl Register {
    fn of(making: &Making<'_>) -> Arc<Self> {
        let mut is_new = false;
        let register = making.states.of("rateLimit register", "", || {
            is_new = true;
            Self::default()
        });
        if is_new {
            making.metrics.observe(Arc::downgrade(&register) as Weak<dyn Observed>);
            sweep_on(making.helper, Arc::downgrade(&register));
        }
        register
    }

    /// Those that are there; the others are forgotten.
    fn limiters(&self) -> Vec<Arc<Limiter>> {
        let mut limiters = self.limiters.lock();
        limiters.retain(|limiter| limiter.strong_count() > 0);
        limiters.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Observed for Register {
    /// A middleware's are one, wherever it stands.
    fn tell(&self, told: &mut Told) {
        let limiters = self.limiters();
        self.gone.lock().retain(|middleware, _| limiters.iter().any(|limiter| limiter.middleware == *middleware));
        let mut decided: BTreeMap<Arc<str>, Tally> = self.gone.lock().clone();
        for limiter in &limiters {
            let tally = decided.entry(limiter.middleware.clone()).or_default();
            *tally = *tally + limiter.buckets.tally();
            told.add(&families::RATE_LIMIT_SOURCES, &[&limiter.middleware], limiter.buckets.sources() as u64);
        }
        for (middleware, tally) in decided {
            for (decision, count) in
                [("allowed", tally.allowed), ("delayed", tally.delayed), ("refused", tally.refused)]
            {
                told.add(&families::RATE_LIMIT, &[&middleware, decision], count);
            }
        }
    }
}

/// Takes out full buckets now and then, a part at a time, so that a limiter without traffic gives its memory back.
fn sweep_on(helper: &Helper, register: Weak<Register>) {
    let Some(runtime) = helper.runtime() else { return };
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            let Some(limiters) = register.upgrade().map(|register| register.limiters()) else { return };
            for limiter in limiters {
                for part in 0..limiter.buckets.parts() {
                    limiter.buckets.sweep(part, Instant::now());
                    tokio::task::yield_now().await;
                }
            }
        }
    });
}

/// How long memory may stay that nobody needs.
const SWEEP: Duration = Duration::from_secs(10);
