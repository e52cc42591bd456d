//! A world in memory for a rollout: a store, a data plane, people, and a process that does effects and may be killed anywhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rollgate_config::dynamic::rollout::{OnFailure, Pipeline, stage::StageKind};

use super::{super::*, pipelines::*, ride};

/// What becomes of it, whoever is killed when.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    seed: u64,
    pub(super) pipeline: Pipeline,
    /// The stages of traffic in which something happens, and what.
    troubles: Vec<(usize, Trouble)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    /// The canary is worse in the step, so many looks after it began.
    Worse { step: usize, looks: u64 },
    /// Both versions fail for five looks.
    Outage { step: usize },
    /// Its servers are down for some time.
    Down,
    /// Somebody pauses it, and goes on a minute later.
    Pause { step: usize },
    /// Somebody takes it back.
    Abort { step: usize },
    /// Somebody gives it to all.
    Promote { step: usize },
    /// Another build is deployed.
    Build { step: usize },
}

/// The process is killed.
#[derive(Debug)]
pub(super) struct Killed;

/// Asked wherever the process may be killed. The texts are the same in each run of a scenario.
pub(super) trait Killer {
    fn kills(&mut self, point: &str) -> bool;
}

/// What outlives the process.
pub(super) struct World {
    scenario: Scenario,
    now: Millis,
    /// The store.
    stored: Rollout,
    /// The service: its share, and whose it is.
    pub(super) live: Option<(String, Weights)>,
    pub(super) brake: bool,
    pub(super) protection: Option<Protection>,
    /// Effects whose end is stored.
    ended: BTreeSet<EffectId>,
    /// How often each was done.
    pub(super) done: BTreeMap<EffectId, u32>,
    /// What people have done that was answered.
    acted: BTreeSet<String>,
    /// Until when the canary's servers are down.
    down: Option<Millis>,
}

/// What does not: the data plane's trial, and what is in memory.
struct Process {
    rollout: Rollout,
    trial: Option<Laid>,
    events: VecDeque<Event>,
}

struct Laid {
    id: EffectId,
    look: EffectId,
    step: usize,
    /// The judge's.
    looks: u64,
    /// Since the step began in this process.
    requests: u64,
    is_braked: bool,
    holds: bool,
}

impl Scenario {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut kinds: Vec<StageKind> = Vec::new();
        let mut maybe = |kinds: &mut Vec<StageKind>, kind: fn() -> StageKind| {
            if random.below(3) > 0 {
                kinds.push(kind());
            }
        };
        for kind in [job, deploy, approve, ab_test] {
            maybe(&mut kinds, kind);
        }
        kinds.push(ramp());
        for kind in [webhook, approve, protect, || wait(60), promote, webhook] {
            maybe(&mut kinds, kind);
        }
        let on_failure = match random.below(3) {
            0 => OnFailure::Rollback,
            1 => OnFailure::Hold,
            _ => OnFailure::Stages(stages(vec![webhook(), approve(), wait(5)])),
        };
        let pipeline = pipeline(kinds, on_failure);
        let mut troubles = Vec::new();
        for (stage, _) in pipeline.stages.iter().enumerate().filter(|(_, stage)| is_traffic(&stage.kind)) {
            let step = random.below(3) as usize;
            for _ in 0..random.below(3) {
                let trouble = match random.below(9) {
                    0 | 1 => Trouble::Worse { step, looks: 1 + random.below(4) },
                    2 | 3 => Trouble::Outage { step },
                    4 => Trouble::Down,
                    5 => Trouble::Pause { step },
                    6 => Trouble::Build { step },
                    7 => Trouble::Abort { step },
                    _ => Trouble::Promote { step },
                };
                troubles.push((stage, trouble));
            }
        }
        Self { seed, pipeline, troubles }
    }

    /// A number that depends on nothing but the scenario and a text.
    fn fate(&self, text: &str, of: u64) -> u64 {
        let hash = text.bytes().fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Random(hash | 1).below(of)
    }
}

