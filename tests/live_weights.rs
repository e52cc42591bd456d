//! Live weights and brakes: what is answered is live and stays, whatever the files say and however the process ends.

#![cfg(test)]

use std::path::Path;

use rollgate_testkit::{Admin, Ask, Backend, Gateway, Launch, Told, configuration};
use serde_json::{Value, json};

/// Two versions, a split and a router that leads to it.
struct Site {
    stable: Backend,
    canary: Backend,
}

impl Site {
    fn new() -> Self {
        Self { stable: Backend::echo("stable"), canary: Backend::echo("canary") }
    }

    fn text(&self, weights: &str) -> String {
        format!(
            "http:\n  routers:\n    pro: {{rule: Host(`pro.test`), service: pro}}\n  services:\n    stable: {}\n    canary: {}\n    pro: {{weighted: {{services: {weights}}}}}\n",
            self.stable.load_balancer(),
            self.canary.load_balancer()
        )
    }

    fn launch(&self, weights: &str, state: Option<&Path>) -> Launch {
        let config =
            format!("{}api: {{}}\nproviders: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n", configuration(""));
        let launch = Launch::new(&config).file("dynamic.yml", &self.text(weights));
        match state {
            Some(folder) => launch.variable("STATE_DIRECTORY", folder.to_str().expect("a path is text")),
            None => launch,
        }
    }

    fn start(&self, weights: &str) -> (Gateway, Admin) {
        let gateway = self.launch(weights, None).start();
        let admin = Admin::of(&gateway);
        (gateway, admin)
    }
}

const EVEN: &str = "[{name: stable, weight: 1}, {name: canary, weight: 1}]";

/// How many of 40 requests each version got.
async fn drawn(gateway: &Gateway) -> [usize; 2] {
    let mut of = [0; 2];
    for _ in 0..40 {
        let reply = gateway.ask(Ask::get("http://pro.test/")).await;
        let place = ["stable", "canary"].iter().position(|name| reply.seen().backend == *name);
        of[place.expect("it is one of the two")] += 1;
    }
    of
}

fn weights(stable: Value, canary: Value) -> Value {
    json!({"weights": {"stable": stable, "canary": canary}})
}

#[tokio::test]
async fn weights_that_were_answered_are_live() {
    let site = Site::new();
    let (gateway, admin) = site.start(EVEN);
    for (stable, canary, expected) in [(1, 0, [40, 0]), (0, 1, [0, 40]), (1, 0, [40, 0])] {
        let told = admin.change("PUT", "/services/pro/weights", &weights(stable.into(), canary.into())).await.ok();
        assert_eq!(told["effective"], json!({"stable@file": stable.to_string(), "canary@file": canary.to_string()}));
        assert_eq!(drawn(&gateway).await, expected);
    }
    let told = admin.change("DELETE", "/services/pro/weights", &json!({})).await.ok();
    assert_eq!((&told["owner"], &told["changed"]), (&json!("none"), &json!(true)));
    let both = drawn(&gateway).await;
    assert!(both.iter().all(|count| *count > 0), "{both:?}");
}

