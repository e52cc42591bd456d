//! A stage whose canary is not drawn: an audience is led to it by header, cookie, query or address.
//!
//! Such clients differ from the others, so there is no comparison, and the verdict says so. The promise decides, and
//! what happens while stable breaks it too does not count: an outage of both would otherwise roll back every canary.
//! A canary with half of the traffic leaves too little stable traffic to watch; where a comparison is wanted, draw
//! inside the audience.

use crate::{
    counts::Tally,
    promised::breaks,
    restarts::{self, RESTART_EVERY, Restarted},
    settings::{Settings, Unfit},
};

/// One audience's stage.
#[derive(Debug, Clone)]
pub struct Audience {
    settings: Settings,
    p0: f64,
    process: Restarted,
    since_restart: u64,
    counted: Tally,
    left_out: u64,
    watch: Watch,
}

/// All that has to be kept of an [`Audience`] besides its settings. Stable's last seconds are not: they begin anew.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AudienceState {
    /// The canary's failures against the promise.
    pub process: restarts::State,
    /// Requests of the canary since the last restart.
    pub since_restart: u64,
    /// The canary's answers that count.
    pub counted: Tally,
    /// Requests of the canary that do not count, because stable broke the promise.
    pub left_out: u64,
}

/// What one tick shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudienceLook {
    /// What follows from it.
    pub verdict: AudienceVerdict,
    /// `ln E` against the promise.
    pub ln_broken: f64,
}

/// What is to be done about an audience's canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceVerdict {
    /// Nothing.
    Continue,
    /// Nothing counts: stable breaks the promise too.
    StableFails,
    /// The canary breaks the promise and stable does not. It is no comparison.
    RollBack,
}

impl Audience {
    /// At the start of a stage. Of the settings, `alpha`, `promise` and `min_errors` count.
    ///
    /// # Errors
    /// Settings that nothing can be judged by; without a promise, nothing can.
    pub fn new(settings: Settings) -> Result<Self, Unfit> {
        settings.check()?;
        Ok(Self {
            settings,
            p0: settings.promise.ok_or(Unfit::Promise)?,
            process: Restarted::new(),
            since_restart: 0,
            counted: Tally::default(),
            left_out: 0,
            watch: Watch::default(),
        })
    }

    /// Where it was.
    ///
    /// # Errors
    /// Settings that nothing can be judged by, or a state that they do not lead to.
    pub fn resume(settings: Settings, state: AudienceState) -> Result<Self, Unfit> {
        let AudienceState { process, since_restart, counted, left_out } = state;
        let fresh = Self::new(settings)?;
        let process = Restarted::resume_against(fresh.p0, process).ok_or(Unfit::State)?;
        Ok(Self { process, since_restart, counted, left_out, ..fresh })
    }

    /// What has to be kept of it.
    pub fn state(&self) -> AudienceState {
        AudienceState {
            process: *self.process.state(),
            since_restart: self.since_restart,
            counted: self.counted,
            left_out: self.left_out,
        }
    }

    /// What it judges by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What came in during one more [`TICK_MS`], of both versions, and what follows from it.
    pub fn tick(&mut self, canary: &Tally, stable: &Tally) -> AudienceLook {
        self.watch.push(stable);
        let stable_fails = self.watch.stable_breaks(self.p0);
        if stable_fails {
            self.left_out = self.left_out.saturating_add(canary.requests);
        } else {
            self.count(canary);
        }
        let ln_broken = self.process.ln_e();
        let broken = ln_broken >= -self.settings.alpha.ln() && self.counted.errors >= self.settings.min_errors;
        let verdict = match (stable_fails, broken) {
            (true, _) => AudienceVerdict::StableFails,
            (false, true) => AudienceVerdict::RollBack,
            (false, false) => AudienceVerdict::Continue,
        };
        AudienceLook { verdict, ln_broken }
    }

    /// The canary's answers that count.
    pub fn counted(&self) -> &Tally {
        &self.counted
    }

    /// Requests of the canary that do not count, because stable broke the promise.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What `ln E` must reach for a rollback.
    pub fn needed(&self) -> f64 {
        -self.settings.alpha.ln()
    }

