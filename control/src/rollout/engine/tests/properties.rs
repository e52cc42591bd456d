//! What holds whatever happens, in whatever order.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::select};
use rollgate_config::{
    dynamic::rollout::{OnFailure, Pipeline, stage::StageKind},
    scalar::Share,
    static_config::Role,
};

use super::{super::*, pipelines::*, ride};
use crate::store::Owner;

#[derive(Debug, Clone)]
enum Op {
    Tick(i64),
    /// The nth of those that are under way comes to its end.
    End(usize, End),
    /// One that has come to its end does so again, or one that nobody knows.
    Again(usize, End),
    Act(Action, Role, bool),
    Worse(bool),
    Hold,
    Clear,
    Look {
        advance: bool,
        requests: u64,
        discarding: bool,
        is_late: bool,
    },
    Down,
    Up,
    Gone,
    Drifted,
    Build(u8),
    Resumed,
    Replaced,
    Begin,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Done,
    Failed,
    /// Of weights: an earlier rollout has left its brake.
    Braked,
    /// Of weights: they are somebody else's.
    Owned,
}

fn pipelines() -> impl Strategy<Value = Pipeline> {
    let kind = select(vec![
        job(),
        deploy(),
        approve(),
        ab_test(),
        ramp(),
        ramp(),
        watch(),
        wait(20),
        webhook(),
        protect(),
        promote(),
    ]);
    let after = vec(select(vec![job(), approve(), webhook(), wait(20), protect()]), 1..3);
    let on_failure = prop_oneof![
        Just(OnFailure::Rollback),
        Just(OnFailure::Hold),
        after.prop_map(|kinds: Vec<StageKind>| OnFailure::Stages(stages(kinds))),
    ];
    (vec(kind, 1..7), on_failure).prop_map(|(kinds, on_failure)| pipeline(kinds, on_failure))
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let end =
        || prop_oneof![8 => Just(End::Done), 1 => Just(End::Failed), 1 => Just(End::Braked), 1 => Just(End::Owned)];
    let op = prop_oneof![
        4 => (0..200_i64).prop_map(Op::Tick),
        16 => (0..3_usize, end()).prop_map(|(which, end)| Op::End(which, end)),
        1 => (0..40_usize, end()).prop_map(|(which, end)| Op::Again(which, end)),
        4 => (select(Action::ALL.to_vec()), select(Role::ALL.to_vec()), any::<bool>())
            .prop_map(|(action, role, reason)| Op::Act(action, role, reason)),
        1 => any::<bool>().prop_map(Op::Worse),
        1 => Just(Op::Hold),
        1 => Just(Op::Clear),
        8 => (any::<bool>(), 0..40_u64, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
            |(advance, requests, discarding, is_late)| Op::Look { advance, requests, discarding, is_late }
        ),
        1 => Just(Op::Down),
        2 => Just(Op::Up),
        1 => prop_oneof![Just(Op::Gone), Just(Op::Drifted), Just(Op::Begin), Just(Op::Drifted)],
        1 => (0..3_u8).prop_map(Op::Build),
        1 => Just(Op::Replaced),
        2 => Just(Op::Resumed),
    ];
    vec(op, 0..120)
}

fn outcome(effect: &Effect, end: End) -> Outcome {
    let brake = BrakeSeen { by: "rollout:r0".to_owned(), of_rollout: true, reason: None };
    match (&effect.what, end) {
        (_, End::Failed) => Outcome::Failed { why: "broken".to_owned() },
        (What::ReadWeights, End::Braked) => Outcome::Weights(Before { brake: Some(brake), ..ride::before() }),
        (What::ReadWeights, End::Owned) => {
            Outcome::Weights(Before { owner: Owner::Kubernetes("argo".to_owned()), ..ride::before() })
        }
        (What::ReadWeights, End::Done) => Outcome::Weights(ride::before()),
        _ => Outcome::Done { output: Some("said".to_owned()) },
    }
}