fn is_traffic(kind: &StageKind) -> bool {
    matches!(kind, StageKind::AbTest(_) | StageKind::Ramp(_))
}

impl World {
    pub(super) fn new(scenario: Scenario) -> Self {
        let stored = ride::rollout(&scenario.pipeline);
        let (ended, done, acted) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        let (live, brake, protection, down) = (None, false, None, None);
        Self { scenario, now: 1_000, stored, live, brake, protection, ended, done, acted, down }
    }

    /// To the rollout's end, through as many processes as it takes.
    pub(super) fn run(&mut self, killer: &mut dyn Killer) -> Rollout {
        let mut killed = 0_u32;
        loop {
            match self.live(killer) {
                Ok(rollout) => return rollout,
                Err(Killed) => killed += 1,
            }
            assert!(killed < 5_000, "it comes to no end: {}", self.stored.progress());
        }
    }

    /// One process, from its start.
    fn live(&mut self, killer: &mut dyn Killer) -> Result<Rollout, Killed> {
        let rollout = Rollout::read(&self.stored.write()).expect("it is read as it is written");
        let mut process = Process { rollout, trial: None, events: VecDeque::new() };
        process.events.push_back(Event::Resumed);
        if process.rollout.status == Status::Pending {
            process.events.push_back(Event::Begin);
        }
        for _ in 0..3_000 {
            while let Some(event) = process.events.pop_front() {
                self.take(&mut process, event, killer)?;
            }
            if process.rollout.status.is_end() {
                return Ok(process.rollout);
            }
            self.now += 5_000;
            self.happens(&mut process);
            process.events.push_back(Event::Tick);
        }
        panic!(
            "{} waits for {}",
            process.rollout.progress(),
            process.rollout.waits_for(&self.scenario.pipeline, self.now)
        );
    }

    /// A step: stored first, then done.
    fn take(&mut self, process: &mut Process, event: Event, killer: &mut dyn Killer) -> Result<(), Killed> {
        let name = point(&process.rollout, &event);
        if killer.kills(&format!("before {name}")) {
            return Err(Killed);
        }
        let step = step(&process.rollout, &self.scenario.pipeline, event.clone(), self.now).expect("it is possible");
        let before = std::mem::replace(&mut process.rollout, step.rollout);
        if !step.must_be_kept {
            assert!(step.effects.is_empty());
            return Ok(());
        }
        self.stored = process.rollout.clone();
        match &event {
            Event::EffectDone { id, .. } if before.outstanding.iter().any(|known| known.effect.id == *id) => {
                self.ended.insert(id.clone());
            }
            Event::Operator(_) | Event::NewBuild { .. } => drop(self.acted.insert(act_of(&before, &event))),
            _ => {}
        }
        if killer.kills(&format!("after {name}")) {
            return Err(Killed);
        }
        for effect in step.effects {
            assert!(!self.ended.contains(&effect.id), "{} has come to its end, and is done again", effect.id);
            if killer.kills(&format!("before {}", known(&effect.id))) {
                return Err(Killed);
            }
            let outcome = self.perform(process, &effect);
            *self.done.entry(effect.id.clone()).or_default() += 1;
            if killer.kills(&format!("with {}", known(&effect.id))) {
                return Err(Killed);
            }
            process.events.push_back(Event::EffectDone { id: effect.id, outcome });
        }
        Ok(())
    }

