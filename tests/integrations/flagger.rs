//! Flagger sets the weights itself, and asks at each of its hooks, with the files of integrations/flagger.

mod controller;
mod queries;

use std::{net::SocketAddr, time::Duration};

use regex::Regex;
use rollgate_testkit::{
    Admin, Ask, Backend, Gateway,
    backend::Protocol,
    client::{Body, full},
    metrics::Metrics,
    wait,
    yaml::{yaml, yaml_documents},
};
use serde_json::{Value, json};

use self::{
    controller::{Cluster, Controller, Routes, weighted},
    queries::{DURATION, SUCCESS_RATE, Scrapes, rendered},
};
use crate::{
    between::{Between, Fault},
    site::{HOST, Site, Users, shipped},
    watch::gives,
};

/// The Canary, with this caller's token.
fn canary(site: &Site) -> Value {
    yaml(&shipped("flagger/canary.yml").replace("TOKEN", &site.token.text))
}

/// As it is shipped, but soon enough content.
fn pipelines() -> String {
    let shipped =
        shipped("flagger/pipeline.yml").replace("stages:", "analysis: {latency: false, promise: 20%}\n    stages:");
    assert!(shipped.contains("watch: {}"), "{shipped}");
    shipped.replace("watch: {}", "watch: {margin: 50}")
}

fn start(site: &Site) -> (Gateway, Admin) {
    site.start(&pipelines())
}

fn controller<'s>(site: &Site, address: SocketAddr, admin: &'s Admin) -> Controller<'s> {
    Controller::new(canary(site), address, Routes::Live(admin))
}

/// Status and build of every rollout, the newest first.
async fn rollouts(admin: &Admin) -> Vec<(String, Option<String>)> {
    let seen = admin.get("/rollouts").await.ok();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let items = seen["items"].as_array().expect("a list").iter();
    items.map(|item| (text(&item["status"]).expect("it has one"), text(&item["build"]))).collect()
}

fn rollout(status: &str, build: &str) -> (String, Option<String>) {
    (status.to_owned(), Some(build.to_owned()))
}

/// A cluster in which the first version runs and the second one is to come.
fn cluster() -> Cluster {
    Cluster::new("v1")
}

#[tokio::test]
async fn a_good_canary_gets_all_steps_and_is_promoted() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let _users = Users::of(&gateway);
    let flagger = controller(&site, gateway.address("traefik"), &admin);
    let mut cluster = cluster();
    flagger.advance(&mut cluster).await;
    assert_eq!(rollouts(&admin).await, [], "nothing is to be rolled out");
    "v2".clone_into(&mut cluster.spec);
    flagger.run(&mut cluster, |_| false).await;
    assert_eq!(cluster.status.phase, "Succeeded", "{:#?}", cluster.told);
    cluster.told.retain(|told| !told.starts_with("no, confirm-traffic-increase:"));
    cluster.told.retain(|told| !told.starts_with("no, confirm-promotion:"));
    let expected = [
        "New revision detected! Scaling up",
        "Starting canary analysis",
        "Advance canary weight 5",
        "Advance canary weight 25",
        "Advance canary weight 50",
        "Copying template spec to primary",
        "Routing all traffic to primary",
        "Promotion completed!",
    ];
    assert_eq!(cluster.told, expected, "no check has failed");
    assert_eq!(rollouts(&admin).await, [rollout("SUCCEEDED", &cluster.checksum())]);
    let seen = admin.get("/rollouts").await.ok();
    let id = seen["items"][0]["id"].as_str().expect("it has one");
    let reason = admin.get(&format!("/rollouts/{id}")).await.ok()["history"].to_string();
    assert!(reason.contains("Flagger's k8s-flask.coding has succeeded"), "{reason}");
    gateway.logs("Routing all traffic to primary").await;
    // Nothing has changed: nothing happens.
    flagger.advance(&mut cluster).await;
    assert_eq!(rollouts(&admin).await.len(), 1);
}

