//! Spinnaker drives rollouts with the files of integrations/spinnaker.

mod orca;
mod spel;

use std::collections::{BTreeMap, BTreeSet};

use rollgate_testkit::{Admin, Gateway, wait};
use serde_json::{Map, Value, json};

use self::orca::{Ended, Orca};
use crate::{
    between::{Between, Fault},
    site::{Site, Users, shipped, until},
};

const EXECUTION: &str = "01JDMX2S6QJ5Y8Z0V3T7RKWB4N";

fn orca(site: &Site, between: &Between) -> Orca {
    let config = shipped("spinnaker/orca-local.yml").replace("TOKEN", &site.token.text);
    Orca::new(&config, EXECUTION, parameters(), between.backend.address)
}

/// As somebody runs it who changes nothing.
fn parameters() -> Map<String, Value> {
    let pipeline = pipeline();
    let parameters = pipeline["parameterConfig"].as_array().expect("there are some");
    parameters
        .iter()
        .map(|parameter| (parameter["name"].as_str().expect("it has a name").to_owned(), parameter["default"].clone()))
        .collect()
}

fn pipeline() -> Value {
    serde_json::from_str(&shipped("spinnaker/pipeline.json")).expect("it is JSON")
}

/// A stage of pipeline.json, with other values where a test has no time.
fn stage(name: &str, values: &[(&str, &str)]) -> Value {
    let pipeline = pipeline();
    let mut stages = pipeline["stages"].as_array().expect("there are some").iter();
    let mut stage = stages.find(|stage| stage["name"] == name).unwrap_or_else(|| panic!("there is no {name}")).clone();
    for (name, value) in values {
        assert!(!stage["parameterValues"][name].is_null(), "{name} is one of its parameters");
        stage["parameterValues"][name] = json!(value);
    }
    stage
}

/// One that is not in the file.
fn of_type(kind: &str, values: Value) -> Value {
    json!({"type": kind, "name": kind, "parameterValues": values})
}

const STEPS: &str =
    r#"[{"weight": "5%", "minDuration": "1s", "margin": 50}, {"weight": "50%", "minDuration": "1s", "margin": 50}]"#;
const ANALYSIS: &str = r#"{"latency": false}"#;

async fn run(orca: &Orca, stage: &Value) -> Ended {
    orca.run(&orca.plan(stage), std::future::pending()).await
}

async fn effective(admin: &Admin, version: &str) -> Value {
    admin.get("/services/pro/weights").await.ok()["effective"][format!("{version}@file")].clone()
}

fn start(site: &Site, faults: Vec<Fault>) -> (Gateway, Admin, Between) {
    let (gateway, admin) = site.start("");
    let between = Between::new(gateway.address("traefik"), faults);
    (gateway, admin, between)
}

#[tokio::test]
async fn the_pipeline_is_driven_stage_by_stage_and_lost_answers_begin_nothing_twice() {
    let site = Site::new("operate");
    let lost = |method, arrives, status| Fault { method, arrives, status };
    let faults = vec![
        lost("POST", true, 502),
        lost("POST", false, 503),
        lost("GET", false, 503),
        lost("GET", true, 429),
        lost("GET", true, 502),
    ];
    let (gateway, admin, between) = start(&site, faults);
    let _users = Users::of(&gateway);
    let _testers = Users::with(&gateway, &[("x-beta", "1")]);
    let mut orca = orca(&site, &between);
    let changed = |name: &str| match name {
        "A/B by header" => vec![("duration", "1s"), ("analysis", ANALYSIS)],
        "Ramp" => vec![("steps", STEPS), ("analysis", ANALYSIS)],
        _ => Vec::new(),
    };
    let (mut done, mut others) = (Vec::new(), Vec::new());
    for written in pipeline()["stages"].as_array().expect("there are some") {
        let name = written["name"].as_str().expect("it has a name");
        if written["type"].as_str().is_none_or(|kind| !kind.starts_with("rollgate")) {
            others.push(name.to_owned());
            orca.judgments.insert(name.to_owned(), "Promote".to_owned());
        } else if orca.is_enabled(written) {
            let ended = run(&orca, &stage(name, &changed(name))).await;
            assert_eq!(ended, Ended::Succeeded, "{name}");
            done.push(name.to_owned());
        }
    }
    assert_eq!(others, ["Tests", "Deploy to pre-release", "Does the pre-release work?", "Promote?"]);
    assert_eq!(done, ["A/B by header", "Ramp", "Promote", "Protect"]);
    assert_eq!(effective(&admin, "k8s-flask-canary").await, "100");
    let rollouts = admin.get("/rollouts").await.ok();
    let ids: Vec<&str> =
        rollouts["items"].as_array().expect("a list").iter().filter_map(|item| item["id"].as_str()).collect();
    let kinds = ["rollgateProtect", "rollgatePromote", "rollgateRamp", "rollgateAbTest"];
    assert_eq!(ids, kinds.map(|kind| format!("{EXECUTION}-{kind}-1")));
    assert_eq!(between.count("POST /api/v1/rollouts"), 6, "two of them came again");
    // What the ramp has seen is what the protection is computed by.
    let protect = admin.get(&format!("/rollouts/{EXECUTION}-rollgateProtect-1")).await.ok();
    let observed = &protect["stages"][0]["protection"]["observed"];
    let ramp = admin.get(&format!("/rollouts/{EXECUTION}-rollgateRamp-1")).await.ok();
    assert_eq!(observed["requests"], ramp["evidence"]["canary"]["requests"], "{protect:#}");
    let audit = admin.get("/audit?action=protection.set").await.ok();
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(1), "{audit}");
}

