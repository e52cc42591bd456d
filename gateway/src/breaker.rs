//! Circuit breakers: one for each place of each `circuitBreaker`, shared by all workers, over all reloads.
//!
//! ```text
//! request: standby? (one load) ----------> ticket --(the answer's end)--> window of its worker
//!             no: machine -> pass or deny                                    | at most every checkPeriod
//!                    ^---- trip <- condition <- sums over all workers' windows <-'
//! ```
//!
//! An answer counts only in the epoch in which its request began: a trip begins a new one, so what was under way to a failing
//! backend cannot trip the breaker again once it recovers.

mod latency;
mod machine;
mod plan;
mod report;
mod seat;
mod ticket;
mod verdict;
mod window;

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{
            AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub use self::{
    machine::Phase,
    report::{BreakerPlace, BreakerStatus},
};
use self::{
    machine::{Decision, Durations, Event, State, Time, Transition},
    plan::Measured,
    report::Counts,
    seat::Seat,
};
pub(crate) use self::{
    plan::Plan,
    report::{Name, Reports},
    ticket::Ticket,
    verdict::Verdict,
};
use crate::{
    clock,
    helper::Helper,
    notice::Notices,
    troubles::{Trouble, Troubles},
};

/// One breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    shared: Arc<Shared>,
    /// One for each worker, made when it first comes here.
    seats: Box<[OnceLock<Arc<Seat>>]>,
}

/// Numbers that may change while the state stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) check_period: Duration,
    pub(crate) fallback: Duration,
    pub(crate) recovery: Duration,
    pub(crate) min_requests: u32,
}

/// A time of the breaker from one trip to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// A request that is not let through, and how long that will be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) for_now: Duration,
}

/// What the workers' seats and those who look on share.
#[derive(Debug)]
struct Shared {
    name: Name,
    plan: Arc<Plan>,
    /// The epoch above [`PHASE_BITS`] bits of the phase: all that a request asks in standby.
    word: AtomicU64,
    /// While tripped: until when, in nanoseconds.
    until: AtomicU64,
    /// When the condition may be evaluated next, in nanoseconds.
    due: AtomicU64,
    /// In nanoseconds.
    check_period: AtomicU64,
    core: Mutex<Core>,
    seats: Mutex<Vec<Weak<Seat>>>,
    around: Around,
}

/// What changes with the state.
#[derive(Debug)]
struct Core {
    settings: Settings,
    state: State,
    epoch: u64,
    /// While not in standby.
    trouble: Option<Trouble>,
    /// Somebody on the helper thread waits for the state to end.
    watched: bool,
    counts: Counts,
    /// What tripped it last.
    cause: Option<Measured>,
}

/// What a breaker needs of its process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    pub(crate) troubles: Troubles,
    pub(crate) notices: Notices,
    /// `None`: what time alone changes is found out by the next who comes.
    pub(crate) helper: Option<Helper>,
}