/// A rollout, and what was seen of it.
struct Watched {
    pipeline: Pipeline,
    rollout: Rollout,
    now: Millis,
    ended: BTreeSet<EffectId>,
    /// Every id that was given, in order.
    given: Vec<EffectId>,
    /// Effects that have moved weights, or may have.
    moving: Vec<(EffectId, &'static str)>,
}

impl Watched {
    fn event(&self, op: Op) -> Option<Event> {
        let trial = || self.rollout.trial.as_ref();
        let old = || EffectId("r1/ramp/0/trial".to_owned());
        let evidence = |advance, requests| Box::new(ride::evidence(advance, requests));
        let event = match op {
            Op::Tick(_) => Event::Tick,
            Op::Begin => Event::Begin,
            Op::End(which, end) => {
                let effect = &self.rollout.outstanding.get(which)?.effect;
                Event::EffectDone { id: effect.id.clone(), outcome: outcome(effect, end) }
            }
            Op::Again(which, end) => {
                let id = self.given.get(which).filter(|id| self.ended.contains(id));
                let id = id.cloned().unwrap_or_else(|| EffectId("r1/x/1/job".to_owned()));
                let at = At { of: List::Main, index: 0 };
                let outcome = outcome(&Effect { id: id.clone(), at, what: What::RunJob }, end);
                Event::EffectDone { id, outcome }
            }
            Op::Act(action, role, has_reason) => {
                let by = Caller { name: "bob".to_owned(), role, token: None, link: None };
                Event::Operator(Asked { action, by, reason: has_reason.then(|| "so it is".to_owned()) })
            }
            Op::Worse(is_late) => {
                let id = if is_late { old() } else { trial()?.id.clone() };
                let (family, evidence) = ("errors".to_owned(), evidence(false, 1));
                Event::Verdict { trial: id, verdict: Verdict::RollBack { family, evidence } }
            }
            Op::Hold => {
                let verdict = Verdict::Hold { evidence: evidence(false, 1) };
                Event::Verdict { trial: trial()?.id.clone(), verdict }
            }
            Op::Clear => Event::Verdict { trial: trial()?.id.clone(), verdict: Verdict::Clear },
            Op::Look { advance, requests, discarding, is_late } => {
                let of = if is_late { old() } else { trial()?.look.clone() };
                let evidence = Box::new(Evidence { discarding, ..ride::evidence(advance, requests) });
                Event::Evidence { of, evidence, judge: Some("judge".into()) }
            }
            Op::Down => Event::CanaryUnavailable { why: "down".to_owned() },
            Op::Up => Event::CanaryAvailable,
            Op::Gone => Event::ConfigurationChanged(Change::Gone { why: "gone".to_owned() }),
            Op::Drifted => Event::ConfigurationChanged(Change::Drifted { why: "drifted".to_owned() }),
            Op::Build(build) => Event::NewBuild { build: build.to_string() },
            Op::Resumed => Event::Resumed,
            Op::Replaced => Event::Replaced { why: "another one begins".to_owned() },
        };
        Some(event)
    }

    fn take(&mut self, event: Event) -> Result<(), TestCaseError> {
        let possible = self.rollout.possible();
        let step = match step(&self.rollout, &self.pipeline, event.clone(), self.now) {
            Ok(step) => step,
            Err(refusal) => {
                let Event::Operator(asked) = event else { panic!("{event:?} is refused: {refusal}") };
                let is_for_all = asked.by.role == Role::Admin && asked.reason.is_some();
                prop_assert!(!is_for_all || !possible.contains(&asked.action), "{}", refusal);
                return Ok(());
            }
        };
        if let Event::Operator(asked) = &event {
            prop_assert!(possible.contains(&asked.action), "{} was not said to be possible", asked.action);
        }
        self.check_effects(&step, &event)?;
        check_state(&self.rollout, &step.rollout)?;
        if !step.must_be_kept {
            prop_assert!(step.effects.is_empty() && step.entries.is_empty() && step.canceled.is_empty());
            prop_assert_eq!(&step.rollout.outstanding, &self.rollout.outstanding);
            prop_assert_eq!(step.rollout.status, self.rollout.status);
        }
        if let Event::EffectDone { id, outcome } = &event
            && self.rollout.outstanding.iter().any(|outstanding| outstanding.effect.id == *id)
        {
            self.ended.insert(id.clone());
            if matches!(outcome, Outcome::Failed { .. }) {
                self.moving.retain(|(moving, _)| moving != id);
            }
        }
        prop_assert_eq!(Rollout::read(&step.rollout.write()), Ok(step.rollout.clone()));
        self.rollout = step.rollout;
        let seen = (self.rollout.progress(), self.rollout.waits_for(&self.pipeline, self.now));
        prop_assert!(!seen.0.is_empty() && !seen.1.is_empty());
        prop_assert!(self.rollout.plan(&self.pipeline).iter().filter(|planned| planned.is_current).count() == 1);
        Ok(())
    }

    fn check_effects(&mut self, step: &Step, event: &Event) -> Result<(), TestCaseError> {
        let (before, after) = (&self.rollout, &step.rollout);
        for effect in &step.effects {
            let id = &effect.id;
            prop_assert!(!self.ended.contains(id), "{} has come to its end, and is begun again", id);
            let is_known = self.given.contains(id);
            prop_assert!(
                !is_known || matches!(event, Event::Resumed) || !was_under_way(before, id),
                "{} is begun twice",
                id
            );
            if !is_known {
                self.given.push(id.clone());
            }
            prop_assert!(effect.stage(&self.pipeline).is_some());
            let name = effect.what.name();
            match &effect.what {
                What::SetWeights { canary, weights, .. } => {
                    let was = before.share.unwrap_or_default();
                    let is_calm = after.pause.is_none() && after.outage.is_none() && after.unavailable.is_none();
                    prop_assert!(is_calm || *canary <= before.weighed.unwrap_or_default(), "{} while held", id);
                    prop_assert!(after.brake.is_none() || *canary <= was, "{} while braked", id);
                    prop_assert!(*canary <= Share(500_000));
                    let sum: u64 = weights.0.values().map(|weight| weight.0).sum();
                    prop_assert_eq!(sum, 4_000_000);
                    let trial = after.trial.as_ref();
                    prop_assert!(canary.0 == 0 || trial.is_some_and(|trial| trial.is_laid), "{} is not judged", id);
                }
                What::Promote { .. } => {
                    let is_forced = after.record().work.is_forced;
                    prop_assert!(after.pause.is_none() && after.brake.is_none() && after.unavailable.is_none());
                    prop_assert!(after.outage.is_none() || is_forced);
                }
                _ => {}
            }
            if matches!(name, "weights" | "promote" | "restore" | "leave") {
                self.moving.push((id.clone(), name));
            }
        }
        let of_lane = |of: &'static [Lane]| {
            let outstanding = after.outstanding.iter().map(|outstanding| &outstanding.effect.what);
            outstanding.filter(move |what| of.contains(&what.lane()) && !matches!(what, What::Brake { .. })).count()
        };
        // What is not wanted any more may still be on its way, and nothing that has to wait for it is begun.
        prop_assert!(of_lane(&[Lane::Run, Lane::Traffic]) <= 1, "{:?}", after.outstanding);
        Ok(())
    }
}

