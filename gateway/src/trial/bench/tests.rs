//! What the judge says of what is booked, and when.

use rollgate_analysis::Advance;
use rollgate_config::{
    dynamic::rollout::{
        analysis::{Analysis, Latency, Slow},
        audience::{AllOf, Audience},
    },
    scalar::Share,
};
use tokio::sync::mpsc::Receiver;

use super::*;
use crate::trial::{
    Booking, Ended, TrialMode, TrialOrder, TrialState,
    tests::{order, trial},
};

/// A trial without a process, and its clock.
struct Court {
    trial: Trial,
    notices: Receiver<Notice>,
    metrics: Arc<Metrics>,
    now: Duration,
}

const GOOD: u16 = 200;
const BAD: u16 = 503;

impl Court {
    fn of(order: TrialOrder, state: Option<TrialState>) -> Self {
        let metrics = Arc::new(Metrics::new(None).unwrap());
        let notices = metrics.notices().listen().unwrap();
        let trial = Trial::new(order, state, 2, Bench::new(metrics.clone())).unwrap();
        Self { trial, notices, metrics, now: Duration::from_secs(1) }
    }

    fn new(analysis: Analysis) -> Self {
        Self::of(order(analysis), None)
    }

    /// A request is drawn with this probability, answered, and booked.
    fn answer(&self, w: f64, is_canary: bool, status: u16) {
        self.answer_user((w, None), is_canary, status, 1);
    }

    fn answer_user(&self, (w, user): (f64, Option<u64>), is_canary: bool, status: u16, milliseconds: u64) {
        let stratum = self.trial.stratum(Some(w)).unwrap();
        let booking = Booking::new(stratum.seat(0), is_canary, user);
        booking.end(Some(Ended::Answered { status, grpc: None }), Duration::from_millis(milliseconds));
    }

    /// A request of an audience's stage.
    fn watch(&self, is_canary: bool, status: u16) {
        let booking = Booking::new(self.trial.stratum_of_all().seat(1), is_canary, None);
        booking.end(Some(Ended::Answered { status, grpc: None }), Duration::from_millis(1));
    }

    fn tick(&mut self) {
        self.now += TICK;
        self.trial.look(true, self.now);
    }

    /// What was said since the last call.
    fn said(&mut self) -> Vec<TrialVerdict> {
        let mut said = Vec::new();
        while let Ok(notice) = self.notices.try_recv() {
            let Notice::Verdict { verdict, .. } = notice else { panic!("{notice:?}") };
            said.push(verdict);
        }
        said
    }
}

/// Of this many requests one is the canary's, and stable's are good.
fn errors_until_the_brake(w: f64) -> u64 {
    let mut court = Court::new(Analysis::default());
    for errors in 1..=20 {
        (0..19).for_each(|_| court.answer(w, false, GOOD));
        court.answer(w, true, BAD);
        court.tick();
        if court.trial.is_braked() {
            assert_eq!(court.said().last(), Some(&TrialVerdict::RollBack));
            return errors;
        }
    }
    panic!("20 errors are not enough")
}

#[test]
fn a_canary_that_always_fails_is_stopped_after_a_handful_of_errors() {
    assert_eq!([0.01, 0.05, 0.25].map(errors_until_the_brake), [3, 3, 5]);
}

#[test]
fn a_canary_that_is_as_good_goes_on_and_may_have_more() {
    let mut court = Court::new(Analysis::default());
    for round in 0..2_000u32 {
        for place in 0..20 {
            // One in a hundred of either fails.
            let status = if (round * 20 + place).is_multiple_of(101) { BAD } else { GOOD };
            court.answer(0.05, place == 0, status);
        }
        court.tick();
    }
    assert!(!court.trial.is_braked());
    assert_eq!(court.said(), []);
    let evidence = court.trial.evidence();
    assert_eq!((evidence.total.canary.requests, evidence.total.stable.requests), (2_000, 38_000));
    assert!(evidence.interval.unwrap().lower < 1.0 && evidence.compared, "{evidence:?}");
    assert_eq!(court.trial.advance(3.0).unwrap().answer, Advance::NotInferior);
}

#[test]
fn versions_that_fail_together_are_a_hold_and_no_rollback_and_it_ends() {
    let mut court = Court::new(Analysis::default());
    let round = |court: &mut Court, status| {
        (0..9).for_each(|_| court.answer(0.1, false, status));
        court.answer(0.1, true, status);
        court.tick();
    };
    (0..100).for_each(|_| round(&mut court, GOOD));
    (0..100).for_each(|_| round(&mut court, BAD));
    assert_eq!(court.said(), [TrialVerdict::Hold]);
    assert!(court.trial.evidence().sentence.starts_with("held: both versions fail"), "{:?}", court.trial.evidence());
    assert!(matches!(court.trial.advance(3.0).unwrap().answer, Advance::Verdict(_)));
    (0..700).for_each(|_| round(&mut court, GOOD));
    assert_eq!(court.said(), [TrialVerdict::Clear]);
    assert!(!court.trial.is_braked());
}

