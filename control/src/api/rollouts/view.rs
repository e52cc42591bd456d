//! A rollout as it is told.

use rollgate_config::{dynamic::rollout::Pipeline, static_config::Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{events::milliseconds_as_text, rollout::engine::Rollout};

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
    /// The stage that it is at, by its name.
    stage: String,
    /// Answers the question that is open, once, without a token: for whoever is asked. Shown to those who may change weights.
    approval_url: Option<String>,
    /// What can be done with it: paths below it, to POST to.
    possible: Vec<String>,
    /// Every stage with how far it has come, and the numbers that decided.
    #[schema(value_type = Vec<Object>)]
    stages: Vec<Value>,
    /// The last look at both versions.
    #[schema(value_type = Option<Object>)]
    evidence: Option<Value>,
    /// What has happened, the newest last; with one rollout alone.
    #[schema(value_type = Vec<Object>)]
    history: Vec<Value>,
}

/// As it was when it was decided upon: the same request is answered the same.
pub(super) fn answer(rollout: &Rollout, pipeline: &Pipeline, seen: (&str, Role)) -> RolloutView {
    let decided = rollout.history.last().map_or(rollout.created, |entry| entry.at);
    view(rollout, pipeline, seen, decided, false)
}

/// As whoever asks may see it. `whole`: with what has happened.
pub(super) fn view(
    rollout: &Rollout,
    pipeline: &Pipeline,
    (base, role): (&str, Role),
    now: i64,
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
        stage: rollout.record().name.clone(),
        approval_url: nonce.map(|nonce| format!("{base}/rollouts/{}/approval?nonce={}", rollout.id, nonce.0)),
        possible: possible.iter().map(|action| action.name().to_owned()).collect(),
        stages: rollout.plan(pipeline).into_iter().map(json).collect(),
        evidence: rollout.evidence.as_ref().map(json),
        history: if whole { rollout.history.iter().map(json).collect() } else { Vec::new() },
    }
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