impl Breaker {
    pub(crate) fn new(name: Name, plan: Arc<Plan>, settings: Settings, workers: usize, around: Around) -> Self {
        let core = Core {
            settings,
            state: State::Standby,
            epoch: 0,
            trouble: None,
            watched: false,
            counts: Counts::default(),
            cause: None,
        };
        let shared = Shared {
            name,
            plan,
            word: AtomicU64::new(0),
            until: AtomicU64::new(0),
            due: AtomicU64::new(0),
            check_period: AtomicU64::new(nanos(settings.check_period)),
            core: Mutex::new(core),
            seats: Mutex::default(),
            around,
        };
        Self { shared: Arc::new(shared), seats: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// The epoch, if all requests are let through.
    #[inline]
    pub(crate) fn standby(&self) -> Option<Epoch> {
        let word = self.shared.word.load(Acquire);
        (word & PHASE_MASK == Phase::Standby as u64).then_some(Epoch(word >> PHASE_BITS))
    }

    /// Asks for a request, whatever the phase.
    pub(crate) fn ask(&self, now: Instant) -> Result<Epoch, Denied> {
        if let Some(epoch) = self.standby() {
            return Ok(epoch);
        }
        self.shared.ask(clock::elapsed(now))
    }

    /// Whether there was no trip since somebody was let through in this epoch.
    fn is_in(&self, epoch: Epoch) -> bool {
        self.shared.word.load(Acquire) >> PHASE_BITS == epoch.0
    }

    /// Whether nothing is let through at `now`.
    pub(crate) fn is_tripped(&self, now: Instant) -> bool {
        self.shared.is_tripped(clock::elapsed(now)).is_some()
    }

    /// What records the answer of a request that was let through.
    #[inline]
    pub(crate) fn ticket(&self, worker: usize, epoch: Epoch, now: impl FnOnce() -> Instant) -> Ticket {
        Ticket::new(self.seat(worker).clone(), epoch, now)
    }

    /// A request was not let through; it was answered here, or `elsewhere` it found another version.
    pub(crate) fn count_denied(&self, worker: usize, elsewhere: bool) {
        self.seat(worker).count_denied(elsewhere);
    }

    /// Takes other numbers, for the state that is there.
    pub(crate) fn configure(&self, settings: Settings, now: Instant) {
        self.shared.configure(settings, clock::elapsed(now));
    }

    fn seat(&self, worker: usize) -> &Arc<Seat> {
        self.seats[worker].get_or_init(|| {
            let seat = Arc::new(Seat::new(self.shared.clone()));
            self.shared.seats.lock().push(Arc::downgrade(&seat));
            seat
        })
    }

    /// The bytes that it takes, with what was allocated so far; names and the plan are shared.
    #[cfg(any(test, feature = "in-memory"))]
    pub(crate) fn bytes(&self) -> usize {
        let seats = self.seats.iter().filter_map(OnceLock::get).map(|seat| seat.bytes() + size_of::<Weak<Seat>>());
        size_of::<Self>() + size_of::<Shared>() + size_of_val(&*self.seats) + seats.sum::<usize>()
    }
}

impl Shared {
    fn ask(self: &Arc<Self>, now: Time) -> Result<Epoch, Denied> {
        // While tripped, those who are denied need not wait for each other.
        if let Some(for_now) = self.is_tripped(now) {
            return Err(Denied { for_now });
        }
        let (decision, epoch) = self.happens(Event::Asked, now, |_| true);
        match decision {
            Decision::Pass => Ok(epoch),
            Decision::Deny(for_now) => Err(Denied { for_now }),
        }
    }

    /// For how long still, if it is.
    fn is_tripped(&self, now: Time) -> Option<Duration> {
        let tripped = self.word.load(Acquire) & PHASE_MASK == Phase::Tripped as u64;
        let left = Time::from_nanos(self.until.load(Relaxed)).saturating_sub(now);
        (tripped && !left.is_zero()).then_some(left)
    }

    fn configure(self: &Arc<Self>, settings: Settings, now: Time) {
        let check_period = nanos(settings.check_period);
        self.check_period.store(check_period, Relaxed);
        self.due.fetch_min(nanos(now).saturating_add(check_period), Relaxed);
        self.happens(Event::Reconfigured(settings.durations()), now, |core| {
            core.settings = settings;
            true
        });
    }

    /// Whether it is time to evaluate the condition; true for one who asks.
    fn is_due(&self, now: Time) -> bool {
        let (now, due) = (nanos(now), self.due.load(Relaxed));
        let next = now.saturating_add(self.check_period.load(Relaxed));
        now >= due && self.due.compare_exchange(due, next, AcqRel, Relaxed).is_ok()
    }

    /// Evaluates the condition over all workers, for an epoch; trips if it holds.
    fn check(self: &Arc<Self>, epoch: Epoch, now: Time) {
        let seats: Vec<Arc<Seat>> = self.seats.lock().iter().filter_map(Weak::upgrade).collect();
        let measured = self.measure(&seats, epoch, now);
        if self.plan.holds(&measured) {
            self.happens(Event::Held, now, |core| {
                let holds = core.epoch == epoch.0 && measured.answers >= u64::from(core.settings.min_requests);
                if holds {
                    core.cause = Some(measured);
                }
                holds
            });
        }
    }

    fn measure(&self, seats: &[Arc<Seat>], epoch: Epoch, now: Time) -> Measured {
        let mut sums = vec![0; self.plan.counters()];
        seats.iter().for_each(|seat| seat.window.add_to(epoch.0, &mut sums, now));
        let latencies = seats.iter().filter_map(|seat| seat.window.latencies(epoch.0));
        self.plan.measure(&sums, |share| latency::quantile(latencies.clone(), share, now))
    }

    /// Takes an event, if it `applies` to what is there, and tells what came of it.
    fn happens(
        self: &Arc<Self>,
        event: Event,
        now: Time,
        applies: impl FnOnce(&mut Core) -> bool,
    ) -> (Decision, Epoch) {
        let mut core = self.core.lock();
        let durations = core.settings.durations();
        let event = if applies(&mut core) { event } else { Event::Passed };
        let step = machine::step(core.state, event, now, durations);
        core.state = step.state;
        if !step.transitions.is_empty() {
            self.turned(&mut core, &step.transitions);
        }
        self.until.store(core.state.ends(core.settings.durations()).map_or(0, nanos), Relaxed);
        self.word.store(core.epoch << PHASE_BITS | core.state.phase() as u64, Release);
        let epoch = Epoch(core.epoch);
        let told = (!step.transitions.is_empty()).then(|| (core.settings, core.cause.clone()));
        let watch = core.trouble.is_some() && !std::mem::replace(&mut core.watched, true);
        drop(core);
        if let Some((settings, cause)) = told {
            step.transitions.iter().for_each(|turn| self.tell(*turn, settings, cause.as_ref()));
        }
        if watch {
            self.watch();
        }
        (step.decision, epoch)
    }

    fn turned(&self, core: &mut Core, transitions: &[Transition]) {
        for turn in transitions {
            core.counts.count(turn.to);
            if turn.to == Phase::Tripped {
                core.epoch += 1;
            }
        }
        match core.state.phase() {
            Phase::Standby => core.trouble = None,
            _ if core.trouble.is_none() => core.trouble = Some(self.around.troubles.begin()),
            _ => {}
        }
    }

    /// Lets the helper thread end what time alone ends: the log, metrics and draws learn of it though no request comes.
    fn watch(self: &Arc<Self>) {
        let Some(runtime) = self.around.helper.as_ref().and_then(Helper::runtime) else { return };
        let breaker = Arc::downgrade(self);
        runtime.spawn(async move {
            loop {
                let wait = match breaker.upgrade() {
                    Some(breaker) => breaker.look(Instant::now()),
                    None => return,
                };
                let Some(wait) = wait else { return };
                tokio::time::sleep(wait).await;
            }
        });
    }

    /// Ends what is over by now; how long until there may be something again, `None` if there is nothing to wait for.
    fn look(self: &Arc<Self>, now: Instant) -> Option<Duration> {
        let now = clock::elapsed(now);
        self.happens(Event::Passed, now, |_| true);
        let mut core = self.core.lock();
        let end = core.state.ends(core.settings.durations());
        core.watched = end.is_some();
        // Other durations may come in the meantime.
        end.map(|end| end.saturating_sub(now).clamp(SHORTEST_LOOK, LONGEST_LOOK))
    }
}

impl Settings {
    fn durations(&self) -> Durations {
        Durations { fallback: self.fallback, recovery: self.recovery }
    }
}

/// At most 584 years, which no process lives.
fn nanos(time: Time) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const PHASE_BITS: u32 = 2;
const PHASE_MASK: u64 = (1 << PHASE_BITS) - 1;

/// Bounds of the time between two looks at a breaker that is not in standby.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod oxy;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