fn was_under_way(rollout: &Rollout, id: &EffectId) -> bool {
    rollout.outstanding.iter().any(|outstanding| outstanding.effect.id == *id)
}

fn check_state(before: &Rollout, after: &Rollout) -> Result<(), TestCaseError> {
    let active = after.stages.iter().chain(&after.on_failure).filter(|record| record.is_active()).count();
    prop_assert!(active <= 1, "{} stages are under way", active);
    prop_assert!(active == 0 || after.record().is_active(), "another stage than the one it is at is under way");
    if before.status.is_end() {
        let mut same = after.clone();
        // But for people who could not be told.
        same.outstanding.clone_from(&before.outstanding);
        same.history.clone_from(&before.history);
        prop_assert!(same == *before, "an end is final");
    }
    if after.status.is_end() {
        let lanes: Vec<Lane> = after.outstanding.iter().map(|outstanding| outstanding.effect.what.lane()).collect();
        prop_assert!(lanes.iter().all(|lane| *lane == Lane::Tell), "{:?} at the end", lanes);
        prop_assert!(after.program.is_empty() && after.trial.is_none() && after.ended.is_some());
        prop_assert!(active == 0 && after.pause.is_none() && after.ending.is_none());
    }
    prop_assert_eq!(after.status == Status::Paused, after.pause.is_some());
    prop_assert!(after.history.len() <= 1000);
    Ok(())
}

/// Whoever helps it along from here brings it to an end.
fn finish(watched: &mut Watched) -> Result<(), TestCaseError> {
    for _ in 0..500 {
        let rollout = &watched.rollout;
        if rollout.status.is_end() && rollout.outstanding.is_empty() {
            return Ok(());
        }
        watched.now += 3_600_000;
        let op = match rollout.pause.as_ref().map(|pause| pause.kind) {
            _ if rollout.status == Status::Pending => Op::Begin,
            _ if !rollout.outstanding.is_empty() => Op::End(0, End::Done),
            _ if rollout.unavailable.is_some() => Op::Up,
            _ if rollout.outage.is_some() => Op::Clear,
            Some(PauseKind::Asked) => Op::Act(Action::Resume, Role::Admin, true),
            Some(_) => Op::Act(Action::Skip, Role::Admin, true),
            None if rollout.is_watching() => Op::Act(Action::Skip, Role::Admin, true),
            None if rollout.status == Status::Waiting => Op::Act(Action::Approve, Role::Admin, true),
            None if rollout.record().gives_traffic() && rollout.trial.is_some() => {
                Op::Look { advance: true, requests: 1000, discarding: false, is_late: false }
            }
            None => Op::Tick(0),
        };
        let event = watched.event(op).expect("what it is about is there");
        watched.take(event)?;
    }
    let waits = watched.rollout.waits_for(&watched.pipeline, watched.now);
    Err(TestCaseError::fail(format!("{} waits for {waits}", watched.rollout.progress())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(pipeline in pipelines(), ops in ops()) {
        let rollout = ride::rollout(&pipeline);
        let (ended, given, moving) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut watched = Watched { pipeline, rollout, now: 1_000, ended, given, moving };
        watched.take(Event::Begin)?;
        for op in ops {
            if let Op::Tick(seconds) = op {
                watched.now += seconds * 1000;
            }
            if let Some(event) = watched.event(op) {
                watched.take(event)?;
            }
        }
        finish(&mut watched)?;
        let (rollout, last) = (&watched.rollout, watched.moving.last().map(|(_, name)| *name));
        match rollout.status {
            Status::RolledBack | Status::Canceled => prop_assert!(matches!(last, None | Some("restore")), "{:?}", last),
            Status::Succeeded => prop_assert!(matches!(last, None | Some("restore" | "promote" | "leave")), "{:?}", last),
            Status::Failed => {}
            other => prop_assert!(false, "{} is no end", other),
        }
        prop_assert!(rollout.share.is_none() || matches!(rollout.status, Status::Succeeded | Status::Failed));
    }
}
