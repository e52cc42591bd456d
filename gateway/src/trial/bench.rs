//! Where the judge sits: on the data plane's helper thread, woken by a canary's errors and ten times a second, and what it says
//! goes out from here.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rollgate_analysis::TICK_MS;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{Trial, TrialVerdict, watched::Watched};
use crate::{clock, metrics::Metrics, notice::Notice};

/// What a trial has of its process.
pub(crate) struct Bench {
    metrics: Arc<Metrics>,
    closed: AtomicBool,
    /// What the control plane had no room for. A verdict is told again until it has.
    untold: Mutex<Option<Notice>>,
}

impl Bench {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, closed: AtomicBool::new(false), untold: Mutex::default() }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    fn tell(&self, said: Option<Notice>) {
        let mut untold = self.untold.lock();
        // What was said before is no longer so.
        if let Some(notice) = said.or_else(|| untold.take())
            && !self.metrics.notices().try_tell(&notice)
        {
            *untold = Some(notice);
        }
    }
}

impl Trial {
    /// A look at what has come by `now`, which is since the process started; what it says is told.
    pub(super) fn look(&self, is_tick: bool, now: Duration) {
        if self.bench.is_closed() {
            return;
        }
        let mut judge = self.judge.lock();
        let said = judge.look((&self.watched, &self.strata), is_tick, now).map(|verdict| {
            self.bench.metrics.count_trial_verdict(&self.order.service, name(verdict));
            Notice::Verdict {
                rollout: self.order.rollout.clone(),
                service: self.order.service.clone(),
                version: self.order.canary.clone(),
                verdict,
                evidence: Arc::new(judge.evidence(&self.watched)),
            }
        });
        // Under the lock: who looks after this one tells after this one.
        self.bench.tell(said);
    }
}

/// Looks whenever the canary has failed, and at each tick, until the trial is over.
pub(super) async fn sit(trial: Weak<Trial>, watched: Arc<Watched>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_tick = tokio::select! {
            () = watched.wake.notified() => false,
            _ = tick.tick() => true,
        };
        match trial.upgrade() {
            Some(trial) if !trial.bench.is_closed() => trial.look(is_tick, now()),
            _ => return,
        }
        if !is_tick {
            sleep(BETWEEN).await;
        }
    }
}

/// Since the process started.
pub(super) fn now() -> Duration {
    clock::elapsed(Instant::now().into_std())
}

fn name(verdict: TrialVerdict) -> &'static str {
    match verdict {
        TrialVerdict::Clear => "clear",
        TrialVerdict::Hold => "hold",
        TrialVerdict::RollBack => "roll_back",
    }
}

const TICK: Duration = Duration::from_millis(TICK_MS);
/// At least between two looks: an outage in which thousands of requests fail in a second takes no processor of its own.
const BETWEEN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
