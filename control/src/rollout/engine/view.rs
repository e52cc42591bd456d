//! A rollout as people see it: how far it is, what it waits for, what is still to come, and when to look again.

use rollgate_config::{
    dynamic::rollout::{
        Pipeline,
        stage::{AbTest, Ramp, StageKind, Step},
    },
    scalar::Share,
};
use serde::Serialize;

use super::{
    Millis,
    effect::What,
    event::Action,
    kept::{PauseKind, Rollout},
    machine::{self, millis},
    record::{At, List, StageRecord},
    refusal::names,
    status::Status,
    text::{count, span},
};

/// A stage in the plan of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Its place.
    pub at: At,
    /// The rollout is there.
    pub is_current: bool,
    /// What it has to do, in a few words.
    pub says: String,
    /// How far it has come.
    #[serde(flatten)]
    pub record: StageRecord,
}

impl Rollout {
    /// Somebody else decides about the weights as things are.
    pub fn is_watching(&self) -> bool {
        self.record().kind == "watch" && self.ending.is_none() && !self.status.is_end()
    }

    /// Another rollout of the service may begin in its place.
    pub fn makes_room(&self) -> bool {
        self.is_watching() && self.status != Status::Pending && self.share.is_none()
    }

    /// What operators can do as things are.
    pub fn possible(&self) -> Vec<Action> {
        machine::possible(self)
    }

    /// Every stage: those of the pipeline, then those that are run after a rollback.
    pub fn plan(&self, pipeline: &Pipeline) -> Vec<Planned> {
        let of_list = |of: List| {
            let stages = self.records(of).iter().zip(of.stages(pipeline)).enumerate();
            stages.map(move |(index, (record, stage))| {
                let at = At { of, index };
                Planned { at, is_current: at == self.at, says: says(&stage.kind), record: record.clone() }
            })
        };
        of_list(List::Main).chain(of_list(List::OnFailure)).collect()
    }

    /// How far it is, in a line: `RUNNING, stage 3 of 6 (ramp), step 2 of 4, canary 5%`.
    pub fn progress(&self) -> String {
        let (record, At { of, index }) = (self.record(), self.at);
        let of_list = if of == List::OnFailure { "after the rollback, stage" } else { "stage" };
        let stages = self.records(of).len();
        let mut told = format!("{}, {of_list} {} of {stages} ({})", self.status, index + 1, record.name);
        if record.is_active() && !record.steps.is_empty() {
            told += &format!(", step {} of {}", record.steps.len(), record.step_count);
        }
        if record.attempt > 1 {
            told += &format!(", attempt {}", record.attempt);
        }
        let share = if self.brake.is_some() { Share(0) } else { self.share.unwrap_or_default() };
        if self.share.is_some() || self.brake.is_some() {
            told += &format!(", canary {share}");
        }
        if self.brake.is_some() {
            told += " (braked)";
        }
        told
    }

    /// How it stands, for who wants something that is not possible.
    pub(super) fn state(&self) -> String {
        match &self.ending {
            _ if self.status.is_end() => format!("the rollout has ended, it is {}", self.status),
            Some(ending) if ending.status != Status::Succeeded && self.at.of == List::Main => {
                "the rollout is being taken back".to_owned()
            }
            _ => format!("the rollout is at {}", self.progress()),
        }
    }