#[tokio::test]
async fn a_canceled_stage_gives_all_users_back() {
    let site = Site::new("operate");
    let (gateway, admin, between) = start(&site, Vec::new());
    let _users = Users::of(&gateway);
    let orca = orca(&site, &between);
    // It would take an hour.
    let steps = r#"[{"weight": "20%", "minDuration": "1h"}]"#;
    let stage = orca.plan(&stage("Ramp", &[("steps", steps), ("analysis", ANALYSIS)]));
    let id = format!("{EXECUTION}-rollgateRamp-1");
    let at_work = wait::eventually("the canary has its share", async || {
        (effective(&admin, "k8s-flask-canary").await == "20").then_some(())
    });
    assert_eq!(orca.run(&stage, at_work).await, Ended::Canceled);
    let ended = until(&admin, &id, "it has ended", |seen| !seen["endedAt"].is_null()).await;
    assert_eq!(ended["status"], "CANCELED", "{ended:#}");
    assert_eq!(effective(&admin, "k8s-flask-canary").await, "0");
    assert_eq!(between.count(&format!("POST /api/v1/rollouts/{id}/abort")), 1);
}

#[tokio::test]
async fn a_stage_whose_canary_is_worse_fails_and_says_why() {
    let site = Site::new("operate");
    site.fails();
    let (gateway, admin, between) = start(&site, Vec::new());
    let _users = Users::of(&gateway);
    let orca = orca(&site, &between);
    let ended = run(&orca, &stage("Ramp", &[("steps", STEPS), ("analysis", ANALYSIS)])).await;
    let Ended::Terminal(why) = ended else { panic!("{ended:?}") };
    assert!(why.starts_with("ROLLED_BACK, stage 1 of 1 (ramp)"), "{why}");
    assert_eq!(effective(&admin, "k8s-flask-canary").await, "0");
    // Orca calls `cancelEndpoint` then too: what has ended stays as it is.
    let seen = admin.get(&format!("/rollouts/{EXECUTION}-rollgateRamp-1")).await.ok();
    assert_eq!(seen["status"], "ROLLED_BACK", "{seen:#}");
}

#[tokio::test]
async fn the_other_stages_work_alone() {
    let site = Site::new("operate");
    let pipeline = "rollouts:
  release: {service: pro, stable: k8s-flask, canary: k8s-flask-canary, stages: [{approve: {}}, {wait: 1h}]}
";
    let (gateway, admin) = site.start(pipeline);
    let lost = vec![Fault { method: "POST", arrives: true, status: 503 }];
    let between = Between::new(gateway.address("traefik"), lost);
    let orca = orca(&site, &between);
    let pair = |more: Value| {
        let mut values = json!({"service": "pro", "stable": "k8s-flask", "canary": "k8s-flask-canary", "part": "1"});
        values.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        values
    };
    let weights = json!({"stableWeight": "90", "canaryWeight": "10", "reason": "try"});
    assert_eq!(run(&orca, &of_type("rollgateSetWeights", pair(weights))).await, Ended::Succeeded);
    assert_eq!(effective(&admin, "k8s-flask-canary").await, "10");
    let brake = json!({"service": "pro", "version": "k8s-flask-canary", "reason": "hot"});
    assert_eq!(run(&orca, &of_type("rollgateBrake", brake)).await, Ended::Succeeded);
    assert_eq!(admin.get("/brakes").await.ok()["items"][0]["reason"], "hot");

    let rollout = of_type("rollgateRollout", json!({"pipeline": "release", "build": "", "part": "1"}));
    let begun = orca.plan(&rollout);
    let id = format!("{EXECUTION}-rollgateRollout-1");
    let others = async {
        until(&admin, &id, "somebody is asked", |seen| seen["status"] == "WAITING").await;
        let act = |kind: &str| of_type(kind, json!({"rollout": id, "reason": "fine", "part": "1"}));
        // The first answer is lost: the second one is the same, although nobody is asked any more.
        assert_eq!(run(&orca, &act("rollgateApprove")).await, Ended::Succeeded);
        until(&admin, &id, "it waits", |seen| seen["stage"] == "wait").await;
        assert_eq!(run(&orca, &act("rollgateAbort")).await, Ended::Succeeded);
        std::future::pending::<()>().await;
    };
    assert_eq!(orca.run(&begun, others).await, Ended::Canceled);
    assert_eq!(between.count(&format!("POST /api/v1/rollouts/{id}/approve")), 1);
    assert_eq!(between.count("POST /api/v1/rollouts"), 5, "the first one came again");
    let approved = admin.get("/audit?action=rollout.approve").await.ok();
    assert_eq!(approved["items"].as_array().map(Vec::len), Some(1), "{approved}");
}

