//! Every action at every kind of stage, over HTTP: what is answered, and what is so then.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    rc::Rc,
};

use http::{Response, StatusCode};
use rollgate_testkit::{Admin, Ask, Backend, Gateway, Launch, backend::Protocol, configuration, wait};
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, LocalSet},
};

/// Where a rollout is when somebody acts.
#[derive(Debug, Clone, Copy)]
struct State {
    name: &'static str,
    /// The stages of its pipeline, of which the first that stays is meant; `@` is a name for files of its own.
    stages: &'static str,
    on_failure: &'static str,
    canary: Canary,
    how: How,
}

#[derive(Debug, Clone, Copy)]
enum Canary {
    Good,
    /// Each answer is an error.
    Bad,
    /// No server of it is up.
    Down,
}

/// How it comes there.
#[derive(Debug, Clone, Copy)]
enum How {
    /// By itself.
    Stays,
    /// Somebody pauses it where it stays.
    Paused,
    /// Somebody says yes to its first stage.
    Approved,
    /// It gets requests until something is decided.
    Judged,
    /// Somebody aborts it where it stays.
    Aborted,
}

const STATES: &[State] = &[
    state("job", "[{job: {command: [sh, -c, 'echo $$ > @; exec sleep 300']}}, {wait: 1h}, {promote: {}}]"),
    State {
        how: How::Paused,
        ..state("job, paused", "[{job: {command: [sh, -c, 'echo $$ > @; exec sleep 300']}}, {wait: 1h}]")
    },
    State {
        on_failure: "hold",
        ..state(
            "job, failed and held",
            "[{job: {command: [sh, -c, 'test -e @ && { echo $$ > @; exec sleep 300; }; touch @; exit 3']}}, {wait: 1h}]",
        )
    },
    state("deploy", "[{deploy: {healthy: 5, timeout: 1h}}, {wait: 1h}, {promote: {}}]"),
    state("approve", "[{approve: {}}, {wait: 1h}, {promote: {}}]"),
    state("abTest", "[{abTest: {match: {headers: {x-beta: '1'}}, requests: 1000000}}, {wait: 1h}, {promote: {}}]"),
    state("ramp", "[{ramp: {steps: [{weight: 10%, minDuration: 1h}, 50%]}}, {wait: 1h}, {promote: {}}]"),
    State {
        how: How::Paused,
        ..state("ramp, paused", "[{ramp: {steps: [{weight: 10%, minDuration: 1h}]}}, {wait: 1h}]")
    },
    State {
        on_failure: "hold",
        canary: Canary::Bad,
        how: How::Judged,
        ..state(
            "ramp, worse and held",
            "[{ramp: {steps: [{weight: 50%, minDuration: 1h}]}}, {wait: 1h}, {promote: {}}]",
        )
    },
    state("wait, after a promotion", "[{protect: {rateLimit: {average: 1000}}}, {promote: {}}, {wait: 1h}]"),
    state(
        "wait",
        "[{protect: {rateLimit: {average: 1000}}}, {wait: 1h}, {ramp: {steps: [{weight: 10%, minDuration: 1h}]}}, {promote: {}}]",
    ),
    state("webhook", "[{webhook: {url: 'http://@SLOW@/', timeout: 10m}}, {wait: 1h}, {promote: {}}]"),
    State {
        on_failure: "hold",
        ..state("protect, failed and held", "[{protect: {rateLimit: {headroom: 2}}}, {wait: 1h}, {promote: {}}]")
    },
    State {
        canary: Canary::Down,
        how: How::Approved,
        ..state("promote", "[{approve: {}}, {promote: {}}, {wait: 1h}]")
    },
    State {
        on_failure: "[{approve: {}}, {wait: 1h}]",
        canary: Canary::Bad,
        how: How::Judged,
        ..state("approve, after a rollback", "[{ramp: {steps: [{weight: 50%, minDuration: 1h}]}}]")
    },
    state("succeeded", "[{promote: {}}]"),
    State {
        canary: Canary::Bad,
        how: How::Judged,
        ..state("rolled back", "[{ramp: {steps: [{weight: 50%, minDuration: 1h}]}}]")
    },
    state("failed", "[{job: {command: [sh, -c, 'exit 3']}}]"),
    State { how: How::Aborted, ..state("canceled", "[{wait: 1h}]") },
];

const fn state(name: &'static str, stages: &'static str) -> State {
    State { name, stages, on_failure: "rollback", canary: Canary::Good, how: How::Stays }
}

const ACTIONS: [&str; 8] = ["pause", "resume", "approve", "deny", "retry", "skip", "abort", "promote"];

/// One rollout, at a service of its own.
struct Case {
    admin: Admin,
    gateway: Rc<Gateway>,
    state: State,
    /// The service's and the pipeline's name.
    name: String,
    /// What a command writes.
    file: PathBuf,
}

fn name_of(state: usize, action: &str) -> String {
    format!("s{state}-{action}")
}

