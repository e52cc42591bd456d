//! Rollouts on a virtual clock: what a pipeline would do with a canary that is so good or so bad, many times over.
//!
//! ```text
//! plan, seed, run -> player (the engine: stages, steps, ends) <-> site (requests, the judge of a trial) -> Run -> Summary
//! ```
//!
//! What decides is the real thing: [`super::engine::step`], and the judge of the data plane ([`rollgate_gateway::Rehearsal`]).
//! Requests come as a Poisson process, each drawn for itself and answered at once, so that each kind of answer is a process of its
//! own: between two moments that matter only its number is drawn, which is exact and does not depend on the rate.
//!
//! It is a module of `control` and no crate because the engine is one: a crate would need this whole one, and its users, too.
//! No I/O, no clock; the same plan and seed give the same runs.

mod answer_times;
mod budget;
mod flow;
mod player;
mod scene;
mod site;
mod stream;
mod summary;

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rollgate_config::{dynamic::rollout::Pipeline, scalar::Weight};

use self::{answer_times::AnswerTimes, budget::Budget, player::Player};
pub use self::{
    scene::{Drift, Outage, Scene},
    summary::{Quantiles, Rate, StepSummary, Summary},
};

/// What is played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// What the versions of its service have before, by their qualified names; stable and canary are among them.
    pub weights: BTreeMap<String, Weight>,
    /// What happens meanwhile.
    pub scene: Scene,
}

/// How one rollout went.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// How it ended.
    pub end: End,
    /// When that was decided, since it began: when the canary got all users, was braked, or nobody waited any longer.
    pub took: Duration,
    /// Requests that the canary got up to then; with [`Scene::break_after`], those after the break, if it came so far.
    pub requests: u64,
    /// The time from the canary's first request, or from the break, until it was braked; `None` also if that was before the break.
    pub verdict: Option<Duration>,
    /// What it was braked for.
    pub family: Option<String>,
    /// Steps of ramps that were begun, in their order.
    pub steps: Vec<StepRun>,
}

/// How a rollout ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The canary got all users, or the pipeline, which does not promote, came to its end.
    Promoted,
    /// The canary was found worse and braked, whatever the pipeline does then.
    RolledBack,
    /// It was still under way when nobody waited any longer.
    Held,
    /// A stage failed for another reason.
    Failed(String),
}

/// A step of a ramp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRun {
    /// The stage's place in the pipeline.
    pub stage: usize,
    /// The step's place in the ramp.
    pub step: usize,
    /// How long it took.
    pub lasted: Duration,
    /// The canary's requests in it.
    pub requests: u64,
    /// Whether it was passed.
    pub passed: bool,
}

/// So many runs of this plan would take more than [`MOST_LOOKS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Looks at what has come, in all runs of a plan together: a thousand rollouts that are held for a day take 864 millions.
pub const MOST_LOOKS: u64 = 1_000_000_000;

/// Plays so many runs on all processors, each from a seed of its own.
///
/// # Errors
/// They would take too long; found out when they have.
pub fn simulate(plan: &Plan, runs: usize, seed: u64) -> Result<Vec<Run>, TooLong> {
    within(&Budget::of(MOST_LOOKS), plan, runs, seed)
}

fn within(budget: &Budget, plan: &Plan, runs: usize, seed: u64) -> Result<Vec<Run>, TooLong> {
    let (next, times) = (AtomicUsize::new(0), AnswerTimes::new(&plan.scene));
    let work = || {
        let mut done = Vec::new();
        loop {
            let run = next.fetch_add(1, Relaxed);
            if run >= runs || budget.is_spent() {
                return done;
            }
            done.push((run, Player::new(plan, (&times, budget), seed, run as u64).play()));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(runs);
    let mut all: Vec<(usize, Run)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    if budget.is_spent() {
        return Err(TooLong);
    }
    all.sort_by_key(|(run, _)| *run);
    Ok(all.into_iter().map(|(_, run)| run).collect())
}

/// Microseconds since the rollout began.
type Micros = u64;

/// A second of them.
const SECOND: f64 = 1e6;

fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
