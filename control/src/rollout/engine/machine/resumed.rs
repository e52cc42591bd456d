//! The process has started again: nobody does what was under way, and the data plane has no trial.

use super::{
    super::{
        effect::{Lane, What},
        entry::Happened,
        kept::{Outstanding, PauseKind},
        status::Status,
    },
    Machine,
};

impl Machine<'_> {
    /// What has not come to its end is begun again, under its own id: news, questions and a brake at once; the rest in its turn, and a
    /// trial before it. While somebody has it paused, the rest waits for him.
    pub(super) fn resumed(&mut self) {
        if self.rollout.status == Status::Pending {
            return;
        }
        if !self.rollout.status.is_end() {
            self.tell(Happened::Resumed);
        }
        let mut rest = Vec::new();
        for outstanding in std::mem::take(&mut self.rollout.outstanding) {
            let Outstanding { effect, is_abandoned, .. } = outstanding;
            let is_brake = matches!(effect.what, What::Brake { .. });
            match effect.what.lane() {
                _ if is_abandoned => self.has_changed = true,
                Lane::Ask | Lane::Tell => self.again(effect),
                Lane::Traffic if is_brake => self.again(effect),
                Lane::Run | Lane::Traffic => rest.push(effect),
            }
        }
        self.lay_again(&rest);
        rest.into_iter().rev().for_each(|effect| self.rollout.program.push_front(effect));
    }

    fn again(&mut self, effect: super::Effect) {
        self.has_changed = true;
        self.effects.push(effect.clone());
        self.rollout.outstanding.push(Outstanding { effect, is_abandoned: false, share: self.rollout.share });
    }

    /// The trial that was over the service, unless one is being laid, or none is to be there.
    fn lay_again(&mut self, rest: &[super::Effect]) {
        let is_laying = |effect: &super::Effect| matches!(effect.what, What::BeginTrial { .. });
        let is_worse = self.rollout.pause.as_ref().is_some_and(|pause| pause.kind == PauseKind::Worse);
        let is_over = self.rollout.ending.is_some() || self.rollout.status.is_end() || is_worse;
        let is_coming = rest.iter().chain(self.rollout.program.front()).any(is_laying);
        let Some(trial) = self.rollout.trial.clone().filter(|_| !is_over && !is_coming) else { return };
        let here = self.rollout.at;
        self.rollout.at = super::At { of: super::List::Main, index: trial.stage };
        let effect = self.effect(What::BeginTrial { mode: trial.mode });
        self.rollout.at = here;
        if let Some(trial) = &mut self.rollout.trial {
            // It is the same one, under another id.
            trial.id = effect.id.clone();
        }
        self.issue(effect);
    }
}
