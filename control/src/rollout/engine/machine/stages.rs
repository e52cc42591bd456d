//! What each kind of stage does, and when it is done.

use rollgate_config::dynamic::rollout::stage::{AbTest, DeployBy, OnTimeout, Protect, Ramp, StageKind};

use super::{
    super::{
        Millis,
        effect::{Lane, Mode, Nonce, What},
        entry::Happened,
        kept::Outstanding,
        protection::Protection,
        record::{At, Clock, List, StageState},
        text::{count, span},
    },
    Machine,
    ending::Cause,
};

impl Machine<'_> {
    /// The stage that it is at begins.
    pub(super) fn enter(&mut self) {
        let kind = self.kind();
        let state = if matches!(kind, Some(StageKind::Approve(_))) { StageState::Waiting } else { StageState::Running };
        let now = self.now;
        self.record().begin(state, now);
        let attempt = self.record().attempt;
        self.tell(Happened::StageBegun { attempt });
        let Some(kind) = kind else { return };
        // Whoever watches has to know whether an earlier rollout has braked the canary.
        if is_of_versions(kind) && self.rollout.before.is_none() {
            self.queue(What::ReadWeights);
        }
        match kind {
            StageKind::AbTest(_) | StageKind::Ramp(_) | StageKind::Watch(_) => {
                self.rollout.stages.iter_mut().for_each(|record| record.is_shown = false);
            }
            StageKind::Deploy(_) | StageKind::Approve(_) | StageKind::Wait(_) => {
                self.record().work.clock = Some(Clock::at(now));
            }
            StageKind::Job(_) | StageKind::Webhook(_) | StageKind::Protect(_) | StageKind::Promote(_) => {}
        }
    }

    /// Looks whether the stage has more to do. True if something has changed.
    pub(super) fn work(&mut self) -> bool {
        let Some(kind) = self.kind() else { return false };
        if !self.rollout.record().is_active() {
            // The last of those that are run after a rollback is over, or somebody has ended it.
            if self.rollout.at.of == List::OnFailure {
                self.end();
            }
            return false;
        }
        if !self.rollout.record().work.is_planned {
            self.record().work.is_planned = true;
            if is_of_versions(kind) && self.rollout.is_promoted {
                self.end_stage(StageState::Skipped, Some("the canary has all users already".to_owned()));
                self.next();
            } else {
                self.plan(kind);
            }
            return true;
        }
        let work = &self.rollout.record().work;
        let elapsed = work.clock.map(|clock| clock.elapsed(self.now));
        match kind {
            StageKind::AbTest(test) => self.test(test, elapsed),
            StageKind::Ramp(ramp) if !ramp.steps.is_empty() => self.start_clock(),
            StageKind::Watch(_) => false,
            StageKind::Approve(_) if !work.is_approved => false,
            StageKind::Wait(long) if elapsed.is_none_or(|elapsed| elapsed < millis(*long)) => false,
            StageKind::Approve(_)
            | StageKind::Wait(_)
            | StageKind::Job(_)
            | StageKind::Deploy(_)
            | StageKind::Ramp(_)
            | StageKind::Webhook(_)
            | StageKind::Protect(_)
            | StageKind::Promote(_) => {
                self.end_stage(StageState::Done, None);
                self.next();
                true
            }
        }
    }

    /// What the stage does first.
    fn plan(&mut self, kind: &StageKind) {
        match kind {
            StageKind::Job(_) => self.queue(What::RunJob),
            StageKind::Webhook(_) => self.queue(What::CallWebhook),
            StageKind::Deploy(deploy) => {
                match &deploy.by {
                    Some(DeployBy::Command(_)) => self.queue(What::RunJob),
                    Some(DeployBy::Webhook(_)) => self.queue(What::CallWebhook),
                    None => {}
                }
                self.queue(What::WaitHealthy { healthy: deploy.healthy });
            }
            StageKind::Approve(_) if self.rollout.record().work.is_approved => {}
            StageKind::Approve(approve) => {
                let protections = self.show_protections();
                let mut effect =
                    self.effect(What::AskApproval { nonce: Nonce(String::new()), message: approve.message.clone() });
                let nonce = Nonce::of(&self.rollout.link_key, &effect.id);
                effect.what = What::AskApproval { nonce, message: approve.message.clone() };
                self.record().work.question = Some(effect.id.clone());
                self.tell(Happened::ApprovalAsked { protections });
                self.issue(effect);
            }
            StageKind::AbTest(_) => {
                let share = self.rollout.share.unwrap_or_default();
                self.plan_traffic(Mode::Audience, share);
            }
            StageKind::Ramp(ramp) => self.plan_ramp(ramp),
            StageKind::Watch(watch) => self.plan_watch(*watch),
            StageKind::Wait(_) => {}
            StageKind::Protect(protect) => self.plan_protection(protect),
            StageKind::Promote(_) => self.plan_promotion(),
        }
    }

    fn start_clock(&mut self) -> bool {
        let now = self.now;
        let record = self.record();
        if record.work.clock.is_some() {
            return false;
        }
        record.work.clock = Some(Clock::at(now));
        if let Some(step) = record.steps.last_mut() {
            step.started = Some(now);
        }
        self.has_changed = true;
        true
    }

    fn test(&mut self, test: &AbTest, elapsed: Option<Millis>) -> bool {
        let Some(elapsed) = elapsed else { return self.start_clock() };
        let work = &self.rollout.record().work;
        if work.is_closing {
            self.end_stage(StageState::Done, None);
            self.next();
            return true;
        }
        let requests = work.requests;
        let is_held = self.rollout.outage.is_some() || self.rollout.unavailable.is_some();
        if is_held || elapsed < millis(test.duration) || requests < test.requests {
            return false;
        }
        self.record().work.is_closing = true;
        let evidence = self.rollout.record().evidence.clone();
        self.tell(Happened::Tested { lasted: elapsed, requests, evidence });
        self.queue(What::EndTrial);
        true
    }

    /// A ramp's step is passed, by the look that has just been taken in.
    pub(super) fn pass_step(&mut self, ramp: &Ramp) {
        let now = self.now;
        let Some(index) = self.rollout.record().steps.len().checked_sub(1) else { return };
        let Some(step) = ramp.steps.get(index) else { return };
        let evidence = self.rollout.evidence.clone().unwrap_or_default();
        let lasted = self.rollout.record().work.clock.map_or(0, |clock| clock.elapsed(now));
        let requests = self.rollout.record().work.requests;
        if let Some(passed) = self.record().steps.last_mut() {
            (passed.ended, passed.requests, passed.evidence) = (Some(now), requests, Some(evidence.clone()));
        }
        let of = ramp.steps.len();
        self.tell(Happened::StepPassed { step: index + 1, of, weight: step.weight, lasted, requests, evidence });
        match ramp.steps.get(index + 1) {
            Some(next) => self.next_step(next, index + 1),
            None => {
                self.end_stage(StageState::Done, None);
                self.next();
            }
        }
    }

    fn plan_protection(&mut self, protect: &Protect) {
        let shown = self.rollout.record().protection.clone().filter(|_| self.rollout.record().is_shown);
        let errors = &self.pipeline.analysis.errors;
        match shown.map_or_else(|| Protection::of(protect, &self.rollout.observed, errors), Ok) {
            Ok(protection) => {
                self.record().protection = Some(protection.clone());
                self.tell(Happened::Protected { protection: protection.clone() });
                self.queue(What::Protect { protection });
            }
            Err(why) => self.fail(why, Cause::Stage),
        }
    }

    /// What the protections that are to come would be now.
    pub(super) fn compute_protections(&mut self) {
        let errors = &self.pipeline.analysis.errors;
        for (record, stage) in self.rollout.stages.iter_mut().zip(&self.pipeline.stages) {
            if let StageKind::Protect(protect) = &stage.kind
                && record.state == StageState::Pending
                && !record.is_shown
                && let Ok(protection) = Protection::of(protect, &self.rollout.observed, errors)
            {
                record.protection = Some(protection);
            }
        }
    }

    /// Those that are laid before the canary gets other traffic are as they are shown now, to whoever is asked.
    fn show_protections(&mut self) -> Vec<(String, Protection)> {
        let At { of: List::Main, index } = self.rollout.at else { return Vec::new() };
        let coming = self.rollout.stages.iter_mut().skip(index + 1);
        let coming = coming.take_while(|record| !record.gives_traffic());
        coming.for_each(|record| record.is_shown = false);
        self.compute_protections();
        let coming = self.rollout.stages.iter_mut().skip(index + 1);
        let coming = coming.take_while(|record| !record.gives_traffic()).filter(|record| record.protection.is_some());
        let shown = coming.map(|record| {
            record.is_shown = true;
            (record.name.clone(), record.protection.clone())
        });
        shown.filter_map(|(name, protection)| Some((name, protection?))).collect()
    }

    /// A stage that has waited too long. True if there was one.
    pub(super) fn deadline(&mut self) -> bool {
        let is_ending = self.rollout.ending.is_some() && self.rollout.at.of == List::Main;
        let record = self.rollout.record();
        let Some(clock) = record.work.clock else { return false };
        if !record.is_active() || is_ending || record.work.is_approved || self.rollout.pause.is_some() {
            return false;
        }
        let (elapsed, kind) = (clock.elapsed(self.now), self.kind());
        match kind {
            Some(StageKind::Deploy(deploy)) if elapsed >= millis(deploy.timeout) => {
                let long = span(millis(deploy.timeout));
                let servers = count(deploy.healthy.into(), "server");
                self.fail(format!("the canary did not have {servers} up within {long}"), Cause::Stage);
                true
            }
            Some(StageKind::Approve(approve)) if approve.timeout.is_some_and(|long| elapsed >= millis(long)) => {
                let approves = approve.on_timeout == OnTimeout::Approve;
                self.tell(Happened::Silence { approves });
                if approves {
                    self.approved("nobody has answered in time".to_owned());
                } else {
                    let long = approve.timeout.map(millis).unwrap_or_default();
                    self.fail(format!("nobody has approved within {}", span(long)), Cause::Stage);
                }
                true
            }
            _ => false,
        }
    }

    /// Yes, to the question that is open.
    pub(super) fn approved(&mut self, how: String) {
        self.has_changed = true;
        let is_question = |outstanding: &mut Outstanding| outstanding.effect.what.lane() == Lane::Ask;
        let answered = self.rollout.outstanding.extract_if(.., is_question);
        self.canceled.extend(answered.map(|outstanding| outstanding.effect.id));
        let record = self.record();
        record.work.is_approved = true;
        record.work.question = None;
        record.reason = Some(how);
    }

    /// The stage's attempt is over.
    pub(super) fn end_stage(&mut self, state: StageState, why: Option<String>) {
        let now = self.now;
        let record = self.record();
        let lasted = now.saturating_sub(record.started.unwrap_or(now)).max(0);
        (record.state, record.ended) = (state, Some(now));
        if why.is_some() {
            record.reason.clone_from(&why);
        }
        let why = record.reason.clone();
        self.tell(Happened::StageEnded { state, why, lasted });
    }

    /// On to the stage that follows, or to the end.
    pub(super) fn next(&mut self) {
        let At { of, index } = self.rollout.at;
        if index + 1 < self.rollout.records(of).len() {
            self.rollout.at.index = index + 1;
            self.enter();
        } else {
            self.end_of_stages();
        }
    }

    /// Back to a stage that it was at before, to begin it again. Nothing of what is under way is wanted.
    pub(super) fn go_back(&mut self, index: usize) {
        let from = self.rollout.at.index;
        for record in self.rollout.stages.iter_mut().take(from + 1).skip(index + 1) {
            record.state = StageState::Pending;
        }
        self.rollout.at = At { of: List::Main, index };
        self.enter();
    }
}

/// Whether a stage is about which version gets what.
fn is_of_versions(kind: &StageKind) -> bool {
    matches!(kind, StageKind::AbTest(_) | StageKind::Ramp(_) | StageKind::Watch(_) | StageKind::Promote(_))
}

/// As the engine counts time.
pub(in super::super) fn millis(duration: std::time::Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
