//! A service with two versions, its requests, and the judge of the trial that lies over it.
//!
//! ```text
//! flow, shares -> streams (one for each kind of answer) -> until something matters -> booked -> looked at -> said
//! ```
//!
//! What matters is what can change a look: an error of the canary, which wakes the judge; and at the judge's next tick a slow answer
//! of it, or the request that makes its evidence start again. Where each tick can change something (both versions fail, an audience
//! is watched, no threshold is known) each is looked at.

use std::{collections::BTreeMap, time::Duration};

use rollgate_analysis::{Answers, TICK_MS, Tally, latency::ENOUGH, restarts::RESTART_EVERY};
use rollgate_config::{
    dynamic::rollout::analysis::{Analysis, Slow},
    scalar::Weight,
};
use rollgate_gateway::{Kept, Rehearsal, TrialVerdict};

use super::{
    Micros,
    answer_times::AnswerTimes,
    budget::Account,
    flow::{Flow, Group, Held},
    micros,
    scene::{Scene, Shares},
    stream::{Random, Stream, binomial},
};

/// The service.
pub(super) struct Site<'p> {
    scene: &'p Scene,
    times: &'p AnswerTimes,
    random: Random,
    now: Micros,
    held: Held,
    is_braked: bool,
    /// When the judge has put the brake on.
    braked_at: Option<Micros>,
    trial: Option<Trying>,
    canary: Canary,
    account: Account<'p>,
    /// There is no more to be taken from the account: it stands still.
    is_spent: bool,
    /// Looks at each tick, whether it can change anything or not.
    pub(super) is_thorough: bool,
}

/// A trial under way.
struct Trying {
    rehearsal: Rehearsal,
    group: Group,
    said: TrialVerdict,
    /// The canary's requests since its evidence has started again, as of the last look.
    since_restart: u64,
    /// Those that have come after it.
    unseen: u64,
    /// The canary's requests in the step.
    in_step: u64,
    /// The next tick that matters.
    look_at: Option<Micros>,
    /// Stable's answers that the judge's histogram does not have yet, and those of them that are slow.
    unspread: (u64, u64),
    /// All of them.
    answers: u64,
    /// So many may be enough for a first threshold.
    first_threshold: u64,
    /// How long the canary warms up.
    discard: Micros,
    /// Parts of requests that have arrived and are not told.
    arrived: f64,
}

/// What has become of the canary.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Canary {
    /// When it got its first request, or could have.
    pub(super) began: Option<Micros>,
    /// When it became as bad as it is said to be.
    pub(super) broke: Option<Micros>,
    /// Its requests.
    pub(super) requests: u64,
    /// Those of them that came before it broke.
    pub(super) good: u64,
}

/// What playing is to stop for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wants {
    /// Something that may let the canary have more.
    pub(super) news: bool,
    /// So many requests of the canary in the step.
    pub(super) in_step: Option<u64>,
}

/// What it has stopped for, if not for its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stop {
    /// The judge says something else than before.
    pub(super) said: bool,
    /// What was wanted has come.
    pub(super) wanted: bool,
}

/// What comes of one version until a stop.
#[derive(Debug, Clone, Copy)]
struct Streams {
    errors: Stream,
    slow: Stream,
    fine: Stream,
}

impl<'p> Site<'p> {
    pub(super) fn new(
        scene: &'p Scene,
        times: &'p AnswerTimes,
        held: Held,
        random: Random,
        account: Account<'p>,
    ) -> Self {
        let (trial, canary) = (None, Canary::default());
        Self {
            scene,
            times,
            random,
            now: 0,
            held,
            is_braked: false,
            braked_at: None,
            trial,
            canary,
            account,
            is_spent: false,
            is_thorough: false,
        }
    }

    pub(super) fn now(&self) -> Micros {
        self.now
    }

    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    pub(super) fn canary(&self) -> &Canary {
        &self.canary
    }

    pub(super) fn has_trial(&self) -> bool {
        self.trial.is_some()
    }

    pub(super) fn rehearsal(&self) -> Option<&Rehearsal> {
        self.trial.as_ref().map(|trial| &trial.rehearsal)
    }

    /// When the judge has stopped the canary.
    pub(super) fn braked_at(&self) -> Option<Micros> {
        self.braked_at
    }

