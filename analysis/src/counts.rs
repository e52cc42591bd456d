//! What is counted of a rollout, and how it is kept per weight.

use crate::{
    family::Family,
    segment::{Segment, is_drawn},
};

/// What one version answered. Each draw counts once, after the retries inside the version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Requests that were drawn to it and have been answered.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Users that had their first error; counted where users are drawn.
    pub first: u64,
    /// Users that had an error soon after another for the first time; likewise.
    pub again: u64,
    /// Answers later than the threshold that were no errors; with cohorts, users with a first one.
    pub slow: u64,
}

/// What both versions answered to draws of one weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answers {
    /// The canary's.
    pub canary: Tally,
    /// The stable version's.
    pub stable: Tally,
}

/// All that was counted under one weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stratum {
    /// The canary's share of the draws between the two versions.
    pub w: f64,
    /// The canary's answers.
    pub canary: Tally,
    /// The stable version's.
    pub stable: Tally,
}

impl Tally {
    /// Adds another's counts; they stop at the end of their range.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.first = self.first.saturating_add(other.first);
        self.again = self.again.saturating_add(other.again);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

impl Answers {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.canary.add(&other.canary);
        self.stable.add(&other.stable);
    }
}

impl Stratum {
    /// What of it is one family's evidence.
    pub fn segment(&self, family: Family) -> Segment {
        Segment::new(self.w, family.count(&self.canary), family.count(&self.stable))
    }
}

/// The strata of a rollout, one for each weight, and their sum.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Strata {
    each: Vec<Stratum>,
    total: Answers,
}

impl Strata {
    /// Those that were stored; `None` if no rollout leaves such.
    pub(crate) fn resume(each: Vec<Stratum>, total: Answers) -> Option<Self> {
        let fit = each.len() <= MOST_WEIGHTS && each.iter().all(|stratum| is_drawn(stratum.w));
        fit.then_some(Self { each, total })
    }

    /// Weights past the bound are in the sum only. Which ones these are does not depend on how the versions do.
    pub(crate) fn add(&mut self, w: f64, answers: &Answers) {
        self.total.add(answers);
        // The weight in force is most likely the last one that was met.
        if let Some(stratum) = self.each.iter_mut().rev().find(|stratum| stratum.w == w) {
            stratum.canary.add(&answers.canary);
            stratum.stable.add(&answers.stable);
        } else if self.each.len() < MOST_WEIGHTS {
            self.each.push(Stratum { w, canary: answers.canary, stable: answers.stable });
        }
    }

    pub(crate) fn each(&self) -> &[Stratum] {
        &self.each
    }

    pub(crate) fn total(&self) -> &Answers {
        &self.total
    }

    pub(crate) fn segments(&self, family: Family) -> impl Iterator<Item = Segment> {
        self.each.iter().map(move |stratum| stratum.segment(family))
    }
}

/// A ramp of one per cent at a time has 50; by hand, nobody comes so far.
const MOST_WEIGHTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(canary: u64) -> Answers {
        Answers { canary: Tally { requests: canary, errors: canary, ..Tally::default() }, ..Answers::default() }
    }

    #[test]
    fn weights_that_come_back_are_one_stratum() {
        let mut strata = Strata::default();
        for w in [0.01, 0.05, 0.01] {
            strata.add(w, &errors(2));
        }
        let segments: Vec<Segment> = strata.segments(Family::Errors).collect();
        assert_eq!(segments, [Segment::new(0.01, 4, 0), Segment::new(0.05, 2, 0)]);
        assert_eq!(strata.total(), &errors(6));
    }

    #[test]
    fn weights_without_end_take_no_memory_without_end() {
        let mut strata = Strata::default();
        for index in 1..=1_000 {
            strata.add(f64::from(index) / 2_000.0, &errors(1));
        }
        assert_eq!(strata.each().len(), MOST_WEIGHTS);
        assert_eq!(strata.total(), &errors(1_000));
        assert_eq!(Strata::resume(strata.each().to_vec(), *strata.total()), Some(strata));
        assert_eq!(Strata::resume(vec![Stratum { w: f64::NAN, ..Stratum::default() }], Answers::default()), None);
    }

    #[test]
    fn counts_stop_at_the_end_of_their_range() {
        let mut all = errors(u64::MAX);
        all.add(&errors(1));
        assert_eq!(all, errors(u64::MAX));
        assert_eq!(Segment::new(0.5, u64::MAX, u64::MAX).errors(), u64::MAX);
    }
}
