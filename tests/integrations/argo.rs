//! Argo Rollouts sets the weights itself, and asks what is found, with the files of integrations/argo.

use std::time::Duration;

use rollgate_testkit::{Admin, Gateway, wait, yaml::yaml};
use serde_json::{Map, Value, json};

use crate::{
    site::{Site, Users, shipped},
    watch::gives,
};

/// Of Argo's intervals.
const DIVIDED: u64 = 20;

/// How a metric of an AnalysisRun has ended.
#[derive(Debug, PartialEq)]
enum Phase {
    Successful,
    Failed,
    Inconclusive,
    Error,
}

/// A template of the file, with its arguments.
fn metric(template: &str, args: &[(&str, &str)]) -> Value {
    let file = shipped("argo/analysis-template.yml");
    let mut templates = file.split("\n---\n");
    let text = templates.find(|text| text.contains(&format!("name: {template}\n"))).expect("it is there");
    let text =
        args.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{args.{name}}}}}"), value));
    assert!(!text.contains("{{"), "all arguments are given: {text}");
    let template = yaml(&text);
    template["spec"]["metrics"][0].clone()
}

/// What Argo does with a metric of the provider `web`, and what it makes of the measurements (analysis.go, webmetric.go).
async fn run(admin: &Admin, metric: &Value) -> Phase {
    let web = &metric["provider"]["web"];
    let path = web["url"].as_str().and_then(|url| url.split_once("/api/v1")).expect("it is the admin API's").1;
    let limit = |name: &str, default: u64| metric[name].as_u64().unwrap_or(default);
    let interval = metric["interval"].as_str().map_or(0, |text| text.trim_end_matches('s').parse().expect("seconds"));
    let (mut failed, mut inconclusive, mut errors, mut successes) = (0, 0, 0, 0);
    for _ in 0..limit("count", 1) {
        let mut ask = admin.ask(web["method"].as_str().unwrap_or("GET"), path);
        for header in web["headers"].as_array().expect("there are some") {
            let text = |key: &str| header[key].as_str().expect("it is text");
            ask = ask.header(text("key"), text("value"));
        }
        if !web["jsonBody"].is_null() {
            ask = ask.header("content-type", "application/json").body(web["jsonBody"].to_string());
        }
        let told = admin.send(ask).await;
        let key = web["jsonPath"].as_str().and_then(|path| path.strip_prefix("{$.")?.strip_suffix('}')).expect("a key");
        let value = told.body[key].as_str().filter(|_| (200..300).contains(&told.status));
        let holds = |condition: &str| match condition.rsplit_once(' ') {
            Some(("result ==", wanted)) => value.is_some_and(|value| format!("{value:?}") == wanted),
            Some(("result !=", wanted)) => value.is_some_and(|value| format!("{value:?}") != wanted),
            _ => panic!("{condition}"),
        };
        let is_success = holds(metric["successCondition"].as_str().expect("there is one"));
        let is_failure = metric["failureCondition"].as_str().map_or(!is_success, holds);
        match value {
            None => (errors, successes) = (errors + 1, 0),
            Some(_) if is_failure => (failed, errors, successes) = (failed + 1, 0, 0),
            Some(_) if is_success => (successes, errors) = (successes + 1, 0),
            Some(_) => (inconclusive, errors, successes) = (inconclusive + 1, 0, 0),
        }
        match () {
            () if failed > limit("failureLimit", 0) => return Phase::Failed,
            () if inconclusive > limit("inconclusiveLimit", 0) => return Phase::Inconclusive,
            () if errors > limit("consecutiveErrorLimit", 4) => return Phase::Error,
            () if successes >= limit("consecutiveSuccessLimit", u64::MAX) => return Phase::Successful,
            () => wait::lasted(Duration::from_secs(interval) / DIVIDED as u32).await,
        }
    }
    if metric["consecutiveSuccessLimit"].is_null() { Phase::Successful } else { Phase::Inconclusive }
}

