//! How rollouts go that nobody and nothing disturbs, and how they end.

use std::time::Duration;

use rollgate_config::{
    dynamic::rollout::{
        OnFailure,
        stage::{Approve, OnTimeout, StageKind},
    },
    static_config::Role,
};

use super::{super::*, pipelines::*, ride::*};

#[test]
fn a_whole_pipeline_ends_promoted() {
    let mut ride = Ride::begun(whole(OnFailure::Rollback)).to("webhook");
    ride.all();
    assert_eq!(ride.rollout.status, Status::Succeeded);
    assert_eq!(ride.weights(), ["0%", "1%", "5%", "50%", "promoted"]);
    let ids: Vec<String> = ride.effects.iter().map(|effect| effect.id.0.clone()).collect();
    insta::assert_snapshot!(ids.join("\n"));
}

#[test]
fn a_ramp_judges_before_it_gives_and_counts_from_when_the_weight_is_in_force() {
    let mut ride = Ride::begun(pipeline(vec![ramp(), promote()], OnFailure::Rollback));
    assert_eq!(ride.under_way(), ["read"]);
    ride.done("read");
    assert_eq!(ride.under_way(), ["trial"]);
    ride.done("trial");
    assert_eq!(ride.under_way(), ["weights"]);
    ride.now += 60_000;
    ride.done("weights");
    ride.look(evidence(true, 5));
    assert_eq!(ride.weights(), ["1%"], "30 s have passed, but not at this weight");
    ride.after(30);
    assert_eq!(ride.weights(), ["1%"], "time alone passes no step");
    ride.look(evidence(false, 5));
    assert_eq!(ride.weights(), ["1%"], "nor do requests without evidence");
    ride.look(evidence(true, 5));
    assert_eq!(ride.weights(), ["1%", "5%"]);
    assert_eq!(ride.under_way(), ["weights"]);
    let old = ride.rollout.trial.clone().unwrap().look;
    ride.done("weights");
    ride.done("stratum");
    ride.now += 60_000;
    let late = Event::Evidence { of: old, evidence: Box::new(evidence(true, 500)), judge: None };
    ride.event(late);
    assert_eq!(ride.weights(), ["1%", "5%"], "a look at the step before says nothing of this one");
    ride.look(evidence(true, 9));
    assert_eq!(ride.weights(), ["1%", "5%"], "a request is missing");
    ride.look(evidence(true, 10));
    assert_eq!(ride.weights(), ["1%", "5%", "50%"]);
    let steps = &ride.rollout.stages[0].steps;
    assert_eq!(steps.iter().map(|step| step.requests).collect::<Vec<_>>(), [5, 10, 0]);
    assert_eq!(steps[1].evidence.as_ref().map(|evidence| evidence.step_requests), Some(10));
}

#[test]
fn weights_are_computed_from_those_before() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.traffic();
    let told = ride.effects.iter().find_map(|effect| match &effect.what {
        What::SetWeights { weights, takes, .. } => Some((serde_json::to_string(weights).unwrap(), *takes)),
        _ => None,
    });
    let weights = r#"{"canary@file":"0.03","other@file":"1","stable@file":"2.97"}"#;
    assert_eq!(told, Some((weights.to_owned(), true)));
}

#[test]
fn what_warms_up_takes_no_time() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.traffic();
    ride.now += 40_000;
    ride.look(Evidence { discarding: true, ..evidence(true, 5) });
    ride.now += 29_000;
    ride.look(evidence(true, 5));
    assert_eq!(ride.weights(), ["1%"]);
    ride.now += 1_000;
    ride.look(evidence(true, 5));
    assert_eq!(ride.weights(), ["1%", "5%"]);
}

#[test]
fn few_requests_hold_a_ramp_for_ever_and_fail_nothing() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.traffic();
    for _ in 0..100 {
        ride.now += 86_400_000;
        ride.look(evidence(false, 1));
        ride.event(Event::Tick);
    }
    assert_eq!((ride.rollout.status, ride.weights().len()), (Status::Running, 1));
}

