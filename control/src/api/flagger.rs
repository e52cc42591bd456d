//! `/hooks/flagger`: what Flagger asks on a canary's way. It sets the weights itself; a rollout that only watches judges both
//! versions.
//!
//! ```text
//! confirm-rollout: a watch begins -> pre-rollout: it is about this build
//!   -> rollout, confirm-*, rollback: what is found -> post-rollout: it ends
//! ```

mod hook;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Json, body::Bytes, extract::State};
use rollgate_config::dynamic::rollout::{Pipeline, stage::StageKind};
use rollgate_gateway::Caller;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::hook::{Found, Hook};
use super::{
    Shared,
    extract::{By, Named, Unconditional, parse},
    pipelines,
    problem::{Code, Problem},
};
use crate::{
    rollout::{
        Decision, NotDone, Seen, Start,
        engine::{self, Action, Rollout},
    },
    traffic::Actor,
};

/// What Flagger sends with every hook.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    as = FlaggerHook,
    example = json!({"name": "pro", "namespace": "test", "phase": "Progressing", "checksum": "85d557f47b"})
)]
pub struct Sent {
    /// The Canary's name.
    #[schema(max_length = 253)]
    name: String,
    /// The Canary's namespace.
    #[schema(max_length = 253)]
    namespace: String,
    /// How far it is.
    phase: String,
    /// What tells its builds apart.
    #[schema(min_length = 1, max_length = 255)]
    checksum: String,
    /// Of an `event`, what has happened; of others not looked at.
    metadata: Option<BTreeMap<String, String>>,
}

/// Yes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlaggerYes)]
pub struct Yes {
    /// Why, in a sentence.
    says: String,
    /// The rollout that watches, if it is about one.
    rollout: Option<String>,
}

/// A question, and who asks.
struct Question {
    shared: Shared,
    by: Actor,
    caller: Caller,
    /// The pipeline's qualified name.
    name: String,
    pipeline: Arc<Pipeline>,
    /// The Canary, as Flagger's own log calls it.
    canary: String,
    build: String,
}

/// A hook of Flagger's. 200 is a yes; a no is 409, with the reason in `detail`. The token may also be the password of
/// `Authorization: Basic`, so that it can stand in a URL. It does no harm to send it again.
#[utoipa::path(post, path = "/hooks/flagger/{pipeline}/{hook}", tag = "rollouts", params(("pipeline" = String, Path, description = "One whose first stage is `watch`, and that moves no users; qualified or bare"), ("hook" = String, Path, pattern = "^(confirm-rollout|pre-rollout|rollout|confirm-traffic-increase|confirm-promotion|post-rollout|rollback|event)$")), request_body = Sent, responses((status = 200, body = Yes)))]
pub async fn flagger(
    State(shared): State<Shared>,
    Named((pipeline, hook)): Named<(String, String)>,
    By(by): By,
    axum::Extension(caller): axum::Extension<Caller>,
    _: Unconditional,
    body: Bytes,
) -> Result<Json<Yes>, Problem> {
    let unknown = || Problem::new(Code::NotFound, format!("Flagger has no hook {hook:?}"));
    let hook = Hook::named(&hook).ok_or_else(unknown)?;
    let sent = sent(&body)?;
    let (name, pipeline) = pipelines::named(&shared, &pipeline)?;
    let watches = matches!(pipeline.stages.first().map(|stage| &stage.kind), Some(StageKind::Watch(_)));
    if !watches || pipeline.moves_users() {
        let what = format!("{name} does not begin with a watch, or moves users itself, which Flagger does");
        return Err(Problem::invalid(
            "pipeline",
            what,
            "one whose first stage is `watch`, without `abTest`, `ramp` and `promote`",
        ));
    }
    let canary = format!("{}.{}", sent.name, sent.namespace);
    let question = Question { shared, by, caller, name, pipeline, canary, build: sent.checksum };
    let yes = match hook {
        Hook::ConfirmRollout => question.begin().await?,
        Hook::PreRollout => question.watch().await?,
        Hook::PostRollout => question.end(&sent.phase).await?,
        Hook::Event => question.event(&sent.phase, &sent.metadata.unwrap_or_default()),
        Hook::Rollout | Hook::ConfirmTrafficIncrease | Hook::ConfirmPromotion | Hook::Rollback => {
            question.answer(hook).await?
        }
    };
    Ok(Json(yes))
}

