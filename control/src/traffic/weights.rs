//! A change of live weights, of one service or of several at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::SystemTime,
};

use rollgate_config::{dynamic::Configuration, scalar::Weight};
use rollgate_gateway::Over;
use serde_json::{Map, json};

use super::{
    Actor, Refused, State, Traffic, WeightsView, etag, milliseconds, names,
    settle::{self, texts},
    view::configured,
};
use crate::{
    events::{EventKind, News},
    store::{AuditEntry, Change, Commit, LiveWeights, Owner, Remembered},
};

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// By the services' names as he writes them; all of it or nothing.
    pub services: Vec<(String, Weighing)>,
    /// What they must be as yet.
    pub if_match: Option<IfMatch>,
    /// Who wants it: others' weights are refused.
    pub asking: Owner,
    /// Whose they are from then on.
    pub owner: Owner,
    /// Only say what would be.
    pub dry_run: bool,
    /// The request's idempotency key.
    pub key: Option<Key>,
    /// Why, in his words.
    pub reason: Option<String>,
    /// In the problems' fields: before `weights`.
    pub several: bool,
}

/// What is to become of a service's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighing {
    /// These, for every version.
    All(BTreeMap<String, Weight>),
    /// These, and the others as they are.
    Some(BTreeMap<String, Weight>),
    /// What the configuration says.
    Reset,
}

/// `If-Match` (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`.
    Any,
    /// One of these strong tags, with their quotes.
    Tags(Vec<String>),
}

/// An idempotency key, and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As sent.
    pub key: String,
    /// The digest of method, path and body.
    pub digest: [u8; 32],
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is so, on every worker.
    Done(Done),
    /// The same request was answered before, like this.
    Again(String),
}

/// How it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Every service that was named.
    pub services: Vec<WeightsView>,
    /// The generation that has it.
    pub generation: u64,
    /// It was not so before.
    pub changed: bool,
    /// It is not so; it would be.
    pub dry_run: bool,
}

/// What is to be done about one service.
struct Planned {
    service: Arc<str>,
    before: WeightsView,
    after: Option<LiveWeights>,
    view: WeightsView,
    changes: bool,
}

impl Traffic {
    /// The weights of a service, by its name or its bare one.
    ///
    /// # Errors
    /// If there is none.
    pub fn weights(&self, name: &str) -> Result<WeightsView, Refused> {
        let state = self.state.lock();
        let service = names::service(&state.configuration, name)?;
        state.view(&service)
    }

    /// The weights of all weighted services, and their common tag.
    pub fn all_weights(&self) -> (Vec<WeightsView>, String) {
        // Ten thousand take their time, in which nobody is to wait for them.
        let state = self.state.lock().of_weights();
        let views: Vec<WeightsView> =
            state.configuration.services.keys().filter_map(|name| state.view(name).ok()).collect();
        let tag = etag(views.iter().map(|view| view.etag.as_str()));
        (views, tag)
    }

