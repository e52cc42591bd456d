//! How many of a service's requests may be further attempts, so that a service that fails is not loaded the more.
//!
//! A request that is counted adds to a credit that fades within some ten seconds; each further attempt takes from it what
//! its share of the requests costs. Besides there is a second's worth of attempts that are allowed however few requests
//! there are. Credits are in requests and in seconds, so a share or a minimum that changes applies to what is there.
//!
//! Counting a request costs a load and a store in the worker's own cell; a lock is taken for further attempts only.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rollgate_config::dynamic::middleware::RetryBudget;

/// What one service is allowed, for all workers and over reloads.
#[derive(Debug)]
pub(crate) struct Account {
    workers: usize,
    /// Requests so far, by worker; made when the first one is counted.
    asked: OnceLock<Box<[Own]>>,
    ledger: Mutex<Ledger>,
}

/// A cell that one worker writes; none shares its cache line with another.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Own(AtomicU64);

/// The credits, as a function of time and requests.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    /// Requests that have not paid for an attempt, older ones fading.
    requests: f64,
    /// Seconds that have not, at most [`MINIMUM_WINDOW`].
    seconds: f64,
    /// When and with how many requests it was last looked at.
    at: Instant,
    asked: u64,
}

impl Account {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers, asked: OnceLock::new(), ledger: Mutex::new(Ledger::new(Instant::now())) }
    }

    /// Counts a request, on the worker of this place.
    pub(crate) fn asked(&self, worker: usize) {
        let cells = self.asked.get_or_init(|| (0..self.workers).map(|_| Own::default()).collect());
        if let Some(Own(cell)) = cells.get(worker) {
            cell.store(cell.load(Relaxed) + 1, Relaxed);
        }
    }

    /// Whether a request may be sent once more; if so, it is paid for.
    pub(crate) fn allows(&self, now: Instant, budget: RetryBudget) -> bool {
        let asked = self.asked.get().map_or(0, |cells| cells.iter().map(|Own(cell)| cell.load(Relaxed)).sum());
        self.ledger.lock().allows(now, asked, budget)
    }
}

impl Ledger {
    pub(crate) fn new(now: Instant) -> Self {
        Self { requests: 0.0, seconds: MINIMUM_WINDOW.as_secs_f64(), at: now, asked: 0 }
    }

    /// Whether one more attempt is allowed, after so many requests in all.
    pub(crate) fn allows(&mut self, now: Instant, asked: u64, budget: RetryBudget) -> bool {
        self.advance(now, asked);
        let (requests, seconds) = (100.0 / f64::from(budget.percent), 1.0 / f64::from(budget.min_per_second));
        let allowed = self.requests + TINY >= requests || self.seconds + TINY >= seconds;
        if allowed {
            // From both: the minimum is there for when the share is less, not in addition to it.
            self.requests = (self.requests - requests).max(0.0);
            self.seconds = (self.seconds - seconds).max(0.0);
        }
        allowed
    }

    /// Requests that came since the last look are taken to have come evenly.
    fn advance(&mut self, now: Instant, asked: u64) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let windows = elapsed / SHARE_WINDOW.as_secs_f64();
        let faded = (-windows).exp();
        let of_new = if windows > 0.0 { (1.0 - faded) / windows } else { 1.0 };
        self.requests = self.requests * faded + asked.saturating_sub(self.asked) as f64 * of_new;
        self.seconds = (self.seconds + elapsed).min(MINIMUM_WINDOW.as_secs_f64());
        self.at = self.at.max(now);
        self.asked = self.asked.max(asked);
    }
}

