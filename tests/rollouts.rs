//! Rollouts, as an operator runs them: the real binary, its admin API, servers, and users that ask all the time.

#![cfg(test)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Response, StatusCode};
use rollgate_testkit::{Admin, Ask, Backend, Gateway, Launch, backend::Protocol, configuration, wait};
use serde_json::{Value, json};

/// Two versions, of which the canary can be made to fail, and users.
struct Site {
    stable: Backend,
    canary: Backend,
    fails: Arc<AtomicBool>,
}

impl Site {
    fn new() -> Self {
        let fails = Arc::new(AtomicBool::new(false));
        let failing = fails.clone();
        let canary = Backend::serve("canary", Protocol::Http1, move |_| {
            let fails = failing.load(Ordering::SeqCst);
            async move {
                let status = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
                let mut response = Response::new(rollgate_testkit::client::full("canary"));
                *response.status_mut() = status;
                response
            }
        });
        Self { stable: Backend::echo("stable"), canary, fails }
    }

    fn text(&self) -> String {
        format!(
            "http:\n  routers:\n    pro: {{rule: Host(`pro.test`), service: pro}}\n  services:\n    stable: {}\n    canary: {}\n    pro: {{weighted: {{services: [{{name: stable, weight: 100}}, {{name: canary, weight: 0}}]}}}}\n",
            self.stable.load_balancer(),
            self.canary.load_balancer()
        )
    }

    /// With a pipeline of these stages.
    fn launch(&self, stages: &str, state: Option<&Path>) -> Launch {
        let config =
            format!("{}api: {{}}\nproviders: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n", configuration(""));
        let rollouts = format!(
            "rollouts:\n  release:\n    service: pro\n    stable: stable\n    canary: canary\n    analysis: {{latency: false}}\n    stages:\n{stages}"
        );
        let launch = Launch::new(&config).file("dynamic.yml", &format!("{}{rollouts}", self.text()));
        match state {
            Some(folder) => launch.variable("STATE_DIRECTORY", folder.to_str().expect("a path is text")),
            None => launch,
        }
    }
}

/// Ask as fast as they are answered.
struct Users {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Users {
    fn of(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let user = |stop: Arc<AtomicBool>, address| async move {
            while !stop.load(Ordering::SeqCst) {
                let _answered = Ask::get("http://pro.test/").send(address).await;
            }
        };
        let tasks = (0..2).map(|_| tokio::spawn(user(stop.clone(), gateway.web()))).collect();
        Self { stop, tasks }
    }

    /// Until the last one has his answer.
    async fn go(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("every user is answered");
        }
    }
}

async fn start(admin: &Admin) -> String {
    let begun = admin.change("POST", "/rollouts", &json!({"pipeline": "release"})).await;
    assert_eq!(begun.reply.status, 201, "{}", begun.reply.text());
    assert!(begun.body["statusUrl"].as_str().expect("it is text").starts_with("http://"), "{}", begun.body);
    begun.body["id"].as_str().expect("it has an id").to_owned()
}

async fn until(admin: &Admin, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait::eventually(what, async || {
        let seen = admin.get(&format!("/rollouts/{id}")).await.ok();
        is_so(&seen).then_some(seen)
    })
    .await
}

const RAMP: &str =
    "      - ramp: {steps: [{weight: 5%, minDuration: 1s, margin: 50}, {weight: 50%, minDuration: 1s, margin: 50}]}\n";

