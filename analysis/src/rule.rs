//! The whole rule of a rollout whose versions are drawn at random.
//!
//! ```text
//! counts --add--> families (restarted) --look--> share x E >= 1 / alpha?  roll back
//!           |                                    promise broken?          hold
//!           +---> promise, strata ------advance-> not inferior, or promise kept, and nothing suspicious?
//! ```
//!
//! Only the comparison with stable rolls back. The promise never does: it may veto, and it holds while both versions
//! fail. No data holds. An error costs a few hundred nanoseconds to add and to look at, whatever went before.

use crate::{
    advance::{self, BETA},
    counts::{Answers, Strata, Stratum, Tally},
    family::{Family, Unit},
    promise::ln_kept,
    promised::{PromiseState, Promised},
    restarts::{self, RESTART_EVERY, Restarted},
    segment::{is_drawn, share},
    settings::{Settings, Unfit},
};

/// One rollout of one build. A new build is a new rollout, with alpha to spend again; endpoints that come and go are
/// not.
#[derive(Debug, Clone)]
pub struct Rule {
    settings: Settings,
    processes: [Option<Restarted>; FAMILIES],
    promised: Option<Promised>,
    strata: Strata,
    /// Requests of the canary since the last restart.
    since_restart: u64,
}

/// All that has to be kept of a [`Rule`] besides its settings: plain numbers.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// The process of each of [`Family::ALL`] that is judged by.
    pub families: [Option<restarts::State>; FAMILIES],
    /// The promise's, if there is one.
    pub promise: Option<PromiseState>,
    /// What was counted under each weight.
    pub strata: Vec<Stratum>,
    /// What was counted in all.
    pub total: Answers,
    /// Requests of the canary since the last restart.
    pub since_restart: u64,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Continue,
    /// The weight stays where it is.
    Hold(Hold),
    /// The canary does worse than stable.
    RollBack(Family),
}

/// Why a ramp is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Both versions break the promise: an outage that they share.
    BothFail,
    /// The canary breaks the promise, and it is not clear yet whether stable does better.
    PromiseBroken,
    /// The canary does worse than stable, but keeps the promise, and that is what shall count.
    Vetoed(Family),
}

/// What one look sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// What follows from it.
    pub verdict: Verdict,
    /// `ln E` of each of [`Family::ALL`] that is judged by.
    pub ln_e: [Option<f64>; FAMILIES],
    /// `ln E` against the promise, if there is one.
    pub ln_broken: Option<f64>,
}

/// Whether the canary may have more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The answer.
    pub answer: Advance,
    /// `ln E` for a canary that is not inferior by the margin.
    pub ln_not_inferior: f64,
    /// `ln E` for a promise that is kept, if there is one.
    pub ln_kept: Option<f64>,
}

/// The answer to it. The step's minimum time is the caller's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advance {
    /// It may: it fails less than the margin times as often as stable.
    NotInferior,
    /// It may: it keeps the promise.
    PromiseKept,
    /// It may not: there is something else to be done first.
    Verdict(Verdict),
    /// It may not: it looks worse than stable, by `E >= 10`.
    Suspicion(Family),
    /// It may not yet: there is too little evidence.
    TooLittle,
}

impl Rule {
    /// At the start of a rollout.
    ///
    /// # Errors
    /// Settings that nothing can be judged by.
    pub fn new(settings: Settings) -> Result<Self, Unfit> {
        settings.check()?;
        let judged = |family: Family| family.share(settings.unit, settings.latency).map(|_| Restarted::new());
        Ok(Self {
            settings,
            processes: Family::ALL.map(judged),
            promised: settings.promise.map(Promised::new),
            strata: Strata::default(),
            since_restart: 0,
        })
    }