#[tokio::test]
async fn a_number_a_text_and_a_bare_name_mean_the_same_and_come_back_as_text() {
    let site = Site::new();
    let (_gateway, admin) = site.start(EVEN);
    let sent = json!({"weights": {"stable@file": "89.5", "canary": 10.5}, "reason": "a first step"});
    let told = admin.change("PUT", "/services/pro@file/weights", &sent).await.ok();
    assert_eq!(told["weights"], json!({"stable@file": "89.5", "canary@file": "10.5"}));
    assert_eq!(told["configured"], json!({"stable@file": "1", "canary@file": "1"}));
    assert_eq!(told["setBy"], "loopback");
    assert_eq!(told["reason"], "a first step");
    let patched =
        admin.change("PATCH", "/services/pro/weights", &json!({"weights": {"canary": "0.000001"}})).await.ok();
    assert_eq!(patched["weights"], json!({"stable@file": "89.5", "canary@file": "0.000001"}));
    let service = admin.get("/services/pro").await.ok();
    assert_eq!(service["owner"], "api");
    assert_eq!(service["versions"][0]["live"], "89.5");
    assert_eq!(service["versions"][1]["effective"], "0.000001");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_field_and_changes_nothing() {
    let site = Site::new();
    let (_gateway, admin) = site.start(EVEN);
    let before = admin.get("/services/pro/weights").await.ok();
    let mut told = Vec::new();
    for (method, path, body) in [
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 1}})),
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 1, "canary": 1, "other": 1}})),
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 1, "canary": -1}})),
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 1, "canary": "1.0000001"}})),
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 0, "canary": "0"}})),
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 1, "stable@file": 1, "canary": 1}})),
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 1, "canary": true}})),
        ("PUT", "/services/pro/weights", json!({"weigths": {}})),
        ("PUT", "/services/pro/weights", json!({"weights": {"stable": 1, "canary": 1}, "reason": "x".repeat(1025)})),
        ("PUT", "/services/stable/weights", json!({"weights": {}})),
        ("PUT", "/services/nobody/weights", json!({"weights": {}})),
        ("PUT", "/weights", json!({"services": {}})),
        ("PUT", "/weights", json!({"services": {"pro": {"weights": {"stable": 1}}}})),
        ("PUT", "/services/pro/brake/nobody", json!({})),
        ("DELETE", "/services/pro/brake/canary", json!({})),
        ("POST", "/services/pro/weights", json!({})),
        ("PUT", "/nowhere", json!({})),
    ] {
        let answer = admin.change(method, path, &body).await;
        let (status, code) = answer.problem();
        let (field, detail) = (answer.body["field"].as_str().unwrap_or("-"), answer.body["detail"].as_str().unwrap());
        told.push(format!("{method} {path}: {status} {code} [{field}] {detail}"));
    }
    insta::assert_snapshot!(told.join("\n"));
    let after = admin.get("/services/pro/weights").await.ok();
    assert_eq!(before, after);
}

#[tokio::test]
async fn live_weights_and_brakes_survive_reloads_and_restarts_and_kills() {
    let site = Site::new();
    let state = tempfile::tempdir().expect("a folder can be made");
    let gateway = site.launch(EVEN, Some(state.path())).start();
    let admin = Admin::of(&gateway);
    admin.change("PUT", "/services/pro/weights", &weights(0.into(), 1.into())).await.ok();
    gateway.apply("dynamic.yml", &site.text("[{name: stable, weight: 3}, {name: canary, weight: 1}]")).await;
    assert_eq!(drawn(&gateway).await, [0, 40]);
    let told = admin.get("/services/pro/weights").await.ok();
    assert_eq!((&told["drift"], &told["configured"]["stable@file"]), (&json!(true), &json!("3")));
    // Killed: nothing is written at an end.
    drop(gateway);
    let gateway = site.launch(EVEN, Some(state.path())).start();
    assert_eq!(drawn(&gateway).await, [0, 40], "the very first requests too");
    let admin = Admin::of(&gateway);
    admin.change("PUT", "/services/pro/weights", &weights(9.into(), 1.into())).await.ok();
    let braked = admin.change("PUT", "/services/pro/brake/canary", &json!({"reason": "errors"})).await.ok();
    assert_eq!((&braked["braked"], &braked["stored"]), (&json!(true), &json!(true)));
    assert_eq!(drawn(&gateway).await, [40, 0]);
    gateway.apply("dynamic.yml", &site.text("[{name: stable, weight: 5}, {name: canary, weight: 5}]")).await;
    assert_eq!(drawn(&gateway).await, [40, 0], "a reload ends no brake");
    drop(gateway);
    let gateway = site.launch(EVEN, Some(state.path())).start();
    assert_eq!(drawn(&gateway).await, [40, 0], "nor does a restart");
    let admin = Admin::of(&gateway);
    let released = admin.change("DELETE", "/services/pro/brake/canary", &json!({})).await.ok();
    assert_eq!(released["braked"], false);
    let told = admin.get("/services/pro/weights").await.ok();
    assert_eq!(told["effective"], json!({"stable@file": "9", "canary@file": "1"}));
}

