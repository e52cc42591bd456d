//! Rollouts that somebody or something holds up, and how they go on.

use rollgate_config::dynamic::rollout::OnFailure;

use super::{super::*, pipelines::*, ride::*};

fn ramping(on_failure: OnFailure) -> Ride {
    let mut ride = Ride::begun(pipeline(vec![ramp(), approve(), promote()], on_failure));
    ride.traffic();
    ride
}

/// At 5%, under way.
fn at_five(on_failure: OnFailure) -> Ride {
    let mut ride = ramping(on_failure);
    ride.now += 30_000;
    ride.look(evidence(true, 5));
    ride.traffic();
    ride
}

fn hold() -> Verdict {
    let evidence = Evidence { says: "both versions fail".to_owned(), ..evidence(false, 10) };
    Verdict::Hold { evidence: Box::new(evidence) }
}

#[test]
fn a_pause_keeps_weight_and_judge_and_its_time_does_not_count() {
    let mut ride = at_five(OnFailure::Rollback);
    ride.now += 50_000;
    ride.acts(Action::Pause);
    assert_eq!(ride.rollout.reason.as_deref(), Some("paused by bob: so it is"));
    ride.now += 600_000;
    ride.look(evidence(true, 500));
    assert_eq!((ride.rollout.status, ride.weights().len()), (Status::Paused, 2));
    assert_eq!(ride.rollout.stages[0].work.requests, 500, "the judge goes on");
    ride.acts(Action::Resume);
    ride.look(evidence(true, 500));
    assert_eq!(ride.weights().len(), 2, "10 s of its minute are left");
    ride.now += 10_000;
    ride.look(evidence(true, 500));
    assert_eq!(ride.weights(), ["1%", "5%", "50%"]);
    ride.acts(Action::Pause);
    ride.worse();
    ride.traffic();
    assert_eq!(ride.rollout.status, Status::RolledBack, "a pause is no protection");
}

#[test]
fn what_a_pause_meets_on_its_way_ends_and_nothing_follows_until_it_is_resumed() {
    let mut ride = Ride::begun(pipeline(vec![deploy(), wait(9)], OnFailure::Rollback));
    ride.acts(Action::Pause);
    ride.done("job");
    assert_eq!(ride.under_way(), Vec::<&str>::new());
    assert_eq!(ride.rollout.due(&ride.pipeline), None);
    ride.after(86_400);
    ride.acts(Action::Resume);
    assert_eq!((ride.under_way(), ride.rollout.status), (vec!["healthy"], Status::Running));
}

#[test]
fn a_shared_outage_holds_a_ramp_and_is_named() {
    let mut ride = at_five(OnFailure::Rollback);
    ride.verdict(hold());
    ride.verdict(hold());
    ride.now += 600_000;
    ride.look(evidence(true, 500));
    assert_eq!(ride.weights(), ["1%", "5%"]);
    let waits = "both versions to answer again, which fail together: both versions fail";
    assert_eq!(ride.rollout.waits_for(&ride.pipeline, ride.now), waits);
    ride.verdict(Verdict::Clear);
    ride.look(evidence(true, 500));
    assert_eq!(ride.weights(), ["1%", "5%", "50%"]);
    let outages = ride.rollout.history.iter().filter(|entry| matches!(entry.happened, Happened::OutageBegan { .. }));
    assert_eq!(outages.count(), 1);
}

#[test]
fn a_canary_without_servers_gets_no_more() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.event(Event::CanaryUnavailable { why: "no server answers".to_owned() });
    ride.traffic();
    assert!(ride.weights().is_empty(), "not even its first share");
    let waits = "a server of the canary to be up: no server answers";
    assert_eq!(ride.rollout.waits_for(&ride.pipeline, ride.now), waits);
    ride.event(Event::CanaryAvailable);
    assert_eq!(ride.weights(), ["1%"]);
}

#[test]
fn a_promotion_waits_for_a_server_and_what_an_operator_wants_not_for_an_outage() {
    let mut ride = at_five(OnFailure::Rollback);
    ride.verdict(hold());
    ride.event(Event::CanaryUnavailable { why: "down".to_owned() });
    ride.acts(Action::Promote);
    assert_eq!(ride.under_way(), ["notify"]);
    ride.event(Event::CanaryAvailable);
    assert_eq!(ride.under_way(), ["notify", "promote"]);
    assert_eq!(ride.states(), ["ramp Skipped 1", "approve Skipped 0", "promote Running 1"]);
}

