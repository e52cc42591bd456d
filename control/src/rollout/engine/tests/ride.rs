//! A rollout that a test takes through its events by hand.

use std::collections::BTreeMap;

use rollgate_config::{
    dynamic::rollout::Pipeline,
    scalar::{Share, Weight},
    static_config::Role,
};

use super::super::*;
use crate::store::Owner;

pub(super) struct Ride {
    pub(super) pipeline: Pipeline,
    pub(super) rollout: Rollout,
    pub(super) now: Millis,
    /// All that were returned, in their order.
    pub(super) effects: Vec<Effect>,
    pub(super) canceled: Vec<String>,
}

pub(super) fn rollout(pipeline: &Pipeline) -> Rollout {
    let link_key = LinkKey("0123456789abcdef".to_owned());
    let (id, name) = ("r1", "shop@file");
    Rollout::new(Order { id, pipeline: name, actor: "ann", salt: "salt", link_key, build: None }, pipeline, 0)
}

/// Stable has all, the configuration decides.
pub(super) fn before() -> Before {
    let weights = [("stable@file", 3_000_000), ("canary@file", 0), ("other@file", 1_000_000)];
    let weights = weights.into_iter().map(|(version, weight)| (version.to_owned(), Weight(weight)));
    Before { weights: Weights(weights.collect()), owner: Owner::None, brake: None }
}

pub(super) fn admin() -> Caller {
    Caller { name: "bob".to_owned(), role: Role::Admin, token: None, link: None }
}

pub(super) fn evidence(advance: bool, step_requests: u64) -> Evidence {
    Evidence {
        canary: Tally { requests: 200, errors: 4, slow: 1 },
        stable: Tally { requests: 20_000, errors: 210, slow: 100 },
        step_requests,
        ln_e: BTreeMap::from([("errors".to_owned(), 0.25), ("slow".to_owned(), -0.5)]),
        ln_not_inferior: Some(3.25),
        advance,
        busiest: Some(Busiest { requests: 30, share: Share(50_000) }),
        says: "4 of 200 failed, and 210 of 20,000 of stable".to_owned(),
        ..Evidence::default()
    }
}

impl Ride {
    pub(super) fn new(pipeline: Pipeline) -> Self {
        let rollout = rollout(&pipeline);
        Self { pipeline, rollout, now: 1_000, effects: Vec::new(), canceled: Vec::new() }
    }

    /// One that has begun.
    pub(super) fn begun(pipeline: Pipeline) -> Self {
        let mut ride = Self::new(pipeline);
        ride.event(Event::Begin);
        ride
    }

    pub(super) fn ask(&mut self, event: Event) -> Result<Step, Refusal> {
        let step = step(&self.rollout, &self.pipeline, event, self.now)?;
        let written = step.rollout.write();
        assert_eq!(Rollout::read(&written).as_ref(), Ok(&step.rollout), "it is read as it is written");
        self.rollout = step.rollout.clone();
        self.effects.extend(step.effects.iter().cloned());
        self.canceled.extend(step.canceled.iter().map(|id| id.0.clone()));
        Ok(step)
    }

    pub(super) fn event(&mut self, event: Event) -> Step {
        self.ask(event).expect("it is possible")
    }

    /// So many seconds later.
    pub(super) fn after(&mut self, seconds: i64) -> Step {
        self.now += seconds * 1000;
        self.event(Event::Tick)
    }

    /// The names of what is under way.
    pub(super) fn under_way(&self) -> Vec<&'static str> {
        self.rollout.outstanding.iter().map(|outstanding| outstanding.effect.what.name()).collect()
    }

    pub(super) fn end(&mut self, what: &str, outcome: Outcome) -> Step {
        let mut outstanding = self.rollout.outstanding.iter();
        let found = outstanding.find(|outstanding| outstanding.effect.what.name() == what);
        let Some(found) = found else { panic!("{what} is not under way, but {:?}", self.under_way()) };
        let id = found.effect.id.clone();
        self.event(Event::EffectDone { id, outcome })
    }

    pub(super) fn done(&mut self, what: &str) -> Step {
        let outcome = if what == "read" { Outcome::Weights(before()) } else { Outcome::DONE };
        self.end(what, outcome)
    }

    pub(super) fn failed(&mut self, what: &str) -> Step {
        self.end(what, Outcome::Failed { why: format!("{what} is broken") })
    }

    /// All effects for traffic come to their end, and those that follow.
    pub(super) fn traffic(&mut self) {
        let is_traffic = |outstanding: &&Outstanding| {
            let what = &outstanding.effect.what;
            what.lane() == Lane::Traffic || *what == What::ReadWeights
        };
        while let Some(outstanding) = self.rollout.outstanding.iter().find(is_traffic) {
            self.done(outstanding.effect.what.name());
        }
    }

    /// Everything that is under way comes to its end, and what follows.
    pub(super) fn all(&mut self) {
        while let Some(outstanding) = self.rollout.outstanding.first() {
            self.done(outstanding.effect.what.name());
        }
    }

    pub(super) fn look(&mut self, evidence: Evidence) -> Step {
        let of = self.rollout.trial.as_ref().expect("a trial").look.clone();
        self.event(Event::Evidence { of, evidence: Box::new(evidence), judge: Some("judge".into()) })
    }

    pub(super) fn verdict(&mut self, verdict: Verdict) -> Step {
        let trial = self.rollout.trial.as_ref().expect("a trial").id.clone();
        self.event(Event::Verdict { trial, verdict })
    }

    pub(super) fn worse(&mut self) -> Step {
        let evidence = Evidence { says: "9 of 10 failed".to_owned(), ..evidence(false, 10) };
        self.verdict(Verdict::RollBack { family: "errors".to_owned(), evidence: Box::new(evidence) })
    }

    pub(super) fn wants(&mut self, action: Action) -> Result<Step, Refusal> {
        self.ask(Event::Operator(Asked { action, by: admin(), reason: Some("so it is".to_owned()) }))
    }

    pub(super) fn acts(&mut self, action: Action) -> Step {
        self.wants(action).expect("it is possible")
    }

    /// Goes on until the stage has begun.
    pub(super) fn to(mut self, stage: &str) -> Self {
        while self.rollout.record().name != stage {
            assert!(!self.rollout.status.is_end(), "{} before {stage}", self.rollout.progress());
            let kind = self.rollout.record().kind.clone();
            let first = self.rollout.outstanding.first().map(|outstanding| outstanding.effect.what.name());
            match (&*kind, first) {
                (_, Some(what)) => drop(self.done(what)),
                ("approve", None) => drop(self.acts(Action::Approve)),
                _ if self.rollout.record().gives_traffic() => {
                    self.now += 600_000;
                    self.look(evidence(true, 100));
                }
                _ => drop(self.after(600)),
            }
        }
        self
    }

    /// The weights that were wanted, in percent of the canary's; what was restored is `before`, what was left `left`.
    pub(super) fn weights(&self) -> Vec<String> {
        let told = |effect: &Effect| match &effect.what {
            What::SetWeights { canary, .. } => Some(canary.to_string()),
            What::Promote { .. } => Some("promoted".to_owned()),
            What::RestoreWeights { .. } => Some("before".to_owned()),
            What::Leave => Some("left".to_owned()),
            _ => None,
        };
        self.effects.iter().filter_map(told).collect()
    }

    /// The states of the stages.
    pub(super) fn states(&self) -> Vec<String> {
        let records = self.rollout.stages.iter().chain(&self.rollout.on_failure);
        records.map(|record| format!("{} {:?} {}", record.name, record.state, record.attempt)).collect()
    }
}