/// The Rollout's steps, as long as none fails; what has become of it, and the weight that Argo has set last.
async fn roll(site: &Site, (gateway, admin): (&Gateway, &Admin), build: &str, at: impl Fn(u64)) -> (Phase, u64) {
    let rollout = yaml(&shipped("argo/rollout.yml"));
    let mut weight = 0;
    for step in rollout["spec"]["strategy"]["canary"]["steps"].as_array().expect("there are some") {
        if let Some(to) = step["setWeight"].as_u64() {
            weight = to;
            gives(admin, weight).await;
            at(weight);
            continue;
        }
        let analysis = &step["analysis"];
        let of = |arg: &Value| {
            let text = |key: &str| arg[key].as_str().map(ToOwned::to_owned);
            (text("name").expect("it has a name"), text("value").unwrap_or_else(|| build.to_owned()))
        };
        let mut args: Vec<_> = analysis["args"].as_array().expect("there are some").iter().map(of).collect();
        args.push(("token".to_owned(), site.token.text.clone()));
        let args: Vec<_> = args.iter().map(|(name, value)| (&**name, &**value)).collect();
        let template = analysis["templates"][0]["templateName"].as_str().expect("it has a name");
        match run(&Admin::of(gateway), &metric(template, &args)).await {
            Phase::Successful => {}
            phase => {
                // An abort: the canary's weight is 0.
                if phase == Phase::Failed {
                    gives(admin, 0).await;
                }
                return (phase, weight);
            }
        }
    }
    gives(admin, 0).await;
    (Phase::Successful, weight)
}

fn start(site: &Site) -> (Gateway, Admin) {
    site.start(&shipped("argo/pipeline.yml").replace("stages:", "analysis: {latency: false}\n    stages:"))
}

#[tokio::test]
async fn a_good_canary_gets_all_steps() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let _users = Users::of(&gateway);
    assert_eq!(roll(&site, (&gateway, &admin), "6b7c9", |_| {}).await, (Phase::Successful, 50));
    let seen = admin.get("/rollouts").await.ok();
    assert_eq!((&seen["items"][0]["status"], &seen["items"][0]["build"]), (&json!("RUNNING"), &json!("6b7c9")));
}

#[tokio::test]
async fn a_bad_one_is_stopped_by_the_data_plane_and_argo_sees_it() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let _users = Users::of(&gateway);
    let fails_at_25 = |weight| {
        if weight == 25 {
            site.fails();
        }
    };
    assert_eq!(roll(&site, (&gateway, &admin), "6b7c9", fails_at_25).await, (Phase::Failed, 25));
    let told = admin.get("/services/pro/analysis").await.ok();
    assert_eq!((&told["decision"], &told["braked"]), (&json!("fail"), &json!(true)), "{told:#}");
    assert!(told["counts"]["canary"]["errors"].as_u64() < Some(100), "long before Argo asked: {told:#}");
    // The next revision is judged for itself.
    site.works();
    assert_eq!(roll(&site, (&gateway, &admin), "77f01", |_| {}).await, (Phase::Successful, 50));
}

#[tokio::test]
async fn what_nobody_judges_keeps_it_waiting() {
    let site = Site::new("operate");
    let (gateway, _admin) = start(&site);
    let token = site.token.text.clone();
    let with = |template: &str, more: &[(&str, &str)], changes: &[(&str, u64)]| {
        let args: Vec<_> = more.iter().copied().chain([("build", "6b7c9"), ("token", &*token)]).collect();
        let mut metric = metric(template, &args);
        let fields: &mut Map<String, Value> = metric.as_object_mut().expect("it is a mapping");
        fields.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        metric
    };
    let few = [("count", 3), ("inconclusiveLimit", 3)];
    let asks = with("rollgate-analysis", &[("service", "pro")], &few);
    let nothing = with("rollgate-analysis", &[("service", "nobody")], &[("consecutiveErrorLimit", 1)]);
    let begins = with("rollgate-watch", &[("pipeline", "watch-pro")], &[]);
    let anonymous = Admin::of(&gateway);
    assert_eq!(run(&anonymous, &nothing).await, Phase::Error);
    assert_eq!(run(&anonymous, &begins).await, Phase::Successful);
    // Nobody asks for anything, so that nothing is shown; and it is asked as often as it may be.
    assert_eq!(run(&anonymous, &asks).await, Phase::Inconclusive);
}
