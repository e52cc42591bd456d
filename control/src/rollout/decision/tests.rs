use rollgate_config::dynamic::rollout::Pipeline;

use super::*;
use crate::rollout::engine::{BrakeState, Ending, LinkKey, Order, Pause};

fn pipeline(stage: &str) -> Pipeline {
    let source = format!(r#"{{"service": "pro@file", "stable": "a@file", "canary": "b@file", "stages": [{stage}]}}"#);
    rollgate_config::reread_pipeline("p@api", &source).expect("it can be read")
}

fn running(pipeline: &Pipeline) -> Rollout {
    let (salt, link_key) = ("salt", LinkKey("key".to_owned()));
    let order = Order { id: "r-1", pipeline: "p@api", actor: "ann", salt, link_key, build: None };
    Rollout { status: Status::Running, ..Rollout::new(order, pipeline, 1_000) }
}

fn judged(advance: bool, step_requests: u64) -> Judged {
    let evidence = Evidence { advance, step_requests, says: "what the counts say".to_owned(), ..Evidence::default() };
    Judged { evidence, share: Some(0.05), braked: false, holds: false }
}

fn now(trial: Judged) -> Now {
    Now { trial: Some(trial), brake: None }
}

#[test]
fn a_canary_passes_when_it_was_shown_to_be_no_worse_with_the_share_that_it_has() {
    let mut told = Vec::new();
    for (stage, requests) in
        [(r#"{"watch": {}}"#, 20), (r#"{"watch": {"minRequests": 100}}"#, 100), (r#"{"approve": {}}"#, 0)]
    {
        let pipeline = pipeline(stage);
        let rollout = running(&pipeline);
        let known = |trial| Known::of(&rollout, &pipeline, now(trial));
        let passes = known(judged(true, requests));
        assert_eq!((passes.decision, passes.braked, passes.share), (Decision::Pass, false, Some(0.05)), "{stage}");
        assert_eq!(known(judged(false, requests)).decision, Decision::Hold, "{stage}");
        if let Some(fewer) = requests.checked_sub(1) {
            told.push(known(judged(true, fewer)));
        }
    }
    let told: Vec<_> = told.iter().map(|known| (known.decision, &*known.reason)).collect();
    insta::assert_debug_snapshot!(told);
}

#[test]
fn whatever_keeps_it_from_more_says_why() {
    let pipeline = pipeline(r#"{"watch": {}}"#);
    let good = || now(judged(true, 1_000));
    let paused = |kind| {
        let pause = Some(Pause { at: 2_000, kind });
        Rollout { pause, reason: Some("paused by ann".to_owned()), ..running(&pipeline) }
    };
    let brake = |is_releasing| {
        let brake = BrakeState { at: 2_000, reason: "it was worse".to_owned(), is_releasing };
        Rollout { brake: Some(brake), ..running(&pipeline) }
    };
    let trial = |change: fn(&mut Judged)| {
        let mut judged = judged(true, 1_000);
        change(&mut judged);
        (running(&pipeline), now(judged))
    };
    let cases = [
        ("not begun", (running(&pipeline), Now::default())),
        ("both fail", trial(|judged| judged.holds = true)),
        ("warming up", trial(|judged| judged.evidence.discarding = true)),
        ("just found worse", trial(|judged| judged.braked = true)),
        ("braked", (brake(false), good())),
        ("braked, its trial is off", (brake(false), Now::default())),
        ("its brake is being taken off", (brake(true), Now::default())),
        ("somebody's brake", (running(&pipeline), Now { brake: Some("bob: hot".to_owned()), ..good() })),
        ("paused", (paused(PauseKind::Asked), good())),
        ("failed, to be decided", (paused(PauseKind::Failed), good())),
        ("no server", (Rollout { unavailable: Some("down".to_owned()), ..running(&pipeline) }, good())),
    ];
    let told: Vec<_> = cases
        .into_iter()
        .map(|(what, (rollout, now))| {
            let known = Known::of(&rollout, &pipeline, now);
            let braked = if known.braked { ", braked" } else { "" };
            format!("{what}: {:?}{braked}, {}", known.decision, known.reason)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn an_end_says_what_it_was() {
    let pipeline = pipeline(r#"{"watch": {}}"#);
    let with = |status, advance: Option<bool>, is_promoted| {
        let evidence = advance.map(|advance| judged(advance, 1_000).evidence);
        let reason = Some("so it was".to_owned());
        Rollout { status, evidence, is_promoted, reason, ..running(&pipeline) }
    };
    let ending = |status| {
        let ending = Some(Ending { status, why: None, then_stages: false, promotes: false });
        Rollout { ending, ..with(Status::Running, Some(true), false) }
    };
    let cases = [
        with(Status::RolledBack, Some(true), false),
        with(Status::Failed, None, false),
        with(Status::Canceled, Some(true), false),
        with(Status::Succeeded, Some(true), false),
        with(Status::Succeeded, Some(false), false),
        with(Status::Succeeded, None, false),
        with(Status::Succeeded, None, true),
        ending(Status::RolledBack),
        ending(Status::Canceled),
    ];
    let told: Vec<_> = cases
        .iter()
        .map(|rollout| {
            let Known { decision, reason, .. } = Known::of(rollout, &pipeline, now(judged(true, 1_000)));
            format!(
                "{} {:?}: {decision:?}, {reason}",
                rollout.status,
                rollout.ending.as_ref().map(|ending| ending.status)
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}
