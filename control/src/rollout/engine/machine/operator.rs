//! What operators do.

use rollgate_config::{
    dynamic::rollout::stage::{Approve, StageKind},
    static_config::Role,
};

use super::{
    super::{
        effect::What,
        entry::Happened,
        event::{Action, Asked, Caller},
        kept::{Ending, Pause, PauseKind, Rollout},
        record::{At, List, StageState},
        refusal::Refusal,
        status::Status,
    },
    Machine,
    ending::Cause,
    short,
};

/// What can be done as things are, whoever wants it.
pub(in super::super) fn possible(rollout: &Rollout) -> Vec<Action> {
    use Action::{Abort, Approve, Deny, Pause, Promote, Resume, Retry, Skip};
    let record = rollout.record();
    let is_waiting = record.state == StageState::Waiting;
    let answers = if is_waiting { vec![Approve, Deny] } else { Vec::new() };
    let with = |mut actions: Vec<Action>, more: &[Action]| {
        actions.extend_from_slice(more);
        actions
    };
    // What has all users is not taken back, and cannot get more.
    let ends: &[Action] = match (rollout.is_promoted, &*record.kind) {
        (true, _) => &[],
        (false, "promote") => &[Abort],
        (false, _) => &[Abort, Promote],
    };
    match (&rollout.ending, &rollout.pause) {
        _ if rollout.status.is_end() => Vec::new(),
        _ if rollout.status == Status::Pending => vec![Abort],
        (Some(ending), _) if rollout.at.of == List::Main => {
            if ending.status == Status::Succeeded && !rollout.is_promoted { vec![Abort] } else { Vec::new() }
        }
        (Some(_), _) if record.is_active() => with(answers, &[Skip, Abort]),
        (Some(_), _) => Vec::new(),
        (None, None) => with(with(answers, &[Pause, Skip]), ends),
        (None, Some(pause)) if pause.kind == PauseKind::Asked => with(vec![Resume, Skip], ends),
        (None, Some(_)) => with(vec![Retry, Skip], ends),
    }
}