    /// What it waits for, in a sentence.
    pub fn waits_for(&self, pipeline: &Pipeline, now: Millis) -> String {
        if self.status.is_end() {
            return "nothing: it has ended".to_owned();
        }
        if self.status == Status::Pending {
            return "to begin".to_owned();
        }
        let possible = names(&self.possible());
        if let Some(pause) = &self.pause {
            let why = self.reason.as_deref().unwrap_or("no reason was given");
            return match pause.kind {
                PauseKind::Asked => format!("somebody to resume it: {why} (possible: {possible})"),
                PauseKind::Failed => {
                    format!("a decision, since stage {} has failed: {why} (possible: {possible})", self.record().name)
                }
                PauseKind::Worse => {
                    format!("a decision, since the canary is worse and is braked: {why} (possible: {possible})")
                }
            };
        }
        let under_way = self.outstanding.iter().map(|outstanding| &outstanding.effect.what);
        if let Some(what) = under_way.rev().find_map(doing) {
            return what.to_owned();
        }
        if let Some(held) = self.held() {
            return held;
        }
        match self.at.stage(pipeline).map(|stage| &stage.kind) {
            Some(StageKind::Approve(_)) => self.answer(now),
            Some(StageKind::AbTest(test)) => self.test(test, now),
            Some(StageKind::Ramp(ramp)) => self.step(ramp, now),
            Some(StageKind::Watch(_)) => "somebody to end it, or another rollout of the service".to_owned(),
            _ => match self.due(pipeline) {
                Some(due) => format!("{} to pass", span(due.saturating_sub(now))),
                None => "what it has begun".to_owned(),
            },
        }
    }

    /// When time alone may change something: [`super::Event::Tick`] is wanted then.
    pub fn due(&self, pipeline: &Pipeline) -> Option<Millis> {
        let record = self.record();
        let is_ending = self.ending.is_some() && self.at.of == List::Main;
        if self.pause.is_some() || is_ending || !record.is_active() || self.status.is_end() {
            return None;
        }
        let clock = record.work.clock?;
        let long = match &self.at.stage(pipeline)?.kind {
            StageKind::Approve(approve) => millis(approve.timeout?),
            StageKind::Deploy(deploy) => millis(deploy.timeout),
            StageKind::AbTest(test) => millis(test.duration),
            StageKind::Wait(long) => millis(*long),
            // A step is passed by a look, not by time alone.
            StageKind::Ramp(_)
            | StageKind::Watch(_)
            | StageKind::Job(_)
            | StageKind::Webhook(_)
            | StageKind::Protect(_)
            | StageKind::Promote(_) => return None,
        };
        Some(clock.when(long))
    }

    fn held(&self) -> Option<String> {
        match (&self.unavailable, &self.outage) {
            (Some(why), _) => Some(format!("a server of the canary to be up: {why}")),
            (None, Some(outage)) => {
                Some(format!("both versions to answer again, which fail together: {}", outage.says))
            }
            (None, None) => None,
        }
    }

    fn answer(&self, now: Millis) -> String {
        let asked = self.record().started.unwrap_or(now);
        format!("somebody to approve {}, asked {} ago", self.record().name, span(now.saturating_sub(asked)))
    }

    fn test(&self, test: &AbTest, now: Millis) -> String {
        let work = &self.record().work;
        let elapsed = work.clock.map_or(0, |clock| clock.elapsed(now));
        let wanted = [time_left(elapsed, millis(test.duration)), requests_left(work.requests, test.requests)];
        listed(wanted.into_iter().flatten().collect())
    }

    fn step(&self, ramp: &Ramp, now: Millis) -> String {
        let (record, evidence) = (self.record(), self.evidence.as_ref());
        let Some(index) = record.steps.len().checked_sub(1) else { return "the ramp to begin".to_owned() };
        let Some(Step { min_duration, min_requests, margin, .. }) = ramp.steps.get(index) else {
            return "a look".to_owned();
        };
        let elapsed = record.work.clock.map_or(0, |clock| clock.elapsed(now));
        let is_warming = evidence.is_some_and(|evidence| evidence.discarding);
        let is_enough = evidence.is_some_and(|evidence| evidence.advance);
        let wanted = [
            is_warming.then(|| "the canary to have warmed up".to_owned()),
            time_left(elapsed, millis(*min_duration)),
            requests_left(record.work.requests, *min_requests),
            (!is_enough).then(|| {
                let says = evidence.map(|evidence| format!(" ({})", evidence.says)).unwrap_or_default();
                format!("evidence that the canary has less than {margin} times as many errors as stable{says}")
            }),
        ];
        let step = format!("step {} of {}", index + 1, ramp.steps.len());
        format!("{step}: {}", listed(wanted.into_iter().flatten().collect()))
    }
}