#[test]
fn an_answer_counts_under_the_weight_of_its_draw() {
    // Down from 25% to 5% while requests wait for an outage's timeouts: all of them fail, in the proportion of their draws.
    let mut court = Court::new(Analysis::default());
    let drawn: Vec<_> = (0..400)
        .map(|place| {
            let is_canary = place % 4 == 0;
            (is_canary, Booking::new(court.trial.stratum(Some(0.25)).unwrap().seat(0), is_canary, None))
        })
        .collect();
    court.trial.next_step();
    court.answer(0.05, false, GOOD);
    for (_, booking) in drawn {
        booking.end(Some(Ended::Late), Duration::from_secs(10));
        court.tick();
    }
    assert!(!court.trial.is_braked(), "{:?}", court.trial.evidence());
    let evidence = court.trial.evidence();
    let counts: Vec<_> = evidence.strata.iter().map(|stratum| (stratum.w, stratum.canary.errors)).collect();
    assert_eq!(counts, [(0.25, 100), (0.05, 0)]);
}

#[test]
fn a_user_counts_once_however_much_it_fails() {
    let by_user = || TrialOrder { cohort: true, ..order(Analysis { latency: None, ..Analysis::default() }) };
    let mut court = Court::of(by_user(), None);
    for _ in 0..50 {
        court.answer_user((0.05, Some(7)), true, BAD, 1);
        court.tick();
    }
    let evidence = court.trial.evidence();
    assert_eq!((evidence.total.canary.errors, evidence.total.canary.first), (50, 1));
    assert!(!court.trial.is_braked(), "{evidence:?}");
    for user in 8..12 {
        court.answer_user((0.05, Some(user)), true, BAD, 1);
        court.tick();
    }
    assert_eq!(court.said().last(), Some(&TrialVerdict::RollBack));
    // Who has no key is a user of his own.
    let mut court = Court::of(by_user(), None);
    (0..3).for_each(|_| court.answer_user((0.05, None), true, BAD, 1));
    court.tick();
    assert_eq!(court.trial.evidence().total.canary.first, 3);
    // One memory for both versions: who has failed in one is not counted in the other.
    let mut court = Court::of(by_user(), None);
    court.answer_user((0.05, Some(7)), false, BAD, 1);
    court.tick();
    court.answer_user((0.25, Some(7)), true, BAD, 1);
    court.tick();
    let total = court.trial.evidence().total;
    assert_eq!((total.stable.first, total.canary.first, total.canary.errors), (1, 0, 1));
}

#[test]
fn errors_of_a_user_that_come_again_count_where_that_is_wanted() {
    let analysis = Analysis { repeated_errors: true, ..Analysis::default() };
    let mut court = Court::of(TrialOrder { cohort: true, ..order(analysis) }, None);
    // The second error of user 1 comes after 2 good answers, that of user 2 after 30.
    for (user, good) in [(1, 2), (2, 30)] {
        court.answer_user((0.05, Some(user)), true, BAD, 1);
        (0..good).for_each(|_| court.answer_user((0.05, Some(user)), true, GOOD, 1));
        court.answer_user((0.05, Some(user)), true, BAD, 1);
    }
    court.tick();
    let total = court.trial.evidence().total.canary;
    assert_eq!((total.errors, total.first, total.again), (4, 2, 1));
}

#[test]
fn slow_answers_are_those_that_are_later_than_nearly_all_of_stables() {
    let analysis = Analysis { latency: Some(Latency::of(Slow::Quantile(Share(950_000)))), ..Analysis::default() };
    let mut court = Court::new(analysis);
    let answer = |court: &Court, is_canary, milliseconds| {
        court.answer_user((0.05, None), is_canary, GOOD, milliseconds);
    };
    (0..400).for_each(|place| answer(&court, false, 10 + place % 20));
    court.tick();
    let slow_after = court.trial.evidence().slow_after.unwrap();
    assert!((Duration::from_millis(28)..Duration::from_millis(31)).contains(&slow_after), "{slow_after:?}");
    for _ in 0..30 {
        answer(&court, true, 50);
        (0..19).for_each(|place| answer(&court, false, 10 + place % 19));
        court.tick();
    }
    assert_eq!(court.said(), [TrialVerdict::RollBack]);
    assert!(court.trial.evidence().sentence.contains("is slow"), "{}", court.trial.evidence().sentence);
}

#[test]
fn a_fixed_threshold_is_what_it_is() {
    let analysis =
        Analysis { latency: Some(Latency::of(Slow::Threshold(Duration::from_millis(40)))), ..Analysis::default() };
    let mut court = Court::new(analysis);
    court.answer_user((0.05, None), true, GOOD, 40);
    court.answer_user((0.05, None), true, GOOD, 41);
    court.answer_user((0.05, None), true, BAD, 41);
    court.tick();
    let total = court.trial.evidence().total.canary;
    assert_eq!((total.requests, total.slow, total.errors), (3, 1, 1));
}

fn audience_order() -> TrialOrder {
    let audience = Audience { any_of: vec![AllOf::default()] };
    TrialOrder { mode: TrialMode::Audience { audience, draw: None }, ..order(Analysis::default()) }
}

