//! Rollouts, each with its own service and users, all at once: who is rolled back, after how many requests of the canary, and
//! how long a good canary takes. Then, how long it takes from the answer that decides to weight 0 on every worker.
//!
//! Users say in their path whether either version is to fail them, so that what happens is known beforehand and nothing is
//! shared between a version and the scene.

mod decision;
mod scene;
mod users;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::{Response, StatusCode};
use rollgate_testkit::{Admin, Backend, Gateway, Launch, backend::Protocol, client::full, configuration, wait};
use serde_json::{Value, json};

use self::{
    scene::{Asked, SCENES, Scene, Until},
    users::Users,
};
use crate::{figures::Figures, options::Options, watch::Conclusion};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let mut figures = Figures::default();
    let mut conclusion = Conclusion::default();
    let rate = options.rate.unwrap_or_else(|| options.either(RATE, SHORT_RATE));
    let scenes: Vec<&'static Scene> = SCENES.iter().filter(|scene| scene.in_short || !options.short).collect();
    let site = Site::start(&options, &scenes);
    figures.tell("requests a second of each scene", format!("{rate:.0}"));
    let played = scenes.iter().map(|scene| play(&options, &site, scene, rate));
    for (scene, outcome) in scenes.iter().zip(join_all(played).await) {
        tell(&options, &mut figures, scene, &outcome, rate);
    }
    conclusion.look(&site.gateway, &EXPECTED).await;
    decision::measure(&options, &mut figures, &mut conclusion).await;
    conclusion.report(&mut figures);
    figures
}

/// How a scene's rollout has ended.
struct Outcome {
    status: String,
    /// Requests of the canary from where the scene counts, and those of them that failed.
    canary: u64,
    failed: u64,
    took: Duration,
    reason: String,
}

/// Plays one scene to its end.
async fn play(options: &Options, site: &Site, scene: &'static Scene, rate: f64) -> Outcome {
    let admin = Admin::of(&site.gateway);
    let begun = admin.change("POST", "/rollouts", &json!({"pipeline": scene.name})).await;
    let id = begun.body["id"].as_str().unwrap_or_else(|| panic!("{}", begun.reply.text())).to_owned();
    wait::eventually("the canary gets requests", async || {
        let seen = status(&admin, &id).await;
        (!seen["weight"].is_null()).then_some(())
    })
    .await;
    let users = Users::begin(site.gateway.web(), scene, rate, options.short);
    let began = Instant::now();
    let ended = loop {
        tokio::time::sleep(LOOK).await;
        let seen = status(&admin, &id).await;
        let is_over = match scene.until {
            Until::Requests => users.canary() >= scene.requests(options.short),
            Until::Ended => began.elapsed() > LONGEST,
        };
        if !seen["endedAt"].is_null() || is_over {
            break seen;
        }
    };
    let took = began.elapsed();
    let (canary, failed) = users.end().await;
    let canary = canary.saturating_sub(scene.breaks);
    if ended["endedAt"].is_null() {
        admin.change("POST", &format!("/rollouts/{id}/abort"), &json!({"reason": "the scene is over"})).await.ok();
    }
    let text = |key: &str| ended[key].as_str().unwrap_or_default().to_owned();
    Outcome { status: text("status"), canary, failed, took, reason: text("reason") }
}

fn tell(options: &Options, figures: &mut Figures, scene: &Scene, outcome: &Outcome, rate: f64) {
    let Outcome { status, canary, failed, took, reason } = outcome;
    let name = scene.what;
    match scene.asked {
        Asked::Stays => {
            let measured = format!("{status} after {canary} requests of the canary, {failed} of them failed");
            figures.ask(name, "not rolled back", measured, status != "ROLLED_BACK");
        }
        Asked::Promoted => {
            let measured = format!("{status} after {:.0} s; {canary} requests of the canary", took.as_secs_f64());
            figures.ask(name, "promoted", measured, status == "SUCCEEDED");
        }
        Asked::Braked { most } => {
            let measured = format!("{status} after {canary}, {failed} of them failed: {reason}");
            // What was on its way when it was decided arrives all the same.
            let on_its_way = if options.short { (rate * ON_ITS_WAY.as_secs_f64()) as u64 } else { 1 };
            let met = status == "ROLLED_BACK" && most.is_none_or(|most| *canary <= most + on_its_way);
            let asked = most.map_or_else(|| "rolled back".to_owned(), |most| format!("within {most} of its requests"));
            figures.ask(name, asked, measured, met);
        }
    }
}

/// A gateway with a service and a pipeline for each scene, and the two versions that all have.
struct Site {
    gateway: Gateway,
    _versions: [Backend; 2],
}

impl Site {
    fn start(options: &Options, scenes: &[&Scene]) -> Self {
        let versions = [version("stable", 0), version("canary", 1)];
        let list = |line: &dyn Fn(&Scene) -> String| scenes.iter().map(|scene| line(scene)).collect::<String>();
        let routers = list(&|scene| format!("    {0}: {{rule: Host(`{0}.test`), service: {0}}}\n", scene.name));
        let services = list(&|scene| {
            let cohort = if scene.keeps_users { ", cohort: {header: x-user}" } else { "" };
            format!(
                "    {}: {{weighted: {{services: [{{name: stable, weight: 100}}, {{name: canary, weight: 0}}]{cohort}}}}}\n",
                scene.name
            )
        });
        let pipelines = list(&|scene| {
            format!(
                "  {0}: {{service: {0}, stable: stable, canary: canary, stages: [{1}]}}\n",
                scene.name,
                scene.stages(options.short)
            )
        });
        let dynamic = format!(
            "http:\n  routers:\n{routers}  services:\n    stable: {}\n    canary: {}\n{services}rollouts:\n{pipelines}",
            versions[0].load_balancer(),
            versions[1].load_balancer()
        );
        Self { gateway: launched(options, &dynamic), _versions: versions }
    }
}

fn launched(options: &Options, dynamic: &str) -> Gateway {
    let config = format!("{}api: {{}}\nproviders: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n", configuration(""));
    let launch = Launch::new(&config.replace("level: INFO", "level: WARN")).file("dynamic.yml", dynamic);
    launch.program(options.binary.to_str().expect("the binary's path is text")).start()
}

/// Answers its letter; fails those whose path says so at `place`.
fn version(name: &str, place: usize) -> Backend {
    let letter = name[..1].to_owned();
    Backend::serve(name, Protocol::Http1, move |request| {
        let fails = request.uri().path().as_bytes().get(1 + place) == Some(&b'x');
        let mut response = Response::new(full(letter.clone()));
        if fails {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        async move { response }
    })
}

/// The status of a rollout.
async fn status(admin: &Admin, id: &str) -> Value {
    admin.get(&format!("/rollouts/{id}")).await.ok()
}

/// Of each scene.
const RATE: f64 = 100.0;
const SHORT_RATE: f64 = 500.0;

/// How often a rollout is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// A scene that does not end.
const LONGEST: Duration = Duration::from_secs(3600);

/// In a short run the machine is busy: so long may a request that was sent before take.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Words in the log's lines that rollouts cause.
const EXPECTED: [&str; 3] = ["worse", "braked", "rollout"];
