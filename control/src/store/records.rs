//! What the store keeps. Times are milliseconds since 1970, names of services and versions are qualified (`pro@file`).

use std::{collections::BTreeMap, fmt, str::FromStr};

use rollgate_config::scalar::Weight;
use serde_json::Value;

/// Who decides about a service's weights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Owner {
    /// The configuration.
    #[default]
    None,
    /// Whoever uses the admin API.
    Api,
    /// A rollout, by its id.
    Rollout(String),
    /// A controller in Kubernetes, by its name.
    Kubernetes(String),
}

impl fmt::Display for Owner {
    /// `none`, `api`, `rollout:ID`, `kubernetes:NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Api => f.write_str("api"),
            Self::Rollout(id) => write!(f, "rollout:{id}"),
            Self::Kubernetes(name) => write!(f, "kubernetes:{name}"),
        }
    }
}

impl FromStr for Owner {
    type Err = UnknownOwner;

    fn from_str(text: &str) -> Result<Self, UnknownOwner> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            None if text == "api" => Ok(Self::Api),
            Some(("rollout", id)) if !id.is_empty() => Ok(Self::Rollout(id.to_owned())),
            Some(("kubernetes", name)) if !name.is_empty() => Ok(Self::Kubernetes(name.to_owned())),
            _ => Err(UnknownOwner),
        }
    }
}

/// A text that names no [`Owner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownOwner;

impl fmt::Display for UnknownOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected none, api, rollout:ID or kubernetes:NAME")
    }
}

impl std::error::Error for UnknownOwner {}

/// Weights that lie over those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveWeights {
    /// Who decides.
    pub owner: Owner,
    /// By version.
    pub weights: BTreeMap<String, Weight>,
    /// What the configuration said when they were set, by version.
    pub base: BTreeMap<String, Weight>,
    /// Who set them.
    pub actor: String,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// When.
    pub at: i64,
    /// The revision of the commit that set them: that of the state before, and one.
    pub revision: u64,
}

/// A version is held at weight 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// The version.
    pub version: String,
    /// Who put it on.
    pub actor: String,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// When.
    pub at: i64,
}

/// All that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// By service.
    pub live: BTreeMap<String, LiveWeights>,
    /// By service and version.
    pub brakes: BTreeMap<(String, String), Brake>,
    /// Texts of configurations that were sent here, by name.
    pub documents: BTreeMap<String, String>,
    /// Those that have not ended, by id.
    pub rollouts: BTreeMap<String, KeptRollout>,
    /// Grows by one with each commit that has changes.
    pub revision: u64,
}

/// What becomes durable together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Commit {
    /// In this order.
    pub changes: Vec<Change>,
    /// Their `id` is not looked at.
    pub audit: Vec<AuditEntry>,
    /// Takes the place of what was remembered under the same key.
    pub idempotency: Option<Remembered>,
}

/// One change of what is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Of a service, in place of those that it has.
    SetWeights(String, LiveWeights),
    /// Of a service; nothing if it has none.
    DropWeights(String),
    /// On a service's version, in place of the one that is on it.
    SetBrake(String, Brake),
    /// Of a service, from a version; nothing if there is none.
    ReleaseBrake(String, String),
    /// A text by its name, in place of the one before.
    PutDocument(String, String),
    /// By its name; nothing if there is none.
    DropDocument(String),
    /// In place of what is kept under its id. One that has ended stays as history.
    PutRollout(Box<KeptRollout>),
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptRollout {
    /// Grows from one rollout to the next; given by the store.
    pub number: u64,
    /// What it is called.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The service's.
    pub service: String,
    /// What became of it so far, `RUNNING`.
    pub status: String,
    /// When.
    pub began: i64,
    /// When; `None`: it goes on.
    pub ended: Option<i64>,
    /// All of it, in JSON.
    pub state: String,
}

/// Which rollouts are wanted. Names are compared whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutQuery {
    /// Of this service.
    pub service: Option<String>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// In one of these; in any where none is named.
    pub status: Vec<String>,
    /// How many at most, 1 to 1000; what is beyond is taken as the nearest.
    pub limit: u32,
    /// Only those whose number is lower: [`RolloutPage::next`] of the page before.
    pub before: Option<u64>,
}

impl RolloutQuery {
    /// Rollouts on a page at most.
    pub const MOST: u32 = 1000;
}

impl Default for RolloutQuery {
    fn default() -> Self {
        Self { service: None, pipeline: None, status: Vec::new(), limit: 100, before: None }
    }
}

/// A part of the rollouts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolloutPage {
    /// Newest first.
    pub items: Vec<KeptRollout>,
    /// What to give as `before` for those that follow; `None` at the end.
    pub next: Option<u64>,
}

/// Somebody did something.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditEntry {
    /// Its place in the log; given by the store.
    pub id: u64,
    /// When.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// With which right.
    pub role: String,
    /// From where.
    pub address: String,
    /// What, as an event's type: `weights.set`.
    pub action: String,
    /// To which service.
    pub service: Option<String>,
    /// To which of its versions.
    pub version: Option<String>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// What was before.
    pub from: Value,
    /// What is since then.
    pub to: Value,
    /// The generation that was published for it; `None` where that is not known yet.
    pub generation: Option<u64>,
}

/// Which entries of the audit log are wanted. Names are compared whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// About this service.
    pub service: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Not before this time.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// How many at most, 1 to 1000; what is beyond is taken as the nearest.
    pub limit: u32,
    /// Only those whose id is lower: [`AuditPage::next`] of the page before.
    pub before_id: Option<u64>,
}

impl AuditQuery {
    /// Entries on a page at most.
    pub const MOST: u32 = 1000;
}

impl Default for AuditQuery {
    fn default() -> Self {
        let (service, actor, action) = (None, None, None);
        Self { service, actor, action, since: None, until: None, limit: 100, before_id: None }
    }
}

/// A part of the audit log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditPage {
    /// Newest first.
    pub items: Vec<AuditEntry>,
    /// What to give as `before_id` for those that follow; `None` at the log's end.
    pub next: Option<u64>,
}

/// An answer that is given again to whoever repeats the question under the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// What the client calls it.
    pub key: String,
    /// SHA-256 of method, path and body: the same key with another question is an error of the client's.
    pub digest: [u8; 32],
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub body: String,
    /// When.
    pub at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_as_it_is_written_and_nothing_else_is() {
        for (text, owner) in [
            ("none", Owner::None),
            ("api", Owner::Api),
            ("rollout:a:b", Owner::Rollout("a:b".to_owned())),
            ("kubernetes:argo", Owner::Kubernetes("argo".to_owned())),
        ] {
            assert_eq!((owner.to_string().as_str(), text.parse()), (text, Ok(owner)));
        }
        for text in ["", "Api", "rollout", "rollout:", "kubernetes:", "api:", "none:x"] {
            assert_eq!(text.parse::<Owner>(), Err(UnknownOwner), "{text}");
        }
    }
}
