//! Both versions are judged, and somebody else decides about their weights.

use rollgate_testkit::{Admin, wait};
use serde_json::{Value, json};

use crate::site::{Site, Users, until};

/// A pipeline that only watches.
pub fn watching(watch: Value) -> Value {
    json!({"service": "pro", "stable": "k8s-flask", "canary": "k8s-flask-canary", "analysis": {"latency": false},
        "stages": [{"watch": watch}]})
}

/// Somebody gives the canary so many of a hundred.
pub async fn gives(admin: &Admin, canary: u64) {
    let weights = json!({"weights": {"k8s-flask": 100 - canary, "k8s-flask-canary": canary}});
    let told = admin.change("PUT", "/services/pro/weights", &weights).await.ok();
    assert_eq!((&told["owner"], &told["service"]), (&json!("api"), &json!("pro@file")), "{told}");
}

/// Until its analysis is so.
pub async fn analysis(admin: &Admin, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait::eventually(what, async || {
        let told = admin.get("/services/pro/analysis").await;
        (told.status == 200 && is_so(&told.body)).then_some(told.body)
    })
    .await
}

/// Begins a rollout.
async fn order(admin: &Admin, body: Value) {
    let told = admin.change("POST", "/rollouts", &body).await;
    assert_eq!(told.status, 201, "{}", told.reply.text());
}

/// One that watches, until it does.
async fn begin(admin: &Admin, id: &str, definition: Value) {
    order(admin, json!({"id": id, "definition": definition})).await;
    analysis(admin, "it is judged", |told| told["rollout"] == id && !told["share"].is_null()).await;
}

#[tokio::test]
async fn whoever_decides_about_the_weights_goes_on_and_is_told_what_is_found() {
    let site = Site::new("operate");
    let (gateway, admin) = site.start("");
    let _users = Users::of(&gateway);
    gives(&admin, 20).await;
    begin(&admin, "w-1", watching(json!({}))).await;
    let passed = analysis(&admin, "it passes", |told| told["decision"] == "pass").await;
    assert_eq!((&passed["rollout"], &passed["braked"], &passed["share"]), (&json!("w-1"), &json!(false), &json!(0.2)));
    let seen = admin.get("/rollouts/w-1").await.ok();
    assert_eq!((&seen["weight"], &seen["status"]), (&Value::Null, &json!("RUNNING")), "its weight is not its to say");
    // Another share is another step.
    let before = analysis(&admin, "there is a lot", |told| told["requestsWithShare"].as_u64() > Some(500)).await;
    gives(&admin, 50).await;
    let after = admin.get("/rollouts/w-1/analysis").await.ok();
    assert!(after["requestsWithShare"].as_u64() < before["requestsWithShare"].as_u64(), "{after:#}");
    let canarys = |told: &Value| told["counts"]["canary"]["requests"].as_u64();
    assert!(canarys(&after) >= canarys(&before), "what was seen stays: {after:#}");
    assert_eq!(after["share"], 0.5);
    // It goes on until somebody ends it, and the last that was found stands.
    let passes = |told: &Value| told["decision"] == "pass" && told["share"] == 0.5;
    analysis(&admin, "it passes with this share", passes).await;
    let ended = admin.change("POST", "/rollouts/w-1/skip", &json!({"reason": "enough"})).await.ok();
    assert_eq!(ended["waitsFor"].as_str().map(str::is_empty), Some(false), "{ended}");
    until(&admin, "w-1", "it has ended", |seen| seen["status"] == "SUCCEEDED").await;
    assert_eq!(admin.get("/services/pro/analysis").await.ok()["decision"], "pass");
    let weights = admin.get("/services/pro/weights").await.ok();
    assert_eq!((&weights["owner"], &weights["weights"]["k8s-flask-canary@file"]), (&json!("api"), &json!("50")));
}