    /// What the judge says.
    pub(super) fn said(&self) -> TrialVerdict {
        self.trial.as_ref().map_or(TrialVerdict::Clear, |trial| trial.said)
    }

    /// The canary's requests in the step.
    pub(super) fn in_step(&self) -> u64 {
        self.trial.as_ref().map_or(0, |trial| trial.in_step)
    }

    #[cfg(test)]
    pub(super) fn since_restart(&self) -> u64 {
        self.trial.as_ref().map_or(0, |trial| trial.since_restart)
    }

    /// Whether the judge counts what comes.
    pub(super) fn is_counting(&self) -> bool {
        self.trial.as_ref().is_none_or(|trial| trial.rehearsal.counts(false, Duration::ZERO))
    }

    /// When the judge looks next whether the canary has warmed up, if it has had its first request.
    pub(super) fn warm_at(&self) -> Option<Micros> {
        self.trial.as_ref().and_then(|trial| trial.look_at)
    }

    /// Time passes in which nobody is judged.
    pub(super) fn skip(&mut self, until: Micros) {
        self.now = self.now.max(until);
    }

    pub(super) fn weigh(&mut self, weights: &BTreeMap<String, Weight>, stable: &str, canary: &str) {
        self.held = Held::of(weights, stable, canary);
    }

    pub(super) fn brake(&mut self, is_braked: bool) {
        self.is_braked = is_braked;
    }

    /// A trial in place of the one that is there, whose brake ends with it.
    pub(super) fn lay(&mut self, trial: Option<(Rehearsal, Group)>, analysis: &Analysis) {
        if self.said() == TrialVerdict::RollBack {
            self.is_braked = false;
        }
        self.trial = trial.map(|(rehearsal, group)| Trying::new(rehearsal, group, analysis));
    }

    /// A step of the trial begins.
    pub(super) fn next_step(&mut self) {
        let now = Duration::from_micros(self.now);
        if let Some(trial) = &mut self.trial {
            trial.spread(self.times, &mut self.random);
            trial.rehearsal.next_step(now);
            (trial.since_restart, trial.unseen, trial.in_step) = (0, 0, 0);
        }
    }

    /// Requests come until then, or until something has come that somebody waits for.
    pub(super) fn play(&mut self, until: Micros, wants: Wants) -> Stop {
        let mut stop = Stop::default();
        while stop == Stop::default() && self.now < until && !self.is_spent {
            stop = self.piece(until, wants);
            self.is_spent = !self.account.take();
        }
        stop
    }

    /// A look of somebody's; true if the judge says something else now.
    pub(super) fn look(&mut self, is_tick: bool) -> bool {
        let now = Duration::from_micros(self.now);
        let Some(trial) = &mut self.trial else { return false };
        trial.since_restart += std::mem::take(&mut trial.unseen);
        let restarts = trial.since_restart >= RESTART_EVERY;
        if restarts || (is_tick && trial.wants_threshold() && trial.missing() == 0) {
            trial.spread(self.times, &mut self.random);
        }
        if restarts {
            trial.since_restart = 0;
        }
        let said = trial.rehearsal.look(is_tick, now);
        if let Some(said) = said {
            trial.said = said;
            if said == TrialVerdict::RollBack {
                (self.is_braked, self.braked_at) = (true, Some(self.now));
            }
        }
        said.is_some()
    }