fn sent(body: &[u8]) -> Result<Sent, Problem> {
    let sent: Sent = parse(body)?;
    let lengths = [
        ("name", &sent.name, 0..=NAME),
        ("namespace", &sent.namespace, 0..=NAME),
        ("checksum", &sent.checksum, 1..=CHECKSUM),
    ];
    for (field, text, allowed) in lengths {
        let length = text.chars().count();
        if !allowed.contains(&length) {
            let what = format!("has {length} characters");
            return Err(Problem::invalid(field, what, format!("{} to {}", allowed.start(), allowed.end())));
        }
    }
    Ok(sent)
}

impl Question {
    /// A new canary is on its way. It has still the checksum of the one before, or has no other one at all: which build it is about is
    /// known when it is to have users.
    async fn begin(&self) -> Result<Yes, Problem> {
        let _alone = self.shared.rollouts.alone().await;
        match self.newest().await? {
            Some((rollout, _)) if is_open(&rollout) && rollout.build.is_none() => Ok(waits(&rollout)),
            _ => self.start(None).await.map(|(rollout, _)| waits(&rollout)),
        }
    }

    /// It is to have users: whatever comes to it is judged from now on. A build that was found worse is so until a new canary begins.
    async fn watch(&self) -> Result<Yes, Problem> {
        let build = Some(&self.build);
        let alone = self.shared.rollouts.alone().await;
        let seen = match self.newest().await? {
            Some((rollout, _)) if is_open(&rollout) && rollout.build.is_none() => {
                match self.shared.rollouts.rebuilt(&rollout.id, self.build.clone(), &self.by).await {
                    Some(Ok(seen)) => seen,
                    Some(Err(NotDone::Store(error))) => return Err(error.into()),
                    None | Some(Err(_)) => self.start(build.cloned()).await?,
                }
            }
            Some(seen) if seen.0.build.as_ref() == build && (is_open(&seen.0) || self.is_worse(&seen)) => seen,
            _ => self.start(build.cloned()).await?,
        };
        drop(alone);
        // Its trial lies over the service, and the brake of an earlier one is off.
        let is_laid = |rollout: &Rollout| {
            let is_done = rollout.program.is_empty() && rollout.outstanding.is_empty();
            rollout.status.is_end() || (rollout.makes_room() && is_done)
        };
        let (rollout, pipeline) = self.once(seen, is_laid).await?;
        let known = self.shared.rollouts.known(&rollout, &pipeline);
        match known.decision {
            Decision::Pass | Decision::Hold if known.watched => Ok(Yes {
                says: format!("both versions are judged by {}", rollout.id),
                rollout: Some(rollout.id.clone()),
            }),
            Decision::Pass | Decision::Hold | Decision::Fail => Err(no(known.reason)),
        }
    }

    /// What is found of it.
    async fn answer(&self, hook: Hook) -> Result<Yes, Problem> {
        let newest = self.newest().await?;
        let Some(seen) = newest.as_ref().filter(|seen| seen.0.build.as_ref() == Some(&self.build)) else {
            let reason = match &newest {
                None => format!("nobody watches {}: its hooks confirm-rollout and pre-rollout begin that", self.canary),
                Some((rollout, _)) => {
                    let is = rollout
                        .build
                        .as_ref()
                        .map_or_else(|| "no build yet".to_owned(), |build| format!("build {build}"));
                    format!("nobody judges build {}: rollout {} is about {is}", self.build, rollout.id)
                }
            };
            let nobody = Found { decision: Decision::Hold, reason, may_begin: false };
            return hook.answer(nobody).map(|says| Yes { says, rollout: None }).map_err(no);
        };
        let (rollout, pipeline) = seen;
        let known = self.shared.rollouts.known(rollout, pipeline);
        let stands = is_open(rollout) && rollout.pause.is_none() && rollout.unavailable.is_none();
        let may_begin = known.watched && stands && self.has_nothing(rollout);
        let found = Found { decision: known.decision, reason: known.reason, may_begin };
        hook.answer(found).map(|says| Yes { says, rollout: Some(rollout.id.clone()) }).map_err(no)
    }