#[tokio::test]
async fn live_weights_are_dropped_where_the_versions_have_other_names() {
    let site = Site::new();
    let (gateway, admin) = site.start(EVEN);
    admin.change("PUT", "/services/pro/weights", &weights(0.into(), 1.into())).await.ok();
    let text = site.text("[{name: stable, weight: 1}]");
    gateway.apply("dynamic.yml", &text).await;
    let told = admin.get("/services/pro/weights").await.ok();
    assert_eq!((&told["owner"], &told["weights"]), (&json!("none"), &json!({"stable@file": "1"})));
    let audit = admin.get("/audit?action=weights.dropped").await.ok();
    let entry = &audit["items"][0];
    assert_eq!(entry["service"], "pro@file");
    assert_eq!(entry["reason"], "its versions are now stable@file, and were canary@file, stable@file");
    // And they do not come back.
    gateway.apply("dynamic.yml", &site.text(EVEN)).await;
    let both = drawn(&gateway).await;
    assert!(both.iter().all(|count| *count > 0), "{both:?}");
}

#[tokio::test]
async fn the_last_version_with_weight_cannot_be_braked_or_be_the_only_one_left() {
    let site = Site::new();
    let (gateway, admin) = site.start(EVEN);
    admin.change("PUT", "/services/pro/weights", &weights(0.into(), 1.into())).await.ok();
    let refused = admin.change("PUT", "/services/pro/brake/canary", &json!({})).await;
    assert_eq!(refused.problem(), (409, "nothing-left"));
    admin.change("PUT", "/services/pro/weights", &weights(1.into(), 1.into())).await.ok();
    admin.change("PUT", "/services/pro/brake/canary", &json!({})).await.ok();
    let refused = admin.change("PUT", "/services/pro/weights", &weights(0.into(), 1.into())).await;
    assert_eq!(refused.problem(), (409, "nothing-left"));
    assert_eq!(drawn(&gateway).await, [40, 0]);
}

#[tokio::test]
async fn a_lost_update_is_refused_and_a_repeated_request_is_harmless() {
    let site = Site::new();
    let (_gateway, admin) = site.start(EVEN);
    let first = admin.get("/services/pro/weights").await;
    let tag = first.reply.header("etag").expect("there is a tag").to_owned();
    let put = |tag: &str, key: Option<&str>, canary: u32| {
        let body = weights(9.into(), canary.into()).to_string();
        let ask = admin.ask("PUT", "/services/pro/weights").header("content-type", "application/json").body(body);
        let ask = if tag.is_empty() { ask } else { ask.header("if-match", tag) };
        match key {
            Some(key) => ask.header("idempotency-key", key),
            None => ask,
        }
    };
    let told = admin.send(put(&tag, Some("one"), 1)).await;
    assert_eq!((told.status, told.body["changed"].as_bool()), (200, Some(true)));
    // The same again: the same answer, though the tag is no longer the current one.
    let again = admin.send(put(&tag, Some("one"), 1)).await;
    assert_eq!((again.status, &again.body), (200, &told.body));
    assert_eq!(again.reply.header("etag"), told.reply.header("etag"));
    assert_eq!(admin.send(put(&tag, Some("one"), 2)).await.problem(), (422, "idempotency-mismatch"));
    let lost = admin.send(put(&tag, None, 2)).await;
    assert_eq!(lost.problem(), (412, "precondition-failed"));
    let current = told.reply.header("etag").unwrap();
    assert_eq!(lost.body["etag"], current);
    assert_eq!(admin.send(put(current, None, 2)).await.status, 200);
    assert_eq!(admin.send(put("*", None, 3)).await.status, 200);
}

#[tokio::test]
async fn several_services_change_together_or_not_at_all() {
    let site = Site::new();
    let text = site
        .text(EVEN)
        .replace("    pro: {weighted", &format!("    two: {{weighted: {{services: {EVEN}}}}}\n    pro: {{weighted"));
    let config = configuration(&format!("api: {{}}\n{text}"));
    let gateway = Gateway::start(&config);
    let admin = Admin::of(&gateway);
    let both = |two: Value| json!({"services": {"pro": weights(1.into(), 0.into()), "two@file": two}});
    let told = admin.change("PUT", "/weights", &both(weights(0.into(), 1.into()))).await.ok();
    let generation = told["generation"].as_u64().unwrap();
    assert_eq!(told["services"].as_array().unwrap().len(), 2);
    assert_eq!(admin.get("/snapshot").await.ok()["generation"], generation);
    let refused = admin.change("PUT", "/weights", &both(json!({"weights": {"stable": 1}}))).await;
    assert_eq!(refused.problem(), (422, "invalid"));
    assert_eq!(refused.body["field"], "services.two@file.weights");
    assert_eq!(admin.get("/snapshot").await.ok()["generation"], generation);
    let would = admin.change("PUT", "/weights?dryRun=true", &both(weights(5.into(), 5.into()))).await.ok();
    assert_eq!((&would["dryRun"], &would["changed"]), (&json!(true), &json!(true)));
    assert_eq!(admin.get("/services/two/weights").await.ok()["effective"]["stable@file"], "0");
}

