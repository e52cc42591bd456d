//! The states of a breaker, and how one follows from another. Pure: time is passed in, nothing is counted or told here.
//!
//! ```text
//! standby --(the condition holds)--> tripped --(fallback ends)--> recovering --(recovery ends)--> standby
//!                                       ^------(the condition holds)----'
//! ```
//!
//! Time alone ends the fallback and the recovery, whether a request comes or not.

use std::time::Duration;

use smallvec::SmallVec;

/// Time since the process started.
pub(crate) type Time = Duration;

/// What a breaker does with requests, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All are let through.
    Standby,
    /// None is.
    Tripped,
    /// Some are, more and more of them.
    Recovering,
}

/// All that a breaker remembers of its past.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum State {
    #[default]
    Standby,
    Tripped {
        since: Time,
    },
    Recovering {
        since: Time,
        allowed: u64,
        denied: u64,
    },
}

/// How long the states last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Durations {
    pub(crate) fallback: Duration,
    pub(crate) recovery: Duration,
}

/// What happens to a breaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    /// Time has passed.
    Passed,
    /// A request wants to be let through.
    Asked,
    /// Its condition was found to hold.
    Held,
    /// The states last so long from now on. What is over by that ends now, not in the past.
    Reconfigured(Durations),
}

/// Whether a request is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Pass,
    /// Not before so long.
    Deny(Duration),
}

/// One phase after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: Phase,
    pub(crate) to: Phase,
    /// When, which may be some time ago.
    pub(crate) at: Time,
}

/// What comes of an event.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) state: State,
    /// In their order; an event after a long silence finds that several are behind.
    pub(crate) transitions: SmallVec<[Transition; 3]>,
    pub(crate) decision: Decision,
}

/// The state after an event at `now`. `durations` hold up to then.
pub(crate) fn step(state: State, event: Event, now: Time, durations: Durations) -> Step {
    let mut step = Step { state, transitions: SmallVec::new(), decision: Decision::Pass };
    step.pass(now, durations);
    match event {
        Event::Passed => {}
        Event::Asked => step.ask(now, durations),
        Event::Held => {
            if step.state.phase() != Phase::Tripped {
                step.turn(State::Tripped { since: now }, now);
            }
        }
        Event::Reconfigured(durations) => {
            if step.state.ends(durations).is_some_and(|end| end <= now) {
                step.turn(step.state.next(now), now);
            }
        }
    }
    step
}

impl State {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Standby => Phase::Standby,
            Self::Tripped { .. } => Phase::Tripped,
            Self::Recovering { .. } => Phase::Recovering,
        }
    }

    /// When time alone ends it.
    pub(crate) fn ends(self, durations: Durations) -> Option<Time> {
        match self {
            Self::Standby => None,
            Self::Tripped { since } => Some(since.saturating_add(durations.fallback)),
            Self::Recovering { since, .. } => Some(since.saturating_add(durations.recovery)),
        }
    }

    /// What it becomes by time, at `at`.
    fn next(self, at: Time) -> Self {
        match self {
            Self::Standby | Self::Recovering { .. } => Self::Standby,
            Self::Tripped { .. } => Self::Recovering { since: at, allowed: 0, denied: 0 },
        }
    }
}

impl Step {
    /// Ends what is over by now.
    fn pass(&mut self, now: Time, durations: Durations) {
        while let Some(end) = self.state.ends(durations).filter(|end| *end <= now) {
            self.turn(self.state.next(end), end);
        }
    }

    fn turn(&mut self, to: State, at: Time) {
        self.transitions.push(Transition { from: self.state.phase(), to: to.phase(), at });
        self.state = to;
    }

    fn ask(&mut self, now: Time, durations: Durations) {
        match &mut self.state {
            State::Standby => {}
            State::Tripped { since } => {
                let end = since.saturating_add(durations.fallback);
                self.decision = Decision::Deny(end.saturating_sub(now));
            }
            State::Recovering { since, allowed, denied } => {
                if ramp(*allowed, *denied, now.saturating_sub(*since), durations.recovery) {
                    *allowed += 1;
                } else {
                    *denied += 1;
                    self.decision = Decision::Deny(Duration::ZERO);
                }
            }
        }
    }
}

/// Whether one more request keeps the share of those allowed below what is due by now: it grows evenly from none to a half.
/// Where as many are allowed as denied, all would have to be from then on for the share to grow any further.
fn ramp(allowed: u64, denied: u64, elapsed: Duration, recovery: Duration) -> bool {
    let asked = u128::from(allowed + denied + 1);
    // (allowed + 1) / asked < 1/2 * elapsed / recovery, without a rounding.
    u128::from(allowed + 1) * 2 * recovery.as_nanos() < asked * elapsed.as_nanos()
}

impl Phase {
    /// As metrics and the log name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Tripped => "tripped",
            Self::Recovering => "recovering",
        }
    }
}

#[cfg(test)]
mod tests;
