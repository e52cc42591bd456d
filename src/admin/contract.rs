//! What the admin API's answers hold, as far as it is shown. What is new in them is passed over, so that a command may
//! be older than the gateway.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A service as `/services` tells of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) kind: String,
    /// Of a weighted service.
    pub(super) owner: Option<String>,
    pub(super) set_by: Option<String>,
    pub(super) set_at: Option<String>,
    #[serde(default)]
    pub(super) drift: bool,
    pub(super) available: Option<bool>,
    #[serde(default)]
    pub(super) versions: Vec<Version>,
    #[serde(default)]
    pub(super) servers: Vec<Server>,
    /// The children of what is neither weighted nor a load balancer.
    #[serde(default)]
    pub(super) services: Vec<String>,
    #[serde(default)]
    pub(super) breakers: Vec<Breaker>,
}

/// A version of a weighted service. Weights are decimals; shares are from 0 to 1.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) configured: String,
    pub(super) live: Option<String>,
    pub(super) effective: String,
    pub(super) share: Option<f64>,
    pub(super) share_last_minute: Option<f64>,
    pub(super) requests_last_minute: Option<u64>,
    pub(super) available: Option<bool>,
    #[serde(default)]
    pub(super) braked: bool,
    #[serde(default)]
    pub(super) breakers: Vec<Breaker>,
}

/// A circuit breaker on the way to a version.
#[derive(Debug, Deserialize)]
pub(super) struct Breaker {
    pub(super) middleware: String,
    pub(super) state: String,
    pub(super) cause: Option<String>,
}

/// A server of a load balancer.
#[derive(Debug, Deserialize)]
pub(super) struct Server {
    pub(super) url: String,
    pub(super) up: bool,
}

/// The weights of a service: by version, decimals.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Weights {
    pub(super) service: String,
    pub(super) owner: String,
    /// The live ones; the configuration's if nobody has set any.
    pub(super) weights: BTreeMap<String, String>,
    pub(super) configured: BTreeMap<String, String>,
    pub(super) effective: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) drift: bool,
    pub(super) set_by: Option<String>,
    pub(super) set_at: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) generation: Option<u64>,
    pub(super) changed: Option<bool>,
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// A version that is taken out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Brake {
    pub(super) service: String,
    pub(super) version: String,
    pub(super) braked: bool,
    pub(super) set_by: Option<String>,
    pub(super) set_at: Option<String>,
    pub(super) reason: Option<String>,
    /// It outlives a restart.
    pub(super) stored: Option<bool>,
    pub(super) generation: Option<u64>,
}

/// A change, as the audit log tells of it.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) at: String,
    pub(super) actor: String,
    pub(super) role: Option<String>,
    pub(super) address: Option<String>,
    pub(super) action: String,
    pub(super) service: Option<String>,
    pub(super) version: Option<String>,
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) from: Value,
    #[serde(default)]
    pub(super) to: Value,
    pub(super) generation: Option<u64>,
}

/// What runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    pub(super) generation: u64,
    pub(super) version: String,
    pub(super) started_at: Option<String>,
    pub(super) routers: Option<u64>,
    pub(super) services: Option<u64>,
    pub(super) middlewares: Option<u64>,
    #[serde(default)]
    pub(super) providers: Vec<Provider>,
    pub(super) store: Option<Store>,
}

/// Where configuration comes from, and in what state it is.
#[derive(Debug, Deserialize)]
pub(super) struct Provider {
    pub(super) name: String,
    #[serde(default)]
    pub(super) files: Vec<File>,
    #[serde(default)]
    pub(super) problems: Vec<ConfigurationProblem>,
    /// What was changed and needs a restart.
    #[serde(default)]
    pub(super) restart: Vec<ConfigurationProblem>,
}

/// A file of a provider.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) name: String,
    pub(super) live_since: Option<String>,
    /// Its last good text is live, not what it holds now.
    #[serde(default)]
    pub(super) held_back: bool,
}

/// One thing that is wrong with a configuration. Lines and columns are from 1; 0 where there are none.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigurationProblem {
    pub(super) file: String,
    #[serde(default)]
    pub(super) line: u64,
    #[serde(default)]
    pub(super) column: u64,
    #[serde(default)]
    pub(super) field: String,
    pub(super) what: String,
    #[serde(default)]
    pub(super) allowed: String,
}

impl ConfigurationProblem {
    /// What is wrong, and what would be right.
    pub(super) fn says(&self) -> String {
        match self.allowed.is_empty() {
            true => self.what.clone(),
            false => format!("{} ({})", self.what, self.allowed),
        }
    }
}

/// Where decisions are kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Store {
    /// None: memory.
    pub(super) file: Option<String>,
    /// What was wrong with it at the start.
    pub(super) problem: Option<String>,
    /// Since when something that is in force could not be kept.
    pub(super) owing_since: Option<String>,
}

/// Where it listens.
#[derive(Debug, Deserialize)]
pub(super) struct EntryPoint {
    pub(super) name: String,
    pub(super) address: Option<String>,
    /// Where it does listen.
    #[serde(default)]
    pub(super) listening: Vec<String>,
}

/// A problem document (RFC 9457) with this API's own members.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    /// As it came.
    pub(super) document: Value,
}

impl Problem {
    /// One of an answer with this status, if it is one.
    pub(super) fn of(status: u16, body: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(body).ok()?;
        document.get("type")?.as_str()?;
        Some(Self { status, document })
    }

    /// What is wrong, then what there is to know of it.
    pub(super) fn lines(&self) -> Vec<String> {
        let code = self.text("type").map(|kind| kind.rsplit(':').next().unwrap_or_default().to_owned());
        let mut problems = self.problems().into_iter();
        let what = problems.next().or_else(|| self.text("detail")).or_else(|| self.text("title"));
        let mut lines = vec![what.unwrap_or_else(|| "refused".to_owned())];
        lines.extend(problems);
        lines.push(format!("  status   {} {}", self.status, code.unwrap_or_default()));
        for key in ["field", "allowed", "owner", "candidates", "etag"] {
            lines.extend(self.text(key).map(|text| format!("  {key:<7}  {text}")));
        }
        lines
    }

    /// Everything that is wrong with what was sent. Lines and columns are those of the body, which nobody has seen.
    fn problems(&self) -> Vec<String> {
        let problems = self.document.get("problems").and_then(Value::as_array).into_iter().flatten();
        let problems = problems.filter_map(|problem| ConfigurationProblem::deserialize(problem).ok());
        problems.map(|problem| format!("{}: {}", problem.field, problem.says())).collect()
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.document.get(key)? {
            Value::Null => None,
            Value::Array(several) => Some(several.iter().map(plain).collect::<Vec<_>>().join(", ")),
            one => Some(plain(one)),
        }
    }
}

/// A value as a person writes it: text without quotation marks.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
