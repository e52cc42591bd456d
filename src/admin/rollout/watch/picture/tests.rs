use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend};
use serde_json::{Value, json};

use super::{super::super::Look, *};

/// 2026-11-26T10:00:00Z.
const BEGAN: i64 = 1_795_687_200_000;

fn stage(name: &str, kind: &str, state: &str, says: &str) -> Value {
    json!({ "at": {"of": "main", "index": 0}, "name": name, "kind": kind, "state": state, "says": says, "steps": [] })
}

fn entry(after: i64, stage: &str, happened: Value) -> Value {
    json!({ "at": BEGAN + after, "stage": stage, "by": null, "reason": null, "happened": happened })
}

fn evidence() -> Value {
    json!({
        "canary": {"requests": 160, "errors": 2, "slow": 9}, "stable": {"requests": 3040, "errors": 25, "slow": 151},
        "stepRequests": 160, "lnE": {"errors": 1.2, "slow": -0.4}, "lnNotInferior": 2.1, "lnKept": 1.9, "lnBroken": -1.0,
        "ratio": {"estimate": 1.63, "lower": 0.21, "upper": 7.4}, "advance": false, "discarding": false,
        "says": "nothing against canary: 2 of 160 against 25 of 3,040; E = 3.3 < 111",
    })
}

/// At the second step of a ramp.
fn ramp() -> Value {
    let mut stages = vec![
        stage("test", "job", "done", "run kubectl"),
        stage("look", "approve", "done", "Is it good?"),
        stage("ramp", "ramp", "running", "the canary gets 1%, 5%, 25%, 50%"),
        stage("guard", "protect", "pending", "lay a rate limit and a circuit breaker"),
        stage("promote", "promote", "pending", "the canary gets all users"),
        stage("sorry", "webhook", "pending", "POST chat.coding"),
    ];
    stages[0]["started"] = json!(BEGAN);
    stages[0]["ended"] = json!(BEGAN + 62_000);
    stages[1]["started"] = json!(BEGAN + 62_000);
    stages[1]["ended"] = json!(BEGAN + 3_662_000);
    stages[1]["reason"] = json!("approved by ann: looks good");
    stages[2]["started"] = json!(BEGAN + 3_662_000);
    stages[2]["isCurrent"] = json!(true);
    stages[5]["at"]["of"] = json!("onFailure");
    json!({
        "id": "release-1a2b3c4d", "pipeline": "release@file", "service": "pro@file", "stable": "k8s-flask@file",
        "canary": "k8s-flask-canary@file", "build": "1.4.2", "status": "RUNNING",
        "progress": "RUNNING, stage 3 of 5 (ramp), step 2, canary 5%",
        "waitsFor": "step 2 of 4: 12 s more of 1 min, and evidence that the canary has less than 3 times as many errors as \
            stable (nothing against canary: 2 of 160 against 25 of 3,040; E = 3.3 < 111)",
        "weight": "5%", "stage": "ramp", "possible": ["pause", "skip", "abort", "promote"], "stages": stages,
        "evidence": evidence(),
        "history": [
            entry(0, "test", json!({"what": "begun"})),
            entry(3_662_000, "look", json!({"what": "stageEnded", "state": "done", "why": "approved by ann: looks good", "lasted": 3_600_000})),
            entry(3_662_020, "ramp", json!({"what": "weighed", "canary": "1%"})),
            entry(3_700_000, "ramp", json!({"what": "weighed", "canary": "5%"})),
        ],
    })
}

/// Somebody is asked.
fn question() -> Value {
    let mut body = ramp();
    body["status"] = json!("WAITING");
    body["progress"] = json!("WAITING, stage 2 of 5 (look)");
    body["waitsFor"] = json!("somebody to approve look, asked 1 h 1 min ago");
    body["stage"] = json!("look");
    body["possible"] = json!(["approve", "deny", "abort"]);
    body["weight"] = Value::Null;
    body["evidence"] = Value::Null;
    body["history"].as_array_mut().unwrap().truncate(1);
    for (index, state) in ["done", "waiting", "pending"].into_iter().enumerate() {
        body["stages"][index]["state"] = json!(state);
        body["stages"][index]["isCurrent"] = json!(state == "waiting");
    }
    body["stages"][1]["ended"] = Value::Null;
    body["stages"][1]["reason"] = Value::Null;
    body["stages"][2]["started"] = Value::Null;
    body
}

