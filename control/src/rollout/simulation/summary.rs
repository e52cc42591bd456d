//! What many runs say together.

use std::collections::BTreeMap;

use super::{End, Run, StepRun};

/// Of runs of one plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many they are.
    pub runs: usize,
    /// Those whose canary got all users.
    pub promoted: Rate,
    /// Those whose canary was braked.
    pub rolled_back: Rate,
    /// Those that were still under way.
    pub held: Rate,
    /// Those that failed otherwise.
    pub failed: Rate,
    /// Why, of the first of them.
    pub why_failed: Option<String>,
    /// The canary's requests until it was braked, of those where it had broken by then.
    pub requests: Option<Quantiles>,
    /// Seconds until it was braked, likewise.
    pub verdict: Option<Quantiles>,
    /// Seconds until it was promoted.
    pub promotion: Option<Quantiles>,
    /// What it was braked for, and how often.
    pub families: BTreeMap<String, usize>,
    /// By stage and step.
    pub steps: Vec<StepSummary>,
}

/// A share of all runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// From 0 to 1.
    pub share: f64,
    /// Its standard error.
    pub error: f64,
}

/// Of numbers of some of the runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiles {
    /// Half of them are not above it.
    pub median: f64,
    /// Nor 95 of 100.
    pub p95: f64,
    /// Nor 999 of 1,000.
    pub p999: f64,
    /// None of them is.
    pub most: f64,
}

/// A step of a ramp over all runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSummary {
    /// The stage's place in the pipeline.
    pub stage: usize,
    /// The step's place in the ramp.
    pub step: usize,
    /// Runs that have begun it.
    pub begun: Rate,
    /// Runs that have passed it.
    pub passed: Rate,
    /// Runs in which the canary was braked in it.
    pub rolled_back: Rate,
    /// Seconds that it took those that have passed it.
    pub lasted: Option<Quantiles>,
    /// The canary's requests in it, of those.
    pub requests: Option<Quantiles>,
}

impl Summary {
    /// Of these runs.
    pub fn of(runs: &[Run]) -> Self {
        let rate = |is: fn(&End) -> bool| Rate::of(runs.iter().filter(|run| is(&run.end)).count(), runs.len());
        let mut families = BTreeMap::new();
        for family in runs.iter().filter_map(|run| run.family.clone()) {
            *families.entry(family).or_insert(0) += 1;
        }
        let braked = || runs.iter().filter_map(|run| Some((run, run.verdict?)));
        let promoted = runs.iter().filter(|run| run.end == End::Promoted);
        Self {
            runs: runs.len(),
            promoted: rate(|end| *end == End::Promoted),
            rolled_back: rate(|end| *end == End::RolledBack),
            held: rate(|end| *end == End::Held),
            failed: rate(|end| matches!(end, End::Failed(_))),
            why_failed: runs.iter().find_map(|run| match &run.end {
                End::Failed(why) => Some(why.clone()),
                End::Promoted | End::RolledBack | End::Held => None,
            }),
            requests: Quantiles::of(braked().map(|(run, _)| run.requests as f64)),
            verdict: Quantiles::of(braked().map(|(_, verdict)| verdict.as_secs_f64())),
            promotion: Quantiles::of(promoted.map(|run| run.took.as_secs_f64())),
            families,
            steps: steps(runs),
        }
    }
}

impl Rate {
    /// Of so many of so many.
    pub fn of(count: usize, all: usize) -> Self {
        let share = if all == 0 { 0.0 } else { count as f64 / all as f64 };
        Self { share, error: (share * (1.0 - share) / all.max(1) as f64).sqrt() }
    }
}

impl Quantiles {
    /// `None`: of nothing.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let most = *values.last()?;
        let at = |share: f64| values[((share * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1];
        Some(Self { median: at(0.5), p95: at(0.95), p999: at(0.999), most })
    }
}

fn steps(runs: &[Run]) -> Vec<StepSummary> {
    let mut all: BTreeMap<(usize, usize), Vec<(&Run, &StepRun)>> = BTreeMap::new();
    for run in runs {
        for step in &run.steps {
            all.entry((step.stage, step.step)).or_default().push((run, step));
        }
    }
    let summary = |((stage, step), begun): ((usize, usize), Vec<(&Run, &StepRun)>)| {
        let passed = || begun.iter().filter(|(_, step)| step.passed);
        // Braked in the last step that was begun.
        let is_last = |run: &Run| run.steps.last().is_some_and(|last| (last.stage, last.step) == (stage, step));
        let braked = begun.iter().filter(|(run, ..)| run.end == End::RolledBack && is_last(run)).count();
        StepSummary {
            stage,
            step,
            begun: Rate::of(begun.len(), runs.len()),
            passed: Rate::of(passed().count(), runs.len()),
            rolled_back: Rate::of(braked, runs.len()),
            lasted: Quantiles::of(passed().map(|(_, step)| step.lasted.as_secs_f64())),
            requests: Quantiles::of(passed().map(|(_, step)| step.requests as f64)),
        }
    };
    all.into_iter().map(summary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_there_are() {
        assert_eq!(Quantiles::of(std::iter::empty()), None);
        let found = Quantiles::of((1..=1000).rev().map(f64::from)).unwrap();
        assert_eq!([found.median, found.p95, found.p999, found.most], [500.0, 950.0, 999.0, 1000.0]);
        assert_eq!(Quantiles::of([7.0].into_iter()).unwrap().p95, 7.0);
    }

    #[test]
    fn a_share_has_an_error() {
        let Rate { share, error } = Rate::of(50, 100);
        assert!(share == 0.5 && (error - 0.05).abs() < 1e-12);
        assert_eq!(Rate::of(0, 0).share, 0.0);
    }
}