impl Case {
    async fn told(&self, id: &str) -> Value {
        self.admin.get(&format!("/rollouts/{id}")).await.ok()
    }

    /// When nothing is under way that ends by itself.
    async fn settled(&self, id: &str) -> Value {
        wait::eventually(&format!("{} settles", self.name), async || {
            let told = self.told(id).await;
            let waits = told["waitsFor"].as_str().expect("it is text");
            (!PASSING.contains(&waits)).then_some(told)
        })
        .await
    }

    /// Brings it there.
    async fn begun(&self) -> String {
        let begun = self.admin.change("POST", "/rollouts", &json!({"pipeline": self.name})).await;
        assert_eq!(begun.status, 201, "{}", begun.reply.text());
        let id = begun.body["id"].as_str().expect("it has one").to_owned();
        let act = async |action: &str| {
            self.settled(&id).await;
            self.admin.change("POST", &format!("/rollouts/{id}/{action}"), &json!({})).await.ok();
        };
        match self.state.how {
            How::Stays => {}
            How::Paused => {
                wait::eventually("what is paused runs", async || {
                    (!self.state.stages.contains("@;") || self.file.exists()).then_some(())
                })
                .await;
                act("pause").await;
            }
            How::Aborted => act("abort").await,
            How::Approved => {
                wait::eventually("it is known that no server is up", async || {
                    self.told(&id).await["history"].to_string().contains("\"unavailable\"").then_some(())
                })
                .await;
                act("approve").await;
            }
            How::Judged => {
                wait::eventually("it is decided", async || {
                    self.ask(&[]).await;
                    self.told(&id).await["history"].to_string().contains("\"foundWorse\"").then_some(())
                })
                .await;
            }
        }
        if self.state.name.starts_with("failed") || self.state.name.contains("failed and held") {
            wait::eventually("it fails", async || {
                let status = self.told(&id).await["status"].clone();
                (status == "PAUSED" || status == "FAILED").then_some(())
            })
            .await;
        }
        self.settled(&id).await;
        id
    }

    async fn ask(&self, header: &[(&str, &str)]) -> String {
        let ask = Ask::get(&format!("http://{}.test/", self.name));
        let ask = header.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        self.gateway.ask(ask).await.header("x-backend").unwrap_or("nobody").to_owned()
    }

    /// How it stands, with what is really so.
    async fn look(&self, id: &str) -> String {
        let told = self.settled(id).await;
        let has_ended = !told["endedAt"].is_null();
        let weights = wait::eventually("the weights are somebody's who is there", async || {
            let weights = self.admin.get(&format!("/services/{}/weights", self.name)).await.ok();
            (!has_ended || !weights["owner"].as_str()?.starts_with("rollout:")).then_some(weights)
        })
        .await;
        let owner = weights["owner"].as_str().expect("it is text").split(':').next().unwrap_or_default().to_owned();
        let canary = format!("canary-{}@file", self.name);
        let mut said = format!(
            "{} {} | canary {} of {owner}",
            told["status"].as_str().unwrap_or_default(),
            told["stage"].as_str().unwrap_or_default(),
            weights["effective"][&canary].as_str().unwrap_or_default(),
        );
        let is_braked = told["canaryBraked"] == json!(true);
        let brakes = self.admin.get("/brakes").await.ok();
        let mut brakes = brakes["items"].as_array().expect("a list").iter();
        assert_eq!(brakes.any(|brake| brake["version"] == json!(canary)), is_braked, "{told:#}");
        if is_braked {
            said += ", braked";
        }
        if self.state.stages.contains("x-beta") {
            let answered = self.ask(&[("x-beta", "1")]).await;
            write!(said, ", the audience gets {answered}").expect("text takes everything");
        }
        if self.state.stages.contains("protect") {
            let middlewares = self.admin.get("/middlewares?limit=1000").await.ok();
            let limit = format!("limit-canary-{}", self.name);
            let is_laid = middlewares["items"].as_array().expect("a list").iter().any(|middleware| {
                let name = middleware["name"].as_str().unwrap_or_default();
                name.starts_with(&limit) && name.ends_with("@rollout")
            });
            said += if is_laid { ", limited" } else { ", not limited" };
        }
        if self.state.stages.contains("exec sleep") {
            let runs = told["stages"][0]["state"] == "running";
            // Whose end is wanted ends; what is wanted was not ended.
            wait::eventually("the command does what is wanted", async || (self.runs() == runs).then_some(())).await;
            said += if runs { ", the command runs" } else { ", the command has ended" };
        }
        said
    }

    /// The command, as far as it has begun.
    fn runs(&self) -> bool {
        let written = std::fs::read_to_string(&self.file).unwrap_or_default();
        !written.trim().is_empty() && Path::new("/proc").join(written.trim()).exists()
    }