/// In which a request's credit fades to a third.
const SHARE_WINDOW: Duration = Duration::from_secs(10);
/// For how long the minimum can be saved up.
const MINIMUM_WINDOW: Duration = Duration::from_secs(1);
/// What sums of fractions may be short of.
const TINY: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEFAULT: RetryBudget = RetryBudget { percent: 20, min_per_second: 3 };
    const MS: Duration = Duration::from_millis(1);

    /// Asks until it is refused, at most so often; how often it was allowed.
    fn drain(ledger: &mut Ledger, now: Instant, asked: u64, budget: RetryBudget, most: u32) -> u32 {
        (0..most).take_while(|_| ledger.allows(now, asked, budget)).count() as u32
    }

    #[test]
    fn without_requests_there_is_the_minimum() {
        let start = Instant::now();
        let mut ledger = Ledger::new(start);
        assert_eq!(drain(&mut ledger, start, 0, DEFAULT, 10), 3);
        assert_eq!(drain(&mut ledger, start + 333 * MS, 0, DEFAULT, 10), 0);
        assert_eq!(drain(&mut ledger, start + 334 * MS, 0, DEFAULT, 10), 1);
        assert_eq!(drain(&mut ledger, start + 60_000 * MS, 0, DEFAULT, 10), 3, "no more than a second's");
    }

    #[test]
    fn with_requests_there_is_their_share() {
        let start = Instant::now();
        let mut ledger = Ledger::new(start);
        assert_eq!(drain(&mut ledger, start, 1_000, DEFAULT, 1_000), 200);
        assert_eq!(drain(&mut ledger, start, 1_004, DEFAULT, 10), 0);
        assert_eq!(drain(&mut ledger, start, 1_005, DEFAULT, 10), 1);
    }

    #[test]
    fn old_requests_count_for_nothing() {
        let start = Instant::now();
        let mut ledger = Ledger::new(start);
        assert!(ledger.allows(start, 1_000_000, DEFAULT));
        assert_eq!(drain(&mut ledger, start + 200_000 * MS, 1_000_000, DEFAULT, 100), 3);
        // A steady stream is worth its last ten seconds.
        let mut ledger = Ledger::new(start);
        let now = start + 100_000 * MS;
        let saved = drain(&mut ledger, now, 10_000, DEFAULT, 10_000);
        assert!((199..=201).contains(&saved), "{saved}");
    }

    #[test]
    fn a_budget_of_nothing_allows_nothing_and_a_changed_one_applies_at_once() {
        let start = Instant::now();
        let mut ledger = Ledger::new(start);
        assert!(!ledger.allows(start, 1_000, RetryBudget { percent: 0, min_per_second: 0 }));
        assert_eq!(drain(&mut ledger, start, 1_000, RetryBudget { percent: 1, min_per_second: 0 }, 100), 10);
        let mut ledger = Ledger::new(start);
        assert_eq!(drain(&mut ledger, start, 100, RetryBudget { percent: 50, min_per_second: 0 }, 20), 20);
        assert_eq!(drain(&mut ledger, start, 100, DEFAULT, 100), 12, "of the sixty requests that are left");
    }

    #[test]
    fn workers_count_for_themselves_and_share_the_credit() {
        let account = Account::new(4);
        let counting = |worker: usize| {
            let account = &account;
            move || (0..1_000).for_each(|_| account.asked(worker))
        };
        std::thread::scope(|scope| (0..4).for_each(|worker| drop(scope.spawn(counting(worker)))));
        let budget = RetryBudget { percent: 20, min_per_second: 0 };
        let allowed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let granted = (0..1_000).filter(|_| account.allows(Instant::now(), budget)).count();
                    allowed.fetch_add(granted as u64, Relaxed);
                });
            }
        });
        let allowed = allowed.into_inner();
        // Some credit fades while they ask.
        assert!((600..=800).contains(&allowed), "{allowed}");
    }

    /// One step of a service's life: time passes, requests come, attempts are wanted.
    type Step = (u64, u64, u32);

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let time = prop_oneof![Just(0_u64), 0..50_u64, 0..3_000_u64, 0..100_000_u64];
        prop::collection::vec((time, 0..500_u64, 0..300_u32), 1..60)
    }

    proptest! {
        #[test]
        fn attempts_never_exceed_the_share_and_the_minimum(
            steps in steps(),
            percent in 0..200_u32,
            min_per_second in 0..20_u32,
        ) {
            let start = Instant::now();
            let budget = RetryBudget { percent, min_per_second };
            let (mut ledger, mut now, mut asked, mut retried) = (Ledger::new(start), start, 0, 0);
            for (milliseconds, requests, wanted) in steps {
                now += Duration::from_millis(milliseconds);
                asked += requests;
                retried += drain(&mut ledger, now, asked, budget, wanted);
            }
            let share = |requests: u64| requests as f64 * f64::from(percent) / 100.0;
            let minimum = |time: Duration| (time + MINIMUM_WINDOW).as_secs_f64() * f64::from(min_per_second);
            prop_assert!(f64::from(retried) <= share(asked) + minimum(now - start) + 1e-6);
        }
    }

    /// Clients of a service of which a part fails, each failure tried again up to three times.
    fn simulate(seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let budget = RetryBudget { percent: random.u32(0..=100), min_per_second: random.u32(0..=10) };
        let rate = [1.0, 10.0, 1_000.0][random.usize(0..3)];
        let (start, mut at) = (Instant::now(), 0.0_f64);
        let mut ledger = Ledger::new(start);
        let (mut asked, mut retried, mut failing) = (0_u64, 0_u64, 0.0);
        for step in 0..4_000 {
            if step % 500 == 0 {
                failing = [0.0, 0.05, 0.5, 1.0][random.usize(0..4)];
            }
            at += -(1.0 - random.f64()).ln() / rate;
            let now = start + Duration::from_secs_f64(at);
            asked += 1;
            for _ in 0..3 {
                if random.f64() >= failing || !ledger.allows(now, asked, budget) {
                    break;
                }
                retried += 1;
            }
            let share = asked as f64 * f64::from(budget.percent) / 100.0;
            let minimum = (at + 1.0) * f64::from(budget.min_per_second);
            assert!(retried as f64 <= share + minimum + 1e-6, "seed {seed}: {retried} of {asked} after {at} s");
        }
    }

    #[test]
    fn a_service_that_fails_is_not_loaded_beyond_its_budget_whatever_happens() {
        (0..256).for_each(simulate);
    }

    #[test]
    fn where_everything_fails_the_budget_is_used_up() {
        let start = Instant::now();
        let (mut ledger, mut retried) = (Ledger::new(start), 0);
        for asked in 1..=10_000 {
            retried += drain(&mut ledger, start + Duration::from_millis(asked), asked, DEFAULT, 2);
        }
        assert!((1_950..=2_003).contains(&retried), "{retried} of 10000");
    }
}
