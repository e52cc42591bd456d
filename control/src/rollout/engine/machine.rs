//! A rollout while a step is worked out.
//!
//! ```text
//! take(event):  effects.rs (an end) | judged.rs (looks, verdicts) | operator.rs | resumed.rs
//! settle:       deadlines -> next effect of the program -> stages.rs (what the stage does, and whether it is done) -> ending.rs
//! ```
//!
//! A stage that begins, or an end that is decided, is a *program*: effects that are begun one after the other, each when the one
//! before has come to its end. Only a brake and news jump the queue.

mod effects;
mod ending;
mod judged;
mod operator;
mod resumed;
mod stages;
mod traffic;

pub(super) use self::{operator::possible, stages::millis};

use std::sync::Arc;

use rollgate_config::{
    dynamic::rollout::{Pipeline, stage::StageKind},
    scalar::Share,
};

use super::{
    Millis, Step,
    effect::{Effect, EffectId, Lane, News, What},
    entry::{Entry, Happened},
    event::{Asked, Change, Event},
    kept::{BrakeState, Outage, Outstanding, PauseKind, Rollout, TrialState},
    record::{At, List, StageRecord, StageState},
    refusal::Refusal,
    status::Status,
};

/// A rollout that is being changed.
pub(super) struct Machine<'p> {
    rollout: Rollout,
    pipeline: &'p Pipeline,
    now: Millis,
    effects: Vec<Effect>,
    canceled: Vec<EffectId>,
    entries: Vec<Arc<Entry>>,
    has_changed: bool,
}

impl<'p> Machine<'p> {
    pub(super) fn new(rollout: Rollout, pipeline: &'p Pipeline, now: Millis) -> Self {
        let (effects, canceled, entries) = (Vec::new(), Vec::new(), Vec::new());
        Self { rollout, pipeline, now, effects, canceled, entries, has_changed: false }
    }

    /// What the event itself says.
    pub(super) fn take(&mut self, event: Event) -> Result<(), Refusal> {
        let is_under_way = self.rollout.status != Status::Pending && !self.rollout.status.is_end();
        match event {
            Event::Operator(asked) => return self.operator(asked),
            Event::EffectDone { id, outcome } => self.effect_done(&id, outcome),
            Event::Resumed => self.resumed(),
            Event::Begin if self.rollout.status == Status::Pending => self.begin(),
            Event::CanaryUnavailable { why } if !self.rollout.status.is_end() => self.unavailable(why),
            Event::CanaryAvailable if !self.rollout.status.is_end() => self.available(),
            Event::NewBuild { build } if !self.rollout.status.is_end() => self.new_build(build),
            Event::Verdict { trial, verdict } if is_under_way => self.verdict(&trial, verdict),
            Event::Evidence { of, evidence, judge } if is_under_way => self.evidence(&of, *evidence, judge),
            Event::ConfigurationChanged(change) if is_under_way => self.configuration_changed(change),
            Event::Replaced { why } if self.rollout.makes_room() => self.replaced(short(why)),
            // What comes before the begin, twice or after the end is of no concern.
            Event::Begin
            | Event::Tick
            | Event::CanaryUnavailable { .. }
            | Event::CanaryAvailable
            | Event::NewBuild { .. }
            | Event::Verdict { .. }
            | Event::Evidence { .. }
            | Event::Replaced { .. }
            | Event::ConfigurationChanged(_) => {}
        }
        Ok(())
    }

    /// All that follows without anything else happening.
    pub(super) fn settle(&mut self) {
        while self.goes_on() {
            if self.deadline() {
                continue;
            }
            if self.is_busy() {
                break;
            }
            if let Some(effect) = self.rollout.program.front() {
                if self.is_held(&effect.what) {
                    break;
                }
                match self.rollout.program.pop_front() {
                    Some(Effect { what: What::Leave, .. }) if !self.has_something_to_leave() => self.plan_restoring(),
                    effect => effect.into_iter().for_each(|effect| self.issue(effect)),
                }
                continue;
            }
            let goes_on = match &self.rollout.ending {
                _ if self.rollout.pause.is_some() => false,
                Some(_) if self.rollout.at.of == List::Main => self.end_of_program(),
                _ => self.work(),
            };
            if !goes_on {
                break;
            }
        }
        self.rollout.status = self.status();
    }