#[test]
fn an_audiences_canary_is_stopped_by_the_promise_and_not_for_what_stable_does_too() {
    let mut court = Court::of(audience_order(), None);
    for _ in 0..200 {
        court.watch(true, BAD);
        (0..10).for_each(|_| court.watch(false, BAD));
        court.tick();
    }
    assert_eq!(court.said(), [TrialVerdict::Hold]);
    for _ in 0..200 {
        court.watch(true, GOOD);
        (0..10).for_each(|_| court.watch(false, GOOD));
        court.tick();
    }
    assert_eq!(court.said(), [TrialVerdict::Clear]);
    assert_eq!(court.trial.advance(3.0), None);
    let errors = (1..50).find(|_| {
        court.watch(true, BAD);
        (0..10).for_each(|_| court.watch(false, GOOD));
        court.tick();
        court.trial.is_braked()
    });
    assert!(errors.is_some_and(|errors| errors <= 10), "{errors:?}");
    assert_eq!(court.said(), [TrialVerdict::RollBack]);
    let evidence = court.trial.evidence();
    assert!(!evidence.compared && evidence.sentence.contains("no comparison"), "{evidence:?}");
}

#[test]
fn what_is_kept_is_gone_on_from() {
    let mut court = Court::new(Analysis::default());
    for round in 0..600u32 {
        (0..19).for_each(|_| court.answer(0.05, false, GOOD));
        court.answer(0.05, true, if round == 300 { BAD } else { GOOD });
        court.tick();
    }
    let state = court.trial.state();
    let resumed = Court::of(order(Analysis::default()), Some(state.clone()));
    assert_eq!(resumed.trial.state(), state);
    let [before, after] = [&court, &resumed].map(|court| court.trial.evidence());
    assert_eq!(before, after);
    assert_eq!((after.step_requests, after.slow_after), (600, before.slow_after));

    for _ in 0..10 {
        court.answer(0.05, true, BAD);
        court.tick();
    }
    let mut braked = Court::of(order(Analysis::default()), Some(court.trial.state()));
    assert!(braked.trial.is_braked());
    braked.tick();
    assert_eq!(braked.said(), [], "that was told before");
    let metrics = Arc::new(Metrics::new(None).unwrap());
    let other = Trial::new(audience_order(), Some(state), 1, Bench::new(metrics));
    assert!(other.is_err(), "a state of another kind of trial");
}

#[test]
fn a_step_counts_its_own_requests() {
    let court = Court::new(Analysis::default());
    (0..30).for_each(|_| court.answer(0.01, true, GOOD));
    assert_eq!(court.trial.evidence().step_requests, 30);
    court.trial.next_step();
    (0..20).for_each(|_| court.answer(0.05, true, GOOD));
    let evidence = court.trial.evidence();
    assert_eq!((evidence.step_requests, evidence.total.canary.requests), (20, 50));
}

#[test]
fn warm_up_ends_so_long_after_the_canarys_first_request() {
    let mut court = Court::new(Analysis { discard: Duration::from_secs(5), ..Analysis::default() });
    court.tick();
    assert!(!court.trial.evidence().warm && !court.trial.watched.counts("/", true, || court.now));
    let first = court.now;
    while !court.trial.watched.is_counting() {
        court.tick();
    }
    assert_eq!(court.now - first, Duration::from_secs(5));
    assert!(court.trial.state().warm);
}

#[test]
fn a_verdict_that_finds_no_room_is_told_later() {
    let mut court = Court::new(Analysis::default());
    let other = || Notice::Server { service: "a".into(), url: "b".into(), up: true, cause: "probe" };
    while court.metrics.notices().try_tell(&other()) {}
    for _ in 0..5 {
        court.answer(0.05, true, BAD);
        court.tick();
    }
    assert!(court.trial.is_braked(), "the brake waits for nobody");
    while court.notices.try_recv().is_ok_and(|notice| notice == other()) {}
    court.tick();
    court.tick();
    assert_eq!(court.said(), [TrialVerdict::RollBack]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_canary_is_looked_at_without_a_tick_and_the_end_ends_it() {
    let trial = Arc::new(trial(Analysis::default(), 1));
    let judging = tokio::spawn(sit(Arc::downgrade(&trial), trial.watched.clone()));
    // The first tick is at once.
    sleep(Duration::from_millis(5)).await;
    let began = Instant::now();
    for _ in 0..3 {
        let booking = Booking::new(trial.stratum(Some(0.05)).unwrap().seat(0), true, None);
        booking.end(Some(Ended::Answered { status: BAD, grpc: None }), Duration::ZERO);
        sleep(Duration::from_millis(2)).await;
    }
    assert!(trial.is_braked() && began.elapsed() < TICK);
    trial.end();
    judging.await.unwrap();

    let trial = Arc::new(super::super::tests::trial(Analysis::default(), 1));
    let judging = tokio::spawn(sit(Arc::downgrade(&trial), trial.watched.clone()));
    sleep(Duration::from_millis(5)).await;
    drop(trial);
    judging.await.unwrap();
}