    /// It has all users, or none: nobody watches it any more once this is answered.
    async fn end(&self, phase: &str) -> Result<Yes, Problem> {
        let is_its = |rollout: &Rollout| rollout.build.as_ref().is_none_or(|build| *build == self.build);
        let mut newest = self.newest().await?.filter(|(rollout, _)| is_open(rollout) && is_its(rollout));
        // What was found of it is how it ends, although Flagger may know before the rollout does.
        if let Some(seen) = newest.take_if(|(rollout, pipeline)| self.shared.rollouts.known(rollout, pipeline).stopped)
        {
            let has_ended = |rollout: &Rollout| is_unwatched(rollout) || rollout.pause.is_some();
            newest = Some(self.once(seen, has_ended).await?).filter(|(rollout, _)| is_open(rollout));
        }
        let Some((rollout, _)) = newest else {
            return Ok(Yes { says: format!("nobody watches {} any more", self.canary), rollout: None });
        };
        let action = if phase == SUCCEEDED { Action::Skip } else { Action::Abort };
        let name = self.by.name.to_string();
        let asked = engine::Asked {
            action,
            by: engine::Caller { name: name.clone(), role: self.caller.role, token: Some(name), link: None },
            reason: Some(format!("Flagger's {} has {}", self.canary, phase.to_lowercase())),
        };
        match self.shared.rollouts.act(&rollout.id, asked, &self.by, None).await {
            Some(Err(NotDone::Store(error))) => Err(error.into()),
            done => {
                // Otherwise it has ended in the meantime.
                if let Some(Ok(seen)) = done {
                    self.once(seen, is_unwatched).await?;
                }
                Ok(Yes { says: format!("{} ends", rollout.id), rollout: Some(rollout.id.clone()) })
            }
        }
    }

    /// For whoever reads our log.
    fn event(&self, phase: &str, metadata: &BTreeMap<String, String>) -> Yes {
        let text = |name: &str| metadata.get(name).map_or("", |text| &text[..text.floor_char_boundary(EVENT)]);
        let (kind, says) = (text("eventType"), text("eventMessage"));
        let phase = &phase[..phase.floor_char_boundary(EVENT)];
        tracing::info!(canary = ?self.canary, ?phase, ?kind, ?says, "Flagger tells");
        Yes { says: "it is in the log".to_owned(), rollout: None }
    }

    async fn start(&self, build: Option<String>) -> Result<Seen, Problem> {
        let start =
            Start { name: &self.name, pipeline: self.pipeline.clone(), by: &self.by, build, id: None, observed: None };
        Ok(self.shared.rollouts.start(start, |_, _| None).await?)
    }

    /// The newest rollout of the service, if it is one of this pipeline.
    async fn newest(&self) -> Result<Option<Seen>, Problem> {
        let newest = self.shared.rollouts.newest(&self.pipeline.service.value).await?;
        Ok(newest.filter(|(rollout, _)| rollout.pipeline == self.name))
    }

    /// Once it is so; or as it is after a while.
    async fn once(&self, seen: Seen, is_so: impl Fn(&Rollout) -> bool) -> Result<Seen, Problem> {
        let id = &seen.0.id;
        if let Some(mut follows) = self.shared.rollouts.follow(id) {
            drop(tokio::time::timeout(A_WHILE, follows.wait_for(|rollout| is_so(rollout))).await);
        }
        Ok(self.shared.rollouts.get(id).await?.unwrap_or(seen))
    }

    fn is_worse(&self, (rollout, pipeline): &Seen) -> bool {
        self.shared.rollouts.known(rollout, pipeline).decision == Decision::Fail
    }

    /// Flagger has given it nothing yet; where it has taken the version out of the service, likewise.
    fn has_nothing(&self, rollout: &Rollout) -> bool {
        let found = self.shared.traffic.found(&rollout.service);
        found.is_ok_and(|found| found.weights.get(&rollout.canary).is_none_or(|weight| weight.0 == 0))
    }
}

/// Neither at its end nor coming to it.
fn is_open(rollout: &Rollout) -> bool {
    !rollout.status.is_end() && rollout.ending.is_none()
}

/// No trial lies over its service any more.
fn is_unwatched(rollout: &Rollout) -> bool {
    rollout.status.is_end() || rollout.trial.is_none()
}

fn waits(rollout: &Rollout) -> Yes {
    Yes { says: format!("{} watches as soon as there is a canary", rollout.id), rollout: Some(rollout.id.clone()) }
}

/// Neither 5xx nor 429, which Flagger asks again and whose text it loses.
fn no(reason: String) -> Problem {
    Problem::new(Code::No, reason)
}

/// Flagger's phase of a canary that was promoted.
const SUCCEEDED: &str = "Succeeded";
/// Characters of names in Kubernetes.
const NAME: usize = 253;
/// Of a build's name.
const CHECKSUM: usize = 255;
/// Bytes of a text for the log.
const EVENT: usize = 1024;
/// What a rollout may take to begin, or to end: Flagger waits for ten seconds.
const A_WHILE: Duration = Duration::from_secs(5);