/// It was taken back, and tells of it.
fn taken_back() -> Value {
    let mut body = ramp();
    let says = "canary fails 6.1 times as often: 8 of 160 against 25 of 3,040; E = 222 >= 111";
    body["status"] = json!("RUNNING");
    body["progress"] = json!("RUNNING, after the rollback, stage 1 of 1 (sorry), canary 0% (braked)");
    body["waitsFor"] = json!("the webhook's answer");
    body["reason"] = json!(says);
    body["stages"][2]["state"] = json!("failed");
    body["stages"][2]["reason"] = json!(says);
    body["stages"][2]["ended"] = json!(BEGAN + 3_750_000);
    body["stages"][2]["isCurrent"] = json!(false);
    body["stages"][5]["state"] = json!("running");
    body["stages"][5]["started"] = json!(BEGAN + 3_750_100);
    body["stages"][5]["isCurrent"] = json!(true);
    body["weight"] = Value::Null;
    body["evidence"]["canary"]["errors"] = json!(8);
    body["evidence"]["lnE"]["errors"] = json!(5.403_345);
    body["evidence"]["ratio"] = json!({"estimate": 6.33, "lower": 1.15, "upper": 22.03});
    body["evidence"]["says"] = json!(says);
    body
}

fn attention(body: Value) -> Attention {
    let rollout = serde_json::from_value(body.clone()).unwrap();
    Attention::new(Look { rollout, body, at: BEGAN + 3_760_000 })
}

fn drawn(width: u16, height: u16, attention: &Attention) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, attention, attention.look.at)).unwrap();
    terminal
}

#[test]
fn a_ramp_under_way() {
    insta::assert_snapshot!(drawn(100, 28, &attention(ramp())).backend());
}

#[test]
fn a_question_and_whether_it_is_meant() {
    let mut attention = attention(question());
    attention.key(&KeyEvent::new(KeyCode::Char('a'), KeyModifiers::NONE));
    insta::assert_snapshot!(drawn(80, 24, &attention).backend());
}

#[test]
fn a_canary_that_was_taken_back() {
    insta::assert_snapshot!(drawn(100, 28, &attention(taken_back())).backend());
}

#[test]
fn a_low_terminal_has_the_stage_that_counts_and_the_last_line() {
    for height in [8, 10, 12, 16, 20] {
        let screen = drawn(80, height, &attention(ramp())).backend().to_string();
        assert!(screen.contains(">  ramp"), "{screen}");
        assert!(screen.contains("b aborts, q leaves"), "{screen}");
    }
}

#[test]
fn it_draws_at_every_size_whatever_there_is_to_draw() {
    let hostile = "\u{1b}[2J\u{9b}1m\r\nfaked\u{202e}";
    let mut body = ramp();
    for key in ["id", "service", "stable", "canary", "build", "progress", "waitsFor", "reason", "weight", "stage"] {
        body[key] = json!(hostile);
    }
    body["stages"][0] = stage(hostile, hostile, hostile, hostile);
    body["evidence"]["says"] = json!(hostile);
    body["history"] = json!([{ "at": i64::MAX, "stage": hostile, "happened": { hostile: hostile } }, hostile, null]);
    let mut bare = ramp();
    for key in ["stages", "history", "possible"] {
        bare[key] = json!([]);
    }
    let mut long = ramp();
    long["stages"] = Value::Array(vec![stage("x", "wait", "pending", "wait 5 min"); 128]);
    for body in [ramp(), question(), taken_back(), body, bare, long] {
        let attention = attention(body);
        for (width, height) in [(1, 1), (3, 40), (10, 3), (30, 12), (80, 24), (300, 200)] {
            let screen = drawn(width, height, &attention).backend().to_string();
            assert!(screen.chars().all(|character| character == '\n' || !character.is_control()), "{screen:?}");
            assert!(!screen.contains('\u{202e}'), "{screen:?}");
        }
    }
}