impl Machine<'_> {
    pub(super) fn operator(&mut self, mut asked: Asked) -> Result<(), Refusal> {
        let action = asked.action;
        let possible = possible(&self.rollout);
        if !possible.contains(&action) {
            return Err(Refusal::NotNow { action, state: self.rollout.state(), possible });
        }
        self.may(&asked)?;
        asked.reason = asked.reason.map(|reason| short(reason.trim().to_owned())).filter(|reason| !reason.is_empty());
        asked.by.name = super::super::text::short(asked.by.name, 256);
        if asked.reason.is_none() && matches!(action, Action::Skip | Action::Promote) {
            return Err(Refusal::NoReason { action });
        }
        self.tell_by(Happened::Acted { action }, Some(&asked));
        let why = match &asked.reason {
            Some(reason) => format!("{}: {reason}", asked.by.name),
            None => asked.by.name.clone(),
        };
        match action {
            Action::Pause => {
                self.rollout.pause = Some(Pause { at: self.now, kind: PauseKind::Asked });
                self.rollout.reason = Some(format!("paused by {why}"));
            }
            Action::Resume => self.resume(),
            Action::Approve => self.approved(format!("approved by {why}")),
            Action::Deny => self.fail(format!("denied by {why}"), Cause::Stage),
            Action::Retry => self.retry(),
            Action::Skip => self.skip(format!("skipped by {why}")),
            Action::Abort => self.abort(format!("aborted by {why}")),
            Action::Promote => self.promote(format!("promoted by {why}")),
        }
        Ok(())
    }

    fn resume(&mut self) {
        let Some(pause) = self.rollout.pause.take() else { return };
        self.rollout.reason = None;
        let stood = self.now.saturating_sub(pause.at).max(0);
        if let Some(clock) = &mut self.record().work.clock {
            clock.stood = clock.stood.saturating_add(stood);
        }
        if self.rollout.is_rebuilt {
            self.begin_anew();
        }
    }

    fn retry(&mut self) {
        let is_worse = self.rollout.pause.take().is_some_and(|pause| pause.kind == PauseKind::Worse);
        self.rollout.reason = None;
        self.stop_work();
        if self.rollout.is_rebuilt {
            return self.begin_anew();
        }
        let mut index = self.rollout.at.index;
        if is_worse {
            self.rollout.judge = None;
            let stage = self.rollout.trial.as_ref().map(|trial| trial.stage);
            index = stage.filter(|_| !self.rollout.record().gives_traffic()).unwrap_or(index);
        }
        self.go_back(index);
    }

    fn skip(&mut self, why: String) {
        let at = self.rollout.at;
        self.unpause();
        // An audience has the canary as long as its stage; likewise what somebody else gives it is judged.
        let is_test = at.of == List::Main && matches!(&*self.rollout.record().kind, "abTest" | "watch");
        let ends_trial = is_test && self.rollout.trial.as_ref().is_some_and(|trial| trial.stage == at.index);
        self.end_stage(StageState::Skipped, Some(why));
        self.end_watch();
        if ends_trial {
            self.queue(What::EndTrial);
        }
        self.next();
    }

    /// The one that follows finds the service as it is: a brake that was taken off stays off, one that is on is its to take off.
    pub(super) fn replaced(&mut self, why: String) {
        self.end_watch();
        self.abort(why);
    }

    fn abort(&mut self, why: String) {
        if self.rollout.status == Status::Pending {
            let status = Status::Canceled;
            self.rollout.ending = Some(Ending { status, why: Some(why), then_stages: false, promotes: false });
            return self.end();
        }
        self.stop_work();
        if self.rollout.record().is_active() {
            self.end_stage(StageState::Skipped, Some(why.clone()));
        }
        // What is run after a rollback is left; that was what it was.
        if self.rollout.at.of == List::Main {
            self.take_back(Status::Canceled, Some(why), false);
        }
    }

    fn promote(&mut self, why: String) {
        self.unpause();
        if self.rollout.record().is_active() {
            self.end_stage(StageState::Skipped, Some(why.clone()));
        }
        self.end_watch();
        let from = self.rollout.at.index + 1;
        let target = self.promotion();
        let until = target.unwrap_or(self.rollout.stages.len());
        for record in &mut self.rollout.stages[from..until] {
            record.state = StageState::Skipped;
            record.reason = Some(why.clone());
        }
        match target {
            Some(index) => {
                self.rollout.at = At { of: List::Main, index };
                self.enter();
            }
            None => {
                let status = Status::Succeeded;
                self.rollout.ending = Some(Ending { status, why: Some(why), then_stages: false, promotes: true });
            }
        }
        self.record().work.is_forced = true;
    }

    /// The `promote` that is to come.
    fn promotion(&self) -> Option<usize> {
        let from = self.rollout.at.index + 1;
        let coming = self.rollout.stages.iter().enumerate().skip(from);
        coming.into_iter().find(|(_, record)| record.kind == "promote").map(|(index, _)| index)
    }

    /// It goes on, and not with what it was at.
    fn unpause(&mut self) {
        self.stop_work();
        self.rollout.pause = None;
        self.rollout.reason = None;
        self.rollout.is_rebuilt = false;
    }

    /// Whether he may.
    fn may(&self, asked: &Asked) -> Result<(), Refusal> {
        let Asked { action, by, .. } = asked;
        let answers = matches!(action, Action::Approve | Action::Deny);
        if let Some(link) = &by.link {
            let is_open = self.rollout.nonce().is_some_and(|nonce| nonce.is(link));
            return if answers && is_open { Ok(()) } else { Err(Refusal::OldLink) };
        }
        if !answers && by.role < Role::Operate {
            return Err(not_allowed(*action, by, "it takes the role operate".to_owned()));
        }
        let At { of, index } = self.rollout.at;
        let stages = of.stages(self.pipeline);
        // Whoever passes a question over answers it.
        let passed = match action {
            Action::Approve | Action::Deny | Action::Skip => index..index + 1,
            Action::Promote => index..self.promotion().unwrap_or(stages.len()),
            Action::Pause | Action::Resume | Action::Retry | Action::Abort => 0..0,
        };
        for (stage, record) in stages[passed.clone()].iter().zip(&self.rollout.records(of)[passed]) {
            if let StageKind::Approve(approve) = &stage.kind
                && record.state != StageState::Done
                && !may_answer(approve, by)
            {
                return Err(not_allowed(*action, by, needs(approve, &stage.name)));
            }
        }
        Ok(())
    }
}

fn may_answer(approve: &Approve, by: &Caller) -> bool {
    let has_token = by.token.as_ref().is_some_and(|token| approve.tokens.contains(token));
    by.role >= approve.role && (approve.tokens.is_empty() || has_token)
}

fn not_allowed(action: Action, by: &Caller, needs: String) -> Refusal {
    Refusal::NotAllowed { action, by: by.name.clone(), needs }
}

/// Who may answer.
fn needs(approve: &Approve, stage: &str) -> String {
    let role = approve.role.name();
    match &approve.tokens[..] {
        [] => format!("stage {stage} is approved by the role {role}"),
        tokens => format!("stage {stage} is approved by the role {role} with one of the tokens {}", tokens.join(", ")),
    }
}
