//! Protections: a rate limit and a circuit breaker that a rollout lays before a version, over whatever the configuration says, until
//! they are taken off. They are middlewares of the provider `rollout`, in front of the version's own.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use rollgate_config::{
    condition::Condition,
    dynamic::{
        Configuration, Item,
        middleware::{CircuitBreaker, Middleware, MiddlewareKind, RateLimit, Scope, SourceCriterion},
    },
    problem::{Located, Place},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Actor, Refused, Traffic, milliseconds};
use crate::store::{AuditEntry, Change, Commit};

/// What lies before a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protected {
    /// Who has laid it.
    pub by: String,
    /// Requests a second, of all clients together; `None`: no limit.
    pub average: Option<u64>,
    /// So many at once.
    pub burst: Option<u64>,
    /// A circuit breaker's expression.
    pub breaker: Option<String>,
}

impl Traffic {
    /// What lies before versions, by their qualified names.
    pub fn protections(&self) -> BTreeMap<String, Protected> {
        of(&self.state.lock().documents)
    }

    /// Lays a protection before a version, in place of the one that is there, or takes that off: returns when it is kept and every
    /// worker has it.
    ///
    /// # Errors
    /// If it cannot be kept, or an expression is none.
    pub async fn protect(&self, version: &str, laid: Option<Protected>, by: &Actor) -> Result<(), Refused> {
        if let Some(breaker) = laid.as_ref().and_then(|laid| laid.breaker.as_deref())
            && let Err(error) = Condition::parse(breaker)
        {
            let allowed = "a circuit breaker's expression".to_owned();
            return Err(Refused::Invalid { field: "breaker".to_owned(), what: format!("is none: {error}"), allowed });
        }
        let _writing = self.turn().await?;
        let before = self.protections().get(version).cloned();
        if before == laid {
            return Ok(());
        }
        let name = format!("{PREFIX}{version}");
        let change = match &laid {
            Some(laid) => Change::PutDocument(name.clone(), json!(laid).to_string()),
            None => Change::DropDocument(name.clone()),
        };
        let entry = AuditEntry {
            at: milliseconds(SystemTime::now()),
            actor: by.name.to_string(),
            role: by.role.to_owned(),
            address: by.address(),
            action: if laid.is_some() { "protection.set" } else { "protection.released" }.to_owned(),
            version: Some(version.to_owned()),
            from: json!(before),
            to: json!(laid),
            generation: Some(self.generation() + 1),
            ..AuditEntry::default()
        };
        self.commit(Commit { changes: vec![change], audit: vec![entry], ..Commit::default() }).await?;
        let _laying = self.turn_to_lay().await;
        let base = {
            let mut state = self.state.lock();
            match laid {
                Some(laid) => drop(state.documents.insert(name, json!(laid).to_string())),
                None => drop(state.documents.remove(&name)),
            }
            state.base.clone()
        };
        // What is live was good without it, and it has nothing that could be wrong.
        if let Err(problems) = self.make_live(None, base).await {
            tracing::error!(?problems, version, "a protection is not live");
        }
        Ok(())
    }
}

/// A configuration with what lies before its versions. One that is not there waits for it.
pub(super) fn over(base: &Arc<Configuration>, documents: &BTreeMap<String, String>) -> Arc<Configuration> {
    let laid = of(documents);
    if laid.is_empty() {
        return base.clone();
    }
    let mut configuration = Configuration::clone(base);
    for (version, protected) in laid {
        let Some(item) = configuration.services.get(&*version) else { continue };
        let at = Place::whole(&format!("the protection of {version}"));
        let mut made = Vec::new();
        if let Some(average) = protected.average {
            let limit = RateLimit {
                average,
                period: std::time::Duration::from_secs(1),
                burst: protected.burst.unwrap_or(average),
                // No request has it any more: it ends at this hop. So all are one source.
                source: SourceCriterion::Header("keep-alive".to_owned()),
                scope: Scope::Middleware,
                max_sources: 1,
                response_headers: false,
                redis: None,
            };
            made.push(("limit", MiddlewareKind::RateLimit(Box::new(limit))));
        }
        if let Some(Ok(condition)) = protected.breaker.as_deref().map(Condition::parse) {
            made.push(("breaker", MiddlewareKind::CircuitBreaker(Box::new(CircuitBreaker::new(condition)))));
        }
        let mut service = (**item).clone();
        let item = item.clone();
        for (place, (kind, made)) in made.into_iter().enumerate() {
            let name = format!("{kind}-{}@{PROVIDER}", version.replace('@', "-"));
            service.middlewares.insert(place, Located { value: name.clone(), at: at.clone() });
            configuration.middlewares.insert(name.into(), Item::of_no_file(Middleware { at: at.clone(), kind: made }));
        }
        configuration.services.insert(version.as_str().into(), item.with(Arc::new(service)));
    }
    Arc::new(configuration)
}

pub(super) fn of(documents: &BTreeMap<String, String>) -> BTreeMap<String, Protected> {
    let laid = documents.iter().filter_map(|(name, text)| {
        let version = name.strip_prefix(PREFIX)?;
        Some((version.to_owned(), serde_json::from_str(text).ok()?))
    });
    laid.collect()
}

/// Of the names of their documents in the store.
const PREFIX: &str = "protection:";
/// Of their middlewares.
const PROVIDER: &str = "rollout";