fn time_left(elapsed: Millis, wanted: Millis) -> Option<String> {
    (elapsed < wanted).then(|| format!("{} more of {}", span(wanted - elapsed), span(wanted)))
}

fn requests_left(requests: u64, wanted: u64) -> Option<String> {
    let left = wanted.checked_sub(requests).filter(|left| *left > 0)?;
    Some(format!("{left} more of {} of the canary", count(wanted, "request")))
}

fn listed(wanted: Vec<String>) -> String {
    if wanted.is_empty() { "the next look".to_owned() } else { wanted.join(", and ") }
}

/// What is under way and waited for; `None`: it is not waited for.
fn doing(what: &What) -> Option<&'static str> {
    match what {
        What::RunJob => Some("the command to end"),
        What::CallWebhook => Some("the webhook's answer"),
        What::WaitHealthy { .. } => Some("the canary's servers to be up"),
        What::ReadWeights => Some("the weights to be read"),
        What::SetWeights { .. } => Some("the weights to be in force"),
        What::BeginTrial { .. } | What::NextStratum { .. } => Some("the judge to begin"),
        What::EndTrial => Some("the judge to end"),
        What::Brake { .. } => Some("the brake to be kept"),
        What::ReleaseBrake => Some("the brake to be released"),
        What::RestoreWeights { .. } => Some("the weights to be what they were before"),
        What::Protect { .. } => Some("the protection to be in force"),
        What::Unprotect => Some("the protection to be taken off"),
        What::Promote { .. } => Some("the canary to have all users"),
        What::Leave => Some("the weights to be handed over"),
        What::WriteBack { .. } => Some("the weights to be written back"),
        What::AskApproval { .. } | What::Notify { .. } => None,
    }
}

/// What a stage has to do.
fn says(kind: &StageKind) -> String {
    let long = |duration| span(millis(duration));
    match kind {
        StageKind::Job(command) => format!("run {}", command.command.first().map_or("nothing", String::as_str)),
        StageKind::Deploy(deploy) => {
            format!("{} up within {}", count(deploy.healthy.into(), "server"), long(deploy.timeout))
        }
        StageKind::Approve(approve) => approve.message.clone().unwrap_or_else(|| "somebody has to approve".to_owned()),
        StageKind::AbTest(test) => {
            let draw = test.draw.map_or_else(|| "the audience".to_owned(), |draw| format!("{draw} of the audience"));
            let time = if test.duration.is_zero() { String::new() } else { format!(" for {}", long(test.duration)) };
            let requests = (test.requests > 0).then(|| format!(" with {}", count(test.requests, "request")));
            format!("the canary for {draw}{time}{}", requests.unwrap_or_default())
        }
        StageKind::Ramp(ramp) => {
            let steps = ramp.steps.iter().map(|step| step.weight.to_string());
            format!("the canary gets {}", steps.collect::<Vec<_>>().join(", "))
        }
        StageKind::Watch(_) => "judge the canary, to which somebody else gives users".to_owned(),
        StageKind::Wait(duration) => format!("wait {}", long(*duration)),
        StageKind::Webhook(webhook) => {
            format!("{} {}", webhook.method, webhook.url.value.host_str().unwrap_or_default())
        }
        StageKind::Protect(protect) => {
            let laid = [
                protect.rate_limit.map(|_| "a rate limit"),
                protect.circuit_breaker.as_ref().map(|_| "a circuit breaker"),
            ];
            format!("lay {}", laid.into_iter().flatten().collect::<Vec<_>>().join(" and "))
        }
        StageKind::Promote(_) => "the canary gets all users".to_owned(),
    }
}
