//! Orca's preconfigured webhook stages, played: how it puts a stage together, calls, polls, repeats and cancels, and where it sends
//! nothing (spinnaker/orca: `PreconfiguredWebhookStage`, `CreateWebhookTask`, `MonitorWebhookTask`, `WebhookService`,
//! `UserConfiguredUrlRestrictions`). Its times are divided by [`SPEED`].

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rollgate_testkit::{Ask, Reply, yaml::yaml};
use serde_json::{Map, Value};

use super::spel::Known;

/// So many times as fast.
pub const SPEED: u32 = 20;

/// One execution of a pipeline.
pub struct Orca {
    /// The preconfigured stages, by their type.
    stages: BTreeMap<String, Map<String, Value>>,
    execution: String,
    parameters: Map<String, Value>,
    pub judgments: BTreeMap<String, String>,
    /// Where every name leads.
    address: SocketAddr,
}

/// How a stage has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Succeeded,
    Canceled,
    /// With what it shows.
    Terminal(String),
}

/// A stage that was put together.
pub struct Stage {
    context: Map<String, Value>,
}

impl Orca {
    pub fn new(config: &str, execution: &str, parameters: Map<String, Value>, address: SocketAddr) -> Self {
        let config = yaml(config);
        let stages = config["webhook"]["preconfigured"].as_array().expect("there are some");
        let stages = stages.iter().map(|stage| {
            let stage = stage.as_object().expect("it is a mapping").clone();
            (stage["type"].as_str().expect("it has a type").to_owned(), stage)
        });
        let stages: BTreeMap<_, _> = stages.collect();
        Self { stages, execution: execution.to_owned(), parameters, judgments: BTreeMap::new(), address }
    }