/// Sets the canary's weight over what was seen under a tag.
async fn put_over(admin: &Admin, tag: &str, canary: u32) -> Told {
    let body = weights(1.into(), canary.into()).to_string();
    let ask = admin.ask("PUT", "/services/pro/weights").header("content-type", "application/json");
    admin.send(ask.header("if-match", tag).body(body)).await
}

async fn tag(admin: &Admin) -> String {
    let seen = admin.get("/services/pro/weights").await;
    seen.reply.header("etag").expect("there is a tag").to_owned()
}

#[tokio::test]
async fn of_a_thousand_writers_that_have_seen_the_same_one_is_let_through() {
    let site = Site::new();
    let (_gateway, admin) = site.start(EVEN);
    let seen = tag(&admin).await;
    let writers = (2..=1001u32).map(|number| {
        let (admin, seen) = (admin.clone(), seen.clone());
        tokio::spawn(async move { (number, put_over(&admin, &seen, number).await) })
    });
    let mut through = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        let (number, told) = writer.await.expect("the writer ends well");
        match told.status {
            200 => through.push(number),
            _ => assert_eq!(told.problem(), (412, "precondition-failed")),
        }
    }
    assert_eq!(through.len(), 1, "{through:?}");
    let told = admin.get("/services/pro/weights").await.ok();
    assert_eq!(told["weights"]["canary@file"], through[0].to_string());
}

#[tokio::test]
async fn a_thousand_writes_of_writers_that_look_first_are_put_into_a_strict_order() {
    let site = Site::new();
    let (_gateway, admin) = site.start(EVEN);
    let writers = (0..8u32).map(|writer| {
        let admin = admin.clone();
        tokio::spawn(async move {
            let mut done = Vec::new();
            for number in 1..=125 {
                let canary = writer * 1000 + number;
                let told = loop {
                    let told = put_over(&admin, &tag(&admin).await, canary).await;
                    if told.status != 412 {
                        break told.ok();
                    }
                };
                done.push((told["generation"].as_u64().unwrap(), canary));
            }
            done
        })
    });
    let mut done = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        done.extend(writer.await.expect("the writer ends well"));
    }
    done.sort_unstable();
    assert!(done.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "each has a generation of its own");
    // The audit log has them in the same order.
    let page = admin.get("/audit?action=weights.set&limit=1000").await.ok();
    let canary = |entry: &Value| entry["to"]["canary@file"].as_str().unwrap().parse().unwrap();
    let mut order: Vec<u32> = page["items"].as_array().unwrap().iter().map(canary).collect();
    order.reverse();
    assert_eq!(order, done.iter().map(|(_, canary)| *canary).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_brake_depends_on_nothing_and_says_so() {
    let site = Site::new();
    let (_gateway, admin) = site.start(EVEN);
    for (method, statuses) in [("PUT", [200, 200]), ("DELETE", [200, 404])] {
        let ask = |name: &str, value: &str| admin.ask(method, "/services/pro/brake/canary").header(name, value);
        let refused = admin.send(ask("if-match", "*")).await;
        assert_eq!((refused.problem(), &refused.body["field"]), ((422, "invalid"), &json!("If-Match")), "{method}");
        assert_eq!(admin.send(ask("idempotency-key", &"x".repeat(256))).await.problem().0, 422, "{method}");
        for status in statuses {
            assert_eq!(admin.send(ask("idempotency-key", "once")).await.reply.status, status, "{method}");
        }
    }
}
