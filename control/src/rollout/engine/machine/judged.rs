//! What the data plane says of the canary.

use rollgate_config::dynamic::rollout::stage::{Ramp, StageKind};
use serde_json::Value;

use super::{
    super::{
        effect::{EffectId, News, What},
        entry::Happened,
        event::Verdict,
        evidence::Evidence,
        kept::Outage,
        record::{Clock, List},
        text,
    },
    Machine,
    ending::Cause,
    short,
    stages::millis,
};

impl Machine<'_> {
    pub(super) fn verdict(&mut self, trial: &EffectId, verdict: Verdict) {
        if self.rollout.trial.as_ref().is_none_or(|known| known.id != *trial) {
            return;
        }
        match verdict {
            Verdict::RollBack { family, evidence } => self.worse(text::short(family, 64), evidence.tidy()),
            Verdict::Hold { evidence } => self.outage(evidence.tidy()),
            Verdict::Clear => self.no_outage(),
        }
    }

    fn outage(&mut self, evidence: Evidence) {
        if let Some(outage) = &mut self.rollout.outage {
            outage.is_confirmed = true;
            return;
        }
        let says = evidence.says.clone();
        self.rollout.outage = Some(Outage { at: self.now, says: says.clone(), is_confirmed: true });
        self.tell(Happened::OutageBegan { evidence });
        self.notify(News::Outage, says);
    }

    fn no_outage(&mut self) {
        if self.rollout.outage.take().is_some() {
            self.tell(Happened::OutageOver);
        }
    }

    /// The brake first, whatever is under way.
    fn worse(&mut self, family: String, evidence: Evidence) {
        if self.rollout.brake.as_ref().is_some_and(|brake| !brake.is_releasing) {
            return;
        }
        let is_releasing = self.is_under_way(|what| matches!(what, What::ReleaseBrake));
        let says = evidence.says.clone();
        self.rollout.evidence = Some(evidence.clone());
        if self.rollout.record().gives_traffic() {
            self.record().evidence = Some(evidence.clone());
        }
        self.tell(Happened::FoundWorse { family, evidence });
        let reason = says.clone();
        self.issue_now(What::Brake { reason: reason.clone() });
        self.notify(News::FoundWorse, says.clone());
        self.fail(says, Cause::Worse);
        if is_releasing {
            // The release may come after the brake.
            let effect = self.effect(What::Brake { reason });
            self.rollout.program.push_front(effect);
        }
    }

    pub(super) fn evidence(&mut self, of: &EffectId, evidence: Evidence, judge: Option<Value>) {
        let Some(trial) = self.rollout.trial.as_ref().filter(|trial| trial.look == *of) else { return };
        let stage = trial.stage;
        let evidence = evidence.tidy();
        if self.rollout.outage.as_ref().is_some_and(|outage| !outage.is_confirmed) {
            self.no_outage();
        }
        self.rollout.observed.see(&evidence);
        self.rollout.judge = judge;
        self.rollout.evidence = Some(evidence.clone());
        self.compute_protections();
        let is_at = self.rollout.at.of == List::Main && self.rollout.at.index == stage;
        if !is_at || !self.rollout.record().is_active() {
            return;
        }
        let now = self.now;
        let record = self.record();
        record.work.requests = record.work.carried.saturating_add(evidence.step_requests);
        let requests = record.work.requests;
        if let Some(step) = record.steps.last_mut() {
            step.requests = requests;
        }
        // What is not counted takes no time.
        if evidence.discarding
            && let Some(clock) = &mut record.work.clock
        {
            *clock = Clock::at(now);
        }
        record.evidence = Some(evidence);
        if let Some(StageKind::Ramp(ramp)) = self.kind()
            && self.may_pass(ramp)
        {
            self.pass_step(ramp);
        }
    }

    /// Whether the look that has just been taken in is enough for more.
    fn may_pass(&self, ramp: &Ramp) -> bool {
        let rollout = &self.rollout;
        let (record, evidence) = (rollout.record(), rollout.evidence.as_ref());
        let is_stopped = rollout.pause.is_some() || rollout.ending.is_some() || rollout.brake.is_some();
        let is_held = rollout.outage.is_some() || rollout.unavailable.is_some();
        let is_moving = self.is_busy() || !rollout.program.is_empty();
        if is_stopped || is_held || is_moving || evidence.is_none_or(|look| look.discarding || !look.advance) {
            return false;
        }
        let Some(clock) = record.work.clock else { return false };
        let step = record.steps.len().checked_sub(1).and_then(|index| ramp.steps.get(index));
        step.is_some_and(|step| {
            clock.elapsed(self.now) >= millis(step.min_duration) && record.work.requests >= step.min_requests
        })
    }

    pub(super) fn unavailable(&mut self, why: String) {
        let why = short(why);
        if self.rollout.unavailable.replace(why.clone()).is_none() {
            self.tell(Happened::Unavailable { why });
        }
    }

    pub(super) fn available(&mut self) {
        if self.rollout.unavailable.take().is_some() {
            self.tell(Happened::Available);
        }
    }

    /// What was judged is not what is there now.
    pub(super) fn new_build(&mut self, build: String) {
        let build = short(build);
        if self.rollout.build.as_ref() == Some(&build) {
            return;
        }
        let was_known = self.rollout.build.replace(build.clone()).is_some();
        self.has_changed = true;
        let is_leaving = self.is_under_way(|what| matches!(what, What::Promote { .. } | What::Leave));
        let is_judged = self.rollout.trial.is_some() && self.rollout.ending.is_none() && !is_leaving;
        if !was_known {
            return;
        }
        self.tell(Happened::NewBuild { build });
        if !is_judged {
            return;
        }
        if self.rollout.pause.is_some() {
            self.rollout.is_rebuilt = true;
        } else {
            self.begin_anew();
        }
    }

    /// Back to the stage that gave the canary its traffic, and nothing of what is known of it counts.
    pub(super) fn begin_anew(&mut self) {
        self.rollout.is_rebuilt = false;
        self.rollout.judge = None;
        self.rollout.observed.forget_errors();
        let stage = self.rollout.trial.as_ref().map(|trial| trial.stage);
        self.stop_work();
        self.go_back(stage.unwrap_or(self.rollout.at.index));
    }
}