    fn perform(&mut self, process: &mut Process, effect: &Effect) -> Outcome {
        let may_fail = matches!(
            effect.what,
            What::RunJob
                | What::CallWebhook
                | What::WaitHealthy { .. }
                | What::WriteBack { .. }
                | What::AskApproval { .. }
        );
        if may_fail && self.scenario.fate(&effect.id.0, 12) == 0 {
            return Outcome::Failed { why: "broken".to_owned() };
        }
        let mine = format!("rollout:{}", process.rollout.id);
        match &effect.what {
            What::ReadWeights => return Outcome::Weights(ride::before()),
            What::SetWeights { weights, takes, .. } => {
                let is_mine = self.live.as_ref().is_some_and(|(owner, _)| *owner == mine);
                assert!(is_mine || (*takes && self.live.is_none()), "{} takes what it has not", effect.id);
                self.live = Some((mine, weights.clone()));
            }
            What::BeginTrial { mode } => {
                let step = if let Mode::Randomised { step, .. } = mode { *step } else { 0 };
                let (of, looks) = process
                    .rollout
                    .judge
                    .clone()
                    .map_or((0, 0), |judge| serde_json::from_value(judge).expect("it is what it has given"));
                let looks = if of == step { looks } else { 0 };
                let (id, look) = (effect.id.clone(), effect.id.clone());
                let (requests, is_braked, holds) = (0, false, false);
                process.trial = Some(Laid { id, look, step, looks, requests, is_braked, holds });
            }
            What::NextStratum { step, .. } => {
                let trial = process.trial.as_mut().expect("a trial is laid");
                (trial.look, trial.step, trial.looks, trial.requests) = (effect.id.clone(), *step, 0, 0);
            }
            What::EndTrial => process.trial = None,
            What::Brake { .. } => self.brake = true,
            What::ReleaseBrake => {
                self.brake = false;
                if let Some(trial) = &mut process.trial {
                    trial.is_braked = false;
                }
            }
            What::RestoreWeights { before } => {
                assert_eq!(before, &ride::before());
                self.live = None;
            }
            What::Protect { protection } => self.protection = Some(protection.clone()),
            What::Unprotect => self.protection = None,
            What::Promote { weights, .. } if self.brake => {
                return Outcome::Failed { why: format!("the canary is braked: {weights:?}") };
            }
            What::Promote { weights, .. } => {
                process.trial = None;
                self.live = Some(("api".to_owned(), weights.clone()));
            }
            What::Leave => {
                process.trial = None;
                let (owner, _) = self.live.as_mut().expect("there are weights to leave");
                *owner = "api".to_owned();
            }
            What::RunJob
            | What::CallWebhook
            | What::WaitHealthy { .. }
            | What::AskApproval { .. }
            | What::WriteBack { .. }
            | What::Notify { .. } => {}
        }
        Outcome::DONE
    }

    /// What the data plane and people do within five seconds.
    fn happens(&mut self, process: &mut Process) {
        if let Some(until) = self.down.filter(|until| self.now >= *until) {
            // However often it is told.
            process.events.push_back(Event::CanaryAvailable);
            if self.now >= until + 600_000 {
                self.down = None;
            }
        }
        self.people(process);
        self.data_plane(process);
    }

    fn people(&mut self, process: &mut Process) {
        let rollout = &process.rollout;
        let attempt = format!("{}/{}", rollout.record().name, rollout.record().attempt);
        let action = match rollout.pause.as_ref() {
            Some(pause) if pause.kind == PauseKind::Asked => (self.now >= pause.at + 60_000).then_some(Action::Resume),
            Some(_) if rollout.record().attempt < 3 => Some(Action::Retry),
            Some(_) if rollout.is_promoted => Some(Action::Skip),
            Some(_) => Some([Action::Skip, Action::Abort][self.scenario.fate(&attempt, 2) as usize]),
            None if rollout.status == Status::Waiting => {
                let denies = self.scenario.fate(&attempt, 6) == 0;
                Some(if denies { Action::Deny } else { Action::Approve })
            }
            None => None,
        };
        process.events.extend(action.map(asked));
    }