    /// Until something matters.
    fn piece(&mut self, until: Micros, wants: Wants) -> Stop {
        let is_counting = self.is_counting();
        let mut flow = self.flow();
        if !is_counting {
            flow = Flow { besides: flow.to_canary(), ..Flow::default() };
        }
        self.begin(&flow);
        let Some(trial) = &mut self.trial else {
            self.now = until;
            return Stop::default();
        };
        let needs_each_tick = self.is_thorough || (is_counting && trial.needs_each_tick());
        if !self.is_braked && needs_each_tick {
            trial.look_at.get_or_insert(self.now - self.now % TICK + TICK);
        }
        let since = self.now - self.canary.began.unwrap_or(self.now);
        let shares = self.scene.shares(since, self.canary.broke.is_some());
        let changes = self.now.saturating_add(shares.until.saturating_sub(since));
        let until = until.min(changes).min(trial.look_at.unwrap_or(Micros::MAX));
        let [mut canary, mut stable] = trial.streams(&flow, &shares, (self.scene, self.times));
        let mut besides = Stream::new(flow.besides);
        // When the first thing comes that matters.
        let random = &mut self.random;
        let mut first = canary.errors.when(1, random);
        let breaks_in = self.scene.break_after.filter(|_| self.canary.broke.is_none());
        let breaks_in = breaks_in.map(|after| after.saturating_sub(self.canary.requests).max(1));
        if trial.look_at.is_none() || breaks_in.is_some() {
            first = first.min(canary.slow.when(1, random));
        }
        let warms_up = !is_counting && trial.look_at.is_none();
        if breaks_in.is_some() || warms_up {
            first = first.min(besides.when(1, random));
        }
        if let Some(next) = trial.next_request(&wants, breaks_in) {
            first = first.min(canary.fine.when(next, random));
        }
        if wants.news {
            first = first.min(stable.errors.when(1, random));
        }
        if trial.wants_threshold() && trial.missing() > 0 {
            first = first.min(stable.fine.when(trial.missing(), random));
        }
        let ends = until - self.now;
        let lasts = if first < ends as f64 { (first.ceil() as Micros).min(ends) } else { ends };
        // How much comes until then.
        let long = lasts as f64;
        let answers = Answers { canary: canary.count(long, random), stable: stable.count(long, random) };
        let besides = besides.count(long, random);
        trial.arrived += self.scene.per_micro() * long;
        self.now += lasts;
        let is_first = self.came(&flow, answers, besides);
        let stop = self.looks(&answers.canary, &answers.stable, wants);
        Stop { wanted: stop.wanted || is_first, ..stop }
    }

    fn flow(&self) -> Flow {
        match &self.trial {
            _ if self.is_braked => Flow::default(),
            Some(trial) => Flow::of(self.scene.per_micro(), &self.held, &trial.group),
            None => Flow::default(),
        }
    }

    /// The canary gets its first requests.
    fn begin(&mut self, flow: &Flow) {
        if flow.to_canary() > 0.0 && self.canary.began.is_none() {
            self.canary.began = Some(self.now);
            if self.scene.break_after.unwrap_or(0) == 0 {
                self.canary.broke = Some(self.now);
            }
        }
    }

    /// What has come is counted. True if the canary begins to warm up with it.
    fn came(&mut self, flow: &Flow, answers: Answers, besides: u64) -> bool {
        let Some(trial) = &mut self.trial else { return false };
        let mut is_first = false;
        let booked = answers.canary.requests;
        if booked + besides > 0 && !trial.rehearsal.counts(true, Duration::from_micros(self.now)) {
            // At the first one it is known when the canary will have warmed up.
            is_first = trial.look_at.is_none();
            trial.look_at.get_or_insert_with(|| (self.now + trial.discard).next_multiple_of(TICK));
        }
        let arrived = trial.arrived as u64;
        trial.arrived -= arrived as f64;
        trial.rehearsal.arrived(arrived);
        if answers != Answers::default() {
            trial.rehearsal.book(flow.w, &answers);
        }
        trial.unseen += booked;
        trial.in_step += booked;
        if trial.rehearsal.wants_latencies() {
            let Tally { requests, errors, slow, .. } = answers.stable;
            trial.answers += requests - errors;
            trial.unspread.0 += requests - errors;
            trial.unspread.1 += slow;
        }
        self.canary.requests += booked + besides;
        if let Some(after) = self.scene.break_after
            && self.canary.broke.is_none()
            && self.canary.requests >= after
        {
            (self.canary.broke, self.canary.good) = (Some(self.now), self.canary.requests);
        }
        is_first
    }

    /// The judge looks, if it would.
    fn looks(&mut self, canary: &Tally, stable: &Tally, wants: Wants) -> Stop {
        let mut stop = Stop::default();
        let Some(trial) = &mut self.trial else { return stop };
        if canary.slow > 0 || trial.since_restart + trial.unseen >= RESTART_EVERY {
            trial.look_at.get_or_insert_with(|| self.now.next_multiple_of(TICK));
        }
        let is_enough = wants.in_step.is_some_and(|enough| trial.in_step >= enough);
        stop.wanted = is_enough || (wants.news && (canary.requests > canary.errors || stable.errors > 0));
        let is_due = trial.look_at.is_some_and(|at| at <= self.now);
        if is_due {
            trial.look_at = None;
        }
        if canary.errors > 0 {
            stop.said |= self.look(false);
        }
        if is_due {
            stop.said |= self.look(true);
        }
        stop
    }
}

