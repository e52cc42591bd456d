//! What of the live weights fits a configuration: they are dropped where the names of a service's versions have changed,
//! and wait where the service is not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use rollgate_config::{dynamic::Configuration, scalar::Weight};
use rollgate_gateway::Over;
use serde_json::json;

use super::{GATEWAY, State, Traffic, milliseconds, view::configured};
use crate::{
    events::EventKind,
    store::{AuditEntry, Change, Commit},
};

/// What becomes of what there is under a configuration.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fit {
    /// What lies over each service that anything was said of.
    pub(super) over: Vec<(Arc<str>, Over)>,
    /// Live weights that no longer mean anything, and why.
    pub(super) dropped: Vec<(String, String)>,
    /// Services whose configured weights have changed under their live ones.
    pub(super) drifted: Vec<String>,
}

pub(super) fn fit(state: &State, configuration: &Configuration) -> Fit {
    let mut fit = Fit::default();
    let braked = state.brakes.keys().map(|(service, _)| service);
    let names: BTreeSet<&String> = state.live.keys().chain(braked).chain(state.trials.keys()).collect();
    for name in names {
        let mut live = state.live.get(name);
        if let (Some(weights), Some(service)) = (live, configuration.services.get(&**name)) {
            let children = service.kind.children().1;
            let now: BTreeSet<&str> = children.iter().map(|child| child.name.value.as_str()).collect();
            let then: BTreeSet<&str> = weights.weights.keys().map(String::as_str).collect();
            if now != then {
                let list = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
                let why = match now.is_empty() {
                    true => "it is no longer a weighted service".to_owned(),
                    false => format!("its versions are now {}, and were {}", list(&now), list(&then)),
                };
                fit.dropped.push((name.clone(), why));
                live = None;
            } else if state.drifts(name, configuration) {
                fit.drifted.push(name.clone());
            }
        }
        fit.over.push((name.as_str().into(), state.over(name, live)));
    }
    fit
}

impl State {
    /// Whether the configured weights differ from those that live ones were set over, and did not before.
    fn drifts(&self, name: &str, configuration: &Configuration) -> bool {
        let Some(live) = self.live.get(name) else { return false };
        let of = |configuration: &Configuration| {
            configuration.services.get(name).map(|service| configured(service.kind.children().1))
        };
        let now = of(configuration);
        now.as_ref() != Some(&live.base) && now != of(&self.configuration)
    }
}

impl Traffic {
    /// The configuration is live, with what fits it; the rest is forgotten and told. By whoever holds `laying`.
    pub(super) fn settled(&self, configuration: Arc<Configuration>, fit: Fit) {
        let now = SystemTime::now();
        let Fit { dropped, drifted, .. } = fit;
        let mut commit = Commit::default();
        let _before;
        {
            let mut state = self.state.lock();
            _before = std::mem::replace(&mut state.configuration, configuration);
            for (service, why) in &dropped {
                let from = state.live.remove(service).map(|live| texts(&live.weights));
                commit.changes.push(Change::DropWeights(service.clone()));
                commit.audit.push(AuditEntry {
                    at: milliseconds(now),
                    actor: GATEWAY.to_owned(),
                    action: "weights.dropped".to_owned(),
                    service: Some(service.clone()),
                    reason: Some(why.clone()),
                    from: json!(from),
                    ..AuditEntry::default()
                });
            }
        }
        for (service, why) in dropped {
            tracing::warn!(service, why, "live weights are dropped");
            self.event_of(EventKind::WeightsDropped, Some(service), Some(why), []);
        }
        for service in drifted {
            tracing::warn!(service, "the configuration's weights have changed under live ones, which stay in force");
            let view = self.state.lock().view(&service).ok();
            let configured = json!(view.as_ref().map(|view| &view.configured));
            let weights = json!(view.as_ref().map(|view| &view.weights));
            let details = [("configured", configured), ("weights", weights)];
            self.event_of(EventKind::WeightsDrift, Some(service), None, details);
        }
        self.configured.send_modify(|count| *count += 1);
        if !commit.changes.is_empty() {
            self.state.lock().owe(commit);
            self.owing.notify_one();
        }
    }
}

/// Weights as text.
pub(super) fn texts(weights: &BTreeMap<String, Weight>) -> BTreeMap<String, String> {
    weights.iter().map(|(name, weight)| (name.clone(), weight.to_string())).collect()
}
