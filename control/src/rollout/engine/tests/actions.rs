//! Every action in every state.

use rollgate_config::{dynamic::rollout::OnFailure, static_config::Role};

use super::{super::*, pipelines::*, ride::*};

/// Every state that an operator can meet, by name.
fn states() -> Vec<(String, Ride)> {
    let mut states = vec![("not begun".to_owned(), Ride::new(whole(OnFailure::Rollback)))];
    let all = ["job", "deploy", "abTest", "ramp", "approve", "protect", "wait", "promote", "webhook"];
    for stage in all {
        let at = || Ride::begun(whole(OnFailure::Hold)).to(stage);
        states.push((stage.to_owned(), at()));
        let mut paused = at();
        paused.acts(Action::Pause);
        states.push((format!("{stage}, paused"), paused));
        let mut failed = at();
        match failed.under_way().iter().rfind(|what| **what != "notify").copied() {
            Some("approval") => drop(failed.acts(Action::Deny)),
            Some(what) => drop(failed.failed(what)),
            None => continue,
        }
        failed.all();
        states.push((format!("{stage}, failed and held"), failed));
    }
    let worse = |on_failure| {
        let mut ride = Ride::begun(whole(on_failure)).to("ramp");
        ride.traffic();
        ride.worse();
        ride
    };
    let mut held = worse(OnFailure::Hold);
    held.all();
    states.push(("ramp, worse and held".to_owned(), held));
    states.push(("ramp, being taken back".to_owned(), worse(OnFailure::Rollback)));
    let mut leaving = Ride::begun(pipeline(vec![ramp(), wait(1)], OnFailure::Rollback)).to("wait");
    leaving.after(1);
    states.push(("leaving".to_owned(), leaving));
    for (stage, kind) in [("job", job()), ("approve", approve())] {
        let then = OnFailure::Stages(stages(vec![kind]));
        let mut after = Ride::begun(pipeline(vec![ramp()], then));
        after.traffic();
        after.worse();
        after.traffic();
        states.push((format!("after a rollback, {stage}"), after));
    }
    let mut succeeded = Ride::begun(whole(OnFailure::Rollback)).to("webhook");
    succeeded.all();
    states.push(("succeeded".to_owned(), succeeded));
    let mut rolled_back = worse(OnFailure::Rollback);
    rolled_back.all();
    states.push(("rolled back".to_owned(), rolled_back));
    let mut failed = Ride::begun(whole(OnFailure::Rollback));
    failed.failed("job");
    states.push(("failed".to_owned(), failed));
    let mut canceled = Ride::begun(whole(OnFailure::Rollback));
    canceled.acts(Action::Abort);
    states.push(("canceled".to_owned(), canceled));
    states
}

fn asked(action: Action, role: Role) -> Event {
    let by = Caller { name: "bob".to_owned(), role, token: None, link: None };
    Event::Operator(Asked { action, by, reason: Some("so it is".to_owned()) })
}

#[test]
fn every_action_in_every_state_does_what_the_table_says() {
    let mut table = String::new();
    for (name, ride) in states() {
        table += &format!("{name}: {}\n", ride.rollout.progress());
        let mut refused = Vec::new();
        for action in Action::ALL {
            match step(&ride.rollout, &ride.pipeline, asked(action, Role::Admin), ride.now) {
                Ok(step) => {
                    let effects: Vec<_> = step.effects.iter().map(|effect| effect.what.name()).collect();
                    let effects = if effects.is_empty() { "-".to_owned() } else { effects.join(" ") };
                    let canceled = step.canceled.iter().map(|id| format!(" !{}", id.0)).collect::<String>();
                    table += &format!("  {action:8}{} | {effects}{canceled}\n", step.rollout.progress());
                }
                Err(_) => refused.push(action.name()),
            }
        }
        if !refused.is_empty() {
            table += &format!("  refused: {}\n", refused.join(" "));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_is_said_to_be_possible_is_and_nothing_else() {
    for (name, ride) in states() {
        let possible = ride.rollout.possible();
        for action in Action::ALL {
            let answer = step(&ride.rollout, &ride.pipeline, asked(action, Role::Admin), ride.now);
            assert_eq!(answer.is_ok(), possible.contains(&action), "{name}: {action}");
            if let Err(why) = answer {
                assert!(matches!(&why, Refusal::NotNow { possible: told, .. } if *told == possible), "{name}: {why}");
            }
            let by_reader = step(&ride.rollout, &ride.pipeline, asked(action, Role::Read), ride.now);
            assert!(by_reader.is_err(), "{name}: {action} by somebody who may only look");
        }
    }
}

#[test]
fn a_refusal_names_the_action_the_state_and_what_is_possible() {
    let mut told = Vec::new();
    for (name, ride) in states() {
        let refused = |action| step(&ride.rollout, &ride.pipeline, asked(action, Role::Admin), ride.now).err();
        let first = Action::ALL.into_iter().find_map(refused).expect("not all is possible at once");
        told.push(format!("{name}: {first}"));
    }
    insta::assert_snapshot!(told.join("\n"));
}
