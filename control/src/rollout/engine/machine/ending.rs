//! A stage has failed, or the rollout is over: what is taken back, and what is left.

use rollgate_config::{dynamic::rollout::OnFailure, scalar::Share};

use super::{
    super::{
        effect::{Mode, News, What},
        entry::Happened,
        kept::{Ending, Pause, PauseKind, TrialState},
        record::{At, List, StageState},
        status::Status,
    },
    Machine,
};

/// Why a stage has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// By itself.
    Stage,
    /// The canary was found worse.
    Worse,
    /// There is nothing left that could go on.
    Gone,
}

impl Machine<'_> {
    /// The stage that it is at has failed.
    pub(super) fn fail(&mut self, why: String, cause: Cause) {
        if self.is_taken_back() {
            // What is run after a rollback is run to its end, whatever becomes of a part of it.
            if self.rollout.at.of == List::OnFailure && cause == Cause::Stage && self.rollout.record().is_active() {
                self.stop_work();
                self.end_stage(StageState::Failed, Some(why));
                self.next();
            }
            return;
        }
        // Where the canary may have everything by now, nothing can be held.
        let has_all = self.rollout.share == Some(Share::ALL);
        let is_forced = cause == Cause::Gone || (cause == Cause::Worse && has_all);
        let was_ending = self.rollout.ending.take().is_some();
        self.stop_work();
        if self.rollout.record().is_active() || was_ending {
            self.end_stage(StageState::Failed, Some(why.clone()));
        } else {
            self.record().reason = Some(why.clone());
        }
        match &self.pipeline.on_failure {
            OnFailure::Hold if !is_forced => {
                let kind = if cause == Cause::Worse { PauseKind::Worse } else { PauseKind::Failed };
                self.rollout.pause = Some(Pause { at: self.now, kind });
                self.rollout.reason = Some(why.clone());
                self.notify(News::NeedsDecision, why);
            }
            on_failure => {
                let rollout = &self.rollout;
                let is_for_some = |trial: &TrialState| trial.mode == Mode::Audience && trial.is_laid;
                let had_some = rollout.trial.as_ref().is_some_and(is_for_some);
                // Where it has only watched, the brake is what it has done.
                let has_acted = rollout.is_protected || rollout.brake.is_some();
                let has_moved = rollout.share.is_some() || had_some || has_acted;
                let status = if has_moved && !rollout.is_promoted { Status::RolledBack } else { Status::Failed };
                let then_stages = matches!(on_failure, OnFailure::Stages(_));
                self.take_back(status, Some(why), then_stages);
            }
        }
    }

    /// What was before comes back, but for what was promoted.
    pub(super) fn take_back(&mut self, status: Status, why: Option<String>, then_stages: bool) {
        self.rollout.pause = None;
        self.rollout.reason.clone_from(&why);
        if !self.rollout.is_promoted {
            self.plan_restoring();
            if self.rollout.is_protected {
                self.queue(What::Unprotect);
            }
        }
        self.rollout.ending = Some(Ending { status, why, then_stages, promotes: false });
    }

    pub(super) fn plan_restoring(&mut self) {
        let before = self.rollout.before.clone();
        // A brake that was there, and was taken off, or may have been by now.
        let reason = match (&self.rollout.brake, &self.rollout.released) {
            (Some(brake), _) => Some(brake.reason.clone()).filter(|_| brake.is_releasing),
            (None, Some(earlier)) => {
                Some(earlier.reason.clone().unwrap_or_else(|| format!("put on by {}", earlier.by)))
            }
            (None, None) => None,
        };
        if let Some(reason) = reason {
            self.queue(What::Brake { reason });
        }
        if let Some(before) = before.filter(|_| self.rollout.share.is_some()) {
            self.queue(What::RestoreWeights { before });
        }
        let is_queued = self.rollout.program.iter().any(|effect| effect.what == What::EndTrial);
        if self.rollout.trial.is_some() && !is_queued {
            self.queue(What::EndTrial);
        }
    }

    /// The last stage is over.
    pub(super) fn end_of_stages(&mut self) {
        if self.rollout.at.of == List::OnFailure {
            // Its end is there when nothing is under way any more.
            return;
        }
        if !self.rollout.is_promoted {
            if self.has_something_to_leave() {
                self.queue(What::Leave);
            } else {
                self.plan_restoring();
            }
        }
        let (status, why) = (Status::Succeeded, None);
        self.rollout.ending = Some(Ending { status, why, then_stages: false, promotes: false });
    }

    /// Somebody but an audience has the canary, as far as is known: weights that are on their way may still come to nothing.
    pub(super) fn has_something_to_leave(&self) -> bool {
        self.rollout.share.is_some_and(|share| share.0 > 0)
    }

    /// All that the end takes is done. True if something follows.
    pub(super) fn end_of_program(&mut self) -> bool {
        let has_before = self.rollout.before.is_some();
        let Some(ending) = &mut self.rollout.ending else { return false };
        if ending.promotes {
            if !has_before {
                self.queue(What::ReadWeights);
            } else {
                ending.promotes = false;
                self.plan_promotion();
            }
            return true;
        }
        if std::mem::take(&mut ending.then_stages) && !self.rollout.on_failure.is_empty() {
            self.rollout.at = At { of: List::OnFailure, index: 0 };
            self.enter();
            return true;
        }
        self.end();
        false
    }

    /// It is over.
    pub(super) fn end(&mut self) {
        let Some(Ending { status, why, .. }) = self.rollout.ending.take() else { return };
        self.rollout.status = status;
        self.rollout.ended = Some(self.now);
        self.rollout.reason.clone_from(&why);
        self.tell(Happened::Ended { status, why: why.clone() });
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        self.notify(News::Ended(status), format!("rollout {} is {status}{why}", self.rollout.id));
    }

    /// It is not going to succeed.
    pub(super) fn is_taken_back(&self) -> bool {
        self.rollout.ending.as_ref().is_some_and(|ending| ending.status != Status::Succeeded)
    }

    pub(super) fn is_under_way(&self, of: impl Fn(&What) -> bool) -> bool {
        self.rollout.outstanding.iter().any(|outstanding| of(&outstanding.effect.what))
    }
}
