//! Brakes: a version gets nothing from now on, whatever anybody's weights say, until it is released.

use std::{sync::Arc, time::SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use utoipa::ToSchema;

use super::{Actor, Refused, State, Traffic, milliseconds, names};
use crate::{
    events::{EventKind, News, milliseconds_as_text},
    store::{AuditEntry, Brake, Change, Commit},
};

/// A brake as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Brake)]
pub struct BrakeView {
    /// The service's qualified name.
    pub service: String,
    /// The version's.
    pub version: String,
    /// It gets nothing.
    pub braked: bool,
    /// Who set it.
    pub set_by: Option<String>,
    /// When, RFC 3339.
    pub set_at: Option<String>,
    /// Why, in his words.
    pub reason: Option<String>,
    /// It is in the store, and holds after a restart. If not, it is brought there as soon as that is possible.
    pub stored: bool,
    /// The generation that has it.
    pub generation: u64,
}

impl Traffic {
    /// Takes all requests away from a version: returns when every worker does so. It holds before it is kept.
    ///
    /// # Errors
    /// If there is no such version, or no other one that would take the requests.
    pub async fn brake(
        &self,
        (service, version): (&str, &str),
        reason: Option<String>,
        by: &Actor,
    ) -> Result<BrakeView, Refused> {
        let now = SystemTime::now();
        let (at, brake, number) = {
            let _laying = self.turn_to_lay().await;
            let (at, over) = {
                let state = self.state.lock();
                let at = state.version(service, version)?;
                // Whoever is taking it off has to see that it was put on again.
                if let Some(brake) = state.brakes.get(&at).filter(|_| state.releasing.as_ref() != Some(&at)) {
                    return Ok(self.told(&at, Some(brake), !state.owed.has_brake(&at)));
                }
                let brakes = state.brakes.keys().chain([&at]);
                let over = super::over(&at.0, state.live.get(&at.0), brakes, state.trials.get(&at.0));
                let mut others = state.children(&at.0)?.iter();
                if !others.any(|child| over.weight(&child.name.value, child.weight).0 > 0) {
                    let why = "no other version has weight; give one some first".to_owned();
                    return Err(Refused::NothingLeft { service: at.0, why });
                }
                (at, over)
            };
            let generation = self.lay(vec![(at.0.as_str().into(), over)]).await;
            let brake = Brake { version: at.1.clone(), actor: by.name.to_string(), reason, at: milliseconds(now) };
            let commit = Commit {
                changes: vec![Change::SetBrake(at.0.clone(), brake.clone())],
                audit: vec![entry("brake.set", &at, brake.reason.clone(), by, generation, now)],
                ..Commit::default()
            };
            let mut state = self.state.lock();
            state.brakes.insert(at.clone(), brake.clone());
            state.releasing.take_if(|releasing| *releasing == at);
            let number = state.owe(commit);
            (at, brake, number)
        };
        tracing::warn!(service = at.0, version = at.1, by = &*by.name, "a version is braked");
        self.tell_of_brake(EventKind::BrakeSet, &at, brake.reason.clone(), by, now);
        let kept = self.kept(number).await;
        Ok(self.told(&at, Some(&brake), kept))
    }

    /// Gives a version its weight back: returns when every worker does so.
    ///
    /// # Errors
    /// If it is not braked, the store cannot take it, or somebody brakes it while that is waited for: it is braked still, then.
    pub async fn release(
        &self,
        (service, version): (&str, &str),
        reason: Option<String>,
        by: &Actor,
    ) -> Result<BrakeView, Refused> {
        let _writing = self.turn().await?;
        let now = SystemTime::now();
        let at = {
            let mut state = self.state.lock();
            let at = state.braked(service, version)?;
            state.releasing = Some(at.clone());
            at
        };
        let generation = self.generation() + 1;
        let commit = Commit {
            changes: vec![Change::ReleaseBrake(at.0.clone(), at.1.clone())],
            audit: vec![entry("brake.released", &at, reason.clone(), by, generation, now)],
            ..Commit::default()
        };
        let kept = self.commit(commit).await;
        {
            let _laying = self.turn_to_lay().await;
            let over = {
                let mut state = self.state.lock();
                let released = state.releasing.take().is_some();
                kept?;
                if !released {
                    return Err(Refused::BrakedAgain { service: at.0, version: at.1 });
                }
                state.brakes.remove(&at);
                state.over_of(&at.0)
            };
            self.lay(vec![(at.0.as_str().into(), over)]).await;
        }
        tracing::warn!(service = at.0, version = at.1, by = &*by.name, "a version is no longer braked");
        self.tell_of_brake(EventKind::BrakeReleased, &at, reason, by, now);
        Ok(self.told(&at, None, true))
    }

    /// All that there are.
    pub fn brakes(&self) -> Vec<BrakeView> {
        let state = self.state.lock();
        state.brakes.iter().map(|(at, brake)| self.told(at, Some(brake), !state.owed.has_brake(at))).collect()
    }

    fn told(&self, (service, version): &(String, String), brake: Option<&Brake>, stored: bool) -> BrakeView {
        BrakeView {
            service: service.clone(),
            version: version.clone(),
            braked: brake.is_some(),
            set_by: brake.map(|brake| brake.actor.clone()),
            set_at: brake.map(|brake| milliseconds_as_text(brake.at)),
            reason: brake.and_then(|brake| brake.reason.clone()),
            stored,
            generation: self.generation(),
        }
    }

    fn tell_of_brake(
        &self,
        kind: EventKind,
        (service, version): &(String, String),
        cause: Option<String>,
        by: &Actor,
        now: SystemTime,
    ) {
        let details = Map::from_iter([("version".to_owned(), json!(version))]);
        let service: Arc<str> = service.as_str().into();
        self.events.add(News { kind, actor: by.name.clone(), cause, service: Some(service), details }, now);
    }
}

impl State {
    /// A version that there is.
    fn version(&self, service: &str, version: &str) -> Result<(String, String), Refused> {
        let service = names::service(&self.configuration, service)?;
        let child = names::child(self.children(&service)?, version)?;
        Ok((service.to_string(), child.to_string()))
    }

    /// A brake that there is, on whatever name: the version may be gone by now.
    fn braked(&self, service: &str, version: &str) -> Result<(String, String), Refused> {
        let is = |qualified: &str, name: &str| qualified == name || names::bare(qualified) == name;
        let found = self.brakes.keys().filter(|(of, braked)| is(of, service) && is(braked, version));
        let found: Vec<&(String, String)> = found.collect();
        match *found {
            [only] => Ok(only.clone()),
            // Which of the names is unknown is said more exactly.
            [] => Err(self.version(service, version).map_or_else(
                |refused| refused,
                |(service, version)| Refused::NotFound { what: "brake on", name: format!("{version} of {service}") },
            )),
            ref several => {
                let candidates = several.iter().map(|(service, version)| format!("{version} of {service}"));
                Err(Refused::Ambiguous { name: format!("{version} of {service}"), candidates: candidates.collect() })
            }
        }
    }
}

fn entry(
    action: &str,
    (service, version): &(String, String),
    reason: Option<String>,
    by: &Actor,
    generation: u64,
    now: SystemTime,
) -> AuditEntry {
    AuditEntry {
        at: milliseconds(now),
        actor: by.name.to_string(),
        role: by.role.to_owned(),
        address: by.address(),
        action: action.to_owned(),
        service: Some(service.clone()),
        version: Some(version.clone()),
        reason,
        from: json!({"braked": action != "brake.set"}),
        to: json!({"braked": action == "brake.set"}),
        generation: Some(generation),
        ..AuditEntry::default()
    }
}