#[test]
fn an_audience_has_the_canary_as_long_as_its_stage() {
    let mut ride = Ride::begun(pipeline(vec![ab_test(), wait(60)], OnFailure::Rollback));
    ride.traffic();
    assert_eq!(ride.rollout.trial.as_ref().unwrap().mode, Mode::Audience);
    ride.look(evidence(false, 9));
    ride.after(60);
    assert_eq!(ride.rollout.record().name, "abTest", "a request is missing");
    ride.look(evidence(false, 10));
    assert_eq!(ride.under_way(), ["end-trial"]);
    ride.done("end-trial");
    assert_eq!((ride.rollout.record().name.as_str(), &ride.rollout.trial), ("wait", &None));
    ride.after(60);
    ride.all();
    assert_eq!((ride.rollout.status, ride.weights()), (Status::Succeeded, vec!["0%".to_owned(), "before".to_owned()]));
}

#[test]
fn a_pipeline_without_a_promotion_leaves_its_weights() {
    let mut ride = Ride::begun(pipeline(vec![ramp(), job()], OnFailure::Rollback)).to("job");
    assert!(ride.rollout.trial.is_some(), "what has traffic is judged");
    ride.done("job");
    assert_eq!(ride.under_way(), ["leave"]);
    ride.all();
    assert_eq!(
        (ride.rollout.status, ride.weights()),
        (Status::Succeeded, ["1%", "5%", "50%", "left"].map(str::to_owned).into())
    );
    assert_eq!((ride.rollout.share.unwrap().to_string(), ride.rollout.trial), ("50%".to_owned(), None));
}

#[test]
fn a_pipeline_that_moves_nothing_touches_nothing() {
    let mut ride = Ride::begun(pipeline(vec![job(), webhook(), wait(1)], OnFailure::Rollback)).to("wait");
    ride.after(1);
    assert_eq!(ride.rollout.status, Status::Succeeded);
    let names: Vec<_> = ride.effects.iter().map(|effect| effect.what.name()).collect();
    assert_eq!(names, ["job", "webhook", "notify"]);
}

#[test]
fn a_job_that_fails_before_anything_moved_fails_the_rollout_and_touches_no_weight() {
    let mut ride = Ride::begun(whole(OnFailure::Rollback));
    ride.failed("job");
    assert_eq!((ride.rollout.status, ride.rollout.reason.as_deref()), (Status::Failed, Some("job is broken")));
    assert!(ride.weights().is_empty());
    assert_eq!(ride.under_way(), ["notify"]);
    ride.done("notify");
    assert!(ride.rollout.outstanding.is_empty());
}

#[test]
fn a_job_that_fails_later_takes_back_what_was_moved() {
    let mut ride = Ride::begun(pipeline(vec![ramp(), job(), promote()], OnFailure::Rollback)).to("job");
    ride.failed("job");
    assert_eq!((ride.rollout.status, ride.under_way()), (Status::Running, vec!["restore"]));
    ride.done("restore");
    assert_eq!(ride.under_way(), ["end-trial"]);
    ride.done("end-trial");
    assert_eq!(ride.rollout.status, Status::RolledBack);
    assert!(ride.rollout.brake.is_none(), "nothing was wrong with the canary");
}

#[test]
fn a_canary_that_is_worse_is_braked_first() {
    let mut ride = Ride::begun(whole(OnFailure::Rollback)).to("ramp");
    ride.traffic();
    let step = ride.worse();
    assert_eq!(step.effects[0].what, What::Brake { reason: "9 of 10 failed".to_owned() });
    assert_eq!(ride.under_way(), ["brake", "notify"]);
    ride.worse();
    assert_eq!(ride.under_way(), ["brake", "notify"], "it is known");
    ride.done("brake");
    ride.traffic();
    assert_eq!(ride.weights(), ["0%", "1%", "before"]);
    assert_eq!(ride.rollout.status, Status::RolledBack);
    assert_eq!(ride.rollout.reason.as_deref(), Some("9 of 10 failed"));
    assert!(ride.rollout.brake.is_some(), "the canary gets nothing, also of what it had before");
}

