//! From the answer that decides to weight 0 on every worker.
//!
//! A canary that fails always is given half of the requests again and again, under load on connections of every worker. Stable
//! fails nobody, so the number of errors that decides is the same each time: the least that any rollout needed. What reaches
//! the canary later than that answer was sent was drawn by a worker that did not know yet, or was on its way.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::{Response, StatusCode};
use rollgate_load::{Load, Plan, Shot};
use rollgate_testkit::{Admin, Backend, Gateway, backend::Protocol, client::full};
use serde_json::json;

use super::{launched, status};
use crate::{
    figures::{Figures, milliseconds},
    options::Options,
    site::letter,
    watch::Conclusion,
};

/// Measures it.
pub async fn measure(options: &Options, figures: &mut Figures, conclusion: &mut Conclusion) {
    let rounds = options.changes.unwrap_or_else(|| options.either(300, 3)) as usize;
    let site = Site::start(options);
    let rate = options.either(4_000.0, 400.0);
    let load = site.load(rate);
    let mut all = Vec::new();
    for _ in 0..rounds {
        all.push(site.round().await);
    }
    let tallies = load.end();
    figures.tell("to weight 0: load, requests a second", format!("{rate:.0}"));
    figures.none("to weight 0: requests that were not answered", tallies.iter().map(|tally| tally.unanswered()).sum());
    let needed = all.iter().map(Vec::len).min().unwrap_or_default();
    figures.tell("to weight 0: errors that decide at 50%", needed);
    let mut late: Vec<Duration> = all.iter().map(|arrivals| last(arrivals, needed)).collect();
    late.sort_unstable();
    let at = |share: f64| late[((share * late.len() as f64).ceil() as usize).clamp(1, late.len()) - 1];
    let shown = |time: Duration| milliseconds(time.as_micros() as u64);
    let further: usize = all.iter().map(|arrivals| arrivals.len() - needed).sum();
    figures.tell(
        "to weight 0: requests of the canary after the answer that decides",
        format!("{further} in {rounds} rollouts"),
    );
    figures.tell(format!("from the answer that decides to weight 0, p50 of {rounds}"), shown(at(0.5)));
    let p99 = at(0.99);
    let figure = format!("from the answer that decides to weight 0, p99 of {rounds}");
    if options.short {
        figures.tell(figure, shown(p99));
    } else {
        figures.ask(figure, format!("{} ms", TARGET.as_millis()), shown(p99), p99 < TARGET);
    }
    conclusion.look(&site.gateway, &super::EXPECTED).await;
}

/// How long after the answer that decided the canary got a request for the last time.
fn last(arrivals: &[Instant], needed: usize) -> Duration {
    let (Some(decided), Some(last)) = (arrivals.get(needed - 1), arrivals.last()) else { return Duration::ZERO };
    last.duration_since(*decided)
}

struct Site {
    gateway: Gateway,
    arrivals: Arc<Mutex<Vec<Instant>>>,
    _versions: [Backend; 2],
}

impl Site {
    fn start(options: &Options) -> Self {
        let arrivals = Arc::<Mutex<Vec<Instant>>>::default();
        let arriving = arrivals.clone();
        let canary = Backend::serve("canary", Protocol::Http1, move |_| {
            arriving.lock().expect("nobody panics").push(Instant::now());
            let mut response = Response::new(full("c"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            async move { response }
        });
        let versions = [letter('s'), canary];
        let dynamic = format!(
            "http:
  routers: {{pro: {{rule: Host(`pro.test`), service: pro}}}}
  services:
    pro: {{weighted: {{services: [{{name: stable, weight: 100}}, {{name: canary, weight: 0}}]}}}}
    stable: {}
    canary: {}
rollouts:
  bad: {{service: pro, stable: stable, canary: canary, analysis: {{latency: false}}, stages: [{{ramp: {{steps: [50%]}}}}]}}
",
            versions[0].load_balancer(),
            versions[1].load_balancer()
        );
        Self { gateway: launched(options, &dynamic), arrivals, _versions: versions }
    }

    fn load(&self, rate: f64) -> Load {
        // The canary's answers are not those that were asked for; they are answers.
        let shots = vec![Shot::get("pro.test", "/", 200)];
        Load::kept(Plan { address: self.gateway.web(), shots, connections: CONNECTIONS, rate: Some(rate) })
    }

    /// One rollout: when each of the canary's requests arrived.
    async fn round(&self) -> Vec<Instant> {
        let admin = Admin::of(&self.gateway);
        self.arrivals.lock().expect("nobody panics").clear();
        let begun = admin.change("POST", "/rollouts", &json!({"pipeline": "bad"})).await;
        let id = begun.body["id"].as_str().unwrap_or_else(|| panic!("{}", begun.reply.text())).to_owned();
        let begun = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let seen = status(&admin, &id).await;
            if !seen["endedAt"].is_null() {
                assert_eq!(seen["status"], "ROLLED_BACK", "{seen:#}");
                break;
            }
            assert!(begun.elapsed() < LONGEST, "{seen:#}");
        }
        self.arrivals.lock().expect("nobody panics").clone()
    }
}

const CONNECTIONS: usize = 16;
const TARGET: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(60);