#[tokio::test]
async fn the_files_fit_each_other_and_what_orca_reads() {
    let site = Site::new("operate");
    let (_gateway, admin, between) = start(&site, Vec::new());
    let orca = orca(&site, &between);
    let described = admin.get("/openapi.json").await.ok();
    let paths: Vec<Vec<&str>> =
        described["paths"].as_object().expect("there are some").keys().map(|path| path.split('/').collect()).collect();
    let mut wanted = BTreeMap::new();
    for (kind, preconfigured) in orca.preconfigured() {
        let unknown: Vec<&String> = preconfigured.keys().filter(|name| !FIELDS.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "{kind}: {unknown:?}");
        let names: BTreeSet<&str> = preconfigured["parameters"]
            .as_array()
            .expect("there are some")
            .iter()
            .map(|parameter| parameter["name"].as_str().expect("it has a name"))
            .collect();
        // Each parameter is used, and each one that is used is there.
        let text = Value::from(preconfigured.clone()).to_string();
        let used: BTreeSet<&str> =
            text.split("parameterValues['").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
        assert_eq!(names, used, "{kind}");
        let values: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), json!("x"))).collect();
        let stage = orca.plan(&of_type(kind, values.into()));
        for field in ["url", "cancelEndpoint"] {
            let Some(url) = stage.text(field) else { continue };
            orca::allowed(&url).unwrap_or_else(|why| panic!("{kind}: {why}"));
            let path = url.strip_prefix("http://rollgate.gateway.svc:8080").expect("all are of one host");
            let parts: Vec<&str> = path.split('/').collect();
            let fits = |known: &&Vec<&str>| {
                known.len() == parts.len()
                    && known.iter().zip(&parts).all(|(known, part)| known == part || known.starts_with('{'))
            };
            assert!(paths.iter().any(|known| fits(&known)), "{kind}: there is no {path}");
        }
        wanted.insert(kind.clone(), names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
    }
    for stage in pipeline()["stages"].as_array().expect("there are some") {
        let kind = stage["type"].as_str().expect("it has a type");
        let Some(values) = stage["parameterValues"].as_object() else {
            assert!(!kind.starts_with("rollgate"), "{kind} has parameters");
            continue;
        };
        // Orca has no defaults of its own: what is missing is empty.
        assert_eq!(&values.keys().cloned().collect::<BTreeSet<_>>(), &wanted[kind], "{}", stage["name"]);
    }
    for refused in ["http://rollgate:8080/", "http://rollgate.gateway.svc.cluster.local/", "http://10.0.0.1/"] {
        assert!(orca::allowed(refused).is_err(), "{refused}");
    }
}

/// Of `WebhookProperties.PreconfiguredWebhook`.
const FIELDS: [&str; 22] = [
    "enabled",
    "label",
    "description",
    "type",
    "parameters",
    "url",
    "customHeaders",
    "sensitiveHeaders",
    "method",
    "payload",
    "failFastStatusCodes",
    "waitForCompletion",
    "statusUrlResolution",
    "statusUrlJsonPath",
    "statusJsonPath",
    "progressJsonPath",
    "successStatuses",
    "canceledStatuses",
    "terminalStatuses",
    "signalCancellation",
    "cancelEndpoint",
    "cancelMethod",
];