    fn data_plane(&mut self, process: &mut Process) {
        let rollout = &process.rollout;
        let Some(trial) = &mut process.trial else { return };
        let index = rollout.trial.as_ref().filter(|known| known.id == trial.id).map(|known| known.stage);
        let (Some(stage), false) = (index, trial.is_braked || self.brake) else { return };
        trial.looks += 1;
        trial.requests += 5;
        let (step, looks) = (trial.step, trial.looks);
        let is_here = rollout.at == At { of: List::Main, index: stage } && rollout.pause.is_none();
        let troubles = self.scenario.troubles.iter().filter(|(at, _)| *at == stage).map(|(_, trouble)| *trouble);
        let mut holds = false;
        for trouble in troubles {
            let event = match trouble {
                Trouble::Worse { step: at, looks: after } if at == step && looks >= after => {
                    trial.is_braked = true;
                    let evidence = Box::new(Evidence { says: "worse".to_owned(), ..ride::evidence(false, 1) });
                    let verdict = Verdict::RollBack { family: "errors".to_owned(), evidence };
                    process.events.push_back(Event::Verdict { trial: trial.id.clone(), verdict });
                    return;
                }
                Trouble::Outage { step: at } => {
                    holds |= at == step && (2..7).contains(&looks);
                    continue;
                }
                Trouble::Down if is_here && looks >= 2 => Event::CanaryUnavailable { why: "down".to_owned() },
                Trouble::Pause { step: at } if is_here && at == step && looks >= 2 => asked(Action::Pause),
                Trouble::Abort { step: at } if is_here && at == step && looks >= 3 => asked(Action::Abort),
                Trouble::Promote { step: at } if is_here && at == step && looks >= 3 => asked(Action::Promote),
                Trouble::Build { step: at } if is_here && at == step && looks >= 3 => {
                    Event::NewBuild { build: format!("v{}", stage + 2) }
                }
                _ => continue,
            };
            let act = act_of(rollout, &event);
            if matches!(event, Event::CanaryUnavailable { .. }) {
                if self.acted.insert(act) {
                    self.down = Some(self.now + 60_000);
                    process.events.push_back(event);
                }
            } else if !self.acted.contains(&act) {
                process.events.push_back(event);
                // One at a time: it may change what the next would be about.
                return;
            }
        }
        if holds != trial.holds {
            trial.holds = holds;
            let evidence = Box::new(Evidence { says: "both fail".to_owned(), ..ride::evidence(false, 1) });
            let verdict = if holds { Verdict::Hold { evidence } } else { Verdict::Clear };
            process.events.push_back(Event::Verdict { trial: trial.id.clone(), verdict });
        }
        let evidence = Box::new(ride::evidence(looks >= 8, trial.requests));
        let (of, judge) = (trial.look.clone(), Some(serde_json::json!([step, looks])));
        process.events.push_back(Event::Evidence { of, evidence, judge });
    }
}

fn asked(action: Action) -> Event {
    Event::Operator(Asked { action, by: ride::admin(), reason: Some("so it is".to_owned()) })
}

/// What somebody does once.
fn act_of(rollout: &Rollout, event: &Event) -> String {
    let stage = rollout.trial.as_ref().map(|trial| trial.stage);
    match event {
        Event::Operator(asked) => format!("{stage:?} {}", asked.action),
        Event::NewBuild { build } => format!("build {build}"),
        _ => format!("{stage:?} down"),
    }
}

/// Where a transition is, in a text that comes once or a few times in a run.
fn point(rollout: &Rollout, event: &Event) -> String {
    let record = rollout.record();
    let at = format!("{}/{}/{}", record.name, record.attempt, record.steps.len());
    match event {
        Event::EffectDone { id, .. } => format!("the end of {}", known(id)),
        Event::Operator(asked) => format!("{} at {at}", asked.action),
        Event::Verdict { verdict: Verdict::RollBack { .. }, .. } => format!("worse at {at}"),
        Event::Verdict { verdict, .. } => format!("{} at {at}", matches!(verdict, Verdict::Clear)),
        Event::Evidence { .. } => format!("look at {at}"),
        Event::Resumed => format!("resumed at {at}"),
        Event::NewBuild { build } => format!("build {build}"),
        Event::Begin | Event::Tick | Event::CanaryUnavailable { .. } | Event::CanaryAvailable => {
            format!("time at {at}")
        }
        Event::ConfigurationChanged(_) | Event::Replaced { .. } => format!("configuration at {at}"),
    }
}

/// A trial is laid under another id by each process.
fn known(id: &EffectId) -> &str {
    id.0.split_once("/trial.").map_or(&id.0, |(before, _)| before)
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, of: u64) -> u64 {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        (self.0 >> 11) % of
    }
}