#[tokio::test]
async fn a_bad_one_is_stopped_by_the_data_plane_and_the_next_releases_are_judged_for_themselves() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let _users = Users::of(&gateway);
    let flagger = controller(&site, gateway.address("traefik"), &admin);
    let mut cluster = cluster();
    flagger.advance(&mut cluster).await;
    "v2".clone_into(&mut cluster.spec);
    let fails_at_25 = |cluster: &Cluster| {
        if cluster.weight == 25 {
            site.fails();
        }
        false
    };
    flagger.run(&mut cluster, fails_at_25).await;
    assert_eq!((&*cluster.status.phase, cluster.weight), ("Failed", 0), "{:#?}", cluster.told);
    let [.., before, last] = &cluster.told[..] else { panic!("{:#?}", cluster.told) };
    assert_eq!([before, last], ["Rolling back manual webhook invoked", "Canary failed! Scaling down"]);
    assert!(cluster.told.iter().all(|told| told != "Advance canary weight 50"), "{:#?}", cluster.told);
    let bad = cluster.checksum();
    let told = admin.get(&format!("/services/pro/analysis?build={bad}")).await.ok();
    assert_eq!((&told["decision"], &told["braked"]), (&json!("fail"), &json!(true)), "{told:#}");
    assert!(told["counts"]["canary"]["errors"].as_u64() < Some(100), "long before Flagger asked: {told:#}");

    // What is promoted already is no new canary; afterwards the same build comes again, and it was not its fault.
    site.works();
    "v1".clone_into(&mut cluster.spec);
    flagger.advance(&mut cluster).await;
    assert_eq!(rollouts(&admin).await.len(), 1);
    "v2".clone_into(&mut cluster.spec);
    flagger.advance(&mut cluster).await;
    assert_eq!((&*cluster.status.phase, &*cluster.checksum()), ("Progressing", &*bad));
    flagger.run(&mut cluster, |_| false).await;
    assert_eq!(cluster.status.phase, "Succeeded", "{:#?}", cluster.told);

    "v3".clone_into(&mut cluster.spec);
    flagger.advance(&mut cluster).await;
    flagger.run(&mut cluster, |_| false).await;
    assert_eq!(cluster.status.phase, "Succeeded", "{:#?}", cluster.told);
    let expected =
        [rollout("SUCCEEDED", &cluster.checksum()), rollout("SUCCEEDED", &bad), rollout("ROLLED_BACK", &bad)];
    assert_eq!(rollouts(&admin).await, expected);
    assert_eq!(admin.get("/brakes").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn flagger_that_is_restarted_goes_on_and_another_revision_is_another_build() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let _users = Users::of(&gateway);
    let address = gateway.address("traefik");
    let flagger = || controller(&site, address, &admin);
    let mut cluster = cluster();
    flagger().advance(&mut cluster).await;
    "v2".clone_into(&mut cluster.spec);
    // It ends after each hook, before it has written anything.
    let mut lost = Cluster { status: cluster.status.clone(), ..Cluster::new("v2") };
    flagger().advance(&mut lost).await;
    flagger().advance(&mut cluster).await;
    assert_eq!(rollouts(&admin).await, [("RUNNING".to_owned(), None)], "it was begun once");
    for _ in 0..2 {
        assert!(flagger().all(&mut cluster, "pre-rollout", "Progressing").await, "{:#?}", cluster.told);
    }
    let first = cluster.checksum();
    assert_eq!(rollouts(&admin).await, [rollout("RUNNING", &first)]);
    // A process for each tick.
    while cluster.weight < 25 {
        flagger().run(&mut cluster, |_| true).await;
    }
    // It is worse, and before Flagger asks there is another one, which is not meant.
    site.fails();
    let is_back = async || (rollouts(&admin).await == [rollout("ROLLED_BACK", &first)]).then_some(());
    wait::eventually("it is taken back", is_back).await;
    site.works();
    "v3".clone_into(&mut cluster.spec);
    flagger().run(&mut cluster, |_| true).await;
    assert_eq!((&*cluster.status.phase, cluster.weight), ("Progressing", 0));
    let second = cluster.checksum();
    assert_ne!(first, second);
    flagger().run(&mut cluster, |_| false).await;
    assert_eq!(cluster.status.phase, "Succeeded", "{:#?}", cluster.told);
    assert_eq!(rollouts(&admin).await, [rollout("SUCCEEDED", &second), rollout("ROLLED_BACK", &first)]);
}

