//! One rollout: the engine, what it wants done, and what it is told when, as in [`super::super::conductor`] and
//! [`super::super::observer`].
//!
//! All effects are done at once, and approvals given at once; `wait` takes its time. A look is told every half second in reality; here
//! only one that can have consequences is.

use std::{collections::VecDeque, time::Duration};

use rollgate_analysis::Advance;
use rollgate_config::{
    dynamic::rollout::{
        Pipeline,
        stage::{Ramp, StageKind},
    },
    static_config::Role,
};
use rollgate_gateway::{Rehearsal, TrialVerdict};

use super::{
    End, Micros, Plan, Run, StepRun,
    answer_times::AnswerTimes,
    budget::{Account, Budget},
    flow::{Group, Held},
    micros,
    site::{Site, TICK, Wants},
    stream::seeded,
};
use crate::{
    rollout::{
        engine::{
            self, Action, Asked, Before, Caller, Effect, Event, Happened, LinkKey, Millis, Mode, Order, Outcome,
            Rollout, Status, Verdict, Weights, What,
        },
        judge,
    },
    store::Owner,
};

/// Whoever leads a rollout through its stages.
pub(super) struct Player<'p> {
    plan: &'p Plan,
    site: Site<'p>,
    rollout: Rollout,
    /// When the judge's new word is told.
    verdict_at: Option<Micros>,
    /// When the next look is told.
    evidence_at: Option<Micros>,
    end: Option<(End, Micros)>,
    family: Option<String>,
}

/// What the stage waits for from looks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Waits {
    /// Nothing.
    Nothing,
    /// The canary to have warmed up, at that time if it has had its first request.
    Warmth(Option<Micros>),
    /// A step's time to be over.
    Time(Micros),
    /// So many requests of the canary in the step.
    Requests(u64),
    /// Evidence for the canary, with this margin.
    Evidence(f64),
}

impl<'p> Player<'p> {
    pub(super) fn new(plan: &'p Plan, (times, budget): (&'p AnswerTimes, &'p Budget), seed: u64, run: u64) -> Self {
        let pipeline = &plan.pipeline;
        let held = Held::of(&plan.weights, &pipeline.stable.value, &pipeline.canary.value);
        let order = Order {
            id: "simulated",
            pipeline: "simulated",
            actor: "simulate",
            salt: "",
            link_key: LinkKey(String::new()),
            build: None,
        };
        Self {
            plan,
            site: Site::new(&plan.scene, times, held, seeded(seed, run), Account::of(budget)),
            rollout: Rollout::new(order, pipeline, 0),
            verdict_at: None,
            evidence_at: None,
            end: None,
            family: None,
        }
    }

    /// To its end.
    pub(super) fn play(mut self) -> Run {
        self.tell(Event::Begin);
        loop {
            if let Some((end, at)) = self.end.take() {
                return self.run(end, at);
            }
            if self.site.is_spent() {
                self.end(End::Held);
                continue;
            }
            let due = self.rollout.due(self.pipeline()).map(as_micros).filter(|due| *due > self.site.now());
            match due {
                _ if self.site.has_trial() => self.judged(due),
                Some(due) => {
                    self.site.skip(due);
                    self.tell(Event::Tick);
                }
                None => self.end(End::Failed("nothing is waited for".to_owned())),
            }
        }
    }

    /// Looks at each tick, and tells all of it.
    #[cfg(test)]
    pub(super) fn thorough(mut self) -> Self {
        self.site.is_thorough = true;
        self
    }

