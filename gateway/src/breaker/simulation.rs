//! Random traffic, outcomes, lengths and changes of the configuration, beside a model that remembers every single answer and
//! counts anew each time.

use fastrand::Rng;
use rollgate_config::condition::Condition;

use super::*;

const SEEDS: u64 = 256;
const STEPS: usize = 1_500;

#[test]
fn a_breaker_does_what_a_model_of_it_does() {
    let mut trips = 0;
    let (mut recovered, mut again) = (0, 0);
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        (0..STEPS).for_each(|_| run.step());
        trips += run.model.trips;
        recovered += run.model.recovered;
        again += run.model.again;
    }
    // The runs are only worth something if all of it happens.
    assert!(
        trips > 1_000 && recovered > 500 && again > 100,
        "{trips} trips, {recovered} recoveries, {again} broken off"
    );
}

struct Run {
    seed: u64,
    random: Rng,
    breaker: Breaker,
    condition: usize,
    model: Model,
    open: Vec<Open>,
    /// How often the backend fails, of a hundred.
    failing: u32,
}

/// A request under way.
struct Open {
    ticket: Ticket,
    epoch: u64,
    began: u64,
    worker: usize,
}

/// What is known of the breaker, in milliseconds.
struct Model {
    now: u64,
    settings: Settings,
    phase: Phase,
    since: u64,
    allowed: u64,
    denied: u64,
    /// The settings were, since the phase began.
    changed: bool,
    epoch: u64,
    due: u64,
    answers: Vec<Answer>,
    trips: u64,
    recovered: u64,
    again: u64,
}

struct Answer {
    at: u64,
    epoch: u64,
    status: u16,
    latency: u64,
}

const CONDITIONS: [&str; 3] = [
    "NetworkErrorRatio() > 0.3",
    "ResponseCodeRatio(500, 600, 0, 600) >= 0.5 && RequestThreshold() > 15",
    "LatencyAtQuantileMS(80.0) > 300 || !(NetworkErrorRatio() < 0.9)",
];

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let condition = random.usize(..CONDITIONS.len());
        let settings = settings(&mut random);
        let plan = Plan::new(&Condition::parse(CONDITIONS[condition]).unwrap().expression);
        let name = Name { middleware: "cb@file".into(), place: BreakerPlace::Service("canary@file".into()) };
        let breaker = Breaker::new(name, Arc::new(plan), settings, WORKERS, Around::default());
        let model = Model::new(settings);
        Self { seed, random, breaker, condition, model, open: Vec::new(), failing: 0 }
    }

    fn now(&self) -> Instant {
        clock::at(Duration::from_millis(self.model.now))
    }

    fn step(&mut self) {
        let pace = if self.random.u8(..50) == 0 { 8_000 } else { 60 };
        self.model.pass(self.random.u64(..pace));
        match self.random.u8(..200) {
            0 => {
                let settings = settings(&mut self.random);
                self.model.configure(settings);
                self.breaker.configure(settings, self.now());
            }
            1..4 => self.failing = [0, 0, 30, 60, 100][self.random.usize(..5)],
            4..100 => self.begin(),
            _ => self.end(),
        }
        self.compare();
    }

    fn begin(&mut self) {
        let decision = self.breaker.ask(self.now());
        let expected = self.model.ask();
        assert_eq!(decision.is_ok(), expected, "seed {}: {:?}", self.seed, self.model.shown());
        match decision {
            Ok(epoch) => {
                let (now, worker) = (self.now(), self.random.usize(..WORKERS));
                let ticket = self.breaker.ticket(worker, epoch, || now);
                self.open.push(Open { ticket, epoch: self.model.epoch, began: self.model.now, worker });
            }
            Err(Denied { for_now }) if self.model.phase == Phase::Tripped => {
                let left = self.model.since + ms(self.model.settings.fallback) - self.model.now;
                assert_eq!(for_now, Duration::from_millis(left), "seed {}", self.seed);
            }
            Err(Denied { for_now }) => assert!(for_now.is_zero()),
        }
    }

    fn end(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let Open { mut ticket, epoch, began, worker } = self.open.swap_remove(self.random.usize(..self.open.len()));
        assert!(worker < WORKERS);
        let fails = self.random.u32(..100) < self.failing;
        let status = match (fails, self.random.u8(..10)) {
            (true, 0..6) => [502, 504][self.random.usize(..2)],
            (true, _) => 500,
            (false, 0) => 404,
            (false, _) => 200,
        };
        // Far from the bound of the condition, which the histogram knows only to a hundredth.
        let latency = self.model.now - began;
        let near = (290..=310).contains(&latency);
        if !near {
            // A client may leave before there is an answer.
            let status = if self.random.u8(..30) == 0 { 499 } else { status };
            if status != 499 {
                ticket.learns(status);
            }
            ticket.finish(self.now());
            self.model.answered(Answer { at: self.model.now, epoch, status, latency }, self.condition);
        } else {
            self.open.push(Open { ticket, epoch, began, worker });
        }
    }

    fn compare(&mut self) {
        let status = self.breaker.shared.status(self.now());
        let model = &self.model;
        let context = || format!("seed {}: {:?} beside {:?}", self.seed, status, model.shown());
        assert_eq!(status.phase, model.phase, "{}", context());
        let ends = model.ends().map(|end| Duration::from_millis(end - model.now));
        assert_eq!(status.ends_in, ends, "{}", context());
        assert_eq!(status.transitions[1].1, model.trips, "{}", context());
        // A recovery that was made longer may have let through more than is due now.
        if model.phase == Phase::Recovering && model.allowed > 0 && !model.changed {
            let due = 0.5 * (model.now - model.since) as f64 / ms(model.settings.recovery) as f64;
            assert!(model.allowed as f64 / ((model.allowed + model.denied) as f64) < due, "{}", context());
        }
    }
}

