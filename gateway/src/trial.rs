//! Two versions of a weighted service, watched and judged while a rollout moves users from the one to the other.
//!
//! ```text
//! draw --(booking: stratum, version, user)--> answer's end --> cells of its worker --.
//!   ^                                             | canary's error                    v
//!   |                                             '--wakes--> judge (helper thread): a look at all cells
//!   '------------------ brake: one flag <-------------------- verdict --> notice to the control plane
//! ```
//!
//! A trial lies over its service as weights and brakes do ([`crate::Over`]), from one configuration to the next. A request is
//! booked in the stratum in which it was drawn, however late its answer comes. The judge's brake is a flag that every draw
//! reads: it needs neither the store nor a lock nor another snapshot.

mod audience;
mod bench;
mod booking;
mod evidence;
mod judge;
mod laid;
mod latency;
mod opinion;
mod rate;
mod rehearsal;
mod strata;
mod users;
mod watched;

use std::{
    fmt,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use rollgate_analysis::{Progress, Unfit};
use rollgate_config::{
    dynamic::rollout::{
        analysis::{Analysis, Latency},
        audience::Audience as Written,
    },
    scalar::Share,
};

use self::{audience::Audience, bench::Bench, judge::Judge, strata::Strata, watched::Watched};
pub(crate) use self::{
    audience::Sight,
    booking::{Booking, Ended},
    laid::{For, Laid, Part},
    strata::Stratum,
};
pub use self::{
    evidence::{Kept, Level, TrialEvidence, TrialState, TrialVerdict},
    rehearsal::Rehearsal,
};

use crate::{
    helper::Helper,
    metrics::{Metrics, Observed, Told, families},
};

/// What is to be judged.
#[derive(Debug, Clone)]
pub struct TrialOrder {
    /// The rollout's id, for notices and metrics.
    pub rollout: Arc<str>,
    /// The weighted service, by its qualified name.
    pub service: Arc<str>,
    /// The version that has the users, likewise; a child of the service.
    pub stable: Arc<str>,
    /// The version that is to get them, likewise; another child.
    pub canary: Arc<str>,
    /// Which users are the first ones of this rollout: another text, others.
    pub salt: String,
    /// How the canary is judged.
    pub analysis: Arc<Analysis>,
    /// Where the service has a `cohort`: users keep their version, and are what is counted. Otherwise each request is drawn
    /// for itself, whatever the service has.
    pub cohort: bool,
    /// Who gets the canary.
    pub mode: TrialMode,
}

/// Who gets the canary of a trial.
#[derive(Debug, Clone)]
pub enum TrialMode {
    /// Whom the weights give it to.
    Randomised,
    /// Likewise, and somebody else changes the weights: where they give the canary another share, a step begins.
    Followed,
    /// Whom a request's head says that it is for, whatever the canary's weight is; and whom the weights give it to.
    Audience {
        /// Who that is.
        audience: Written,
        /// Only this share of their requests, at random, so that the versions can be compared.
        draw: Option<Share>,
    },
}

/// Why a trial does not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTrial {
    /// The machine has no thread for the judge.
    #[error("there is no thread that could judge the rollout")]
    NoThread,
    /// Nothing can be judged by these numbers, or what was kept is not of such a trial.
    #[error("{0}")]
    Unfit(#[from] Unfit),
}

/// A trial under way. It ends with [`Trial::end`], or when it is dropped here and no service has it over it any more.
pub struct Trial {
    order: TrialOrder,
    audience: Option<(Arc<Audience>, Option<Share>)>,
    watched: Arc<Watched>,
    strata: Strata,
    judge: Mutex<Judge>,
    bench: Bench,
    shares: Mutex<Shares>,
}

/// The canary's share of the draws between the two.
#[derive(Default)]
struct Shares {
    /// As it lies over the service; `None`: chance has no say.
    now: Option<f64>,
    /// The last one that there was.
    last: Option<f64>,
}

impl Trial {
    /// Begins one, and its judge.
    pub(crate) fn begin(
        order: TrialOrder,
        state: Option<TrialState>,
        workers: usize,
        (helper, metrics): (&Helper, &Arc<Metrics>),
    ) -> Result<Arc<Self>, NoTrial> {
        let runtime = helper.runtime().ok_or(NoTrial::NoThread)?;
        let trial = Arc::new(Self::new(order, state, workers, Bench::new(metrics.clone()))?);
        metrics.observe(Arc::downgrade(&trial) as Weak<dyn Observed>);
        runtime.spawn(bench::sit(Arc::downgrade(&trial), trial.watched.clone()));
        Ok(trial)
    }

    pub(crate) fn new(
        order: TrialOrder,
        state: Option<TrialState>,
        workers: usize,
        bench: Bench,
    ) -> Result<Self, Unfit> {
        let audience = match &order.mode {
            TrialMode::Randomised | TrialMode::Followed => None,
            TrialMode::Audience { audience, draw } => Some((Arc::new(Audience::new(audience)), *draw)),
        };
        let by_user = order.cohort && audience.is_none();
        let compares = !matches!(audience, Some((_, None)));
        let wants_quantile = compares && matches!(order.analysis.latency, Some(Latency::Quantile(_)));
        let watched = Arc::new(Watched::new(&order.analysis, by_user, wants_quantile, workers));
        let judge = Mutex::new(Judge::new(&order.analysis, (compares, by_user), state, &watched)?);
        Ok(Self { order, audience, watched, strata: Strata::default(), judge, bench, shares: Mutex::default() })
    }

    /// Looks at what has come by now, and finds what it says. A verdict that this comes to holds, and is told, as one that the judge
    /// comes to by itself.
    pub fn evidence(&self) -> TrialEvidence {
        self.look(false, bench::now());
        self.judge.lock().evidence(&self.watched)
    }

    /// What has to be kept of it, to go on after a restart of the process. Whose first error was counted is not kept.
    pub fn state(&self) -> TrialState {
        self.judge.lock().state(&self.watched)
    }

    /// Whether the canary may have more: what speaks for it, where it must not fail `margin` times as often as stable. `None`: an
    /// audience that gets the canary whole is no comparison.
    pub fn advance(&self, margin: f64) -> Option<Progress> {
        self.look(false, bench::now());
        self.judge.lock().advance(margin)
    }

    /// A step begins, with other weights ([`crate::Gateway::lay_over`]): evidence starts again, and so does the count of requests. Not
    /// to be called for the first one.
    pub fn next_step(&self) {
        self.look(false, bench::now());
        self.judge.lock().next_step(&self.watched);
    }

    /// Nothing is judged any more. A brake of the judge holds as long as the trial lies over its service.
    pub fn end(&self) {
        self.bench.close();
        self.watched.wake.notify_one();
    }

    /// What was ordered.
    pub fn order(&self) -> &TrialOrder {
        &self.order
    }

    /// Whether its judge has stopped the canary: no request goes there.
    pub fn is_braked(&self) -> bool {
        self.watched.is_braked()
    }

    pub(crate) fn audience(&self) -> Option<(&Arc<Audience>, Option<Share>)> {
        self.audience.as_ref().map(|(audience, draw)| (audience, *draw))
    }

    pub(crate) fn watched(&self) -> &Arc<Watched> {
        &self.watched
    }

    /// The canary's share of the draws between the two versions; `None`: one of them gets nothing.
    pub fn share(&self) -> Option<f64> {
        self.shares.lock().now
    }

    /// Where draws of this share are booked; without one, chance has no say in them, and they are not.
    pub(crate) fn stratum(&self, w: Option<f64>) -> Option<Arc<Stratum>> {
        let before = {
            let mut shares = self.shares.lock();
            shares.now = w;
            if w.is_some() { std::mem::replace(&mut shares.last, w) } else { None }
        };
        let is_step = before.is_some() && before != w;
        if is_step && matches!(self.order.mode, TrialMode::Followed) {
            self.next_step();
        }
        w.map(|w| self.strata.of(Some(w), &self.watched))
    }

    /// Where both versions are watched and not compared.
    pub(crate) fn stratum_of_all(&self) -> Arc<Stratum> {
        self.strata.of(None, &self.watched)
    }

    /// The salt of the order of users; `None`: each request is drawn for itself.
    pub(crate) fn cohort_salt(&self) -> Option<&str> {
        match (&self.audience, self.order.cohort) {
            // Who is not of the audience notices nothing.
            (Some(_), _) => Some(""),
            (None, true) => Some(&self.order.salt),
            (None, false) => None,
        }
    }
}

impl Observed for Trial {
    fn tell(&self, told: &mut Told) {
        let TrialOrder { rollout, service, stable, canary, .. } = &self.order;
        let judge = self.judge.lock();
        let total = judge.total();
        for (version, tally) in [(stable, &total.stable), (canary, &total.canary)] {
            let labels: &[&str] = &[rollout, service, version];
            told.add(&families::TRIAL_REQUESTS, labels, tally.requests);
            told.add(&families::TRIAL_ERRORS, labels, tally.errors);
            told.add(&families::TRIAL_SLOW, labels, tally.slow);
        }
        for (against, ln_e) in judge.levels() {
            told.add_value(&families::TRIAL_EVIDENCE, &[rollout, service, against], ln_e);
        }
        told.add(&families::TRIAL_BRAKED, &[rollout, service, canary], self.is_braked().into());
    }
}

impl PartialEq for Trial {
    /// Whether it is the same one.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Trial {}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("rollout", &self.order.rollout).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
