//! Flagger's controller, played: what `advanceCanary` does with a Canary of Traefik's at every interval, and how it calls
//! hooks (fluxcd/flagger: `scheduler.go`, `scheduler_hooks.go`, `webhook.go`, `status.go`; go-retryablehttp 0.7.8). Its times are
//! divided by [`SPEED`].

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::SocketAddr,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rollgate_testkit::{Admin, Ask, Gateway, wait};
use serde_json::{Value, json};

use crate::watch::gives;

/// So many times as fast.
const SPEED: u32 = 20;

/// What is in the cluster: it outlives the controller.
pub struct Cluster {
    /// What the Deployment is to be.
    pub spec: String,
    pub status: Status,
    /// The canary's weight in the TraefikService.
    pub weight: u64,
    /// What Flagger has told.
    pub told: Vec<String>,
}

/// The Canary's.
#[derive(Debug, Clone, Default)]
pub struct Status {
    pub phase: String,
    last_applied: String,
    last_promoted: String,
    pub failed_checks: u64,
}

/// One process of it.
pub struct Controller<'s> {
    canary: Value,
    /// Where every name leads.
    address: SocketAddr,
    routes: Routes<'s>,
}

/// How the weights of the TraefikService come to the gateway.
#[derive(Clone, Copy)]
pub enum Routes<'s> {
    /// Through its admin API.
    Live(&'s Admin),
    /// In its file, in which the canary is written only where it has some, as Flagger writes it.
    File(&'s Gateway, &'s str),
}

impl Cluster {
    /// In which a version runs, and nothing was ever rolled out.
    pub fn new(spec: &str) -> Self {
        Self { spec: spec.to_owned(), status: Status::default(), weight: 0, told: Vec::new() }
    }

    /// The payload's checksum.
    pub fn checksum(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.status.last_applied.hash(&mut hasher);
        format!("{:010x}", hasher.finish() >> 24)
    }

    /// `hasSpecChanged`, with what was applied when the tick began.
    fn has_changed(&self, applied: &str) -> bool {
        self.status.last_promoted != self.spec && applied != self.spec
    }

    /// `SyncStatus`.
    fn sync(&mut self, phase: &str) {
        phase.clone_into(&mut self.status.phase);
        self.status.last_applied.clone_from(&self.spec);
        self.status.failed_checks = 0;
    }
}

/// A file of the site with these weights.
pub fn weighted(text: &str, canary: u64) -> String {
    let (both, canarys) =
        ("{name: k8s-flask, weight: 100}, {name: k8s-flask-canary, weight: 0}", "{name: k8s-flask-canary, weight:");
    assert!(text.contains(both), "{text}");
    let stable = format!("{{name: k8s-flask, weight: {}}}", 100 - canary);
    let canary = if canary == 0 { String::new() } else { format!(", {canarys} {canary}}}") };
    text.replace(both, &format!("{stable}{canary}"))
}

impl<'s> Controller<'s> {
    pub fn new(canary: Value, address: SocketAddr, routes: Routes<'s>) -> Self {
        Self { canary, address, routes }
    }

    /// Ticks until the canary has come to its end, or `stops` after a tick.
    pub async fn run(&self, cluster: &mut Cluster, mut stops: impl FnMut(&Cluster) -> bool) {
        for _ in 0..400 {
            self.advance(cluster).await;
            let is_over = matches!(&*cluster.status.phase, "Succeeded" | "Failed");
            if is_over || stops(cluster) {
                return;
            }
            let interval = self.canary["spec"]["analysis"]["interval"].as_str().expect("there is an interval");
            let seconds: u64 = interval.trim_end_matches('s').parse().expect("in seconds");
            wait::lasted(Duration::from_secs(seconds.max(10)) / SPEED).await;
        }
        panic!("it comes to no end: {:#?}", cluster.told);
    }

    /// `advanceCanary`.
    pub async fn advance(&self, cluster: &mut Cluster) {
        if cluster.status.phase.is_empty() {
            cluster.sync("Initialized");
            cluster.status.last_promoted.clone_from(&cluster.spec);
        }
        let applied = cluster.status.last_applied.clone();
        let goes_on = ["Progressing", "WaitingPromotion", "Promoting", "Finalising"];
        let phase = cluster.status.phase.clone();
        let is_on_its_way = goes_on.contains(&&*phase);
        if phase == "Failed" {
            cluster.status.last_applied.clone_from(&cluster.spec);
        }
        if !is_on_its_way {
            if phase == "Waiting" || cluster.has_changed(&applied) {
                self.confirm_rollout(cluster).await;
            }
            return;
        }
        if matches!(&*phase, "Progressing" | "WaitingPromotion") && cluster.has_changed(&applied) {
            self.tell(cluster, "New revision detected! Restarting analysis".to_owned()).await;
            self.route(cluster, 0).await;
            cluster.sync("Progressing");
            return;
        }
        if matches!(&*phase, "Progressing" | "WaitingPromotion") && self.any(cluster, "rollback", &phase).await {
            self.tell(cluster, "Rolling back manual webhook invoked".to_owned()).await;
            return self.roll_back(cluster).await;
        }
        match &*phase {
            "Promoting" => {
                self.tell(cluster, "Routing all traffic to primary".to_owned()).await;
                self.route(cluster, 0).await;
                "Finalising".clone_into(&mut cluster.status.phase);
            }
            "Finalising" => {
                "Succeeded".clone_into(&mut cluster.status.phase);
                cluster.status.last_promoted.clone_from(&cluster.status.last_applied);
                self.all(cluster, "post-rollout", "Succeeded").await;
                self.tell(cluster, "Promotion completed!".to_owned()).await;
            }
            _ => self.analyse(cluster).await,
        }
    }