#[test]
fn a_weight_that_is_on_its_way_is_waited_for_before_it_is_taken_back() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.traffic();
    ride.now += 30_000;
    ride.look(evidence(true, 5));
    assert_eq!(ride.under_way(), ["weights"]);
    ride.worse();
    ride.done("brake");
    assert_eq!(ride.under_way(), ["weights", "notify"], "a raise may come any moment, and has to come first");
    ride.done("weights");
    assert_eq!(ride.under_way(), ["notify", "restore"]);
    assert!(ride.rollout.outstanding.iter().all(|outstanding| !outstanding.is_abandoned));
}

#[test]
fn stages_after_a_rollback_are_all_run_whatever_becomes_of_them() {
    let then = OnFailure::Stages(stages(vec![webhook(), job(), approve(), wait(5)]));
    let mut ride = Ride::begun(pipeline(vec![ramp(), promote()], then)).to("ramp");
    ride.traffic();
    ride.worse();
    ride.traffic();
    assert_eq!(ride.weights(), ["1%", "before"]);
    assert_eq!(ride.rollout.progress(), "RUNNING, after the rollback, stage 1 of 4 (webhook), canary 0% (braked)");
    assert_eq!(ride.effects.last().unwrap().id.0, "r1/on-failure.webhook/1/webhook");
    ride.failed("webhook");
    ride.done("job");
    assert_eq!(ride.rollout.status, Status::Waiting);
    ride.acts(Action::Deny);
    ride.after(5);
    assert_eq!(ride.rollout.status, Status::RolledBack);
    assert_eq!(
        ride.states()[2..],
        ["webhook Failed 1", "job Done 1", "approve Failed 1", "wait Done 1"].map(str::to_owned)
    );
}

#[test]
fn stages_after_a_failure_that_moved_nothing_are_run_too_and_it_has_failed() {
    let then = OnFailure::Stages(stages(vec![webhook()]));
    let mut ride = Ride::begun(pipeline(vec![job(), ramp()], then));
    ride.failed("job");
    ride.done("webhook");
    assert_eq!((ride.rollout.status, ride.weights().len()), (Status::Failed, 0));
}

#[test]
fn what_cannot_be_restored_is_said() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.traffic();
    ride.worse();
    ride.done("brake");
    ride.failed("restore");
    ride.traffic();
    assert_eq!(ride.rollout.status, Status::Failed);
    let why = "9 of 10 failed; what was before could not be restored: restore is broken";
    assert_eq!(ride.rollout.reason.as_deref(), Some(why));
}

