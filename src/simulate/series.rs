//! What is played: each pipeline with each alpha, rate and canary.

use std::sync::Arc;

use rollgate_config::{dynamic::rollout::stage::StageKind, scalar::Share};
use rollgate_control::rollout::simulation::{MOST_LOOKS, Plan, Run, Scene, Summary, TooLong, simulate};

use super::{
    SimulateArgs,
    numbers::{count, percent, plain},
    pipelines::Found,
    plot::MOST_SERIES,
};
use crate::statics::Failure;

/// Runs of one plan.
#[derive(Debug)]
pub(super) struct Series {
    /// The pipeline's name.
    pub(super) pipeline: String,
    pub(super) plan: Plan,
    /// Neither more errors nor more slow answers than stable's: what is rolled back is rolled back falsely.
    pub(super) is_as_good: bool,
    /// What tells it from the others.
    pub(super) label: Vec<String>,
    /// Users keep their version, which is not played.
    pub(super) keeps_users: bool,
    pub(super) runs: Vec<Run>,
    pub(super) summary: Summary,
}

impl Series {
    /// All that the command line asks for.
    pub(super) fn all(arguments: &SimulateArgs, pipelines: &[Found]) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        for found in pipelines {
            if found.pipeline.stages.iter().any(|stage| matches!(stage.kind, StageKind::Watch(_))) {
                let what = format!(
                    "{} has a watch: what the canary gets is decided elsewhere, and cannot be played",
                    found.name
                );
                return Err(Failure::Usage(what));
            }
            let has_audience = found.pipeline.stages.iter().any(|stage| matches!(stage.kind, StageKind::AbTest(_)));
            if has_audience && arguments.audience.is_none() {
                let what = format!(
                    "{} has an abTest: --audience says how many of all requests its audience sends, like 2%",
                    found.name
                );
                return Err(Failure::Usage(what));
            }
            let own = [found.pipeline.analysis.alpha];
            let alphas = if arguments.alpha.is_empty() { &own[..] } else { &arguments.alpha };
            for alpha in alphas {
                for rps in &arguments.rps {
                    all.extend(canaries(arguments).into_iter().map(|canary| {
                        let label = label(arguments, (pipelines.len(), found), (*alpha, *rps), &canary);
                        Self::new(found, *alpha, canary.scene(arguments, *rps), canary.is_as_good, label)
                    }));
                }
            }
        }
        let most = if arguments.plot.is_some() { MOST_SERIES } else { MOST };
        if all.len() > most {
            let drawn = if arguments.plot.is_some() { "drawn" } else { "played" };
            return Err(Failure::Usage(format!(
                "these are {} kinds of rollouts; at most {most} are {drawn}",
                all.len()
            )));
        }
        fits(&all, arguments.runs)?;
        Ok(all)
    }

    fn new(found: &Found, alpha: Share, scene: Scene, is_as_good: bool, label: Vec<String>) -> Self {
        let mut pipeline = found.pipeline.clone();
        if pipeline.analysis.alpha != alpha {
            Arc::make_mut(&mut pipeline).analysis.alpha = alpha;
        }
        Self {
            pipeline: found.name.clone(),
            plan: Plan { pipeline, weights: found.weights.clone(), scene },
            is_as_good,
            label,
            keeps_users: found.keeps_users,
            runs: Vec::new(),
            summary: Summary::of(&[]),
        }
    }

    /// # Errors
    /// It would take too long.
    pub(super) fn play(&mut self, runs: usize, seed: u64) -> Result<(), Failure> {
        self.runs = simulate(&self.plan, runs, seed).map_err(|TooLong| {
            let looks = count(MOST_LOOKS as f64);
            let canary = self.label.join(", ");
            Failure::Usage(format!(
                "canary {canary}: more than {looks} looks at it; fewer --runs, a lower --rps or a shorter --limit need fewer"
            ))
        })?;
        self.summary = Summary::of(&self.runs);
        Ok(())
    }

    /// Steps of ramps.
    fn steps(&self) -> usize {
        let stages = self.plan.pipeline.stages.iter();
        let steps = stages.map(|stage| if let StageKind::Ramp(ramp) = &stage.kind { ramp.steps.len() } else { 0 });
        steps.sum()
    }
}

/// That all of it is kept is no strain for a machine.
fn fits(all: &[Series], runs: u32) -> Result<(), Failure> {
    let each: usize = all.iter().map(|series| 1 + series.steps()).sum();
    let most = MOST_KEPT / each.max(1);
    if runs as usize <= most {
        return Ok(());
    }
    let kinds = if all.len() == 1 { "one kind".to_owned() } else { format!("{} kinds", all.len()) };
    let what = format!("--runs: at most {} of {kinds} of rollouts with so many steps", count(most as f64));
    Err(Failure::Usage(what))
}

/// One that is played.
struct Canary {
    error: Share,
    slow: Share,
    is_as_good: bool,
}

impl Canary {
    fn scene(&self, arguments: &SimulateArgs, rps: f64) -> Scene {
        let (median, p95) = arguments.latency;
        Scene {
            rps,
            baseline_error: arguments.baseline_error.fraction(),
            canary_error: self.error.fraction(),
            audience: arguments.audience.unwrap_or_default().fraction(),
            median,
            p95,
            slow_baseline: arguments.slow_baseline.fraction(),
            slow_canary: self.slow.fraction(),
            outage: arguments.outage,
            drift: arguments.drift,
            break_after: arguments.break_after.filter(|_| !self.is_as_good),
            limit: arguments.limit,
        }
    }
}

/// One that is as good as stable first; the others in the order in which they were named.
fn canaries(arguments: &SimulateArgs) -> Vec<Canary> {
    let good = Canary { error: arguments.baseline_error, slow: arguments.slow_baseline, is_as_good: true };
    let slow = arguments.slow_canary.unwrap_or(arguments.slow_baseline);
    let mut all = vec![good];
    for error in &arguments.canary_error {
        let is_there = all.iter().any(|canary| (canary.error, canary.slow) == (*error, slow));
        if !is_there {
            all.push(Canary { error: *error, slow, is_as_good: false });
        }
    }
    all
}

/// The canary, and what else there are several of.
fn label(
    arguments: &SimulateArgs,
    (pipelines, found): (usize, &Found),
    (alpha, rps): (Share, f64),
    canary: &Canary,
) -> Vec<String> {
    let mut label = Vec::new();
    if pipelines > 1 {
        label.push(found.name.clone());
    }
    if arguments.alpha.len() > 1 {
        label.push(format!("alpha {alpha}"));
    }
    if arguments.rps.len() > 1 {
        label.push(format!("{}/s", plain(rps)));
    }
    label.push(match canary.is_as_good {
        true => format!("{} as stable", canary.error),
        false if arguments.slow_canary.is_some() => {
            format!("{}, {} slow", canary.error, percent(canary.slow.fraction()))
        }
        false => canary.error.to_string(),
    });
    label
}

/// More than that nobody tells apart.
const MOST: usize = 24;

/// Rollouts and steps of rollouts: some hundred bytes each.
const MOST_KEPT: usize = 5_000_000;
