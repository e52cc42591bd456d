//! An effect has come to its end.

use rollgate_config::{dynamic::rollout::stage::StageKind, scalar::Share};

use super::{
    super::{
        effect::{Effect, EffectId, What},
        entry::Happened,
        event::Outcome,
        kept::Outstanding,
        status::Status,
        text,
    },
    Machine,
    ending::Cause,
    short,
};

impl Machine<'_> {
    /// One that is not under way was told before, or nobody waits for it any more.
    pub(super) fn effect_done(&mut self, id: &EffectId, outcome: Outcome) {
        let mut places = self.rollout.outstanding.iter();
        let Some(place) = places.position(|outstanding| outstanding.effect.id == *id) else { return };
        self.has_changed = true;
        let Outstanding { effect, is_abandoned, share } = self.rollout.outstanding.remove(place);
        let failed = match outcome {
            Outcome::Failed { why } => Some(short(why)),
            Outcome::Done { .. } if effect.what == What::ReadWeights => Some("the weights were not told".to_owned()),
            Outcome::Done { output } => {
                self.done(&effect, output);
                None
            }
            Outcome::Weights(before) if effect.what == What::ReadWeights => {
                let (stable, canary) = (&self.rollout.stable, &self.rollout.canary);
                let checked = match self.kind() {
                    Some(StageKind::Watch(_)) => before.check_brake(canary),
                    _ => before.check(stable, canary),
                };
                if checked.is_ok() && !is_abandoned {
                    self.rollout.before = Some(before);
                }
                checked.err()
            }
            Outcome::Weights(_) => {
                self.done(&effect, None);
                None
            }
        };
        if failed.is_some() && matches!(effect.what, What::SetWeights { .. } | What::Promote { .. }) {
            self.rollout.share = share;
        }
        match failed {
            Some(why) if !is_abandoned => self.failed(effect, why),
            _ => {}
        }
    }

    /// It is so.
    fn done(&mut self, effect: &Effect, output: Option<String>) {
        match &effect.what {
            What::SetWeights { canary, .. } => {
                self.rollout.weighed = Some(*canary);
                self.tell(Happened::Weighed { canary: *canary });
            }
            What::BeginTrial { .. } => {
                if let Some(trial) = self.rollout.trial.as_mut().filter(|trial| trial.id == effect.id) {
                    trial.is_laid = true;
                }
            }
            What::EndTrial => self.no_trial(),
            What::Brake { .. } => self.tell(Happened::Braked),
            What::ReleaseBrake => {
                self.rollout.brake = None;
                if let Some(before) = &mut self.rollout.before {
                    before.brake = None;
                }
                self.tell(Happened::Released);
            }
            What::RestoreWeights { .. } => {
                (self.rollout.share, self.rollout.weighed) = (None, None);
                self.tell(Happened::Restored);
            }
            What::Unprotect => self.rollout.is_protected = false,
            What::Promote { .. } => {
                self.no_trial();
                // What is being taken back was not promoted.
                let is_wanted = self.rollout.ending.as_ref().is_none_or(|ending| ending.status == Status::Succeeded);
                self.rollout.weighed = Some(Share::ALL);
                self.rollout.is_promoted = is_wanted && self.rollout.brake.is_none();
                self.tell(Happened::Weighed { canary: Share::ALL });
                if self.rollout.is_promoted {
                    self.tell(Happened::Promoted);
                }
            }
            What::Leave => self.no_trial(),
            What::RunJob | What::CallWebhook | What::WriteBack { .. } => {
                let output = output.map(|output| text::short(output, text::OUTPUT));
                self.record().output = output;
            }
            What::Protect { .. }
            | What::WaitHealthy { .. }
            | What::AskApproval { .. }
            | What::ReadWeights
            | What::NextStratum { .. }
            | What::Notify { .. } => {}
        }
    }

    /// It is not so, and cannot be.
    fn failed(&mut self, effect: Effect, why: String) {
        match &effect.what {
            What::RunJob
            | What::CallWebhook
            | What::WaitHealthy { .. }
            | What::ReadWeights
            | What::SetWeights { .. }
            | What::BeginTrial { .. }
            | What::NextStratum { .. }
            | What::ReleaseBrake
            | What::Protect { .. }
            | What::Promote { .. }
            | What::Leave => self.fail(why, Cause::Stage),
            What::RestoreWeights { .. } => {
                let why = format!("what was before could not be restored: {why}");
                self.tell(Happened::EffectFailed { effect: effect.id, why: why.clone() });
                if let Some(ending) = &mut self.rollout.ending {
                    ending.status = Status::Failed;
                    ending.why = Some(match ending.why.take() {
                        Some(before) => short(format!("{before}; {why}")),
                        None => why,
                    });
                }
            }
            What::WriteBack { .. } => {
                self.record().output = Some(format!("not written back: {why}"));
                self.tell(Happened::EffectFailed { effect: effect.id, why });
            }
            What::EndTrial => {
                self.no_trial();
                self.tell(Happened::EffectFailed { effect: effect.id, why });
            }
            What::AskApproval { .. } | What::Brake { .. } | What::Unprotect | What::Notify { .. } => {
                self.tell(Happened::EffectFailed { effect: effect.id, why });
            }
        }
    }

    fn no_trial(&mut self) {
        self.rollout.trial = None;
        self.rollout.outage = None;
    }
}