#[tokio::test]
async fn one_that_is_worse_gets_nothing_and_keeps_its_weight() {
    let site = Site::new("operate");
    let (gateway, admin) = site.start("");
    let _users = Users::of(&gateway);
    gives(&admin, 20).await;
    begin(&admin, "w-1", watching(json!({}))).await;
    site.fails();
    let failed = analysis(&admin, "it fails", |told| told["decision"] == "fail").await;
    assert_eq!(failed["braked"], true, "{failed:#}");
    assert!(failed["counts"]["canary"]["errors"].as_u64() < Some(100), "{failed:#}");
    let ended = until(&admin, "w-1", "it has ended", |seen| seen["status"] == "ROLLED_BACK").await;
    let weights = admin.get("/services/pro/weights").await.ok();
    assert_eq!((&weights["owner"], &weights["weights"]["k8s-flask-canary@file"]), (&json!("api"), &json!("20")));
    assert_eq!(weights["effective"]["k8s-flask-canary@file"], "0", "{weights}");
    // Whoever asks later is told the same, and whoever changes the weights still gives it nothing.
    gives(&admin, 50).await;
    let told = admin.get("/services/pro/analysis").await.ok();
    assert_eq!((&told["decision"], &told["reason"]), (&json!("fail"), &ended["reason"]), "{told:#}");
    let weights = admin.get("/services/pro/weights").await.ok();
    assert_eq!(weights["effective"]["k8s-flask-canary@file"], "0", "{weights}");
    // The next one finds a canary that may be better.
    site.works();
    begin(&admin, "w-2", watching(json!({}))).await;
    analysis(&admin, "the next one passes", |told| told["decision"] == "pass" && told["rollout"] == "w-2").await;
    assert_eq!(admin.get("/brakes").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn another_rollout_takes_its_place() {
    let site = Site::new("operate");
    let (gateway, admin) = site.start("");
    let _users = Users::of(&gateway);
    gives(&admin, 20).await;
    begin(&admin, "w-1", watching(json!({}))).await;
    begin(&admin, "w-2", watching(json!({}))).await;
    let seen = admin.get("/rollouts/w-1").await.ok();
    let expected = "other has begun a rollout of w-2@inline";
    assert_eq!((&seen["status"], &seen["reason"]), (&json!("CANCELED"), &json!(expected)), "{seen:#}");
    // What cannot begin takes nobody's place.
    let used = json!({"id": "w-1", "definition": watching(json!({}))});
    assert_eq!(admin.change("POST", "/rollouts", &used).await.problem(), (409, "not-possible"));
    assert_eq!(admin.get("/rollouts/w-2").await.ok()["status"], "RUNNING");
    let mut ramp = watching(json!({}));
    ramp["stages"] = json!([{"ramp": {"steps": ["50%"]}}]);
    order(&admin, json!({"id": "r-1", "definition": ramp})).await;
    assert_eq!(admin.get("/rollouts/w-2").await.ok()["status"], "CANCELED");
    // Whoever moves users makes room for nobody.
    let third = json!({"id": "w-3", "definition": watching(json!({}))});
    assert_eq!(admin.change("POST", "/rollouts", &third).await.problem(), (409, "owned"));
}

#[tokio::test]
async fn what_is_asked_of_nothing_is_told_so() {
    let site = Site::new("read");
    let (_gateway, admin) = site.start("");
    assert_eq!(admin.get("/services/pro/analysis").await.problem(), (404, "not-found"));
    assert_eq!(admin.get("/services/nobody/analysis").await.problem(), (404, "not-found"));
    assert_eq!(admin.get("/rollouts/nobody/analysis").await.problem(), (404, "not-found"));
    assert_eq!(admin.get("/services/pro/analysis?what=1").await.problem(), (400, "malformed"));
}

#[tokio::test]
async fn another_build_is_not_judged() {
    let site = Site::new("operate");
    let (gateway, admin) = site.start("");
    let _users = Users::of(&gateway);
    gives(&admin, 20).await;
    order(&admin, json!({"id": "w-1", "build": "v2", "definition": watching(json!({}))})).await;
    analysis(&admin, "it passes", |told| told["decision"] == "pass").await;
    let told = async |build: &str| admin.get(&format!("/services/pro/analysis?build={build}")).await.ok();
    assert_eq!(told("v2").await["decision"], "pass");
    let other = told("v3").await;
    let expected = "nobody judges build v3: rollout w-1 is about build v2";
    assert_eq!((&other["decision"], &other["reason"]), (&json!("hold"), &json!(expected)));
}