    fn pipeline(&self) -> &'p Pipeline {
        &self.plan.pipeline
    }

    /// Until the next thing that is told.
    fn judged(&mut self, due: Option<Micros>) {
        let waits = self.waits();
        if let Waits::Warmth(Some(warm_at)) = waits {
            // As long as it warms up, the step's time begins anew at each look: only the last one counts.
            let last = (warm_at - 1) / EVIDENCE * EVIDENCE;
            self.evidence_at = Some(last).filter(|last| *last > self.site.now());
        }
        if self.site.is_thorough {
            self.evidence_at.get_or_insert_with(|| self.site.now() - self.site.now() % EVIDENCE + EVIDENCE);
        }
        let over = match waits {
            Waits::Time(over) => Some(over),
            _ => None,
        };
        let limit = self.site.canary().began.map(|began| began.saturating_add(micros(self.plan.scene.limit)));
        let limit = limit.unwrap_or_else(|| self.site.now().saturating_add(micros(self.plan.scene.limit)));
        let until = [due, over, self.verdict_at, self.evidence_at].into_iter().flatten().fold(limit, Micros::min);
        let wants = Wants {
            news: matches!(waits, Waits::Evidence(_)) && self.evidence_at.is_none(),
            in_step: if let Waits::Requests(requests) = waits { Some(requests) } else { None },
        };
        let stop = self.site.play(until, wants);
        let now = self.site.now();
        if stop.said {
            self.verdict_at.get_or_insert_with(|| now.next_multiple_of(TICK));
        }
        if stop.wanted || over.is_some_and(|over| over <= now) {
            self.evidence_at.get_or_insert_with(|| now.next_multiple_of(EVIDENCE));
        }
        if self.verdict_at.is_some_and(|at| at <= now) {
            self.tell_verdict();
        } else if self.evidence_at.is_some_and(|at| at <= now) {
            self.tell_evidence(waits);
        }
        if due.is_some_and(|due| due <= now) {
            self.tell(Event::Tick);
        }
        if limit <= now && self.end.is_none() {
            self.end(End::Held);
        }
    }

    /// Which looks can have consequences; the engine itself decides which have.
    fn waits(&self) -> Waits {
        let (rollout, record) = (&self.rollout, self.rollout.record());
        let Some(trial) = rollout.trial.as_ref().filter(|trial| trial.stage == rollout.at.index && record.is_active())
        else {
            return Waits::Nothing;
        };
        if !self.site.is_counting() {
            return Waits::Warmth(self.site.warm_at());
        }
        let kind = rollout.at.stage(self.pipeline()).map(|stage| &stage.kind);
        match (kind, &trial.mode, record.work.clock) {
            (Some(StageKind::AbTest(test)), ..) if record.work.requests < test.requests => {
                Waits::Requests(test.requests)
            }
            (Some(StageKind::Ramp(ramp)), Mode::Randomised { step, margin }, Some(clock)) => {
                let Some(step) = ramp.steps.get(*step) else { return Waits::Nothing };
                let over = as_micros(clock.when(micros(step.min_duration).div_ceil(1000) as Millis));
                match () {
                    () if over > self.site.now() => Waits::Time(over),
                    () if self.site.in_step() < step.min_requests => Waits::Requests(step.min_requests),
                    () => Waits::Evidence(*margin),
                }
            }
            _ => Waits::Nothing,
        }
    }

    fn tell_verdict(&mut self) {
        self.verdict_at = None;
        // Nothing else is told in the same look.
        self.evidence_at = Some(self.site.now() - self.site.now() % EVIDENCE + EVIDENCE);
        let (Some(rehearsal), Some(trial)) = (self.site.rehearsal(), &self.rollout.trial) else { return };
        let found = rehearsal.evidence();
        let evidence = || Box::new(judge::evidence(|margin| rehearsal.advance(margin), &found, &self.rollout));
        let trial = trial.id.clone();
        let verdict = match found.verdict {
            TrialVerdict::Clear => Verdict::Clear,
            TrialVerdict::Hold => Verdict::Hold { evidence: evidence() },
            TrialVerdict::RollBack => {
                let family = judge::family(&found);
                self.family = Some(family.clone());
                Verdict::RollBack { family, evidence: evidence() }
            }
        };
        self.tell(Event::Verdict { trial, verdict });
    }

    fn tell_evidence(&mut self, waits: Waits) {
        self.evidence_at = None;
        if self.site.look(false) {
            return self.tell_verdict();
        }
        let (Some(rehearsal), Some(trial)) = (self.site.rehearsal(), &self.rollout.trial) else { return };
        let has_consequences = match waits {
            _ if self.site.is_thorough => true,
            Waits::Warmth(_) | Waits::Requests(_) => true,
            Waits::Evidence(margin) => {
                let answer = rehearsal.advance(margin).map(|progress| progress.answer);
                self.site.said() == TrialVerdict::Clear
                    && matches!(answer, Some(Advance::NotInferior | Advance::PromiseKept))
            }
            Waits::Nothing | Waits::Time(_) => false,
        };
        if has_consequences {
            let found = rehearsal.evidence();
            let evidence = judge::evidence(|margin| rehearsal.advance(margin), &found, &self.rollout);
            let (of, judge) = (trial.look.clone(), Some(judge::kept(&rehearsal.state())));
            self.tell(Event::Evidence { of, evidence: Box::new(evidence), judge });
        }
    }

    /// The engine takes an event in, and all that it wants done is.
    fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = (self.site.now() / 1000) as Millis;
            let step = match engine::step(&self.rollout, self.pipeline(), event, now) {
                Ok(step) => step,
                Err(refusal) => return self.end(End::Failed(refusal.to_string())),
            };
            self.rollout = step.rollout;
            if step.entries.iter().any(|entry| matches!(entry.happened, Happened::Promoted)) {
                self.end(End::Promoted);
            }
            for effect in step.effects {
                let outcome = self.done(&effect);
                events.push_back(Event::EffectDone { id: effect.id, outcome });
            }
            if events.is_empty()
                && self.rollout.status == Status::Waiting
                && let Some(link) = self.rollout.nonce()
            {
                let by = Caller { name: "simulate".to_owned(), role: Role::Admin, token: None, link: Some(link) };
                events.push_back(Event::Operator(Asked { action: Action::Approve, by, reason: None }));
            }
        }
        self.look_at_the_end();
    }

    /// Whether it is decided.
    fn look_at_the_end(&mut self) {
        let why = || self.rollout.reason.clone().unwrap_or_default();
        let end = match self.rollout.status {
            _ if self.family.is_some() => End::RolledBack,
            Status::Succeeded => End::Promoted,
            Status::Failed | Status::RolledBack | Status::Canceled | Status::Paused => End::Failed(why()),
            Status::Pending | Status::Running | Status::Waiting => return,
        };
        self.end(end);
    }

    /// The first one counts.
    fn end(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some((end, self.site.now()));
        }
    }

    /// Does an effect.
    fn done(&mut self, effect: &Effect) -> Outcome {
        let (stable, canary) = (&self.pipeline().stable.value, &self.pipeline().canary.value);
        match &effect.what {
            What::ReadWeights => {
                let weights = Weights(self.plan.weights.clone());
                return Outcome::Weights(Before { weights, owner: Owner::None, brake: None });
            }
            What::SetWeights { weights, .. } => self.site.weigh(&weights.0, stable, canary),
            What::RestoreWeights { before } => self.site.weigh(&before.weights.0, stable, canary),
            What::BeginTrial { mode } => {
                if let Err(why) = self.begin_trial(effect, mode) {
                    return Outcome::Failed { why };
                }
                self.evidence_at = None;
            }
            What::NextStratum { .. } => self.site.next_step(),
            What::Brake { .. } => self.site.brake(true),
            What::ReleaseBrake => self.site.brake(false),
            What::Promote { weights, .. } => {
                self.site.weigh(&weights.0, stable, canary);
                self.site.lay(None, &self.pipeline().analysis);
            }
            What::EndTrial | What::Leave => self.site.lay(None, &self.pipeline().analysis),
            What::RunJob
            | What::CallWebhook
            | What::WaitHealthy { .. }
            | What::AskApproval { .. }
            | What::Protect { .. }
            | What::Unprotect
            | What::WriteBack { .. }
            | What::Notify { .. } => {}
        }
        Outcome::DONE
    }

    fn begin_trial(&mut self, effect: &Effect, mode: &Mode) -> Result<(), String> {
        let group = match (mode, effect.stage(self.pipeline()).map(|stage| &stage.kind)) {
            (Mode::Randomised { .. }, Some(StageKind::Ramp(Ramp { .. }))) => Group::All,
            (Mode::Audience, Some(StageKind::AbTest(test))) => Group::Audience(self.plan.scene.audience, test.draw),
            _ => return Err("the stage gives the canary no traffic".to_owned()),
        };
        let compares = !matches!(group, Group::Audience(_, None));
        let begin = |kept| Rehearsal::begin(&self.pipeline().analysis, compares, kept);
        let kept = self.rollout.judge.as_ref().and_then(judge::state);
        // What an audience was watched by is no evidence for a comparison, nor the other way round.
        let rehearsal = begin(kept).or_else(|_| begin(None)).map_err(|why| why.to_string())?;
        self.site.lay(Some((rehearsal, group)), &self.pipeline().analysis);
        Ok(())
    }

    fn run(&self, end: End, at: Micros) -> Run {
        let canary = self.site.canary();
        let braked = if end == End::RolledBack { self.site.braked_at() } else { None };
        let at = braked.unwrap_or(at);
        Run {
            end,
            took: Duration::from_micros(at),
            requests: if canary.broke.is_some() { canary.requests - canary.good } else { 0 },
            verdict: braked
                .zip(canary.broke)
                .map(|(braked, broke)| Duration::from_micros(braked.saturating_sub(broke))),
            family: self.family.clone(),
            steps: self.steps(at),
        }
    }

    fn steps(&self, at: Micros) -> Vec<StepRun> {
        let stages = self.rollout.stages.iter().enumerate();
        let steps = stages.flat_map(|(stage, record)| {
            record.steps.iter().enumerate().map(move |(step, record)| {
                let ended = record.ended.map_or(at, as_micros);
                let lasted = ended.saturating_sub(record.started.map_or(ended, as_micros));
                let requests = if record.ended.is_some() { record.requests } else { self.site.in_step() };
                StepRun { stage, step, lasted: Duration::from_micros(lasted), requests, passed: record.ended.is_some() }
            })
        });
        steps.collect()
    }
}

fn as_micros(millis: Millis) -> Micros {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1000)
}

/// Between two looks that are told.
const EVIDENCE: Micros = 5 * TICK;
