//! What is booked, and where.

use std::time::Duration;

use proptest::prelude::*;
use rollgate_config::dynamic::rollout::analysis::ErrorRule;

use super::{
    strata::{Counts, Since},
    *,
};

use crate::error::Error;

pub(crate) fn order(analysis: Analysis) -> TrialOrder {
    TrialOrder {
        rollout: "r-1".into(),
        service: "pro@file".into(),
        stable: "stable@file".into(),
        canary: "canary@file".into(),
        salt: "r-1".to_owned(),
        analysis: Arc::new(analysis),
        cohort: false,
        mode: TrialMode::Randomised,
    }
}

pub(super) fn trial(analysis: Analysis, workers: usize) -> Trial {
    Trial::new(order(analysis), None, workers, Bench::new(Arc::new(Metrics::new(None).unwrap()))).unwrap()
}

/// One that nobody judges.
pub(crate) fn trial_of(order: TrialOrder) -> Trial {
    Trial::new(order, None, 1, Bench::new(Arc::new(Metrics::new(None).unwrap()))).unwrap()
}

const WORKERS: usize = 2;
const SHARES: [f64; 3] = [0.01, 0.05, 0.5];

/// What happens to a trial.
#[derive(Debug, Clone)]
enum Step {
    /// A worker draws a version while the canary's share is one of [`SHARES`].
    Draw { worker: usize, share: usize, is_canary: bool },
    /// One of the requests that are under way ends so, after so many milliseconds; `None`: the client goes away.
    End { which: usize, ended: Option<Ended>, took: u64 },
    /// The judge looks, and forgets what is over.
    Look,
}

fn ended() -> impl Strategy<Value = Option<Ended>> {
    let answered =
        (prop_oneof![Just(200), Just(404), Just(499), 500..600u16], prop_oneof![Just(None), (0..17u16).prop_map(Some)])
            .prop_map(|(status, grpc)| Ended::Answered { status, grpc });
    let others = prop_oneof![Just(Ended::Broken), Just(Ended::Late), Just(Ended::Nobodys)];
    prop_oneof![8 => answered.prop_map(Some), 3 => others.prop_map(Some), 1 => Just(None)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let draw = (0..WORKERS, 0..SHARES.len(), any::<bool>()).prop_map(|(worker, share, is_canary)| Step::Draw {
        worker,
        share,
        is_canary,
    });
    let end = (any::<usize>(), ended(), 0..200u64).prop_map(|(which, ended, took)| Step::End { which, ended, took });
    prop::collection::vec(prop_oneof![5 => draw, 4 => end, 1 => Just(Step::Look)], 0..200)
}

fn rule() -> impl Strategy<Value = ErrorRule> {
    (any::<bool>(), any::<bool>()).prop_map(|(connect, timeout)| ErrorRule { connect, timeout, ..ErrorRule::default() })
}

/// What the rule says about an end: whether it counts, and as what.
fn counted(rule: &ErrorRule, ended: Ended, took: u64) -> Counts {
    let (counts, is_error) = match ended {
        Ended::Answered { status, grpc } => {
            (true, status >= 500 || grpc.is_some_and(|grpc| [2, 4, 12, 13, 14, 15].contains(&grpc)))
        }
        Ended::Broken => (true, rule.connect),
        Ended::Late => (true, rule.timeout),
        Ended::Nobodys => (false, false),
    };
    let is_slow = !is_error && (took > TAU || ended == Ended::Late);
    Counts { requests: counts.into(), errors: (counts && is_error).into(), slow: (counts && is_slow).into() }
}

/// In milliseconds.
const TAU: u64 = 100;

proptest! {
    #[test]
    fn every_draw_is_booked_once_where_it_was_drawn_or_not_at_all(rule in rule(), steps in steps()) {
        let trial = trial(Analysis { errors: rule.clone(), ..Analysis::default() }, WORKERS);
        trial.watched.set_tau(TAU * 1_000);
        let (mut expected, mut read) = (Read::default(), Read::default());
        let mut under_way = Vec::new();
        for step in steps {
            match step {
                Step::Draw { worker, share, is_canary } => {
                    let stratum = trial.stratum(Some(SHARES[share])).unwrap();
                    under_way.push((share, is_canary, Booking::new(stratum.seat(worker), is_canary, None)));
                }
                Step::End { which, ended, took } if !under_way.is_empty() => {
                    let (share, is_canary, booking) = under_way.swap_remove(which % under_way.len());
                    if let Some(ended) = ended {
                        let place = &mut expected[share][usize::from(is_canary)];
                        *place = place.plus(counted(&rule, ended, took));
                    }
                    booking.end(ended, Duration::from_millis(took));
                }
                Step::End { .. } => {}
                Step::Look => look(&trial, &mut read),
            }
        }
        look(&trial, &mut read);
        prop_assert_eq!(read, expected);
        drop(under_way);
        look(&trial, &mut read);
        prop_assert_eq!(read, expected);
        prop_assert_eq!(trial.strata.len(), 0, "what nobody draws in any more is forgotten");
    }
}

/// By share, stable's and the canary's.
type Read = [[Counts; 2]; SHARES.len()];

fn look(trial: &Trial, read: &mut Read) {
    for since in trial.strata.read() {
        let share = SHARES.iter().position(|share| since.w == Some(*share)).unwrap();
        let [stable, canary] = &mut read[share];
        (*stable, *canary) = (stable.plus(since.stable), canary.plus(since.canary));
    }
}

#[test]
fn what_a_version_was_learned_to_have_done_is_more_than_what_the_client_got() {
    let trial = trial(Analysis::default(), 1);
    let stratum = trial.stratum(Some(0.05)).unwrap();
    let mut booking = Booking::new(stratum.seat(0), true, None);
    booking.ended = Some(Ended::of(&Error::NoServer));
    booking.end(Some(Ended::Answered { status: 200, grpc: None }), Duration::ZERO);
    let canary = Counts { requests: 1, errors: 1, slow: 0 };
    let expected = |canary| [Since { w: Some(0.05), canary, stable: Counts::default() }];
    assert_eq!(trial.strata.read(), expected(canary));
    assert_eq!(trial.strata.read(), expected(Counts::default()), "it is told once");
}

#[test]
fn only_the_canarys_errors_wake_the_judge() {
    let woken = |is_canary, status| {
        let trial = trial(Analysis::default(), 1);
        let booking = Booking::new(trial.stratum(Some(0.05)).unwrap().seat(0), is_canary, None);
        booking.end(Some(Ended::Answered { status, grpc: None }), Duration::ZERO);
        let mut wake = std::pin::pin!(trial.watched.wake.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        wake.as_mut().poll(&mut context).is_ready()
    };
    assert_eq!(
        [(true, 500), (true, 200), (false, 500)].map(|(canary, status)| woken(canary, status)),
        [true, false, false]
    );
}

#[test]
fn nothing_counts_before_the_canary_is_warm_nor_on_paths_that_are_excluded() {
    let analysis =
        Analysis { discard: Duration::from_secs(5), exclude: vec!["/health".to_owned()], ..Analysis::default() };
    let trial = trial(analysis, 1);
    let at = Duration::from_secs(7);
    assert!(!trial.watched.counts("/", false, || at) && trial.watched.first().is_none());
    assert!(!trial.watched.counts("/", true, || at));
    assert!(!trial.watched.counts("/", true, || 2 * at));
    assert_eq!(trial.watched.first(), Some(at));
    trial.watched.count_from_now();
    assert!(trial.watched.counts("/", true, || at) && !trial.watched.counts("/healthz", true, || at));
}