    /// Sets weights: returns when they are kept and every worker has them. `render` writes the answer down, to be given again
    /// to the same request.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub async fn weigh(
        &self,
        wish: Wish,
        by: &Actor,
        render: impl Fn(&Done) -> String + Send,
    ) -> Result<Answer, Refused> {
        let _writing = self.turn().await?;
        let now = SystemTime::now();
        if let Some(key) = &wish.key
            && let Some(before) = self.store.remembered(key.key.clone(), milliseconds(now)).await?
        {
            return if before.digest == key.digest { Ok(Answer::Again(before.body)) } else { Err(Refused::KeyReused) };
        }
        let (planned, configuration) = {
            let state = self.state.lock();
            (state.plan(&wish, by, now)?, state.configuration.clone())
        };
        let changed = planned.iter().any(|planned| planned.changes);
        let mut done = Done {
            services: planned.iter().map(|planned| planned.view.clone()).collect(),
            // The next one, if no brake and no configuration comes between.
            generation: self.generation() + u64::from(changed && !wish.dry_run),
            changed,
            dry_run: wish.dry_run,
        };
        if wish.dry_run {
            return Ok(Answer::Done(done));
        }
        let mut commit = commit_of(&planned, &wish, by, &done, now);
        commit.idempotency = wish.key.map(|Key { key, digest }| {
            let body = render(&done);
            Remembered { key, digest, status: 200, body, at: milliseconds(now) }
        });
        if changed || commit.idempotency.is_some() {
            self.commit(commit).await?;
        }
        if changed {
            done.generation = self.make_so(&planned, &configuration).await;
        }
        self.weighed(planned, wish.reason.as_deref(), by, now);
        Ok(Answer::Done(done))
    }

    /// What was planned under a configuration, and is kept, is live. A brake that was set while the disk was waited for stays;
    /// what does not fit a configuration that came meanwhile is dropped.
    async fn make_so(&self, planned: &[Planned], configuration: &Arc<Configuration>) -> u64 {
        let _laying = self.turn_to_lay().await;
        let (over, unfit) = {
            let mut state = self.state.lock();
            for Planned { service, after, .. } in planned.iter().filter(|planned| planned.changes) {
                match after {
                    Some(live) => drop(state.live.insert(service.to_string(), live.clone())),
                    None => drop(state.live.remove(&**service)),
                }
            }
            if Arc::ptr_eq(configuration, &state.configuration) {
                let planned = planned.iter().filter(|planned| planned.changes);
                let over = planned.map(|planned| (planned.service.clone(), state.over_of(&planned.service)));
                (over.collect(), None)
            } else {
                let mut fit = settle::fit(&state, &state.configuration);
                (mem::take(&mut fit.over), Some((state.configuration.clone(), fit)))
            }
        };
        let generation = self.lay(over).await;
        if let Some((configuration, fit)) = unfit {
            self.settled(configuration, fit);
        }
        generation
    }

    /// It is live.
    fn weighed(&self, planned: Vec<Planned>, reason: Option<&str>, by: &Actor, now: SystemTime) {
        for Planned { service, before, after, view, .. } in planned.into_iter().filter(|planned| planned.changes) {
            let kind = if after.is_some() { EventKind::WeightsSet } else { EventKind::WeightsReset };
            tracing::info!(service = &*service, by = &*by.name, weights = ?view.weights, "weights are live");
            let details = [("from", json!(before.weights)), ("to", json!(view.weights))];
            let details = details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>();
            let (actor, cause) = (by.name.clone(), reason.map(str::to_owned));
            self.events.add(News { kind, actor, cause, service: Some(service), details }, now);
        }
    }
}

impl State {
    /// A copy of what weights are made of.
    fn of_weights(&self) -> Self {
        let (live, brakes) = (self.live.clone(), self.brakes.clone());
        Self { configuration: self.configuration.clone(), live, brakes, ..Self::default() }
    }

    fn plan(&self, wish: &Wish, by: &Actor, now: SystemTime) -> Result<Vec<Planned>, Refused> {
        let mut planned: Vec<Planned> = Vec::with_capacity(wish.services.len());
        let mut named = BTreeSet::new();
        for (name, weighing) in &wish.services {
            let field = if wish.several { format!("services.{name}.") } else { String::new() };
            let service = names::service(&self.configuration, name)?;
            if !named.insert(service.clone()) {
                let (field, what) = (format!("services.{name}"), format!("names {service} once more"));
                return Err(Refused::Invalid { field, what, allowed: "each service once".to_owned() });
            }
            planned.push(self.plan_of(&service, weighing, &field, (wish, by, now))?);
        }
        if let (Some(IfMatch::Tags(tags)), true) = (&wish.if_match, wish.several) {
            let views = self.configuration.services.keys().filter_map(|name| self.view(name).ok());
            let tag = etag(views.map(|view| view.etag).collect::<Vec<_>>().iter().map(String::as_str));
            if !tags.contains(&tag) {
                return Err(Refused::Precondition { service: "one of all services".to_owned(), etag: tag });
            }
        }
        Ok(planned)
    }