#[tokio::test]
async fn a_good_canary_is_promoted_stage_by_stage() {
    let site = Site::new();
    let stages = format!(
        "      - job: {{command: [sh, -c, 'echo migrated $ROLLGATE_CANARY']}}\n      - deploy: {{healthy: 1}}\n      - approve: {{message: 'Is it good?'}}\n      - abTest: {{match: {{headers: {{x-beta: '1'}}}}, requests: 3}}\n{RAMP}      - protect: {{rateLimit: {{average: 100000}}}}\n      - promote: {{}}\n"
    );
    let gateway = site.launch(&stages, None).start();
    let admin = Admin::of(&gateway);
    let id = start(&admin).await;
    let refused = admin.change("POST", "/rollouts", &json!({"pipeline": "release"})).await;
    assert_eq!((refused.problem(), &refused.body["owner"]), ((409, "owned"), &json!(format!("rollout:{id}"))));
    let waiting = until(&admin, &id, "somebody is asked", |seen| seen["status"] == "WAITING").await;
    assert_eq!(waiting["stages"][0]["output"], "migrated canary@file\n", "{waiting}");
    assert_eq!(site.canary.requests(), 0, "nobody has it yet");
    admin.change("POST", &format!("/rollouts/{id}/approve"), &json!({"reason": "looks good"})).await.ok();
    until(&admin, &id, "the test is under way", |seen| seen["stage"] == "abTest" && seen["status"] == "RUNNING").await;
    for _ in 0..3 {
        wait::eventually("the audience gets the canary", async || {
            let reply = gateway.ask(Ask::get("http://pro.test/").header("x-beta", "1")).await;
            (reply.text() == "canary").then_some(())
        })
        .await;
    }
    let users = Users::of(&gateway);
    let done = until(&admin, &id, "it has ended", |seen| !seen["endedAt"].is_null()).await;
    users.go().await;
    assert_eq!(done["status"], "SUCCEEDED", "{done:#}");
    let weights = admin.get("/services/pro/weights").await.ok();
    assert_eq!((&weights["owner"], &weights["effective"]["canary@file"]), (&json!("api"), &json!("100")), "{weights}");
    let patch = done["stages"].as_array().expect("a list").last().expect("there is one")["output"].clone();
    assert!(patch.as_str().is_some_and(|patch| patch.contains("- {name: canary, weight: 100}")), "{patch}");
    let audit = admin.get("/audit?limit=1000").await.ok();
    let actions: Vec<&str> =
        audit["items"].as_array().expect("a list").iter().filter_map(|entry| entry["action"].as_str()).collect();
    for action in ["rollout.started", "rollout.approve", "rollout.promoted", "protection.set", "weights.set"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn a_canary_that_fails_is_taken_back_after_a_handful_of_answers() {
    let site = Site::new();
    site.fails.store(true, Ordering::SeqCst);
    let gateway = site.launch(&format!("{RAMP}      - promote: {{}}\n"), None).start();
    let admin = Admin::of(&gateway);
    let users = Users::of(&gateway);
    let id = start(&admin).await;
    let ended = until(&admin, &id, "it has ended", |seen| !seen["endedAt"].is_null()).await;
    users.go().await;
    assert_eq!(ended["status"], "ROLLED_BACK", "{ended:#}");
    assert!(site.canary.requests() <= 8, "{} requests went to it", site.canary.requests());
    let weights = admin.get("/services/pro/weights").await.ok();
    assert_eq!(weights["effective"]["canary@file"], "0", "{weights}");
    let says = ended["history"].to_string();
    assert!(says.contains("the canary is worse") || says.contains("foundWorse"), "{says}");
}

#[tokio::test]
async fn a_killed_gateway_goes_on_where_it_was_and_repeats_no_command() {
    let site = Site::new();
    let state = tempfile::tempdir().expect("a folder can be made");
    let count = state.path().join("count");
    let stages = format!(
        "      - job: {{command: [sh, -c, 'echo x >> {}; sleep 1'], env: {{A: b}}}}\n      - approve: {{}}\n      - promote: {{}}\n",
        count.display()
    );
    let launch = || site.launch(&stages, Some(state.path()));
    let gateway = launch().start();
    let id = start(&Admin::of(&gateway)).await;
    wait::eventually("the command runs", async || count.exists().then_some(())).await;
    // Killed while it runs: it runs on, and the next process waits for it.
    drop(gateway);
    let gateway = launch().start();
    let admin = Admin::of(&gateway);
    until(&admin, &id, "somebody is asked", |seen| seen["status"] == "WAITING").await;
    assert_eq!(std::fs::read_to_string(&count).expect("it is there"), "x\n");
    drop(gateway);
    let gateway = launch().start();
    let admin = Admin::of(&gateway);
    until(&admin, &id, "it waits still", |seen| seen["status"] == "WAITING").await;
    admin.change("POST", &format!("/rollouts/{id}/approve"), &json!({})).await.ok();
    let done = until(&admin, &id, "it has ended", |seen| !seen["endedAt"].is_null()).await;
    assert_eq!(done["status"], "SUCCEEDED", "{done:#}");
    assert_eq!(std::fs::read_to_string(&count).expect("it is there"), "x\n");
}

#[tokio::test]
async fn a_killed_gateway_judges_on_from_what_it_had_seen() {
    let site = Site::new();
    let state = tempfile::tempdir().expect("a folder can be made");
    let stages = "      - ramp: {steps: [{weight: 50%, minDuration: 1h}]}\n";
    let launch = || site.launch(stages, Some(state.path()));
    let gateway = launch().start();
    let users = Users::of(&gateway);
    let seen = |seen: &Value| seen["evidence"]["canary"]["requests"].as_u64().unwrap_or_default();
    let admin = Admin::of(&gateway);
    let id = start(&admin).await;
    let before = until(&admin, &id, "the canary is seen, and that is kept", |told| {
        told["startedAt"].as_str().is_some_and(|at| {
            let began: jiff::Timestamp = at.parse().expect("it is a time");
            seen(told) > 200 && jiff::Timestamp::now().duration_since(began).as_secs() >= 5
        })
    })
    .await;
    users.go().await;
    drop(gateway);
    let gateway = launch().start();
    let admin = Admin::of(&gateway);
    // No user asks: what is told is what was kept.
    let after = until(&admin, &id, "it judges on", |told| told["history"].to_string().contains("\"resumed\"")).await;
    assert!(seen(&after) > 0 && seen(&after) <= seen(&before), "{} after {}", seen(&after), seen(&before));
    let users = Users::of(&gateway);
    let on = until(&admin, &id, "it counts on", |told| {
        assert!(seen(told) >= seen(&after), "it has begun anew: {}", seen(told));
        seen(told) > seen(&after) + 50
    })
    .await;
    users.go().await;
    assert_eq!((&on["status"], &on["weight"]), (&json!("RUNNING"), &json!("50%")));
}

#[tokio::test]
async fn a_question_is_answered_by_its_link_once() {
    let site = Site::new();
    let stages = "      - approve: {message: 'May <it> go on?'}\n      - approve: {}\n      - promote: {}\n";
    let gateway = site.launch(stages, None).start();
    let admin = Admin::of(&gateway);
    let id = start(&admin).await;
    let asked = until(&admin, &id, "somebody is asked", |seen| seen["status"] == "WAITING").await;
    let link = asked["approvalUrl"].as_str().expect("there is a link").to_owned();
    let page = Ask::get(&link).send(gateway.address("traefik")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("May &lt;it&gt; go on?") && !page.text().contains("not open"), "{}", page.text());
    let answer = async |link: &str| {
        let ask = Ask::new("POST", &link.replace("/approval?", "/approve?"));
        ask.header("content-type", "application/json").body("{}").send(gateway.address("traefik")).await.status
    };
    assert_eq!(answer(&link).await, 200);
    let next = until(&admin, &id, "the next one is asked", |seen| seen["stage"] == "approve-2").await;
    assert_eq!(answer(&link).await, 403, "the other question is not its");
    assert!(Ask::get(&link).send(gateway.address("traefik")).await.text().contains("not open"));
    let link = next["approvalUrl"].as_str().expect("there is a link").to_owned();
    assert_eq!(answer(&link).await, 200);
    until(&admin, &id, "it has ended", |seen| seen["status"] == "SUCCEEDED").await;
}

#[tokio::test]
async fn a_canary_that_has_all_users_is_not_rolled_out_again_and_leaves_nothing_behind() {
    let site = Site::new();
    let gateway = site.launch("      - promote: {}\n", None).start();
    let admin = Admin::of(&gateway);
    let id = start(&admin).await;
    until(&admin, &id, "it is promoted", |seen| seen["status"] == "SUCCEEDED").await;
    let id = start(&admin).await;
    let ended = until(&admin, &id, "it has ended", |seen| !seen["endedAt"].is_null()).await;
    assert_eq!(ended["status"], "FAILED", "{ended:#}");
    assert!(ended["reason"].as_str().is_some_and(|why| why.contains("has all users already")), "{}", ended["reason"]);
    let weights = admin.get("/services/pro/weights").await.ok();
    assert_eq!((&weights["owner"], &weights["weights"]["canary@file"]), (&json!("api"), &json!("100")));
    let back = json!({"weights": {"stable": 1, "canary": 1}});
    admin.change("PUT", "/services/pro/weights", &back).await.ok();
}
