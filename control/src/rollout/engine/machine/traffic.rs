//! What gives the canary traffic: trials, weights, and the brake that has to be off for it.

use rollgate_config::{
    dynamic::rollout::stage::{Ramp, Step, Watch},
    scalar::Share,
};

use super::{
    super::{
        effect::{Mode, What},
        record::StepRecord,
    },
    Machine,
};

impl Machine<'_> {
    /// A trial first, so that nothing comes to the canary that is not judged; then its share.
    pub(super) fn plan_traffic(&mut self, mode: Mode, share: Share) {
        let grows = share > self.share();
        self.queue(What::BeginTrial { mode });
        // A brake goes before a weight that grows: nothing grows under one. That of an earlier rollout goes after it: until then nothing
        // is wanted of the weight that the canary had.
        let is_braked = self.rollout.brake.is_some();
        if is_braked && grows {
            self.queue(What::ReleaseBrake);
        }
        if self.rollout.share != Some(share) {
            self.plan_weights(share);
        }
        let was_braked = self.rollout.before.as_ref().is_some_and(|before| before.brake.is_some());
        if (is_braked && !grows) || (was_braked && !is_braked) {
            self.queue(What::ReleaseBrake);
        }
    }

    /// What somebody else gives the canary is judged from now on. The brake of an earlier rollout goes then.
    pub(super) fn plan_watch(&mut self, watch: Watch) {
        self.queue(What::BeginTrial { mode: Mode::Randomised { step: 0, margin: watch.margin } });
        let was_braked = self.rollout.before.as_ref().is_some_and(|before| before.brake.is_some());
        if self.rollout.brake.is_some() || was_braked {
            self.queue(What::ReleaseBrake);
        }
    }

    /// What was in force when a watch began says nothing of what is: somebody else has decided since.
    pub(super) fn end_watch(&mut self) {
        if self.rollout.record().kind == "watch" && self.rollout.share.is_none() {
            (self.rollout.before, self.rollout.released) = (None, None);
        }
    }

    /// A ramp begins.
    pub(super) fn plan_ramp(&mut self, ramp: &Ramp) {
        let Some(first) = ramp.steps.first() else { return };
        self.begin_step(first);
        self.plan_traffic(Mode::Randomised { step: 0, margin: first.margin }, first.weight);
    }

    /// Its next step does.
    pub(super) fn next_step(&mut self, step: &Step, index: usize) {
        self.begin_step(step);
        self.plan_weights(step.weight);
        let margin = step.margin;
        self.queue(What::NextStratum { step: index, margin });
        if let Some(trial) = &mut self.rollout.trial {
            trial.mode = Mode::Randomised { step: index, margin };
        }
    }

    fn begin_step(&mut self, step: &Step) {
        let (weight, record) = (step.weight, self.record());
        record.steps.push(StepRecord { weight, started: None, ended: None, requests: 0, evidence: None });
        record.work.clock = None;
        (record.work.requests, record.work.carried) = (0, 0);
    }

    fn plan_weights(&mut self, canary: Share) {
        let Some(before) = &self.rollout.before else { return };
        let weights = before.at(canary, &self.rollout.stable, &self.rollout.canary);
        let takes = self.rollout.share.is_none();
        self.queue(What::SetWeights { weights, canary, takes });
    }

    /// The canary gets all users.
    pub(super) fn plan_promotion(&mut self) {
        let Some(before) = &self.rollout.before else { return };
        let weights = before.at(Share::ALL, &self.rollout.stable, &self.rollout.canary);
        let (takes, was_braked) = (self.rollout.share.is_none(), before.brake.is_some());
        if self.rollout.brake.is_some() || was_braked {
            self.queue(What::ReleaseBrake);
        }
        self.queue(What::Promote { weights: weights.clone(), takes });
        self.queue(What::WriteBack { weights });
    }
}