    fn count(&mut self, canary: &Tally) {
        self.counted.add(canary);
        self.process.add(self.p0, canary.errors, canary.requests.saturating_sub(canary.errors));
        self.since_restart = self.since_restart.saturating_add(canary.requests);
        if self.since_restart >= RESTART_EVERY {
            self.process.restart();
            self.since_restart = 0;
        }
    }
}

/// The length of a tick, in milliseconds.
pub const TICK_MS: u64 = 100;

/// Stable's last ten seconds, tick by tick.
#[derive(Debug, Clone)]
struct Watch {
    ticks: [Tally; LONG],
    next: usize,
}

impl Watch {
    fn push(&mut self, stable: &Tally) {
        self.ticks[self.next] = *stable;
        self.next = (self.next + 1) % LONG;
    }

    /// Whether it broke the promise in the last second, or in the last ten.
    fn stable_breaks(&self, p0: f64) -> bool {
        [SHORT, LONG].into_iter().any(|length| breaks(&self.last(length), p0))
    }

    fn last(&self, length: usize) -> Tally {
        let mut sum = Tally::default();
        for back in 1..=length {
            sum.add(&self.ticks[(self.next + LONG - back) % LONG]);
        }
        sum
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self { ticks: [Tally::default(); LONG], next: 0 }
    }
}

/// A second of ticks: an outage is seen at once.
const SHORT: usize = 10;
/// Ten seconds of ticks: a little too many errors are seen too.
const LONG: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { promise: Some(0.01), ..Settings::default() }
    }

    fn tally(requests: u64, errors: u64) -> Tally {
        Tally { requests, errors, ..Tally::default() }
    }

    #[test]
    fn a_canary_that_breaks_the_promise_alone_is_rolled_back() {
        let mut audience = Audience::new(settings()).unwrap();
        let verdicts = [1, 2, 3].map(|_| audience.tick(&tally(1, 1), &tally(50, 0)).verdict);
        assert_eq!(verdicts, [AudienceVerdict::Continue, AudienceVerdict::Continue, AudienceVerdict::RollBack]);
    }

    #[test]
    fn what_happens_while_stable_fails_does_not_count_and_ten_seconds_later_it_does_again() {
        let mut audience = Audience::new(settings()).unwrap();
        for _ in 0..100 {
            assert_eq!(audience.tick(&tally(1, 1), &tally(10, 3)).verdict, AudienceVerdict::StableFails);
        }
        assert_eq!((audience.counted().requests, audience.left_out()), (0, 100));
        let ticks =
            (1..1_000).find(|_| audience.tick(&tally(1, 0), &tally(10, 0)).verdict == AudienceVerdict::Continue);
        assert!(ticks.is_some_and(|ticks| (90..=100).contains(&ticks)), "{ticks:?}");
    }

    #[test]
    fn a_little_too_many_errors_of_stable_are_seen_within_ten_seconds() {
        let mut audience = Audience::new(settings()).unwrap();
        // 3% of 10 requests in a tick.
        let verdicts = (0..100).map(|tick| audience.tick(&tally(0, 0), &tally(10, u64::from(tick % 10 < 3))).verdict);
        assert_eq!(verdicts.last(), Some(AudienceVerdict::StableFails));
    }

    #[test]
    fn it_goes_on_from_what_was_stored() {
        let mut audience = Audience::new(settings()).unwrap();
        for tick in 0..1_000 {
            audience.tick(&tally(1, u64::from(tick % 200 == 0)), &tally(10, 0));
        }
        let mut resumed = Audience::resume(settings(), audience.state()).unwrap();
        assert_eq!(resumed.state(), audience.state());
        let [was, is] = [&mut audience, &mut resumed].map(|audience| audience.tick(&tally(2, 1), &tally(10, 0)));
        assert_eq!(was, is);

        let other = Settings { promise: Some(0.02), ..settings() };
        assert!(matches!(Audience::resume(other, audience.state()), Err(Unfit::State)));
        assert!(matches!(Audience::new(Settings::default()), Err(Unfit::Promise)));
    }
}