impl Model {
    fn new(settings: Settings) -> Self {
        // Seconds begin anywhere.
        let now = 3_333_333;
        let answers = Vec::new();
        Self {
            now,
            settings,
            phase: Phase::Standby,
            since: now,
            allowed: 0,
            denied: 0,
            changed: false,
            epoch: 0,
            due: 0,
            answers,
            trips: 0,
            recovered: 0,
            again: 0,
        }
    }

    fn shown(&self) -> (u64, Phase, u64, u64, Settings) {
        (self.now, self.phase, self.since, self.epoch, self.settings)
    }

    fn ends(&self) -> Option<u64> {
        match self.phase {
            Phase::Standby => None,
            Phase::Tripped => Some(self.since + ms(self.settings.fallback)),
            Phase::Recovering => Some(self.since + ms(self.settings.recovery)),
        }
    }

    fn turn(&mut self, to: Phase, at: u64) {
        self.trips += u64::from(to == Phase::Tripped);
        self.recovered += u64::from(to == Phase::Standby);
        self.again += u64::from(to == Phase::Tripped && self.phase == Phase::Recovering);
        (self.phase, self.since, self.allowed, self.denied, self.changed) = (to, at, 0, 0, false);
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        while let Some(end) = self.ends().filter(|end| *end <= self.now) {
            let next = if self.phase == Phase::Tripped { Phase::Recovering } else { Phase::Standby };
            self.turn(next, end);
        }
    }

    fn configure(&mut self, settings: Settings) {
        (self.settings, self.changed) = (settings, true);
        self.due = self.due.min(self.now + ms(settings.check_period));
        if self.ends().is_some_and(|end| end <= self.now) {
            let next = if self.phase == Phase::Tripped { Phase::Recovering } else { Phase::Standby };
            self.turn(next, self.now);
        }
    }

    fn ask(&mut self) -> bool {
        match self.phase {
            Phase::Standby => true,
            Phase::Tripped => false,
            Phase::Recovering => {
                let asked = self.allowed + self.denied + 1;
                let passes = 2 * (self.allowed + 1) * ms(self.settings.recovery) < asked * (self.now - self.since);
                *if passes { &mut self.allowed } else { &mut self.denied } += 1;
                passes
            }
        }
    }

    fn answered(&mut self, answer: Answer, condition: usize) {
        if answer.epoch != self.epoch {
            return;
        }
        self.answers.push(answer);
        if self.now < self.due {
            return;
        }
        self.due = self.now + ms(self.settings.check_period);
        let recent: Vec<&Answer> = self.of_epoch().filter(|answer| self.now / 1_000 - answer.at / 1_000 < 10).collect();
        if self.phase != Phase::Tripped
            && recent.len() >= self.settings.min_requests as usize
            && self.holds(condition, &recent)
        {
            self.epoch += 1;
            self.turn(Phase::Tripped, self.now);
        }
    }

    fn of_epoch(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.epoch == self.epoch)
    }

    fn holds(&self, condition: usize, recent: &[&Answer]) -> bool {
        let share = |of: &dyn Fn(u16) -> bool| {
            recent.iter().filter(|answer| of(answer.status)).count() as f64 / recent.len() as f64
        };
        let network = || share(&|status| status == 502 || status == 504);
        match condition {
            0 => network() > 0.3,
            1 => share(&|status| status >= 500) >= 0.5 && recent.len() > 15,
            _ => {
                let minute = self.of_epoch().filter(|answer| self.now / 10_000 - answer.at / 10_000 < 6);
                let mut latencies: Vec<u64> = minute.map(|answer| answer.latency).collect();
                latencies.sort_unstable();
                let wanted = (0.8 * latencies.len() as f64 + 0.5) as usize;
                latencies[wanted.clamp(1, latencies.len()) - 1] > 300 || network() >= 0.9
            }
        }
    }
}

fn settings(random: &mut Rng) -> Settings {
    Settings {
        check_period: Duration::from_millis([1, 100, 700][random.usize(..3)]),
        fallback: Duration::from_millis(random.u64(1..9_000)),
        recovery: Duration::from_millis(random.u64(1..9_000)),
        min_requests: [0, 1, 10, 20][random.usize(..4)],
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

const WORKERS: usize = 3;
