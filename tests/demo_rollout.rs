//! The demo's pipeline: a good canary is promoted, a bad one is taken back.

#![cfg(test)]

use std::path::Path;

use rollgate_testkit::rollgate;

#[test]
fn the_good_canary_is_promoted_and_the_bad_one_taken_back() {
    let output = rollgate(Path::new("."), &["demo", "--rollout"]);
    assert_eq!(output.code, 0, "{output:?}");
    let (good, bad) = output.stdout.split_once("== a canary that fails").expect("both are played");
    for stage in [
        "migrate: done",
        "pre-release: done",
        "may-users-try-it: approve, by demo",
        "employees: tested",
        "gray-scale: step 3 of 3 (50%) was passed",
        "protect: lays at most",
        "promote: the canary has all users",
        "\nSUCCEEDED",
    ] {
        assert!(good.contains(stage), "{stage}:\n{good}");
    }
    for stage in ["employees: tested", "the canary is worse", "the canary is braked", "\nROLLED_BACK: "] {
        assert!(bad.contains(stage), "{stage}:\n{bad}");
    }
}
