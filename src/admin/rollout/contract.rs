//! What the admin API tells of a rollout, as far as it is shown. What is new in it is passed over.

use std::collections::BTreeMap;

use rollgate_control::rollout::engine::{Entry, Protection};
use serde::Deserialize;
use serde_json::Value;

use super::super::contract::plain;

/// A rollout.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rollout {
    pub(super) id: String,
    pub(super) pipeline: String,
    pub(super) service: String,
    pub(super) stable: String,
    pub(super) canary: String,
    pub(super) build: Option<String>,
    pub(super) status: String,
    /// How far it is, its status included.
    #[serde(default)]
    pub(super) progress: String,
    #[serde(default)]
    pub(super) waits_for: String,
    pub(super) reason: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) ended_at: Option<String>,
    /// The canary's share of both versions', `5%`; none: not its to say.
    pub(super) weight: Option<String>,
    /// The canary gets nothing, whatever its weight.
    #[serde(default)]
    pub(super) canary_braked: bool,
    #[serde(default)]
    pub(super) stage: String,
    /// Actions that can be done now.
    #[serde(default)]
    pub(super) possible: Vec<String>,
    #[serde(default)]
    pub(super) stages: Vec<Stage>,
    /// The last look.
    pub(super) evidence: Option<Evidence>,
    /// The newest last.
    #[serde(default)]
    pub(super) history: Vec<Value>,
}

/// A stage and how far it has come. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stage {
    pub(super) at: At,
    #[serde(default)]
    pub(super) is_current: bool,
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: String,
    /// What it has to do.
    #[serde(default)]
    pub(super) says: String,
    pub(super) state: String,
    pub(super) started: Option<i64>,
    pub(super) ended: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) output: Option<String>,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    pub(super) evidence: Option<Evidence>,
    #[serde(default)]
    pub(super) protection: Value,
}

/// Where a stage stands.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct At {
    /// `main` or `onFailure`.
    pub(super) of: String,
}

/// A step of a ramp.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Step {
    pub(super) weight: String,
    pub(super) started: Option<i64>,
    pub(super) ended: Option<i64>,
    #[serde(default)]
    pub(super) requests: u64,
    /// What has decided.
    pub(super) evidence: Option<Evidence>,
}

/// A look at both versions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evidence {
    #[serde(default)]
    pub(super) canary: Tally,
    #[serde(default)]
    pub(super) stable: Tally,
    /// `ln E` against the canary, by kind.
    #[serde(default)]
    pub(super) ln_e: BTreeMap<String, f64>,
    /// What that has to reach for a rollback.
    #[serde(default)]
    pub(super) ln_needed: BTreeMap<String, f64>,
    /// `ln E` for going on: not inferior by the margin.
    pub(super) ln_not_inferior: Option<f64>,
    /// The same: the promise is kept.
    pub(super) ln_kept: Option<f64>,
    pub(super) ratio: Option<Ratio>,
    /// Enough for going on.
    #[serde(default)]
    pub(super) advance: bool,
    /// Nothing counts yet.
    #[serde(default)]
    pub(super) discarding: bool,
    #[serde(default)]
    pub(super) says: String,
}

/// What a version has answered.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Tally {
    #[serde(default)]
    pub(super) requests: u64,
    #[serde(default)]
    pub(super) errors: u64,
    #[serde(default)]
    pub(super) slow: u64,
}

/// How many times as many errors as stable's.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Ratio {
    pub(super) estimate: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happening {
    /// In milliseconds since 1970.
    pub(super) at: Option<i64>,
    pub(super) says: String,
}

impl Rollout {
    /// It has, and nothing changes any more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended_at.is_some()
    }

    /// What has happened, the newest last.
    pub(super) fn happenings(&self) -> impl DoubleEndedIterator<Item = Happening> {
        self.history.iter().map(Happening::of)
    }

    /// Its stages; those for after a rollback only where it has come to them, or where `all` are wanted.
    pub(super) fn plan(&self, all: bool) -> Vec<&Stage> {
        let has_failed = self.stages.iter().any(|stage| stage.is_after_rollback() && stage.started.is_some());
        let stages = self.stages.iter().filter(|stage| all || has_failed || !stage.is_after_rollback());
        stages.collect()
    }
}

impl Stage {
    /// One of `onFailure`.
    pub(super) fn is_after_rollback(&self) -> bool {
        self.at.of == "onFailure"
    }

    /// What it lays, in a sentence.
    pub(super) fn protection(&self) -> Option<String> {
        Some(Protection::deserialize(&self.protection).ok()?.says())
    }
}

impl Happening {
    /// In the gateway's words. What this program does not know is told as the gateway says it, or member by member.
    pub(super) fn of(entry: &Value) -> Self {
        let at = entry.get("at").and_then(Value::as_i64);
        if let Ok(entry) = Entry::deserialize(entry) {
            return Self { at, says: entry.to_string() };
        }
        let text = |key: &str| entry.get(key).filter(|value| !value.is_null()).map(plain);
        let mut words: Vec<String> = text("stage").map(|stage| format!("{stage}:")).into_iter().collect();
        match text("says") {
            Some(says) => words.push(says),
            None => {
                let happened = entry.get("happened").and_then(Value::as_object).into_iter().flatten();
                words.extend(happened.map(|(key, value)| format!("{key}={}", plain(value))));
            }
        }
        words.extend(text("by").map(|by| format!("by {by}")));
        words.extend(text("reason").map(|reason| format!("({reason})")));
        Self { at, says: words.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_happened_is_told_in_words_also_by_a_gateway_that_knows_more() {
        let entry =
            |happened: Value| json!({"at": 5, "stage": "look", "by": "ann", "reason": "fine", "happened": happened});
        for (happened, says) in [
            (json!({"what": "acted", "action": "approve"}), "look: approve, by ann: fine"),
            (json!({"what": "danced", "steps": 3}), "look: steps=3 what=danced by ann (fine)"),
        ] {
            assert_eq!(Happening::of(&entry(happened)), Happening { at: Some(5), says: says.to_owned() });
        }
        let mut said = entry(json!({"what": "danced", "steps": 3}));
        said["says"] = json!("it has danced");
        assert_eq!(Happening::of(&said).says, "look: it has danced by ann (fine)");
        assert_eq!(Happening::of(&json!("x")), Happening { at: None, says: String::new() });
    }
}
