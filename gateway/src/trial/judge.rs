//! The judge of a trial: reads what the workers have counted, and decides. A look is a function of the counts and the time.

use std::{mem, time::Duration};

use rollgate_analysis::{Answers, Family, Progress, Unfit, latency::Threshold};
use rollgate_config::dynamic::rollout::analysis::{Analysis, Slow};

use super::{
    evidence::{TrialEvidence, TrialState, TrialVerdict, at_level},
    latency::Read,
    opinion::Opinion,
    rate::Rate,
    strata::Strata,
    watched::Watched,
};

/// What one trial's judge knows.
pub(super) struct Judge {
    opinion: Opinion,
    /// How the threshold of slow answers is found, where it is not fixed.
    slow: Option<(Threshold, Read)>,
    rate: Rate,
    discard: Duration,
    beta: f64,
    step_requests: u64,
    said: TrialVerdict,
}

impl Judge {
    /// `compares`: chance decides who gets the canary. `by_user`: and users are what is drawn.
    pub(super) fn new(
        analysis: &Analysis,
        (compares, by_user): (bool, bool),
        state: Option<TrialState>,
        watched: &Watched,
    ) -> Result<Self, Unfit> {
        let state = state.map_or_else(Resumed::default, Resumed::from);
        let opinion = Opinion::new(analysis, (compares, by_user), state.evidence)?;
        let slow_from = analysis.latency.map(|latency| latency.slow);
        let slow = match slow_from {
            Some(Slow::Quantile(share)) if compares => {
                Some((Threshold::resume(share.fraction(), state.slow_after), Read::new()))
            }
            _ => None,
        };
        watched.set_tau(match (&slow, slow_from) {
            (Some((threshold, _)), _) => threshold.micros().unwrap_or(u64::MAX),
            (None, Some(Slow::Threshold(fixed))) => fixed.as_micros() as u64,
            (None, _) => u64::MAX,
        });
        if state.warm {
            watched.count_from_now();
        }
        let said = if state.braked { TrialVerdict::RollBack } else { TrialVerdict::Clear };
        if state.braked {
            watched.brake();
        }
        Ok(Self {
            opinion,
            slow,
            rate: Rate::new(state.highest_rate),
            discard: analysis.discard,
            beta: analysis.beta.fraction(),
            step_requests: state.step_requests,
            said,
        })
    }

    /// Looks at what has come; what it says now, if that is something else than before. `now` is since the process started.
    pub(super) fn look(
        &mut self,
        (watched, strata): (&Watched, &Strata),
        is_tick: bool,
        now: Duration,
    ) -> Option<TrialVerdict> {
        self.rate.see(now, watched.arrivals());
        if !watched.is_counting() && watched.first().is_some_and(|first| now.saturating_sub(first) >= self.discard) {
            watched.count_from_now();
        }
        if self.said == TrialVerdict::RollBack {
            // The evidence stays what it was.
            return None;
        }
        let since = strata.read();
        self.step_requests += since.iter().map(|since| since.canary.requests).sum::<u64>();
        let restarted = self.opinion.add(&since, watched.users.as_ref());
        // The first one is taken as soon as there is one: nothing was slow before it.
        let wants_first = is_tick && self.slow.as_ref().is_some_and(|(threshold, _)| threshold.micros().is_none());
        if restarted || wants_first {
            self.renew(watched);
        }
        let says = self.opinion.look(is_tick);
        if says == TrialVerdict::RollBack {
            watched.brake();
        }
        (mem::replace(&mut self.said, says) != says).then_some(says)
    }

    /// A step begins.
    pub(super) fn next_step(&mut self, watched: &Watched) {
        self.opinion.restart();
        self.renew(watched);
        self.step_requests = 0;
    }

    /// See [`rollgate_analysis::Rule::advance`]; `None`: it is no comparison.
    pub(super) fn advance(&self, margin: f64) -> Option<Progress> {
        self.opinion.advance(margin).map(|progress| at_level(progress, self.beta))
    }

    /// Whether the threshold of slow answers is found from stable's.
    pub(super) fn wants_latencies(&self) -> bool {
        self.slow.is_some()
    }

    pub(super) fn evidence(&self, watched: &Watched) -> TrialEvidence {
        let tau = watched.tau();
        TrialEvidence {
            verdict: self.said,
            slow_after: (tau != u64::MAX).then(|| Duration::from_micros(tau)),
            step_requests: self.step_requests,
            highest_rate: self.rate.highest(),
            warm: watched.is_counting(),
            ..self.opinion.evidence()
        }
    }

    pub(super) fn state(&self, watched: &Watched) -> TrialState {
        TrialState {
            evidence: self.opinion.kept(),
            slow_after: self.slow.as_ref().and_then(|(threshold, _)| threshold.micros()),
            step_requests: self.step_requests,
            highest_rate: self.rate.highest(),
            warm: watched.is_counting(),
            braked: self.said == TrialVerdict::RollBack,
        }
    }

    pub(super) fn total(&self) -> &Answers {
        self.opinion.total()
    }

    /// `ln E` by what it speaks against.
    pub(super) fn levels(&self) -> Vec<(&'static str, f64)> {
        let (families, broken) = self.opinion.levels();
        let families = families.into_iter().map(|(family, level)| (name(family), level.ln_e));
        families.chain(broken.map(|level| ("promise", level.ln_e))).collect()
    }

    /// From now on, by stable's answers up to now.
    fn renew(&mut self, watched: &Watched) {
        if let Some((threshold, read)) = &mut self.slow {
            read.give(threshold, watched.histograms());
            threshold.renew();
            watched.set_tau(threshold.micros().unwrap_or(u64::MAX));
        }
    }
}

/// What is gone on from; by default nothing.
#[derive(Default)]
struct Resumed {
    evidence: Option<super::evidence::Kept>,
    slow_after: Option<u64>,
    step_requests: u64,
    highest_rate: f64,
    warm: bool,
    braked: bool,
}

impl From<TrialState> for Resumed {
    fn from(state: TrialState) -> Self {
        let TrialState { evidence, slow_after, step_requests, highest_rate, warm, braked } = state;
        Self { evidence: Some(evidence), slow_after, step_requests, highest_rate, warm, braked }
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Errors => "errors",
        Family::First => "first_errors",
        Family::Again => "errors_again",
        Family::Slow => "slow",
    }
}