#[test]
fn a_worse_canary_that_is_held_is_braked_and_waits_for_a_decision() {
    let mut ride = at_five(OnFailure::Hold);
    ride.worse();
    ride.all();
    assert_eq!((ride.rollout.status, ride.weights().len()), (Status::Paused, 2));
    assert_eq!(ride.rollout.possible(), [Action::Retry, Action::Skip, Action::Abort, Action::Promote]);
    let waits = ride.rollout.waits_for(&ride.pipeline, ride.now);
    assert_eq!(
        waits,
        "a decision, since the canary is worse and is braked: 9 of 10 failed (possible: retry, skip, abort, promote)"
    );
    ride.acts(Action::Retry);
    assert_eq!(ride.rollout.judge, None, "the judge begins anew");
    ride.all();
    let names: Vec<_> = ride.effects.iter().rev().take(3).map(|effect| effect.id.0.as_str()).collect();
    assert_eq!(names, ["r1/ramp/2/release", "r1/ramp/2/weights", "r1/ramp/2/trial"], "it falls before it is released");
    assert_eq!(ride.weights(), ["1%", "5%", "1%"]);
    assert_eq!(ride.states()[0], "ramp Running 2");
}

#[test]
fn a_canary_that_is_found_worse_in_a_later_stage_begins_with_its_ramp_again() {
    let mut ride = ramping(OnFailure::Hold).to("approve");
    ride.worse();
    ride.all();
    assert_eq!(ride.states(), ["ramp Done 1", "approve Failed 1", "promote Pending 0"]);
    ride.acts(Action::Retry);
    ride.all();
    assert_eq!(ride.states(), ["ramp Running 2", "approve Pending 1", "promote Pending 0"]);
    assert_eq!(ride.weights(), ["1%", "5%", "50%", "1%"]);
}

#[test]
fn a_stage_that_failed_is_tried_again_with_ids_of_its_own() {
    let mut ride = Ride::begun(pipeline(vec![job(), wait(1)], OnFailure::Hold));
    ride.failed("job");
    assert_eq!(ride.rollout.status, Status::Paused);
    ride.acts(Action::Retry);
    ride.done("job");
    let ids: Vec<_> = ride.effects.iter().map(|effect| effect.id.0.as_str()).collect();
    assert_eq!(ids, ["r1/job/1/job", "r1/job/1/notify", "r1/job/2/job"]);
    assert_eq!(ride.states(), ["job Done 2", "wait Running 1"]);
}

#[test]
fn a_brake_stays_on_when_the_stage_is_passed_over_and_goes_with_the_promotion() {
    let mut ride = at_five(OnFailure::Hold);
    ride.worse();
    ride.all();
    ride.acts(Action::Skip);
    assert_eq!(ride.rollout.status, Status::Waiting);
    assert!(ride.rollout.brake.is_some());
    ride.acts(Action::Approve);
    ride.all();
    let names: Vec<_> = ride.effects.iter().rev().take(4).map(|effect| effect.what.name()).collect();
    assert_eq!(names, ["notify", "write-back", "promote", "release"]);
    assert_eq!((ride.rollout.status, ride.rollout.brake), (Status::Succeeded, None));
}

#[test]
fn a_release_that_is_on_its_way_when_the_canary_is_worse_again_is_braked_twice() {
    let mut ride = at_five(OnFailure::Hold);
    ride.worse();
    ride.all();
    ride.acts(Action::Retry);
    ride.done("trial");
    ride.done("weights");
    assert_eq!(ride.under_way(), ["release"]);
    ride.worse();
    ride.done("brake");
    assert_eq!(ride.under_way(), ["release", "notify", "notify"]);
    ride.done("release");
    assert!(ride.under_way().contains(&"brake"), "the release may have come after the first");
    ride.done("brake");
    assert!(ride.rollout.brake.is_some());
}

#[test]
fn a_canary_that_is_worse_while_it_is_promoted_is_taken_back_even_where_it_would_be_held() {
    let mut ride = ramping(OnFailure::Hold).to("approve");
    ride.acts(Action::Approve);
    assert!(ride.under_way().contains(&"promote"));
    ride.worse();
    ride.traffic();
    assert_eq!(ride.rollout.status, Status::RolledBack);
    assert_eq!(ride.weights().last().unwrap(), "before");
}

#[test]
fn an_end_may_be_called_off_until_it_is_there() {
    let mut ride = Ride::begun(pipeline(vec![ramp(), wait(1)], OnFailure::Rollback)).to("wait");
    ride.after(1);
    assert_eq!((ride.under_way(), ride.rollout.possible()), (vec!["leave"], vec![Action::Abort]));
    ride.worse();
    ride.traffic();
    assert_eq!(ride.rollout.status, Status::RolledBack);
}

#[test]
fn aborting_takes_everything_back_and_ends() {
    let mut ride = at_five(OnFailure::Hold);
    ride.acts(Action::Abort);
    assert_eq!(
        ride.wants(Action::Abort).unwrap_err().to_string(),
        "abort is not possible: the rollout is being taken back"
    );
    ride.worse();
    assert!(ride.rollout.brake.is_some(), "a canary that is worse is braked whatever is under way");
    ride.all();
    assert_eq!((ride.rollout.status, ride.weights().last().unwrap().as_str()), (Status::Canceled, "before"));
    assert_eq!(ride.rollout.reason.as_deref(), Some("aborted by bob: so it is"));
}