    /// What is returned.
    pub(super) fn step(self) -> Step {
        let Self { rollout, effects, canceled, entries, has_changed, .. } = self;
        Step { rollout, effects, canceled, entries, must_be_kept: has_changed }
    }

    fn begin(&mut self) {
        self.rollout.status = Status::Running;
        self.tell(Happened::Begun);
        self.enter();
    }

    /// Whether anything may follow.
    fn goes_on(&self) -> bool {
        let is_asked = self.rollout.pause.as_ref().is_some_and(|pause| pause.kind == PauseKind::Asked);
        self.rollout.status != Status::Pending && !self.rollout.status.is_end() && !is_asked
    }

    fn status(&self) -> Status {
        match self.rollout.status {
            status if status == Status::Pending || status.is_end() => status,
            _ if self.rollout.pause.is_some() => Status::Paused,
            _ if self.is_waiting() => Status::Waiting,
            _ => Status::Running,
        }
    }

    /// Somebody has to say yes.
    fn is_waiting(&self) -> bool {
        let is_ending = self.rollout.ending.is_some() && self.rollout.at.of == List::Main;
        self.rollout.record().state == StageState::Waiting && !is_ending
    }

    /// Something is under way that what follows has to wait for.
    fn is_busy(&self) -> bool {
        let mut lanes = self.rollout.outstanding.iter().map(|outstanding| outstanding.effect.what.lane());
        lanes.any(|lane| matches!(lane, Lane::Run | Lane::Traffic))
    }

    /// It would give the canary more, and that is not to be as long as something is wrong.
    fn is_held(&self, what: &What) -> bool {
        let rollout = &self.rollout;
        let grows = match what {
            What::SetWeights { canary, .. } => *canary > rollout.weighed.unwrap_or_else(|| self.share_before()),
            What::Promote { .. } => true,
            _ => false,
        };
        let is_forced = rollout.record().work.is_forced && matches!(what, What::Promote { .. });
        grows && (rollout.unavailable.is_some() || (rollout.outage.is_some() && !is_forced))
    }

    /// The canary's share as it may be.
    fn share(&self) -> Share {
        self.rollout.share.unwrap_or_else(|| self.share_before())
    }

    fn share_before(&self) -> Share {
        let rollout = &self.rollout;
        let before = rollout.before.as_ref().map(|before| before.share(&rollout.stable, &rollout.canary));
        before.unwrap_or_default()
    }

    /// The stage that it is at.
    fn record(&mut self) -> &mut StageRecord {
        let at = self.rollout.at;
        match at.of {
            List::Main => &mut self.rollout.stages[at.index],
            List::OnFailure => &mut self.rollout.on_failure[at.index],
        }
    }