#[tokio::test]
async fn lost_answers_begin_nothing_twice() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let _users = Users::of(&gateway);
    let lost = |arrives, status| Fault { method: "POST", arrives, status };
    // Of confirm-rollout the first is lost on its way there, the second on its way back.
    let between = Between::new(gateway.address("traefik"), vec![lost(false, 503), lost(true, 502)]);
    let flagger = controller(&site, between.backend.address, &admin);
    let mut cluster = cluster();
    flagger.advance(&mut cluster).await;
    "v2".clone_into(&mut cluster.spec);
    flagger.advance(&mut cluster).await;
    assert_eq!(cluster.told, ["New revision detected! Scaling up"]);
    assert_eq!(between.count("POST /api/v1/hooks/flagger/watch-pro/confirm-rollout"), 3);
    flagger.run(&mut cluster, |_| false).await;
    assert_eq!(cluster.status.phase, "Succeeded", "{:#?}", cluster.told);
    assert_eq!(rollouts(&admin).await, [rollout("SUCCEEDED", &cluster.checksum())]);
}

#[tokio::test]
async fn a_canary_that_flagger_takes_out_of_the_service_at_weight_0_is_judged_when_it_is_back() {
    let site = Site::new("admin");
    let launch = site.launch("");
    let text = std::fs::read_to_string(launch.directory().join("rollgate.yml")).expect("it was written");
    let gateway = launch.start();
    let admin = Admin::of(&gateway).with_token(&site.token.text);
    let _users = Users::of(&gateway);
    let mut pipeline = yaml(&pipelines())["rollouts"]["watch-pro"].clone();
    pipeline["name"] = json!("watch-pro");
    admin.change("POST", "/pipelines", &pipeline).await.ok();
    gateway.apply("rollgate.yml", &weighted(&text, 0)).await;
    let flagger = Controller::new(canary(&site), gateway.address("traefik"), Routes::File(&gateway, &text));
    let mut cluster = cluster();
    flagger.advance(&mut cluster).await;
    "v2".clone_into(&mut cluster.spec);
    flagger.run(&mut cluster, |_| false).await;
    assert_eq!(cluster.status.phase, "Succeeded", "{:#?}", cluster.told);
    assert_eq!(rollouts(&admin).await, [rollout("SUCCEEDED", &cluster.checksum())]);
    "v3".clone_into(&mut cluster.spec);
    let fails_at_5 = |cluster: &Cluster| {
        if cluster.weight == 5 {
            site.fails();
        }
        false
    };
    flagger.advance(&mut cluster).await;
    flagger.run(&mut cluster, fails_at_5).await;
    assert_eq!(cluster.status.phase, "Failed", "{:#?}", cluster.told);
    assert_eq!(rollouts(&admin).await[0], rollout("ROLLED_BACK", &cluster.checksum()));
}

#[tokio::test]
async fn whom_nobody_knows_waits() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let stranger = yaml(&shipped("flagger/canary.yml").replace("flagger:TOKEN@", ""));
    let hooks = stranger["spec"]["analysis"]["webhooks"].as_array().expect("there are some");
    let mut stranger = stranger.clone();
    stranger["spec"]["analysis"]["webhooks"] = hooks.iter().filter(|hook| hook["type"] != "event").cloned().collect();
    let flagger = Controller::new(stranger, gateway.address("traefik"), Routes::Live(&admin));
    let mut cluster = cluster();
    flagger.advance(&mut cluster).await;
    "v2".clone_into(&mut cluster.spec);
    for _ in 0..2 {
        flagger.advance(&mut cluster).await;
        assert_eq!(cluster.status.phase, "Waiting");
    }
    assert!(cluster.told[0].contains("urn:rollgate:problem:unauthorized"), "{:#?}", cluster.told);
    assert_eq!(rollouts(&admin).await, []);
    controller(&site, gateway.address("traefik"), &admin).advance(&mut cluster).await;
    assert_eq!(cluster.status.phase, "Progressing");
}