    pub fn preconfigured(&self) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
        self.stages.iter()
    }

    /// Whether a stage is run.
    pub fn is_enabled(&self, stage: &Value) -> bool {
        let Some(expression) = stage.pointer("/stageEnabled/expression") else { return true };
        self.known(&Map::new()).all(expression) == "true"
    }

    /// The stage's own context is evaluated first, then what is preconfigured stands in it, then all is evaluated again.
    pub fn plan(&self, stage: &Value) -> Stage {
        let own = stage.as_object().expect("a stage is an object");
        let mut context = self.known(own).all(stage).as_object().expect("it still is").clone();
        let kind = stage["type"].as_str().expect("it has a type");
        let preconfigured = self.stages.get(kind).unwrap_or_else(|| panic!("{kind} is no stage of orca-local.yml"));
        let ignored = ["props", "enabled", "label", "description", "type", "parameters", "sensitiveHeaders"];
        for (name, value) in preconfigured.iter().filter(|(name, _)| !ignored.contains(&name.as_str())) {
            context.insert(name.clone(), value.clone());
        }
        let mut context = self.known(&context).all(&context.clone().into()).as_object().expect("it still is").clone();
        // They are not in the context, but go with each request.
        context.insert("sensitiveHeaders".to_owned(), preconfigured["sensitiveHeaders"].clone());
        Stage { context }
    }

    fn known<'k>(&'k self, context: &'k Map<String, Value>) -> Known<'k> {
        let Self { execution, parameters, judgments, .. } = self;
        Known { execution, parameters, context, judgments }
    }

    /// To its end, unless it is canceled first.
    pub async fn run(&self, stage: &Stage, canceled: impl Future<Output = ()>) -> Ended {
        let ended = tokio::select! {
            ended = self.tasks(stage) => ended,
            () = canceled => Ended::Canceled,
        };
        // On failure too; what comes of it is logged.
        if ended != Ended::Succeeded
            && let Some(endpoint) = stage.text("cancelEndpoint")
        {
            let payload = stage.text("cancelPayload").unwrap_or_default();
            let method = stage.text("cancelMethod").unwrap_or_else(|| "POST".to_owned());
            let _logged = self.exchange(stage, &method, &endpoint, &payload).await;
        }
        ended
    }

    async fn tasks(&self, stage: &Stage) -> Ended {
        let created = match self.create(stage).await {
            Ok(created) => created,
            Err(why) => return Ended::Terminal(why),
        };
        if stage.context["waitForCompletion"] != true {
            return Ended::Succeeded;
        }
        assert_eq!(stage.text("statusUrlResolution").as_deref(), Some("webhookResponse"));
        match path(&created, &stage.text("statusUrlJsonPath").expect("it says where")) {
            Some(Value::String(url)) if !url.is_empty() => self.monitor(stage, url).await,
            _ => Ended::Terminal("the status URL couldn't be resolved".to_owned()),
        }
    }

    /// Repeated after 10 s, for 5 minutes, where the answer is 5xx or 429.
    async fn create(&self, stage: &Stage) -> Result<Value, String> {
        let (url, method) = (stage.text("url").expect("it has a URL"), stage.text("method").expect("it has a method"));
        let payload = stage.text("payload").unwrap_or_default();
        let until = Instant::now() + Duration::from_secs(300) / SPEED;
        while Instant::now() < until {
            let reply = self.exchange(stage, &method, &url, &payload).await?;
            match reply.status {
                200..=399 => return serde_json::from_slice(&reply.body).map_err(|error| error.to_string()),
                // `failFastStatusCodes`
                504 => return Err("504".to_owned()),
                429 | 500..=599 => tokio::time::sleep(Duration::from_secs(10) / SPEED).await,
                status => return Err(format!("{status}: {}", reply.text())),
            }
        }
        Err("the task has timed out".to_owned())
    }

    /// Each second in the first minute, then every 15 s; an hour, unless the stage says otherwise.
    async fn monitor(&self, stage: &Stage, url: &str) -> Ended {
        let began = Instant::now();
        let long = stage.context.get("stageTimeoutMs").and_then(Value::as_u64).unwrap_or(3_600_000);
        let statuses = |name: &str| stage.text(name).unwrap_or_default().to_uppercase();
        let has = |list: &str, status: &str| list.split(',').any(|known| known.trim() == status);
        while began.elapsed() < Duration::from_millis(long) / SPEED {
            let reply = match self.exchange(stage, "GET", url, "").await {
                Ok(reply) => reply,
                Err(why) => return Ended::Terminal(why),
            };
            match reply.status {
                200..=399 => {
                    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                    let status = path(&body, &stage.text("statusJsonPath").expect("it says where"));
                    let Some(Value::String(status)) = status else {
                        return Ended::Terminal("the json path did not resolve to a single value".to_owned());
                    };
                    let progress = path(&body, &stage.text("progressJsonPath").expect("it says where"));
                    let Some(Value::String(progress)) = progress else {
                        return Ended::Terminal("the json path did not resolve to a String value".to_owned());
                    };
                    let status = status.to_uppercase();
                    if has(&statuses("successStatuses"), &status) {
                        return Ended::Succeeded;
                    }
                    if has(&statuses("canceledStatuses"), &status) {
                        return Ended::Canceled;
                    }
                    if has(&statuses("terminalStatuses"), &status) {
                        return Ended::Terminal(progress.clone());
                    }
                }
                429 | 500..=599 => {}
                status => return Ended::Terminal(format!("{status}: {}", reply.text())),
            }
            let pause = if began.elapsed() > Duration::from_secs(60) / SPEED { 15 } else { 1 };
            tokio::time::sleep(Duration::from_secs(pause) / SPEED).await;
        }
        Ended::Terminal("the task has timed out".to_owned())
    }

    async fn exchange(&self, stage: &Stage, method: &str, url: &str, payload: &str) -> Result<Reply, String> {
        allowed(url)?;
        let headers = |name: &str| stage.context.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut ask = Ask::new(method, url).header("accept", "application/json, application/*+json, */*");
        for (name, values) in headers("customHeaders").into_iter().chain(headers("sensitiveHeaders")) {
            for value in values.as_array().into_iter().flatten() {
                ask = ask.header(&name, value.as_str().expect("it is text"));
            }
        }
        Ok(ask.body(payload.to_owned()).send(self.address).await)
    }
}

impl Stage {
    /// A field of it.
    pub fn text(&self, name: &str) -> Option<String> {
        self.context.get(name).and_then(Value::as_str).map(str::to_owned)
    }
}

/// `$.name`
fn path<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    value.get(path.strip_prefix("$.").expect("a path begins so"))
}

/// What Orca sends requests to, unless it is configured otherwise.
pub fn allowed(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let rest = rest.ok_or_else(|| format!("{url}: no scheme that is allowed"))?;
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    let is_address = host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[');
    let excluded = [".spinnaker", ".local", ".localdomain", ".internal"];
    if is_address || !host.contains('.') || excluded.iter().any(|domain| host.ends_with(domain)) {
        return Err(format!("Host not allowed: {host}"));
    }
    match url.contains(['$', '{', ' ']) {
        true => Err(format!("{url} is no URL")),
        false => Ok(()),
    }
}