    /// The state before, and a line about what came of an action.
    async fn acted(self, action: &'static str) -> (String, String) {
        let id = self.begun().await;
        let before = self.look(&id).await;
        let key = format!("{}-{id}", self.name);
        let send = async || {
            let ask = self.admin.ask("POST", &format!("/rollouts/{id}/{action}")).header("idempotency-key", &key);
            let ask = ask.header("content-type", "application/json").body(r#"{"reason": "so it is"}"#);
            self.admin.send(ask).await
        };
        let answered = send().await;
        let after = self.look(&id).await;
        let again = send().await;
        assert_eq!((again.status, &again.body), (answered.status, &answered.body), "{}: the same again", self.name);
        assert_eq!(self.look(&id).await, after, "{}: twice is once", self.name);
        let line = if answered.status == 200 {
            format!("200 {after}")
        } else {
            assert_eq!(after, before, "{}: what is refused changes nothing", self.name);
            let (status, code) = answered.problem();
            format!("{status} {code}")
        };
        // Commands do not end with the gateway.
        self.admin.change("POST", &format!("/rollouts/{id}/abort"), &json!({})).await;
        self.look(&id).await;
        (before, line)
    }
}

fn launch([stable, good, bad, slow]: [&Backend; 4]) -> Launch {
    let config = format!("{}api: {{}}\nproviders: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n", configuration(""));
    let launch = Launch::new(&config);
    let (mut routers, mut services, mut rollouts) = (String::new(), String::new(), String::new());
    for (place, state) in STATES.iter().enumerate() {
        for action in ACTIONS {
            let name = name_of(place, action);
            let canary = match state.canary {
                Canary::Good => good.load_balancer(),
                Canary::Bad => bad.load_balancer(),
                Canary::Down => {
                    "{loadBalancer: {servers: [{url: 'http://127.0.0.1:9'}], healthCheck: {path: /, interval: 1s}}}"
                        .to_owned()
                }
            };
            let stages = state.stages.replace("@SLOW@", &slow.address.to_string());
            let stages = stages.replace('@', launch.directory().join(&name).to_str().expect("it is text"));
            write!(routers, "\n    {name}: {{rule: Host(`{name}.test`), service: {name}}}").expect("text");
            write!(services, "\n    {name}: {{weighted: {{services: [{{name: stable, weight: 100}}, {{name: canary-{name}, weight: 0}}]}}}}\n    canary-{name}: {canary}").expect("text");
            write!(rollouts, "\n  {name}: {{service: {name}, stable: stable, canary: canary-{name}, analysis: {{latency: false}}, onFailure: {}, stages: {stages}}}", state.on_failure).expect("text");
        }
    }
    launch.file(
        "dynamic.yml",
        &format!(
            "http:\n  routers:{routers}\n  services:\n    stable: {}{services}\nrollouts:{rollouts}\n",
            stable.load_balancer()
        ),
    )
}

#[tokio::test]
async fn every_action_at_every_stage_is_answered_and_done_as_the_table_says() {
    let (stable, good) = (Backend::echo("stable"), Backend::echo("canary"));
    let bad = Backend::serve("canary", Protocol::Http1, |_| async {
        let mut response = Response::new(rollgate_testkit::client::full("bad"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    let slow = Backend::serve("slow", Protocol::Http1, |_| std::future::pending());
    let gateway = Rc::new(launch([&stable, &good, &bad, &slow]).start());
    let (mut cases, at_once) = (JoinSet::new(), Rc::new(Semaphore::new(AT_ONCE)));
    let local = LocalSet::new();
    for (place, state) in STATES.iter().enumerate() {
        for (column, action) in ACTIONS.into_iter().enumerate() {
            let (gateway, at_once) = (gateway.clone(), at_once.clone());
            let admin = Admin::of(&gateway);
            let name = name_of(place, action);
            let file = gateway.directory().join(&name);
            let case = Case { admin, gateway, state: *state, name, file };
            let case = async move {
                let _turn = at_once.acquire().await.expect("it stays open");
                ((place, column), case.acted(action).await)
            };
            cases.spawn_local_on(case, &local);
        }
    }
    let found: BTreeMap<_, _> = local.run_until(cases.join_all()).await.into_iter().collect();
    let mut table = String::new();
    for (place, state) in STATES.iter().enumerate() {
        let before = &found[&(place, 0)].0;
        writeln!(table, "{}: {before}", state.name).expect("text takes everything");
        for (column, action) in ACTIONS.iter().enumerate() {
            let (was, line) = &found[&(place, column)];
            assert_eq!(was, before, "{}, before {action}", state.name);
            writeln!(table, "  {action:8}{line}").expect("text takes everything");
        }
    }
    insta::assert_snapshot!(table);
}

/// What a rollout waits for that comes by itself.
const PASSING: [&str; 14] = [
    "to begin",
    "the weights to be read",
    "the weights to be in force",
    "the judge to begin",
    "the judge to end",
    "the brake to be kept",
    "the brake to be released",
    "the weights to be what they were before",
    "the protection to be in force",
    "the protection to be taken off",
    "the canary to have all users",
    "the weights to be handed over",
    "the weights to be written back",
    "what it has begun",
];

/// Rollouts under way.
const AT_ONCE: usize = 8;
