use std::time::Duration;

use proptest::prelude::*;
use rollgate_config::dynamic::rollout::{analysis::Analysis, audience};

use super::*;
use crate::{
    metrics::Metrics,
    split::{Draw, tests::children},
    trial::{
        Booking, Ended, TrialMode, TrialOrder,
        tests::{order, trial_of},
    },
};

const NAMES: [&str; 4] = ["stable@file", "canary@file", "other@file", "more@file"];

fn trial(mode: TrialMode) -> Trial {
    trial_of(TrialOrder { mode, ..order(Analysis::default()) })
}

fn audience(draw: Option<Share>) -> TrialMode {
    TrialMode::Audience { audience: audience::Audience { any_of: vec![audience::AllOf::default()] }, draw }
}

/// Over the first so many of the names, with these weights; those with `up` have servers.
fn laid(trial: &Trial, versions: &[(u64, bool)], is_braked: bool) -> Option<Laid> {
    let weights: Vec<u64> = versions.iter().map(|(weight, _)| *weight).collect();
    let mut children = children(&weights);
    children.iter_mut().zip(versions).for_each(|(child, (_, up))| child.available = *up);
    let without = || {
        let id = Metrics::new(None).unwrap().service_id("split");
        Weighted { draw: Draw::default(), children: [].into(), affinity: None, id, trial: None }
    };
    Laid::over(trial, (NAMES.into_iter().take(versions.len()), &children), is_braked, without)
}

fn w(stratum: Option<&Arc<Stratum>>) -> Option<f64> {
    stratum.and_then(|stratum| stratum.w)
}

#[test]
fn who_is_not_there_is_not_judged() {
    assert!(laid(&trial(TrialMode::Randomised), &[(1, true)], false).is_none());
}

#[test]
fn the_same_weights_are_the_same_stratum() {
    let trial = trial(TrialMode::Randomised);
    let at = |canary: u64| laid(&trial, &[(100 - canary, true), (canary, true)], false).unwrap().stratum.unwrap();
    let first = at(5);
    let other = at(25);
    assert!(Arc::ptr_eq(&first, &at(5)) && !Arc::ptr_eq(&first, &other));
    // What is forgotten comes again as another one.
    drop((first, other));
    trial.strata.read();
    assert_eq!(trial.strata.len(), 0);
    assert_eq!(at(5).w, Some(0.05));
}

#[test]
fn where_somebody_else_changes_the_weights_another_share_is_another_step() {
    for (mode, expected) in [(TrialMode::Followed, [2, 2, 2, 2, 0]), (TrialMode::Randomised, [2; 5])] {
        let trial = trial(mode);
        let lay = |canary: u64, up: bool| laid(&trial, &[(100 - canary, true), (canary, up)], false).unwrap().stratum;
        assert_eq!((trial.share(), lay(0, true).is_none()), (None, true));
        let stratum = lay(5, true).unwrap();
        for _ in 0..2 {
            let answered = Ended::Answered { status: 200, grpc: None };
            Booking::new(stratum.seat(0), true, None).end(Some(answered), Duration::ZERO);
        }
        // Nobody has another share because a server is away for a while, or because nothing is given for a while.
        let weights = [(5, true), (5, false), (0, true), (5, true), (25, true)];
        let seen = weights.map(|(canary, up)| {
            lay(canary, up);
            trial.evidence().step_requests
        });
        assert_eq!(seen, expected);
        assert_eq!((trial.share(), trial.evidence().total.canary.requests), (Some(0.25), 2));
    }
}

#[test]
fn a_brake_closes_the_audience_and_nothing_else_does() {
    let all = trial(audience(None));
    for weights in [[(1, true), (0, true)], [(0, true), (0, true)], [(1, true), (1, false)]] {
        let open = laid(&all, &weights, false).unwrap();
        assert!(matches!(open.audience, Some(For { part: Part::All(_), .. })), "{weights:?}");
        assert_eq!(open.stratum.unwrap().w, None, "it is watched, and not compared");
        assert!(laid(&all, &weights, true).unwrap().audience.is_none());
    }
}

#[test]
fn borders_are_shares_of_all_random_numbers() {
    for (millionths, expected) in [(0, 0.0), (1, 1e-6), (500_000, 0.5), (999_999, 0.999_999)] {
        let found = border(Share(millionths)) as f64 / 2.0f64.powi(64);
        assert!((found - expected).abs() < 1e-12, "{millionths}: {found}");
    }
    assert_eq!(border(Share::ALL), u64::MAX);
}

proptest! {
    #[test]
    fn a_draws_share_is_the_canarys_of_the_two(
        versions in prop::collection::vec((0u64..1_000_000_000, any::<bool>()), 2..5),
    ) {
        let share = |place: usize| if versions[place].1 { versions[place].0 as f64 } else { 0.0 };
        let (stable, canary) = (share(0), share(1));
        let laid = laid(&trial(TrialMode::Randomised), &versions, false).unwrap();
        let expected = (stable > 0.0 && canary > 0.0).then(|| canary / (canary + stable));
        prop_assert_eq!(w(laid.stratum.as_ref()), expected);
        prop_assert!(laid.audience.is_none());
    }

    #[test]
    fn a_drawn_audiences_share_is_the_canarys_of_those_that_get_one_of_the_two(
        versions in prop::collection::vec((0u64..1_000_000_000, any::<bool>()), 2..5), drawn in 1u32..500_000,
    ) {
        let trial = trial(audience(Some(Share(drawn))));
        let laid = laid(&trial, &versions, false).unwrap();
        prop_assert!(laid.stratum.is_none(), "who is not of the audience is not compared");
        let Some(For { part: Part::Some { stratum, border: edge, .. }, .. }) = laid.audience else {
            return Err(TestCaseError::fail("a part of it"));
        };
        prop_assert_eq!(edge, border(Share(drawn)));
        // The draw itself, of as many requests as there are millionths of millionths.
        let share = |place: usize| if versions[place].1 { versions[place].0 as f64 } else { 0.0 };
        let others: f64 = (0..versions.len()).filter(|place| *place != 1).map(share).sum();
        let to_canary = f64::from(drawn) / 1e6;
        let to_stable = if others > 0.0 { (1.0 - to_canary) * share(0) / others } else { 0.0 };
        match w(stratum.as_ref()) {
            Some(w) => prop_assert!((w - to_canary / (to_canary + to_stable)).abs() < 1e-12),
            None => prop_assert_eq!(to_stable, 0.0),
        }
    }
}