#[test]
fn a_promotion_by_hand_needs_no_stage() {
    let mut ride = Ride::begun(pipeline(vec![job(), wait(1)], OnFailure::Rollback));
    let refused =
        ride.ask(Event::Operator(Asked { action: Action::Promote, by: admin(), reason: Some(" ".to_owned()) }));
    assert_eq!(refused, Err(Refusal::NoReason { action: Action::Promote }));
    ride.acts(Action::Promote);
    assert_eq!(ride.canceled, ["r1/job/1/job"]);
    ride.all();
    assert_eq!((ride.rollout.status, ride.weights()), (Status::Succeeded, vec!["promoted".to_owned()]));
    assert_eq!(ride.states(), ["job Skipped 1", "wait Skipped 0"]);
}

#[test]
fn another_build_begins_with_the_first_step_and_nothing_that_is_known_counts() {
    let mut ride = at_five(OnFailure::Rollback);
    let build = |build: &str| Event::NewBuild { build: build.to_owned() };
    ride.event(build("v2"));
    assert_eq!(ride.states()[0], "ramp Running 1", "now it is known");
    ride.event(build("v2"));
    ride.event(build("v3"));
    assert_eq!((ride.states()[0].as_str(), &ride.rollout.judge), ("ramp Running 2", &None));
    ride.traffic();
    assert_eq!(ride.weights(), ["1%", "5%", "1%"]);
    let mut ride = ride.to("approve");
    ride.acts(Action::Pause);
    ride.event(build("v4"));
    assert_eq!(ride.weights().len(), 5, "a pause keeps the weight");
    ride.acts(Action::Resume);
    ride.traffic();
    assert_eq!(ride.states(), ["ramp Running 3", "approve Pending 1", "promote Pending 0"]);
    assert_eq!(ride.weights().last().unwrap(), "1%");
}

#[test]
fn a_service_that_is_gone_ends_a_rollout_that_would_be_held() {
    let mut ride = at_five(OnFailure::Hold);
    let gone = Event::ConfigurationChanged(Change::Gone { why: "split@file is gone".to_owned() });
    ride.event(gone.clone());
    ride.event(gone);
    ride.traffic();
    assert_eq!((ride.rollout.status, ride.weights().last().unwrap().as_str()), (Status::RolledBack, "before"));
    let mut ride = ramping(OnFailure::Rollback);
    let why = "split@file: its weights in the file are others now".to_owned();
    ride.event(Event::ConfigurationChanged(Change::Drifted { why }));
    assert_eq!(ride.rollout.status, Status::Running);
}

#[test]
fn a_restart_goes_on_with_what_had_not_ended_and_lays_the_trial_first() {
    let mut ride = at_five(OnFailure::Rollback);
    ride.look(evidence(false, 7));
    let step = ride.event(Event::Resumed);
    let ids: Vec<_> = step.effects.iter().map(|effect| effect.id.0.as_str()).collect();
    assert_eq!(ids, ["r1/ramp/1/trial.2"]);
    assert_eq!(step.effects[0].what, What::BeginTrial { mode: Mode::Randomised { step: 1, margin: 3.0 } });
    ride.done("trial");
    ride.look(evidence(false, 2));
    assert_eq!(ride.rollout.stages[0].work.requests, 9, "what came before counts");
    assert_eq!((ride.rollout.observed.requests, ride.rollout.observed.errors), (400, 8));
    ride.now += 60_000;
    ride.look(evidence(true, 3));
    assert_eq!(ride.under_way(), ["weights"]);
    let step = ride.event(Event::Resumed);
    let ids: Vec<_> = step.effects.iter().map(|effect| effect.id.0.as_str()).collect();
    assert_eq!(ids, ["r1/ramp/1/trial.3"], "nothing comes to a canary that is not judged");
    let step = ride.done("trial");
    assert_eq!(step.effects[0].id.0, "r1/ramp/1/weights.3", "the same as before");
}

#[test]
fn an_outage_is_told_once_whoever_restarts_in_it() {
    let mut ride = at_five(OnFailure::Rollback);
    ride.verdict(hold());
    ride.all();
    ride.event(Event::Resumed);
    ride.all();
    assert!(ride.rollout.outage.is_some(), "until the next judge has looked");
    ride.verdict(hold());
    ride.look(evidence(true, 500));
    assert!(ride.rollout.outage.is_some());
    let told = ride.effects.iter().filter(|effect| matches!(effect.what, What::Notify { news: News::Outage, .. }));
    assert_eq!(told.count(), 1);
    ride.event(Event::Resumed);
    ride.all();
    ride.look(evidence(true, 500));
    assert_eq!(ride.rollout.outage, None, "the next judge does not say so");
}