#[test]
fn what_is_promoted_is_not_taken_back() {
    for (on_failure, status) in [(OnFailure::Rollback, Status::Failed), (OnFailure::Hold, Status::Paused)] {
        let mut ride = Ride::begun(pipeline(vec![ramp(), promote(), webhook()], on_failure)).to("webhook");
        assert_eq!(ride.rollout.possible(), [Action::Pause, Action::Skip]);
        ride.failed("webhook");
        assert_eq!((ride.rollout.status, ride.weights().last().unwrap().as_str()), (status, "promoted"));
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_fails_nothing() {
    let mut ride = Ride::begun(pipeline(vec![promote()], OnFailure::Rollback));
    ride.done("read");
    ride.done("promote");
    ride.failed("write-back");
    assert_eq!(ride.rollout.status, Status::Succeeded);
    assert_eq!(ride.rollout.stages[0].output.as_deref(), Some("not written back: write-back is broken"));
}

#[test]
fn a_deployment_waits_for_its_servers_and_not_for_ever() {
    let mut ride = Ride::begun(pipeline(vec![deploy(), wait(1)], OnFailure::Rollback));
    ride.now += 400_000;
    ride.done("job");
    assert_eq!(ride.rollout.outstanding[0].effect.what, What::WaitHealthy { healthy: 2 });
    let due = ride.rollout.due(&ride.pipeline).unwrap();
    assert_eq!(due, 601_000, "from the stage's start");
    ride.now = due - 1;
    ride.event(Event::Tick);
    assert_eq!(ride.rollout.status, Status::Running);
    ride.now = due;
    ride.event(Event::Tick);
    assert_eq!(ride.rollout.status, Status::Failed);
    assert_eq!(ride.rollout.reason.as_deref(), Some("the canary did not have 2 servers up within 10 min"));
    assert_eq!(ride.canceled, ["r1/deploy/1/healthy"]);
}

fn asked(question: Approve) -> Ride {
    Ride::begun(pipeline(vec![StageKind::Approve(question), wait(1)], OnFailure::Rollback))
}

#[test]
fn silence_means_what_the_stage_says() {
    let timeout = Some(Duration::from_secs(60));
    for (on_timeout, status, name) in
        [(OnTimeout::Fail, Status::Failed, "approve"), (OnTimeout::Approve, Status::Running, "wait")]
    {
        let mut ride = asked(Approve { timeout, on_timeout, ..question() });
        assert_eq!((ride.rollout.status, ride.under_way()), (Status::Waiting, vec!["approval"]));
        ride.done("approval");
        ride.after(59);
        assert_eq!(ride.rollout.status, Status::Waiting);
        ride.after(1);
        assert_eq!((ride.rollout.status, ride.rollout.record().name.as_str()), (status, name));
    }
    let mut ride = asked(question());
    ride.after(365 * 86_400);
    assert_eq!(ride.rollout.status, Status::Waiting);
}

#[test]
fn only_those_may_answer_whom_the_stage_names() {
    let ask = |role, tokens: &[&str], action, by: (&str, Role, Option<&str>)| {
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        let mut ride = asked(Approve { role, tokens, ..question() });
        let by = Caller { name: by.0.to_owned(), role: by.1, token: by.2.map(str::to_owned), link: None };
        let asked = Event::Operator(Asked { action, by, reason: Some("fine".to_owned()) });
        ride.ask(asked).map(|step| step.rollout.stages[0].reason.clone().unwrap()).map_err(|why| why.to_string())
    };
    use Role::{Admin, Operate, Read};
    let told = [
        ask(Operate, &[], Action::Approve, ("ann", Operate, None)),
        ask(Operate, &[], Action::Approve, ("ann", Read, None)),
        ask(Read, &[], Action::Approve, ("ann", Read, None)),
        ask(Admin, &[], Action::Deny, ("ann", Operate, None)),
        ask(Admin, &[], Action::Deny, ("ann", Admin, None)),
        ask(Operate, &["qa", "ops"], Action::Approve, ("ann", Admin, Some("ci"))),
        ask(Operate, &["qa", "ops"], Action::Approve, ("ann", Operate, Some("ops"))),
        ask(Admin, &[], Action::Skip, ("ann", Operate, None)),
        ask(Admin, &[], Action::Promote, ("ann", Operate, None)),
        ask(Admin, &[], Action::Skip, ("ann", Admin, None)),
    ];
    insta::assert_snapshot!(told.map(|told| format!("{told:?}")).join("\n"));
}

#[test]
fn a_link_answers_one_question_once() {
    let mut ride = Ride::begun(pipeline(vec![approve(), approve()], OnFailure::Rollback));
    let by_link = |nonce: Nonce, action| {
        let by = Caller { name: "link".to_owned(), role: Role::Read, token: None, link: Some(nonce) };
        Event::Operator(Asked { action, by, reason: None })
    };
    let nonce_of = |ride: &Ride| match &ride.rollout.outstanding[0].effect.what {
        What::AskApproval { nonce, .. } => nonce.clone(),
        other => panic!("{other:?}"),
    };
    let first = nonce_of(&ride);
    assert_eq!(ride.rollout.nonce().as_ref(), Some(&first));
    assert_eq!(ride.ask(by_link(Nonce("0".repeat(32)), Action::Approve)), Err(Refusal::OldLink));
    assert_eq!(ride.ask(by_link(first.clone(), Action::Abort)), Err(Refusal::OldLink), "it is good for nothing else");
    ride.event(by_link(first.clone(), Action::Approve));
    assert_eq!(ride.rollout.at.index, 1);
    let second = nonce_of(&ride);
    assert_ne!(first, second);
    assert_eq!(ride.ask(by_link(first, Action::Approve)), Err(Refusal::OldLink));
    ride.done("approval");
    ride.event(by_link(second, Action::Deny));
    assert_eq!(ride.rollout.status, Status::Failed);
    let shown = format!("{:?}", ride.rollout);
    assert!(!shown.contains("0123456789abcdef") && shown.contains("LinkKey"), "no secret is shown");
}

#[test]
fn whoever_approves_sees_what_will_be_laid_and_that_is_laid() {
    let kinds = vec![approve(), ramp(), approve(), protect(), promote()];
    let ride = Ride::begun(pipeline(kinds, OnFailure::Rollback));
    assert_eq!(ride.rollout.stages[3].protection, None, "nothing was seen yet");
    let mut ride = ride.to("approve-2");
    let shown = ride.rollout.stages[3].protection.clone().unwrap();
    // 30 in a second at 5% are 600 of all; 4 of 200 failed.
    assert_eq!(shown.rate, Some(Rate { average: 1200, burst: 1200 }));
    assert_eq!(shown.breaker.as_deref(), Some("ResponseCodeRatio(500, 600, 0, 600) > 0.06"));
    let asked = ride.rollout.history.iter().rev().find_map(|entry| match &entry.happened {
        Happened::ApprovalAsked { protections } => Some(protections.clone()),
        _ => None,
    });
    assert_eq!(asked, Some(vec![("protect".to_owned(), shown.clone())]));
    let busiest = Some(Busiest { requests: 900, share: rollgate_config::scalar::Share(500_000) });
    ride.look(Evidence { busiest, ..evidence(true, 100) });
    assert_eq!(ride.rollout.observed.rate, 1800.0);
    ride.acts(Action::Approve);
    assert_eq!(ride.rollout.outstanding.last().unwrap().effect.what, What::Protect { protection: shown });
}

#[test]
fn a_protection_that_nobody_was_shown_is_of_the_moment_and_goes_with_a_rollback() {
    let mut ride =
        Ride::begun(pipeline(vec![ramp(), protect(), wait(9), promote()], OnFailure::Rollback)).to("protect");
    let is_protect = |effect: &&Effect| matches!(effect.what, What::Protect { .. });
    assert_eq!(ride.effects.iter().filter(is_protect).count(), 1);
    ride.done("protect");
    ride.acts(Action::Abort);
    ride.traffic();
    let names: Vec<_> = ride.effects.iter().rev().map(|effect| effect.what.name()).take(4).collect();
    assert_eq!(names, ["notify", "unprotect", "end-trial", "restore"]);
    assert_eq!(ride.rollout.status, Status::Canceled);
}

#[test]
fn a_protection_of_what_was_not_seen_is_not_guessed() {
    let mut ride = Ride::begun(pipeline(vec![protect()], OnFailure::Rollback));
    assert_eq!(ride.rollout.status, Status::Failed);
    let why = "no rate limit can be computed: the canary has had no requests";
    assert_eq!(ride.rollout.reason.as_deref(), Some(why));
    ride.all();
}

#[test]
fn a_service_that_cannot_be_taken_fails_the_stage_and_nothing_moves() {
    let owned = Before { owner: crate::store::Owner::Kubernetes("argo".to_owned()), ..before() };
    for (outcome, why) in [
        (Outcome::Weights(owned), "the service's weights are decided by kubernetes:argo"),
        (Outcome::DONE, "the weights were not told"),
    ] {
        let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
        ride.end("read", outcome);
        assert_eq!((ride.rollout.status, ride.rollout.reason.as_deref()), (Status::Failed, Some(why)));
        assert!(ride.weights().is_empty());
    }
}

#[test]
fn the_brake_of_an_earlier_rollout_is_taken_off_under_the_first_weight_and_put_on_again_with_a_rollback() {
    let brake = BrakeSeen { by: "rollout:r0".to_owned(), of_rollout: true, reason: Some("it failed".to_owned()) };
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.end("read", Outcome::Weights(Before { brake: Some(brake), ..before() }));
    ride.traffic();
    ride.acts(Action::Abort);
    ride.traffic();
    let names: Vec<_> = ride.effects.iter().map(|effect| effect.what.name()).collect();
    assert_eq!(names, ["read", "trial", "weights", "release", "brake", "restore", "end-trial", "notify"]);
    assert!(ride.rollout.brake.is_some());
}

#[test]
fn an_end_is_told_twice_or_late_without_harm() {
    let mut ride = Ride::begun(pipeline(vec![job(), ramp()], OnFailure::Rollback));
    let job = ride.rollout.outstanding[0].effect.id.clone();
    ride.done("job");
    let kept = ride.rollout.clone();
    for outcome in [Outcome::DONE, Outcome::Failed { why: "late".to_owned() }] {
        let step = ride.event(Event::EffectDone { id: job.clone(), outcome });
        assert_eq!((&step.rollout, step.must_be_kept, step.effects.len()), (&kept, false, 0));
    }
    let step = ride.event(Event::EffectDone { id: EffectId("r9/x/1/job".to_owned()), outcome: Outcome::DONE });
    assert_eq!((&step.rollout, step.must_be_kept), (&kept, false));
}

#[test]
fn a_look_that_moves_nothing_need_not_be_kept() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.traffic();
    assert!(!ride.look(evidence(false, 1)).must_be_kept);
    assert!(!ride.after(1).must_be_kept);
    ride.now += 30_000;
    assert!(ride.look(evidence(true, 1)).must_be_kept);
}

#[test]
fn another_pipeline_is_refused() {
    let ride = Ride::begun(pipeline(vec![job()], OnFailure::Rollback));
    let other = pipeline(vec![webhook()], OnFailure::Rollback);
    let refused = step(&ride.rollout, &other, Event::Tick, 0).unwrap_err();
    assert_eq!(refused, Refusal::OtherPipeline { pipeline: "shop@file".to_owned() });
    assert_eq!(
        refused.to_string(),
        "the stages that were given are not those of pipeline shop@file when the rollout began"
    );
}

#[test]
fn a_history_is_bounded_and_says_what_it_has_forgotten() {
    let mut ride = Ride::begun(pipeline(vec![ramp()], OnFailure::Rollback));
    ride.traffic();
    for _ in 0..600 {
        ride.event(Event::CanaryUnavailable { why: "down".to_owned() });
        ride.event(Event::CanaryAvailable);
    }
    assert_eq!(ride.rollout.history.len(), 1000);
    assert_eq!(ride.rollout.forgotten, 203);
}

#[test]
fn texts_from_outside_are_bounded() {
    let mut ride = Ride::begun(pipeline(vec![job(), job()], OnFailure::Rollback));
    ride.end("job", Outcome::Done { output: Some("ä".repeat(10_000)) });
    let output = ride.rollout.stages[0].output.as_ref().unwrap();
    assert!(output.len() <= 4096 && output.ends_with("..."));
    ride.end("job", Outcome::Failed { why: "ä".repeat(10_000) });
    assert!(ride.rollout.reason.as_ref().unwrap().len() <= 1024);
}
