//! What whoever decides elsewhere is told of a rollout's canary: it may have more, it must not, or that is not known yet.

use rollgate_config::dynamic::rollout::{Pipeline, stage::StageKind};

use super::engine::{Evidence, PauseKind, Rollout, Status};

/// What he is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing speaks against the canary, and it was shown to be no worse.
    Pass,
    /// Not yet, or not now: it may have what it has, and no more.
    Hold,
    /// It gets nothing, and must not.
    Fail,
}

/// What is known of a rollout's canary, and what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What follows.
    pub decision: Decision,
    /// Why, in a sentence.
    pub reason: String,
    /// A trial lies over the service: whatever comes to the canary is judged.
    pub watched: bool,
    /// The trial's judge has stopped it; the rollout may not have taken that in yet.
    pub stopped: bool,
    /// It gets nothing, by whosever brake.
    pub braked: bool,
    /// Its share of the draws between both versions; `None`: chance has no say, or nobody judges.
    pub share: Option<f64>,
    /// The last look.
    pub evidence: Option<Evidence>,
}

/// What the data plane says now.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Now {
    /// Of a trial that lies over the service.
    pub(super) trial: Option<Judged>,
    /// A brake on the canary that is not the judge's: by whom, and why.
    pub(super) brake: Option<String>,
}

/// A trial under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) evidence: Evidence,
    pub(super) share: Option<f64>,
    pub(super) braked: bool,
    pub(super) holds: bool,
}

impl Known {
    pub(super) fn of(rollout: &Rollout, pipeline: &Pipeline, now: Now) -> Self {
        let (decision, reason) = decide(rollout, pipeline, &now);
        let stopped = now.trial.as_ref().is_some_and(|trial| trial.braked);
        let braked = rollout.brake.is_some() || stopped || (now.brake.is_some() && !rollout.status.is_end());
        let watched = now.trial.is_some();
        let (share, evidence) = now.trial.map(|trial| (trial.share, trial.evidence)).unzip();
        Self {
            decision,
            reason,
            watched,
            stopped,
            braked,
            share: share.flatten(),
            evidence: evidence.or_else(|| rollout.evidence.clone()),
        }
    }
}

fn decide(rollout: &Rollout, pipeline: &Pipeline, now: &Now) -> (Decision, String) {
    use Decision::{Fail, Hold, Pass};
    let why = || rollout.reason.clone().unwrap_or_else(|| format!("the rollout is {}", rollout.status));
    let ending = rollout.ending.as_ref().map(|ending| ending.status);
    match if rollout.status.is_end() { Some(rollout.status) } else { ending } {
        Some(Status::RolledBack | Status::Failed) => return (Fail, why()),
        Some(Status::Canceled) => return (Hold, format!("nobody judges it any more: {}", why())),
        Some(_) if rollout.is_promoted => return (Pass, "the canary has all users".to_owned()),
        Some(_) => return at_its_end(rollout),
        None => {}
    }
    let says = now.trial.as_ref().map(|trial| trial.evidence.says.clone());
    match &rollout.brake {
        Some(brake) if brake.is_releasing => return (Hold, "its brake is being taken off".to_owned()),
        Some(brake) => return (Fail, says.unwrap_or_else(|| brake.reason.clone())),
        None => {}
    }
    if let Some(trial) = now.trial.as_ref().filter(|trial| trial.braked) {
        return (Fail, trial.evidence.says.clone());
    }
    if let Some(brake) = &now.brake {
        return (Fail, format!("the canary is braked by {brake}"));
    }
    match rollout.pause.as_ref().map(|pause| pause.kind) {
        Some(PauseKind::Asked) => return (Hold, why()),
        Some(PauseKind::Failed | PauseKind::Worse) => return (Fail, why()),
        None => {}
    }
    if let Some(why) = &rollout.unavailable {
        return (Hold, format!("no server of the canary is up: {why}"));
    }
    let Some(trial) = &now.trial else { return (Hold, "nobody judges it yet".to_owned()) };
    let Evidence { says, advance, discarding, step_requests, .. } = &trial.evidence;
    let wanted = wanted(rollout, pipeline);
    match () {
        () if trial.holds => (Hold, says.clone()),
        () if *discarding => (Hold, "the canary warms up: nothing counts yet".to_owned()),
        () if !advance => (Hold, says.clone()),
        () if *step_requests < wanted => {
            (Hold, format!("the canary has had {step_requests} requests with this share, of {wanted}: {says}"))
        }
        () => (Pass, says.clone()),
    }
}

/// Somebody has ended it, and what was seen until then is what there is.
fn at_its_end(rollout: &Rollout) -> (Decision, String) {
    match &rollout.evidence {
        Some(Evidence { advance: true, says, .. }) => (Decision::Pass, says.clone()),
        Some(Evidence { says, .. }) => (Decision::Hold, format!("it has ended before anything was shown: {says}")),
        None => (Decision::Hold, "it has ended, and nothing was judged".to_owned()),
    }
}

/// Requests of the canary, since its share has changed.
fn wanted(rollout: &Rollout, pipeline: &Pipeline) -> u64 {
    match rollout.at.stage(pipeline).map(|stage| &stage.kind) {
        Some(StageKind::Watch(watch)) => watch.min_requests,
        Some(StageKind::Ramp(ramp)) => {
            let step = rollout.record().steps.len().checked_sub(1).and_then(|index| ramp.steps.get(index));
            step.map_or(0, |step| step.min_requests)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