    fn plan_of(
        &self,
        service: &Arc<str>,
        weighing: &Weighing,
        field: &str,
        (wish, by, now): (&Wish, &Actor, SystemTime),
    ) -> Result<Planned, Refused> {
        let children = self.children(service)?;
        let live = self.live.get(&**service);
        let before = self.view(service)?;
        if let (Some(IfMatch::Tags(tags)), false) = (&wish.if_match, wish.several)
            && !tags.contains(&before.etag)
        {
            return Err(Refused::Precondition { service: service.to_string(), etag: before.etag });
        }
        let others = |owner: &&Owner| !matches!(owner, Owner::None | Owner::Api) && **owner != wish.asking;
        if let Some(owner) = live.map(|live| &live.owner).filter(others) {
            return Err(Refused::Owned { service: service.to_string(), owner: owner.clone() });
        }
        let named = |given: &BTreeMap<String, Weight>| -> Result<BTreeMap<String, Weight>, Refused> {
            let mut named = BTreeMap::new();
            for (name, weight) in given {
                let field = format!("{field}weights.{name}");
                let child = names::child(children, name).map_err(|_| Refused::Invalid {
                    field: field.clone(),
                    what: format!("is no version of {service}"),
                    allowed: versions(children),
                })?;
                if named.insert(child.to_string(), *weight).is_some() {
                    let what = format!("names {child} once more");
                    return Err(Refused::Invalid { field, what, allowed: "each version once".to_owned() });
                }
            }
            Ok(named)
        };
        let weights = match weighing {
            Weighing::Reset => None,
            Weighing::Some(some) => {
                let mut weights = live.map_or_else(|| configured(children), |live| live.weights.clone());
                weights.extend(named(some)?);
                Some(weights)
            }
            Weighing::All(all) => {
                let weights = named(all)?;
                if let Some(missing) = children.iter().find(|child| !weights.contains_key(&child.name.value)) {
                    return Err(Refused::Invalid {
                        field: format!("{field}weights"),
                        what: format!("does not name {}", missing.name.value),
                        allowed: format!("every version: {}", versions(children)),
                    });
                }
                Some(weights)
            }
        };
        let changes = match (&weights, live) {
            (None, None) => false,
            // The same over another configuration is a decision too: it acknowledges the drift.
            (Some(weights), Some(live)) => {
                *weights != live.weights || live.base != configured(children) || live.owner != wish.owner
            }
            _ => true,
        };
        let after = match (weights, changes) {
            (Some(_), false) => live.cloned(),
            (weights, _) => weights.map(|weights| LiveWeights {
                owner: wish.owner.clone(),
                weights,
                base: configured(children),
                actor: by.name.to_string(),
                reason: wish.reason.clone(),
                at: milliseconds(now),
                revision: self.revision + 1,
            }),
        };
        let over = self.over(service, after.as_ref());
        self.leaves_some(service, after.as_ref(), &over, field)?;
        let view = WeightsView::new(service, children, after.as_ref(), &over);
        Ok(Planned { service: service.clone(), before, after, view, changes })
    }

    /// Refuses what would leave no version with weight. What the configuration itself says is its own matter.
    fn leaves_some(&self, service: &str, live: Option<&LiveWeights>, over: &Over, field: &str) -> Result<(), Refused> {
        let children = self.children(service)?;
        if children.iter().any(|child| over.weight(&child.name.value, child.weight).0 > 0) {
            return Ok(());
        }
        match live {
            Some(live) if live.weights.values().all(|weight| weight.0 == 0) => Err(Refused::Invalid {
                field: format!("{field}weights"),
                what: "gives no version a weight above 0".to_owned(),
                allowed: "at least one weight above 0".to_owned(),
            }),
            Some(_) => Err(Refused::NothingLeft {
                service: service.to_owned(),
                why: "every version with weight is braked".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

fn versions(children: &[rollgate_config::dynamic::service::WeightedChild]) -> String {
    children.iter().map(|child| child.name.value.as_str()).collect::<Vec<_>>().join(", ")
}

fn commit_of(planned: &[Planned], wish: &Wish, by: &Actor, done: &Done, now: SystemTime) -> Commit {
    let mut commit = Commit::default();
    for planned in planned.iter().filter(|planned| planned.changes) {
        let service = planned.service.to_string();
        let (action, change) = match &planned.after {
            Some(live) => ("weights.set", Change::SetWeights(service.clone(), live.clone())),
            None => ("weights.reset", Change::DropWeights(service.clone())),
        };
        commit.changes.push(change);
        let to = planned.after.as_ref().map(|live| texts(&live.weights));
        commit.audit.push(AuditEntry {
            at: milliseconds(now),
            actor: by.name.to_string(),
            role: by.role.to_owned(),
            address: by.address(),
            action: action.to_owned(),
            service: Some(service),
            reason: wish.reason.clone(),
            from: json!(planned.before.weights),
            to: json!(to),
            generation: Some(done.generation),
            ..AuditEntry::default()
        });
    }
    commit
}