    async fn confirm_rollout(&self, cluster: &mut Cluster) {
        let phase = cluster.status.phase.clone();
        if !self.all(cluster, "confirm-rollout", &phase).await {
            if phase != "Waiting" {
                "Waiting".clone_into(&mut cluster.status.phase);
                self.tell(cluster, "Halt advancement waiting for approval".to_owned()).await;
            }
            return;
        }
        self.tell(cluster, "New revision detected! Scaling up".to_owned()).await;
        cluster.sync("Progressing");
    }

    async fn analyse(&self, cluster: &mut Cluster) {
        let analysis = &self.canary["spec"]["analysis"];
        if cluster.status.failed_checks >= analysis["threshold"].as_u64().unwrap_or(1) {
            return self.roll_back(cluster).await;
        }
        let hook = if cluster.weight == 0 { "pre-rollout" } else { "rollout" };
        if cluster.weight == 0 {
            self.tell(cluster, "Starting canary analysis".to_owned()).await;
        }
        if !self.all(cluster, hook, "Progressing").await {
            cluster.status.failed_checks += 1;
            return;
        }
        let is_waiting = cluster.status.phase == "WaitingPromotion";
        if !is_waiting && !self.all(cluster, "confirm-traffic-increase", "Progressing").await {
            return;
        }
        let steps: Vec<u64> =
            analysis["stepWeights"].as_array().expect("there are steps").iter().filter_map(Value::as_u64).collect();
        if let Some(next) = steps.iter().find(|step| **step > cluster.weight) {
            self.route(cluster, *next).await;
            self.tell(cluster, format!("Advance canary weight {next}")).await;
        } else if self.all(cluster, "confirm-promotion", "Progressing").await {
            self.tell(cluster, "Copying template spec to primary".to_owned()).await;
            "Promoting".clone_into(&mut cluster.status.phase);
        } else if !is_waiting {
            "WaitingPromotion".clone_into(&mut cluster.status.phase);
        }
    }

    async fn roll_back(&self, cluster: &mut Cluster) {
        let threshold = self.canary["spec"]["analysis"]["threshold"].as_u64().unwrap_or(1);
        if cluster.status.failed_checks >= threshold {
            self.tell(cluster, "Rolling back failed checks threshold reached".to_owned()).await;
        }
        self.route(cluster, 0).await;
        self.tell(cluster, "Canary failed! Scaling down".to_owned()).await;
        // The hook is told what the tick began with.
        self.all(cluster, "post-rollout", "Failed").await;
        cluster.sync("Failed");
    }

    async fn route(&self, cluster: &mut Cluster, weight: u64) {
        let has_changed = std::mem::replace(&mut cluster.weight, weight) != weight;
        match self.routes {
            Routes::Live(admin) => gives(admin, weight).await,
            Routes::File(gateway, text) if has_changed => {
                gateway.apply("rollgate.yml", &weighted(text, weight)).await;
            }
            Routes::File(..) => {}
        }
    }

    fn hooks(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let hooks = self.canary["spec"]["analysis"]["webhooks"].as_array().expect("there are hooks");
        hooks.iter().filter(move |hook| hook["type"] == kind)
    }

    /// Until one says no.
    pub async fn all(&self, cluster: &mut Cluster, kind: &str, phase: &str) -> bool {
        for hook in self.hooks(kind) {
            if let Err(why) = self.call(hook, cluster, phase, Value::Null).await {
                cluster.told.push(format!("no, {kind}: {why}"));
                return false;
            }
        }
        true
    }

    /// Until one says yes.
    async fn any(&self, cluster: &Cluster, kind: &str, phase: &str) -> bool {
        for hook in self.hooks(kind) {
            if self.call(hook, cluster, phase, Value::Null).await.is_ok() {
                return true;
            }
        }
        false
    }

    async fn tell(&self, cluster: &mut Cluster, message: String) {
        let metadata = json!({"eventMessage": message, "eventType": "Normal", "timestamp": "1721545615000"});
        for hook in self.hooks("event") {
            let told = self.call(hook, cluster, &cluster.status.phase, metadata.clone()).await;
            assert_eq!(told, Ok(()), "{message}");
        }
        cluster.told.push(message);
    }

    /// `callWebhook`.
    async fn call(&self, hook: &Value, cluster: &Cluster, phase: &str, metadata: Value) -> Result<(), String> {
        let at = &self.canary["metadata"];
        let mut payload =
            json!({"name": at["name"], "namespace": at["namespace"], "phase": phase, "checksum": cluster.checksum()});
        if !metadata.is_null() {
            payload["metadata"] = metadata;
        }
        let url = hook["url"].as_str().and_then(|url| url.strip_prefix("http://")).expect("it has a URL");
        let (user, rest) = url.split_once('@').unwrap_or(("", url));
        let ask = Ask::new("POST", &format!("http://{rest}"))
            .header("user-agent", "Go-http-client/1.1")
            .header("content-type", "application/json")
            .body(payload.to_string());
        let ask = match user {
            "" => ask,
            user => ask.header("authorization", &format!("Basic {}", BASE64_STANDARD.encode(user))),
        };
        for attempt in 0..=hook["retries"].as_u64().unwrap_or(0) as u32 {
            if attempt > 0 {
                wait::lasted(Duration::from_secs(1 << (attempt - 1)) / SPEED).await;
            }
            let answering = ask.clone().send(self.address);
            let reply =
                tokio::time::timeout(Duration::from_secs(10), answering).await.map_err(|_| "no answer in time")?;
            match reply.status {
                429 | 500 | 502..=599 => {}
                200..=202 => return Ok(()),
                _ => return Err(reply.text()),
            }
        }
        Err("giving up".to_owned())
    }
}
