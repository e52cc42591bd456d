//! A rollout as it is told.

use std::{collections::HashSet, sync::Arc};

use rollgate_config::{dynamic::rollout::Pipeline, static_config::Role};
use rollgate_gateway::Gateway;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    events::milliseconds_as_text,
    rollout::engine::{Entry, Rollout},
    traffic::Traffic,
};

/// A rollout as it is told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rollout)]
pub struct RolloutView {
    id: String,
    /// The pipeline's qualified name.
    pipeline: String,
    /// The service's.
    service: String,
    /// The version that has the users.
    stable: String,
    /// The one that is to get them.
    canary: String,
    build: Option<String>,
    /// `PENDING`, `RUNNING`, `WAITING`, `PAUSED`, `SUCCEEDED`, `ROLLED_BACK`, `FAILED` or `CANCELED`.
    status: String,
    /// How far it is, in a few words.
    progress: String,
    /// What it waits for, in a sentence; empty at the end.
    waits_for: String,
    /// Why it is paused, was taken back or has ended so.
    reason: Option<String>,
    /// Where to ask again, absolute.
    pub(super) status_url: String,
    /// Who has begun it.
    actor: String,
    started_at: String,
    ended_at: Option<String>,
    /// The canary's share of what both versions have; null: not its to say.
    weight: Option<String>,
    /// The canary is braked now: it gets nothing, whatever its weight, by the judge, by the rollout or by an operator.
    canary_braked: bool,
    /// The stage that it is at, by its name.
    stage: String,
    /// Answers the question that is open, once, without a token: for whoever is asked. Shown to those who may change weights.
    approval_url: Option<String>,
    /// What can be done with it: paths below it, to POST to.
    possible: Vec<String>,
    /// Every stage with how far it has come, and the numbers that decided.
    #[schema(value_type = Vec<Object>)]
    stages: Vec<Value>,
    /// The last look at both versions. `lnE` is what speaks against the canary, by kind, and `lnNeeded` what that has to reach for it to be
    /// taken back.
    #[schema(value_type = Option<Object>)]
    evidence: Option<Value>,
    /// What has happened, the newest last, each with `says`, the same in a sentence; with one rollout alone.
    #[schema(value_type = Vec<Object>)]
    history: Vec<Value>,
}

/// Which versions are braked, whoever has braked them.
pub(super) struct Braked {
    /// By service and name.
    kept: HashSet<(String, String)>,
    /// Whose judges may have stopped a canary that is not kept yet.
    gateway: Option<Arc<Gateway>>,
}

impl Braked {
    /// As things are.
    pub(super) fn now(traffic: &Traffic) -> Self {
        let kept = traffic.brakes().into_iter().map(|brake| (brake.service, brake.version)).collect();
        Self { kept, gateway: traffic.gateway().cloned() }
    }

    fn has(&self, rollout: &Rollout) -> bool {
        let is_under_way = !rollout.status.is_end();
        // Its own brake is on its way for a moment.
        self.kept.contains(&(rollout.service.clone(), rollout.canary.clone()))
            || (is_under_way && (rollout.brake.is_some() || self.is_judged(rollout)))
    }

    fn is_judged(&self, rollout: &Rollout) -> bool {
        let status = self.gateway.as_ref().and_then(|gateway| gateway.status(&rollout.service));
        let mut versions = status.iter().flat_map(|status| &status.versions);
        versions.any(|version| version.braked_by_judge && *version.name == *rollout.canary)
    }
}

/// As it was when it was decided upon: the same request is answered the same.
pub(super) fn answer(rollout: &Rollout, pipeline: &Pipeline, seen: (&str, Role), braked: &Braked) -> RolloutView {
    let decided = rollout.history.last().map_or(rollout.created, |entry| entry.at);
    view(rollout, pipeline, seen, (decided, braked), false)
}

/// As whoever asks may see it. `whole`: with what has happened.
pub(super) fn view(
    rollout: &Rollout,
    pipeline: &Pipeline,
    (base, role): (&str, Role),
    (now, braked): (i64, &Braked),
    whole: bool,
) -> RolloutView {
    let nonce = rollout.nonce().filter(|_| role >= Role::Operate);
    let possible = rollout.possible();
    RolloutView {
        id: rollout.id.clone(),
        pipeline: rollout.pipeline.clone(),
        service: rollout.service.clone(),
        stable: rollout.stable.clone(),
        canary: rollout.canary.clone(),
        build: rollout.build.clone(),
        status: rollout.status.name().to_owned(),
        progress: rollout.progress(),
        waits_for: rollout.waits_for(pipeline, now),
        reason: rollout.reason.clone(),
        status_url: format!("{base}/rollouts/{}", rollout.id),
        actor: rollout.actor.clone(),
        started_at: milliseconds_as_text(rollout.created),
        ended_at: rollout.ended.map(milliseconds_as_text),
        weight: rollout.share.map(|share| share.to_string()),
        canary_braked: braked.has(rollout),
        stage: rollout.record().name.clone(),
        approval_url: nonce.map(|nonce| format!("{base}/rollouts/{}/approval?nonce={}", rollout.id, nonce.0)),
        possible: possible.iter().map(|action| action.name().to_owned()).collect(),
        stages: rollout.plan(pipeline).into_iter().map(json).collect(),
        evidence: rollout.evidence.as_ref().map(json),
        history: if whole { rollout.history.iter().map(|entry| told(entry)).collect() } else { Vec::new() },
    }
}

fn told(entry: &Entry) -> Value {
    let mut told = json(entry);
    if let Some(members) = told.as_object_mut() {
        members.insert("says".to_owned(), entry.happened.to_string().into());
    }
    told
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