/// What a hook is answered, in a line: status, code, why.
async fn told(admin: &Admin, hook: &str, checksum: &str) -> String {
    let body = json!({"name": "k8s-flask", "namespace": "coding", "phase": "Progressing", "checksum": checksum});
    let told = admin.change("POST", &format!("/hooks/flagger/{hook}"), &body).await;
    if told.status == 200 {
        return format!("{hook}: yes: {}", told.body["says"].as_str().expect("it says why"));
    }
    let (status, code) = told.problem();
    format!("{hook}: {status} {code}: {}", told.body["detail"].as_str().expect("it says why"))
}

#[tokio::test]
async fn each_hook_is_answered_by_what_is_known() {
    let site = Site::new("admin");
    let more = "  ramp: {service: pro, stable: k8s-flask, canary: k8s-flask-canary, stages: [{ramp: {steps: [5%]}}]}
  late: {service: pro, stable: k8s-flask, canary: k8s-flask-canary, stages: [{wait: 1h}, {watch: {}}]}
";
    let (gateway, admin) = site.start(&format!("{}{more}", pipelines()));
    let mut lines = Vec::new();
    let hooks = ["rollout", "confirm-traffic-increase", "confirm-promotion", "rollback", "post-rollout", "event"];
    let all = async |lines: &mut Vec<String>, title: &str, checksum: &str| {
        lines.push(format!("-- {title}"));
        for hook in hooks {
            lines.push(told(&admin, &format!("watch-pro/{hook}"), checksum).await);
        }
    };
    all(&mut lines, "nobody watches", "c-1").await;
    lines.push("-- not to be".to_owned());
    for wrong in ["watch-pro/gate", "nobody/rollout", "ramp/rollout", "late/confirm-rollout"] {
        lines.push(told(&admin, wrong, "c-1").await);
    }
    lines.push(told(&admin, "watch-pro/rollout", "").await);
    lines.push("-- a new canary".to_owned());
    lines.push(told(&admin, "watch-pro/confirm-rollout", "c-0").await);
    lines.push(told(&admin, "watch-pro/rollback", "c-1").await);
    lines.push(told(&admin, "watch-pro/pre-rollout", "c-1").await);
    all(&mut lines, "it has nothing", "c-2").await;
    for hook in ["confirm-traffic-increase", "rollback"] {
        lines.push(told(&admin, &format!("watch-pro/{hook}"), "c-1").await);
    }
    lines.push("-- it was given some, and nobody has come".to_owned());
    gives(&admin, 5).await;
    for hook in ["rollout", "confirm-traffic-increase", "confirm-promotion", "rollback"] {
        lines.push(told(&admin, &format!("watch-pro/{hook}"), "c-1").await);
    }
    lines.push("-- somebody brakes it".to_owned());
    admin.change("PUT", "/services/pro/brake/k8s-flask-canary", &json!({"reason": "hot"})).await.ok();
    for hook in ["pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion", "rollback", "post-rollout"]
    {
        lines.push(told(&admin, &format!("watch-pro/{hook}"), "c-1").await);
    }
    admin.change("DELETE", "/services/pro/brake/k8s-flask-canary", &Value::Null).await.ok();
    lines.push("-- somebody else moves the users".to_owned());
    assert_eq!(admin.change("POST", "/rollouts", &json!({"pipeline": "ramp", "id": "r-1"})).await.status, 201);
    for hook in ["confirm-rollout", "pre-rollout", "rollback", "post-rollout"] {
        lines.push(told(&admin, &format!("watch-pro/{hook}"), "c-1").await);
    }
    let id = Regex::new("watch-pro-[0-9a-f]{8}").expect("it is one");
    insta::assert_snapshot!(id.replace_all(&lines.join("\n"), "ID"));
    drop(gateway);
}