    fn kind(&self) -> Option<&'p StageKind> {
        self.rollout.at.stage(self.pipeline).map(|stage| &stage.kind)
    }

    /// An effect of the stage, with a name of its own.
    fn effect(&mut self, what: What) -> Effect {
        let (at, name) = (self.rollout.at, what.name());
        let rollout = self.rollout.id.clone();
        let record = self.record();
        let times = record.work.ids.entry(name.to_owned()).or_insert(0);
        *times = times.saturating_add(1);
        let number = if *times > 1 { format!(".{times}") } else { String::new() };
        let of = if at.of == List::OnFailure { "on-failure." } else { "" };
        let id = format!("{rollout}/{of}{}/{}/{name}{number}", record.name, record.attempt);
        Effect { id: EffectId(id), at, what }
    }

    /// To be done when all before it is.
    fn queue(&mut self, what: What) {
        let effect = self.effect(what);
        self.rollout.program.push_back(effect);
    }

    /// To be done now.
    fn issue_now(&mut self, what: What) {
        let effect = self.effect(what);
        self.issue(effect);
    }

    /// It is begun: from here on it may be in force.
    fn issue(&mut self, effect: Effect) {
        self.has_changed = true;
        let share = self.rollout.share;
        let rollout = &mut self.rollout;
        match &effect.what {
            What::SetWeights { canary, .. } => rollout.share = Some(*canary),
            What::Promote { .. } => rollout.share = Some(Share::ALL),
            What::Protect { .. } => rollout.is_protected = true,
            What::Brake { reason } => {
                let (at, reason) = (self.now, reason.clone());
                rollout.brake = Some(BrakeState { at, reason, is_releasing: false });
            }
            What::ReleaseBrake => {
                if let Some(brake) = &mut rollout.brake {
                    brake.is_releasing = true;
                }
                let earlier = rollout.before.as_ref().and_then(|before| before.brake.clone());
                rollout.released = earlier.or_else(|| rollout.released.take());
            }
            What::NextStratum { .. } => {
                if let Some(trial) = &mut rollout.trial {
                    trial.look = effect.id.clone();
                }
            }
            What::BeginTrial { mode } => {
                let (id, look, mode) = (effect.id.clone(), effect.id.clone(), mode.clone());
                // What the judge before a restart has said holds until the next one has looked.
                let is_again = rollout.trial.as_ref().is_some_and(|trial| trial.id == id);
                let outage = rollout.outage.take().filter(|_| is_again);
                rollout.outage = outage.map(|outage| Outage { is_confirmed: false, ..outage });
                rollout.trial = Some(TrialState { id, look, stage: effect.at.index, mode, is_laid: false });
                rollout.observed.carry();
                let stage = &mut rollout.stages[effect.at.index];
                stage.work.carried = stage.work.requests;
            }
            _ => {}
        }
        self.effects.push(effect.clone());
        self.rollout.outstanding.push(Outstanding { effect, is_abandoned: false, share });
    }

    /// Nothing of what the stage has begun is wanted any more.
    fn stop_work(&mut self) {
        self.has_changed = true;
        self.rollout.program.clear();
        let mut outstanding = std::mem::take(&mut self.rollout.outstanding);
        outstanding.retain_mut(|outstanding| match outstanding.effect.what.lane() {
            Lane::Run | Lane::Ask => {
                self.canceled.push(outstanding.effect.id.clone());
                false
            }
            Lane::Traffic => {
                outstanding.is_abandoned |= !matches!(outstanding.effect.what, What::Brake { .. });
                true
            }
            Lane::Tell => true,
        });
        self.rollout.outstanding = outstanding;
    }

    fn tell(&mut self, happened: Happened) {
        self.tell_by(happened, None);
    }

    fn tell_by(&mut self, happened: Happened, asked: Option<&Asked>) {
        self.has_changed = true;
        let stage = self.rollout.record().name.clone();
        let by = asked.map(|asked| asked.by.name.clone());
        let reason = asked.and_then(|asked| asked.reason.clone());
        let entry = Arc::new(Entry { at: self.now, stage, by, reason, happened });
        self.entries.push(entry.clone());
        let history = &mut self.rollout.history;
        history.push(entry);
        if let Some(surplus) = history.len().checked_sub(MOST_ENTRIES).filter(|surplus| *surplus > 0) {
            history.drain(..surplus);
            self.rollout.forgotten = self.rollout.forgotten.saturating_add(surplus as u64);
        }
    }

    fn notify(&mut self, news: News, text: String) {
        self.issue_now(What::Notify { news, text });
    }

    fn configuration_changed(&mut self, change: Change) {
        match change {
            // Whoever decides about the weights may write others, and take the canary out and in again.
            Change::Drifted { .. } if self.rollout.is_watching() => {}
            Change::Gone { why } if self.rollout.is_watching() => self.tell(Happened::Gone { why: short(why) }),
            Change::Drifted { why } => self.tell(Happened::Drifted { why: short(why) }),
            Change::Gone { why } => {
                let why = short(why);
                self.tell(Happened::Gone { why: why.clone() });
                let is_taken_back =
                    self.rollout.ending.as_ref().is_some_and(|ending| ending.status != Status::Succeeded);
                if !is_taken_back && !self.rollout.is_promoted {
                    self.fail(why, ending::Cause::Gone);
                }
            }
        }
    }
}

fn short(why: String) -> String {
    super::text::short(why, super::text::REASON)
}

/// Enough for a ramp of fifty steps that was tried several times.
const MOST_ENTRIES: usize = 1000;