    /// Where it was.
    ///
    /// # Errors
    /// Settings that nothing can be judged by, or a state that they do not lead to.
    pub fn resume(settings: Settings, state: State) -> Result<Self, Unfit> {
        let mut rule = Self::new(settings)?;
        for (process, stored) in rule.processes.iter_mut().zip(state.families) {
            if process.is_some() != stored.is_some() {
                return Err(Unfit::State);
            }
            *process = stored.map(|stored| Restarted::resume(stored).ok_or(Unfit::State)).transpose()?;
        }
        rule.promised = match (settings.promise, state.promise) {
            (Some(p0), Some(stored)) => Some(Promised::resume(p0, stored).ok_or(Unfit::State)?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(Unfit::State),
        };
        rule.strata = Strata::resume(state.strata, state.total).ok_or(Unfit::State)?;
        rule.since_restart = state.since_restart;
        Ok(rule)
    }

    /// What has to be kept of it.
    pub fn state(&self) -> State {
        State {
            families: self.processes.each_ref().map(|process| process.as_ref().map(|process| *process.state())),
            promise: self.promised.as_ref().map(Promised::state),
            strata: self.strata.each().to_vec(),
            total: *self.strata.total(),
            since_restart: self.since_restart,
        }
    }

    /// What it judges by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Adds what came in since the last time of draws that went to the canary with probability `w`. Draws without a
    /// choice are not counted.
    ///
    /// True if the processes have started again with it: from now on, latencies may be measured by a new threshold.
    pub fn add(&mut self, w: f64, answers: &Answers) -> bool {
        if !is_drawn(w) {
            return false;
        }
        self.strata.add(w, answers);
        for (family, process) in Family::ALL.into_iter().zip(&mut self.processes) {
            if let Some(process) = process {
                let w = if family == Family::Slow { share(w, self.settings.latency.unwrap_or(1.0)) } else { w };
                process.add(w, family.count(&answers.canary), family.count(&answers.stable));
            }
        }
        if let Some(promised) = &mut self.promised {
            promised.add(answers);
        }
        self.since_restart = self.since_restart.saturating_add(answers.canary.requests);
        let due = self.since_restart >= RESTART_EVERY;
        if due {
            self.restart();
        }
        due
    }

    /// Starts the processes again: at the start of each step but the first.
    pub fn restart(&mut self) {
        self.processes.iter_mut().flatten().for_each(Restarted::restart);
        if let Some(promised) = &mut self.promised {
            promised.restart();
        }
        self.since_restart = 0;
    }

    /// What is to be done. Looking more often does no harm; only an error of the canary can make it worse.
    pub fn look(&self) -> Look {
        let ln_e = self.processes.each_ref().map(|process| process.as_ref().map(Restarted::ln_e));
        let ln_broken = self.promised.as_ref().map(Promised::ln_e);
        Look { verdict: self.verdict(&ln_e, ln_broken), ln_e, ln_broken }
    }

    /// Whether the canary may have more: it fails less than `margin > 1` times as often, or it keeps the promise, by
    /// the evidence of the whole rollout.
    pub fn advance(&self, margin: f64) -> Progress {
        let look = self.look();
        let Tally { requests, errors, .. } = self.strata.total().canary;
        let ln_not_inferior = advance::ln_e(self.strata.segments(self.errors()), margin);
        let ln_kept = self.settings.promise.map(|p0| ln_kept(errors.min(requests), requests, p0));
        let suspicious =
            Family::ALL.into_iter().zip(look.ln_e).find(|(_, ln_e)| ln_e.is_some_and(|e| e >= SUSPICION.ln()));
        let enough = -BETA.ln();
        let answer = match (look.verdict, suspicious) {
            (verdict @ (Verdict::RollBack(_) | Verdict::Hold(_)), _) => Advance::Verdict(verdict),
            (Verdict::Continue, Some((family, _))) => Advance::Suspicion(family),
            (Verdict::Continue, None) if ln_not_inferior >= enough => Advance::NotInferior,
            (Verdict::Continue, None) if ln_kept.is_some_and(|ln_kept| ln_kept >= enough) => Advance::PromiseKept,
            (Verdict::Continue, None) => Advance::TooLittle,
        };
        Progress { answer, ln_not_inferior, ln_kept }
    }

    /// What was counted under each weight.
    pub fn strata(&self) -> &[Stratum] {
        self.strata.each()
    }

    /// What was counted in all.
    pub fn total(&self) -> &Answers {
        self.strata.total()
    }

    /// What a family's `ln E` must reach for a rollback; infinite if it is not judged by.
    pub fn needed(&self, family: Family) -> f64 {
        let share = family.share(self.settings.unit, self.settings.latency).unwrap_or(0.0);
        -(self.settings.alpha * share).ln()
    }

    /// The family that counts errors of what is drawn.
    pub(crate) fn errors(&self) -> Family {
        match self.settings.unit {
            Unit::Request => Family::Errors,
            Unit::User | Unit::UserTwice => Family::First,
        }
    }

    /// What came in lately, while there is a promise.
    pub(crate) fn promised(&self) -> Option<&Promised> {
        self.promised.as_ref()
    }

    fn verdict(&self, ln_e: &[Option<f64>; FAMILIES], ln_broken: Option<f64>) -> Verdict {
        let total = self.strata.total();
        let worse = Family::ALL.into_iter().zip(ln_e).find(|(family, ln_e)| {
            let enough = family.count(&total.canary) >= self.settings.min_errors;
            enough && ln_e.is_some_and(|ln_e| ln_e >= self.needed(*family))
        });
        let broken = ln_broken.is_some_and(|ln_e| ln_e >= -self.settings.alpha.ln());
        match (worse, &self.promised) {
            (Some((family, _)), _) if self.settings.veto && !broken && family != Family::Slow => {
                Verdict::Hold(Hold::Vetoed(family))
            }
            (Some((family, _)), _) => Verdict::RollBack(family),
            (None, Some(promised)) if broken && promised.still() => {
                Verdict::Hold(if promised.stable_breaks() { Hold::BothFail } else { Hold::PromiseBroken })
            }
            (None, _) => Verdict::Continue,
        }
    }
}

/// `E` from which on a canary is not given more.
pub const SUSPICION: f64 = 10.0;

const FAMILIES: usize = Family::ALL.len();

#[cfg(test)]
mod tests;