#[tokio::test]
async fn a_hook_that_comes_again_before_it_is_answered_begins_one_watch() {
    let site = Site::new("operate");
    let (_gateway, admin) = start(&site);
    for (hook, build) in [("watch-pro/confirm-rollout", "c-1"), ("watch-pro/pre-rollout", "c-2")] {
        let ask = || told(&admin, hook, build);
        let (first, second, third, fourth) = tokio::join!(ask(), ask(), ask(), ask());
        for answered in [first, second, third, fourth] {
            assert!(answered.contains(": yes: "), "{answered}");
        }
        assert_eq!(rollouts(&admin).await.len(), 1, "{hook}");
    }
    // Of another build a new one is begun.
    let ask = || told(&admin, "watch-pro/pre-rollout", "c-3");
    tokio::join!(ask(), ask(), ask(), ask());
    assert_eq!(rollouts(&admin).await, [rollout("RUNNING", "c-3"), rollout("CANCELED", "c-2")]);
}

/// Flagger may roll back, and say so, before the rollout has taken in what the data plane has found.
#[tokio::test]
async fn what_was_found_is_how_it_ends() {
    let site = Site::new("operate");
    let (gateway, admin) = start(&site);
    let _users = Users::of(&gateway);
    for build in ["c-1", "c-2", "c-3"] {
        site.works();
        for hook in ["watch-pro/confirm-rollout", "watch-pro/pre-rollout"] {
            let answered = told(&admin, hook, build).await;
            assert!(answered.contains(": yes: "), "{answered}");
        }
        gives(&admin, 50).await;
        site.fails();
        wait::eventually("it is to be rolled back", async || {
            told(&admin, "watch-pro/rollback", build).await.contains(": yes: ").then_some(())
        })
        .await;
        gives(&admin, 0).await;
        told(&admin, "watch-pro/post-rollout", build).await;
        wait::eventually("it has ended", async || {
            let newest = rollouts(&admin).await.swap_remove(0);
            (newest.0 != "RUNNING").then(|| assert_eq!(newest, rollout("ROLLED_BACK", build)))
        })
        .await;
    }
}

/// The files fit each other, and what the API has.
#[tokio::test]
async fn every_hook_of_the_canary_is_there() {
    let site = Site::new("operate");
    let (_gateway, admin) = start(&site);
    let described = admin.get("/openapi.json").await.ok();
    let hook = &described["paths"]["/api/v1/hooks/flagger/{pipeline}/{hook}"]["post"]["parameters"];
    let pattern = hook.as_array().expect("it has some").iter().find(|parameter| parameter["name"] == "hook");
    let pattern = pattern.and_then(|hook| hook["schema"]["pattern"].as_str()).expect("it has one");
    let mut known: Vec<&str> = pattern.trim_start_matches("^(").trim_end_matches(")$").split('|').collect();
    let canary = canary(&site);
    let mut used = Vec::new();
    for hook in canary["spec"]["analysis"]["webhooks"].as_array().expect("there are some") {
        let (kind, url) = (hook["type"].as_str().expect("it has one"), hook["url"].as_str().expect("it has one"));
        let expected = format!("http://flagger:{}@{HOST}:8080/api/v1/hooks/flagger/watch-pro/{kind}", site.token.text);
        assert_eq!(url, expected);
        used.push(kind);
    }
    known.sort_unstable();
    used.sort_unstable();
    assert_eq!(used, known);
}

/// Scrapes as Prometheus keeps them with the shipped configuration.
async fn scrape(gateway: &Gateway) -> Metrics {
    let shipped = yaml(&shipped("flagger/prometheus.yml"));
    let relabel = &shipped["scrape_configs"][0]["metric_relabel_configs"][0];
    assert_eq!((&relabel["source_labels"], &relabel["target_label"]), (&json!(["service"]), &json!("service")));
    let text = |key: &str| relabel[key].as_str().expect("it is text");
    let regex = Regex::new(&format!("\\bservice=\"{}\"", text("regex").replace(".+", "[^\"]+"))).expect("it is one");
    let scraped = gateway.metrics().await.text;
    let to = format!("service=\"{}\"", text("replacement").replace("$1", "${1}"));
    Metrics::parse(&regex.replace_all(&scraped, to.as_str()))
}

