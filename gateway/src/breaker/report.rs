//! What a breaker tells of itself: in the log when it changes, and to whoever asks.

use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    Breaker, Settings, Shared,
    machine::{Event, Phase, Transition},
    plan::Measured,
};
use crate::{clock, notice::Notice, weak_list::WeakList};

/// Which breaker it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    /// The middleware's qualified name.
    pub(crate) middleware: Arc<str>,
    pub(crate) place: BreakerPlace,
}

/// Where a breaker stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BreakerPlace {
    /// In a router's way, by its qualified name.
    Router(Arc<str>),
    /// Before a service, by its qualified name.
    Service(Arc<str>),
}

/// What is known of a breaker now.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerStatus {
    /// The middleware's qualified name.
    pub middleware: Arc<str>,
    /// Where it stands.
    pub place: BreakerPlace,
    /// What it does with requests.
    pub phase: Phase,
    /// How long time alone leaves it so; `None` in standby.
    pub ends_in: Option<Duration>,
    /// How often it came to standby, was tripped, and came to recover.
    pub transitions: [(Phase, u64); 3],
    /// Requests that were not let through and got the breaker's own answer.
    pub answered: u64,
    /// Requests that were not let through and went to another version.
    pub redistributed: u64,
    /// What was measured when it last tripped, and out of how many answers.
    pub cause: Option<(String, u64)>,
}

/// How often each phase was come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts([u64; 3]);

/// All breakers of a process that anything leads to.
#[derive(Debug, Default)]
pub(crate) struct Reports(WeakList<Shared>);

impl Reports {
    /// A new breaker, which is seen from now on.
    pub(crate) fn add(&self, breaker: &Breaker) {
        self.0.add(Arc::downgrade(&breaker.shared));
    }

    /// Each as it is at `now`, in the order of names. One that took another's place is told of in its stead, though requests of
    /// before may hold that one for long.
    pub(crate) fn all(&self, now: Instant) -> Vec<BreakerStatus> {
        let mut known = self.0.all();
        known.reverse();
        // It is stable: the newest of a name stays first.
        known.sort_by(|a, b| a.name.cmp(&b.name));
        known.dedup_by(|older, newer| older.name == newer.name);
        known.iter().map(|breaker| breaker.status(now)).collect()
    }
}

impl Shared {
    pub(super) fn status(self: &Arc<Self>, now: Instant) -> BreakerStatus {
        let now = clock::elapsed(now);
        self.happens(Event::Passed, now, |_| true);
        let (mut answered, mut redistributed) = (0, 0);
        for seat in self.seats.lock().iter().filter_map(Weak::upgrade) {
            answered += seat.answered.load(Relaxed);
            redistributed += seat.elsewhere.load(Relaxed);
        }
        let core = self.core.lock();
        let ends = core.state.ends(core.settings.durations());
        BreakerStatus {
            middleware: self.name.middleware.clone(),
            place: self.name.place.clone(),
            phase: core.state.phase(),
            ends_in: ends.map(|end| end.saturating_sub(now)),
            transitions: PHASES.map(|phase| (phase, core.counts.of(phase))),
            answered,
            redistributed,
            cause: core.cause.as_ref().map(|cause| (self.plan.shown(cause), cause.answers)),
        }
    }

    /// Tells the log, and who listens, of a transition.
    pub(super) fn tell(&self, turn: Transition, settings: Settings, cause: Option<&Measured>) {
        let Name { middleware, place } = &self.name;
        self.around.notices.tell(|| Notice::Breaker {
            middleware: middleware.clone(),
            place: place.clone(),
            from: turn.from.name(),
            to: turn.to.name(),
            cause: cause.map(|cause| format!("{}, of {} answers", self.plan.shown(cause), cause.answers)),
        });
        match (turn.to, cause) {
            (Phase::Tripped, Some(cause)) => tracing::warn!(
                %middleware, %place, from = turn.from.name(), answers = cause.answers, measured = self.plan.shown(cause),
                fallback = ?settings.fallback, "a circuit breaker tripped"
            ),
            (Phase::Tripped, None) => {}
            (Phase::Recovering, _) => tracing::info!(
                %middleware, %place, recovery = ?settings.recovery, "a circuit breaker lets some requests through again"
            ),
            (Phase::Standby, _) => {
                tracing::info!(%middleware, %place, "a circuit breaker lets all requests through again");
            }
        }
    }
}

impl Counts {
    pub(super) fn count(&mut self, to: Phase) {
        self.0[to as usize] += 1;
    }

    fn of(&self, phase: Phase) -> u64 {
        self.0[phase as usize]
    }
}

impl fmt::Display for BreakerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Router(name) => write!(f, "router {name}"),
            Self::Service(name) => write!(f, "service {name}"),
        }
    }
}

/// In the order in which they are told.
const PHASES: [Phase; 3] = [Phase::Standby, Phase::Tripped, Phase::Recovering];