impl Trying {
    fn new(rehearsal: Rehearsal, group: Group, analysis: &Analysis) -> Self {
        let state = rehearsal.state();
        Self {
            rehearsal,
            group,
            said: TrialVerdict::Clear,
            since_restart: match &state.evidence {
                Kept::Compared(rule) => rule.since_restart,
                Kept::Watched(_) => 0,
            },
            unseen: 0,
            in_step: state.step_requests,
            look_at: None,
            unspread: (0, 0),
            answers: 0,
            first_threshold: match analysis.latency.map(|latency| latency.slow) {
                // Rounding may make it one less.
                Some(Slow::Quantile(share)) => (ENOUGH as f64 / (1.0 - share.fraction())) as u64 - 1,
                Some(Slow::Threshold(_)) | None => 0,
            },
            discard: micros(analysis.discard),
            arrived: 0.0,
        }
    }

    /// Whether any tick can change what the judge says.
    fn needs_each_tick(&self) -> bool {
        let is_watched = matches!(self.group, Group::Audience(_, None));
        let has_enough = self.wants_threshold() && self.missing() == 0;
        is_watched || has_enough || self.said == TrialVerdict::Hold
    }

    /// There is no threshold of slow answers yet: it is taken as soon as there is one.
    fn wants_threshold(&self) -> bool {
        self.rehearsal.wants_latencies() && self.rehearsal.slow_after().is_none()
    }

    /// Answers of stable's before which there is none.
    fn missing(&self) -> u64 {
        self.first_threshold.saturating_sub(self.answers)
    }

    /// The canary's next request but errors and slow answers that matters, from 1.
    fn next_request(&self, wants: &Wants, breaks_in: Option<u64>) -> Option<u64> {
        let restart = RESTART_EVERY.saturating_sub(self.since_restart + self.unseen);
        let restart = self.look_at.is_none().then_some(restart);
        let in_step = wants.in_step.map(|enough| enough.saturating_sub(self.in_step));
        let news = wants.news.then_some(1);
        [restart, in_step, news, breaks_in].into_iter().flatten().min().map(|next| next.max(1))
    }

    /// What comes of the canary, and of stable.
    fn streams(&self, flow: &Flow, shares: &Shares, (scene, times): (&Scene, &AnswerTimes)) -> [Streams; 2] {
        let tau = self.rehearsal.slow_after();
        let streams = |rate: f64, fails: f64, slow: f64| {
            let answers = rate * (1.0 - fails);
            let slow = tau.map_or(0.0, |tau| times.longer(tau, slow));
            Streams {
                errors: Stream::new(rate * fails),
                slow: Stream::new(answers * slow),
                fine: Stream::new(answers * (1.0 - slow)),
            }
        };
        [
            streams(flow.canary, shares.canary, shares.slow_canary),
            streams(flow.stable, shares.stable, scene.slow_baseline),
        ]
    }

    /// Gives the judge the times of stable's answers, of which only the number was drawn yet.
    fn spread(&mut self, times: &AnswerTimes, random: &mut Random) {
        let tau = self.rehearsal.slow_after();
        let (all, slow) = std::mem::take(&mut self.unspread);
        for (answers, are_slow) in [(all - slow, false), (slow, true)] {
            let places = times.places(tau, are_slow);
            let (mut left, mut share) = (answers, places.clone().map(|(_, share)| share).sum::<f64>());
            let mut last = None;
            for (place, part) in places {
                if left == 0 {
                    break;
                }
                let here = binomial(left, part / share, random);
                self.rehearsal.took(place, here as u32);
                (left, share, last) = (left - here, share - part, Some(place));
            }
            // What rounding has left over.
            if let Some(place) = last.filter(|_| left > 0) {
                self.rehearsal.took(place, left as u32);
            }
        }
    }
}

impl Streams {
    fn count(&self, until: f64, random: &mut Random) -> Tally {
        let [errors, slow, fine] = [self.errors, self.slow, self.fine].map(|stream| stream.count(until, random));
        Tally { requests: errors + slow + fine, errors, slow, ..Tally::default() }
    }
}

/// Between two looks that nothing has woken.
pub(super) const TICK: Micros = TICK_MS * 1000;