#[tokio::test]
async fn flaggers_queries_are_answered_by_what_the_canary_did() {
    let (primary, canary) = (Backend::echo("primary"), Backend::serve("canary", Protocol::Http1, slow));
    let gateway = Gateway::with(&format!(
        "http:
  routers:
    pro: {{rule: Host(`pro.test`), service: pro}}
    canary: {{rule: Host(`canary.test`), service: pro-canary}}
  services:
    pro: {{weighted: {{services: [{{name: coding-k8s-flask-primary-80, weight: 1}}, {{name: coding-k8s-flask-canary-80, weight: 0}}]}}}}
    pro-canary: {{weighted: {{services: [{{name: coding-k8s-flask-canary-80, weight: 1}}]}}}}
    coding-k8s-flask-primary-80: {}
    coding-k8s-flask-canary-80: {}
",
        primary.load_balancer(),
        canary.load_balancer()
    ));
    let total = async |least: f64| {
        wait::eventually("all are counted", async || {
            let all = gateway.metrics().await.sum("traefik_service_requests_total", &[]);
            (all >= least).then_some(())
        })
        .await;
        scrape(&gateway).await
    };
    let send = async |host: &str, status: &str, times: u32| {
        for _ in 0..times {
            let ask = Ask::get(&format!("http://{host}/")).header("echo-status", status);
            assert_eq!(gateway.ask(ask).await.status.to_string(), status);
        }
    };
    // What was before, and what the primary does, is no matter.
    send("canary.test", "503", 3).await;
    let before = total(3.0).await;
    send("pro.test", "500", 20).await;
    send("canary.test", "200", 26).await;
    send("canary.test", "404", 4).await;
    send("canary.test", "502", 10).await;
    let after = total(63.0).await;
    let scrapes = Scrapes { before: &before, after: &after };
    let canary = [("namespace", "coding"), ("target", "k8s-flask"), ("interval", "1m")];
    let own = [("variables.service", "coding-k8s-flask-canary-80@kubernetescrd"), ("interval", "1m")];
    let mut templates: Vec<(String, &[(&str, &str)])> =
        vec![(SUCCESS_RATE.to_owned(), &canary), (DURATION.to_owned(), &canary)];
    for shipped in yaml_documents(&shipped("flagger/metric-template.yml")) {
        templates.push((shipped["spec"]["query"].as_str().expect("there is one").to_owned(), &own));
    }
    let mut answers = Vec::new();
    for (template, variables) in &templates {
        answers.push(scrapes.answer(&rendered(template, variables)));
    }
    let [Some(rate), Some(duration), Some(own_rate), Some(own_duration)] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((rate, own_rate), (75.0, 75.0), "30 of 40");
    // Of the canary's 40 answers those 10 took longer than 300 ms, and none 1.2 s.
    assert!((300.0..1_200.0).contains(&duration), "{duration}");
    assert_eq!(duration, own_duration);
    let nobody = [("namespace", "coding"), ("target", "nobody"), ("interval", "1m")];
    assert_eq!(scrapes.answer(&rendered(SUCCESS_RATE, &nobody)), None);
    // The third name by which others ask.
    let requests = |code: &str| {
        let labels = [("service", "coding-k8s-flask-canary-80@kubernetescrd"), ("code", code)];
        after.sum("traefik_service_requests_total", &labels) - before.sum("traefik_service_requests_total", &labels)
    };
    assert_eq!(["200", "404", "502"].map(requests), [26.0, 4.0, 10.0]);
}

/// Answers as it is told; what it fails takes a while.
async fn slow(request: http::Request<hyper::body::Incoming>) -> http::Response<Body> {
    let status = request.headers()["echo-status"].to_str().ok().and_then(|status| status.parse().ok());
    let status: u16 = status.expect("a status");
    if status >= 500 {
        wait::lasted(Duration::from_millis(310)).await;
    }
    let mut response = http::Response::new(full("canary"));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response
}
