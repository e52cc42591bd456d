//! A canary whose weight somebody else decides about.

use rollgate_config::{
    dynamic::rollout::{OnFailure, stage::StageKind},
    scalar::Weight,
};

use super::{super::*, pipelines::*, ride::*};
use crate::store::Owner;

/// A canary that an earlier rollout has braked, in a service that others weigh.
fn others() -> Before {
    let brake = BrakeSeen { by: "rollout:r0".to_owned(), of_rollout: true, reason: Some("hot".to_owned()) };
    let weights = [("stable@file", 1), ("canary@file", 0)].map(|(name, weight)| (name.to_owned(), Weight(weight)));
    Before { weights: Weights(weights.into()), owner: Owner::Kubernetes("argo".to_owned()), brake: Some(brake) }
}

/// One that watches.
fn watching(before: Before, stages: Vec<StageKind>) -> Ride {
    let mut ride = Ride::begun(pipeline(stages, OnFailure::Rollback));
    ride.end("read", Outcome::Weights(before));
    ride.traffic();
    ride
}

fn names(ride: &Ride) -> Vec<&str> {
    ride.effects.iter().map(|effect| effect.what.name()).collect()
}

#[test]
fn it_is_judged_until_somebody_ends_that_and_no_weight_is_touched() {
    let mut ride = watching(others(), vec![watch()]);
    assert_eq!(ride.rollout.trial.as_ref().map(|trial| &trial.mode), Some(&Mode::Randomised { step: 0, margin: 4.0 }));
    ride.look(evidence(true, 100_000));
    ride.after(1_000_000);
    assert_eq!(ride.rollout.status, Status::Running);
    assert_eq!(ride.rollout.evidence.as_ref().map(|evidence| evidence.advance), Some(true));
    assert_eq!(ride.rollout.record().evidence, ride.rollout.evidence);
    assert_eq!(ride.rollout.due(&ride.pipeline), None);
    ride.acts(Action::Skip);
    ride.all();
    assert_eq!(ride.rollout.status, Status::Succeeded);
    assert_eq!(
        names(&ride),
        ["read", "trial", "release", "end-trial", "notify"],
        "the brake of an earlier one stays off"
    );
}

#[test]
fn one_that_is_worse_is_braked_and_keeps_its_weight() {
    let mut ride = watching(Before { brake: None, ..others() }, vec![watch()]);
    ride.worse();
    ride.all();
    assert_eq!(ride.rollout.status, Status::RolledBack);
    assert_eq!(ride.weights(), [""; 0]);
    assert!(names(&ride).contains(&"brake") && ride.rollout.brake.is_some(), "{:?}", names(&ride));
}

#[test]
fn what_an_earlier_one_had_braked_is_braked_again_if_it_is_aborted() {
    let mut ride = watching(others(), vec![watch()]);
    ride.acts(Action::Abort);
    ride.all();
    assert_eq!(ride.rollout.status, Status::Canceled);
    assert_eq!(names(&ride), ["read", "trial", "release", "brake", "end-trial", "notify"]);
}

#[test]
fn somebody_elses_brake_stays() {
    let brake = BrakeSeen { by: "ann".to_owned(), of_rollout: false, reason: None };
    let ride = watching(Before { brake: Some(brake), ..others() }, vec![watch()]);
    assert_eq!(ride.rollout.status, Status::Failed);
    assert!(ride.rollout.reason.is_some_and(|why| why.contains("braked by ann")));
}

#[test]
fn whoever_decides_about_the_weights_may_take_the_canary_out_and_in_again() {
    let mut ride = watching(Before { brake: None, ..others() }, vec![watch()]);
    ride.event(Event::ConfigurationChanged(Change::Gone { why: "it is gone".to_owned() }));
    ride.event(Event::ConfigurationChanged(Change::Drifted { why: "other weights".to_owned() }));
    ride.all();
    assert_eq!((ride.rollout.status, ride.rollout.reason.as_deref()), (Status::Running, None));
    let told: Vec<_> = ride.rollout.history.iter().map(|entry| entry.happened.to_string()).collect();
    assert!(told.iter().any(|told| told.contains("it is gone")), "{told:?}");
    assert!(!told.iter().any(|told| told.contains("other weights")), "{told:?}");
    ride.worse();
    ride.all();
    assert_eq!(ride.rollout.status, Status::RolledBack);
}

#[test]
fn it_makes_room_for_another_one_and_leaves_the_brake_as_it_is() {
    let mut ride = watching(others(), vec![watch(), approve()]);
    assert!(ride.rollout.makes_room());
    ride.event(Event::Replaced { why: "r2 begins".to_owned() });
    ride.all();
    assert_eq!((ride.rollout.status, ride.rollout.reason.as_deref()), (Status::Canceled, Some("r2 begins")));
    assert_eq!(names(&ride), ["read", "trial", "release", "end-trial", "notify"]);
    // Of one that was found worse, and waits for somebody.
    let mut ride = Ride::begun(pipeline(vec![watch()], OnFailure::Hold));
    ride.end("read", Outcome::Weights(Before { brake: None, ..others() }));
    ride.traffic();
    ride.worse();
    ride.all();
    assert_eq!(ride.rollout.status, Status::Paused);
    ride.event(Event::Replaced { why: "r2 begins".to_owned() });
    ride.all();
    assert_eq!(ride.rollout.status, Status::Canceled);
    assert!(ride.rollout.brake.is_some() && !names(&ride).contains(&"release"), "{:?}", names(&ride));
}

#[test]
fn one_that_gives_the_canary_traffic_makes_room_for_nobody() {
    let mut ride = watching(Before { brake: None, ..before() }, vec![watch(), ramp()]);
    ride.acts(Action::Skip);
    ride.done("end-trial");
    ride.done("read");
    ride.traffic();
    assert!(!ride.rollout.makes_room());
    ride.event(Event::Replaced { why: "r2 begins".to_owned() });
    assert_eq!(ride.rollout.status, Status::Running);
}

#[test]
fn what_follows_goes_by_the_weights_that_are_in_force_then() {
    let mut ride = watching(Before { brake: None, ..before() }, vec![watch(), ramp()]);
    ride.acts(Action::Skip);
    ride.done("end-trial");
    assert_eq!(ride.under_way(), ["read"]);
    ride.done("read");
    ride.traffic();
    assert_eq!(ride.weights(), ["1%"]);
    let mut ride = watching(before(), vec![watch()]);
    ride.acts(Action::Promote);
    assert_eq!(ride.under_way(), ["read"]);
    ride.done("read");
    ride.traffic();
    assert_eq!(ride.weights(), ["promoted"]);
}
