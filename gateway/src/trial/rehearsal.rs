//! A trial without a gateway, for simulations: somebody else says what was drawn and how it ended, and when it is looked at. Counts,
//! threshold and judge are those of a [`super::Trial`].

use std::{sync::Arc, time::Duration};

use rollgate_analysis::{Answers, Progress, Tally, Unfit, latency::longest};
use rollgate_config::dynamic::rollout::analysis::Analysis;

use super::{
    evidence::{TrialEvidence, TrialState, TrialVerdict},
    judge::Judge,
    strata::{Counts, Strata, Stratum},
    watched::Watched,
};

/// The trial. Each request is drawn for itself; of users that keep their version it knows nothing.
pub struct Rehearsal {
    watched: Arc<Watched>,
    strata: Strata,
    /// Where the last draws were booked.
    open: Option<Arc<Stratum>>,
    judge: Judge,
}

impl Rehearsal {
    /// Begins one, or goes on from what was kept. `compares`: chance decides who gets the canary.
    ///
    /// # Errors
    /// As a trial's: nothing can be judged by these numbers, or what was kept is not of such a trial.
    pub fn begin(analysis: &Analysis, compares: bool, kept: Option<TrialState>) -> Result<Self, Unfit> {
        let wants_quantile = compares && analysis.slow_by_stable();
        let watched = Arc::new(Watched::new(analysis, false, wants_quantile, 1));
        let judge = Judge::new(analysis, (compares, false), kept, &watched)?;
        Ok(Self { watched, strata: Strata::default(), open: None, judge })
    }

    /// Whether a request that comes `now` will count; the canary's first one ends its warm-up in time.
    pub fn counts(&self, is_canary: bool, now: Duration) -> bool {
        self.watched.counts("", is_canary, || now)
    }

    /// So many requests have come to the service.
    pub fn arrived(&mut self, requests: u64) {
        self.watched.arrived_many(requests);
    }

    /// Requests that count have come to their end, and were drawn with the canary's share `w`; `None`: both versions are watched and
    /// not compared. Of the tallies, requests, errors and slow answers count.
    pub fn book(&mut self, w: Option<f64>, answers: &Answers) {
        let open = self.open.take().filter(|open| open.w == w);
        let open = self.open.insert(open.unwrap_or_else(|| self.strata.of(w, &self.watched)));
        let seat = open.seat(0);
        for (is_canary, tally) in [(true, &answers.canary), (false, &answers.stable)] {
            let Tally { requests, errors, slow, .. } = *tally;
            seat.cells(is_canary).add(Counts { requests, errors, slow });
        }
    }

    /// So many of stable's answers, which were no errors, took a time of this place ([`rollgate_analysis::latency::place`]).
    pub fn took(&mut self, place: usize, answers: u32) {
        self.watched.took_many(longest(place), answers);
    }

    /// In microseconds, what takes longer is slow; `None`: nothing is yet.
    pub fn slow_after(&self) -> Option<u64> {
        Some(self.watched.tau()).filter(|tau| *tau != u64::MAX)
    }

    /// Whether the threshold of slow answers is found from stable's.
    pub fn wants_latencies(&self) -> bool {
        self.judge.wants_latencies()
    }

    /// A look at what has come; what it says now, if that is something else than before.
    pub fn look(&mut self, is_tick: bool, now: Duration) -> Option<TrialVerdict> {
        self.judge.look((&self.watched, &self.strata), is_tick, now)
    }

    /// A step begins, as [`super::Trial::next_step`].
    pub fn next_step(&mut self, now: Duration) {
        self.look(false, now);
        self.judge.next_step(&self.watched);
    }

    /// Whether the canary may have more, as [`super::Trial::advance`], by the last look.
    pub fn advance(&self, margin: f64) -> Option<Progress> {
        self.judge.advance(margin)
    }

    /// What was found by the last look.
    pub fn evidence(&self) -> TrialEvidence {
        self.judge.evidence(&self.watched)
    }

    /// What has to be kept of it.
    pub fn state(&self) -> TrialState {
        self.judge.state(&self.watched)
    }
}

#[cfg(test)]
mod tests {
    use rollgate_analysis::latency::place;

    use super::*;

    const W: Option<f64> = Some(0.05);

    fn answers(canary: (u64, u64), stable: (u64, u64)) -> Answers {
        let tally = |(requests, errors)| Tally { requests, errors, ..Tally::default() };
        Answers { canary: tally(canary), stable: tally(stable) }
    }

    #[test]
    fn what_is_booked_is_judged() {
        let mut rehearsal = Rehearsal::begin(&Analysis::default(), true, None).unwrap();
        let verdicts = [1, 2, 3].map(|second| {
            rehearsal.book(W, &answers((1, 1), (19, 0)));
            rehearsal.look(false, Duration::from_secs(second))
        });
        assert_eq!(verdicts, [None, Some(TrialVerdict::Hold), Some(TrialVerdict::RollBack)]);
        let evidence = rehearsal.evidence();
        assert_eq!((evidence.total.canary.errors, evidence.total.stable.requests), (3, 57));
        assert_eq!(evidence.strata.len(), 1);
    }

    #[test]
    fn draws_of_two_shares_are_two_strata() {
        let mut rehearsal = Rehearsal::begin(&Analysis::default(), true, None).unwrap();
        for w in [W, Some(0.25), W] {
            rehearsal.book(w, &answers((5, 1), (5, 1)));
        }
        rehearsal.look(true, Duration::ZERO);
        let strata: Vec<_> =
            rehearsal.evidence().strata.iter().map(|stratum| (stratum.w, stratum.canary.requests)).collect();
        assert_eq!(strata, [(0.05, 10), (0.25, 5)]);
    }

    #[test]
    fn the_threshold_is_stables_quantile() {
        let mut rehearsal = Rehearsal::begin(&Analysis::default(), true, None).unwrap();
        assert!(rehearsal.wants_latencies());
        rehearsal.took(place(40_000), 190);
        rehearsal.look(true, Duration::ZERO);
        assert_eq!(rehearsal.slow_after(), None, "190 are too few");
        rehearsal.took(place(90_000), 10);
        rehearsal.look(true, Duration::from_secs(1));
        assert!(rehearsal.slow_after().is_some_and(|micros| (40_000..42_000).contains(&micros)));
    }

    #[test]
    fn a_canary_that_warms_up_does_not_count() {
        let analysis = Analysis { discard: Duration::from_secs(5), ..Analysis::default() };
        let mut rehearsal = Rehearsal::begin(&analysis, true, None).unwrap();
        assert!(!rehearsal.counts(true, Duration::from_secs(1)));
        rehearsal.look(true, Duration::from_millis(5_900));
        assert!(!rehearsal.counts(true, Duration::from_millis(5_900)));
        rehearsal.look(true, Duration::from_secs(6));
        assert!(rehearsal.counts(true, Duration::from_secs(6)));
    }
}