#[test]
fn a_restart_begins_nothing_while_somebody_has_it_paused() {
    let mut ride = Ride::begun(pipeline(vec![job(), ramp()], OnFailure::Rollback));
    ride.acts(Action::Pause);
    assert!(ride.event(Event::Resumed).effects.is_empty());
    let step = ride.acts(Action::Resume);
    assert_eq!(step.effects[0].id.0, "r1/job/1/job");
}

#[test]
fn a_restart_asks_again_and_brakes_again() {
    let mut ride = ramping(OnFailure::Rollback).to("approve");
    let nonce = ride.rollout.nonce();
    ride.event(Event::Resumed);
    ride.event(Event::Resumed);
    assert_eq!(ride.under_way(), ["approval", "trial"]);
    assert_eq!((ride.rollout.nonce(), ride.rollout.status), (nonce, Status::Waiting));
    ride.worse();
    assert_eq!(ride.canceled, ["r1/approve/1/approval"]);
    let step = ride.event(Event::Resumed);
    let names: Vec<_> = step.effects.iter().map(|effect| effect.what.name()).collect();
    assert_eq!(names, ["brake", "notify"], "the trial that was being laid is not wanted any more");
    ride.done("brake");
    assert!(ride.under_way().contains(&"restore"));
}

#[test]
fn a_release_under_way_at_a_restart_does_not_lose_the_trial() {
    let mut ride = at_five(OnFailure::Hold);
    ride.worse();
    ride.all();
    ride.acts(Action::Retry);
    ride.done("trial");
    ride.done("weights");
    let step = ride.event(Event::Resumed);
    assert_eq!(step.effects[0].id.0, "r1/ramp/2/trial.2");
    let step = ride.done("trial");
    assert_eq!(step.effects[0].id.0, "r1/ramp/2/release");
}

#[test]
fn weights_that_cannot_be_handed_over_are_taken_back() {
    let mut ride = Ride::begun(pipeline(vec![ramp(), wait(1)], OnFailure::Rollback)).to("wait");
    ride.after(1);
    ride.failed("leave");
    ride.traffic();
    assert_eq!(ride.rollout.status, Status::RolledBack);
    assert_eq!(ride.weights().last().unwrap(), "before");
}

#[test]
fn weights_that_came_to_nothing_are_not_left() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.done("read");
    ride.done("trial");
    assert_eq!(ride.under_way(), ["weights"]);
    ride.acts(Action::Skip);
    ride.failed("weights");
    assert_eq!(ride.under_way(), ["end-trial"]);
    ride.acts(Action::Abort);
    ride.traffic();
    assert_eq!((ride.rollout.status, ride.rollout.share), (Status::Canceled, None));
}

#[test]
fn a_rollout_does_not_end_before_what_it_has_begun_for_traffic() {
    let fixed = rollgate_config::dynamic::rollout::stage::Protect { rate_limit: None, circuit_breaker: None };
    let then = OnFailure::Stages(stages(vec![rollgate_config::dynamic::rollout::stage::StageKind::Protect(fixed)]));
    let mut ride = Ride::begun(pipeline(vec![job()], then));
    ride.failed("job");
    ride.acts(Action::Skip);
    assert_eq!((ride.rollout.status, ride.under_way()), (Status::Running, vec!["protect"]));
    ride.done("protect");
    assert_eq!(ride.rollout.status, Status::Failed);
}

#[test]
fn weights_that_may_be_in_force_are_taken_back_after_a_restart_too() {
    let mut ride = Ride::begun(pipeline(vec![ab_test()], OnFailure::Rollback));
    ride.done("read");
    ride.done("trial");
    assert_eq!(ride.under_way(), ["weights"]);
    ride.event(Event::Resumed);
    ride.acts(Action::Promote);
    ride.done("trial");
    ride.failed("promote");
    ride.traffic();
    assert_eq!(
        (ride.rollout.status, ride.weights()),
        (Status::RolledBack, ["0%", "promoted", "before"].map(str::to_owned).into())
    );
}

#[test]
fn what_is_promoted_after_all_gets_no_ramp_any_more() {
    let mut ride = Ride::begun(pipeline(vec![promote(), ramp(), job()], OnFailure::Rollback));
    ride.done("read");
    ride.acts(Action::Skip);
    assert_eq!(ride.rollout.record().name, "ramp");
    ride.done("promote");
    assert_eq!(ride.states(), ["promote Skipped 1", "ramp Skipped 1", "job Running 1"]);
    assert_eq!(ride.weights(), ["promoted"]);
}
