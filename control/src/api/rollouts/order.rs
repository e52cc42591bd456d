//! What a rollout is to be begun with: a pipeline by its name, or one that is sent along; an id of the caller's choice; what an
//! earlier rollout has seen.

use std::sync::Arc;

use rollgate_config::dynamic::rollout::{
    OnFailure, Pipeline,
    stage::{DeployBy, Stage, StageKind},
};
use rollgate_config::static_config::Role;
use serde_json::{Value, value::RawValue};

use super::super::{
    Shared,
    extract::parse,
    pipelines,
    problem::{Code, Problem},
};
use crate::rollout::engine::Observed;

/// A pipeline that is kept in its rollout and nowhere else. The body is that of `POST /pipelines`, in which `name` may be missing.
pub(super) fn inline(shared: &Shared, sent: &RawValue, name: &str) -> Result<(String, Arc<Pipeline>), Problem> {
    // What is nested too deeply is found here.
    let read = match parse::<Value>(sent.get().as_bytes()) {
        Ok(_) => pipelines::read(shared, sent.get(), PROVIDER, Some(name)),
        Err(problem) => Err(problem),
    };
    read.map_err(|problem| match &problem.field {
        Some(field) => Problem { field: Some(format!("definition.{field}")), ..problem },
        None => Problem { field: Some("definition".to_owned()), ..problem },
    })
}

/// Whether somebody of this role may begin it.
///
/// # Errors
/// It does something on this machine or elsewhere, and was sent by somebody who may only move traffic.
pub(super) fn allowed(pipeline: &Pipeline, role: Role) -> Result<(), Problem> {
    let after = match &pipeline.on_failure {
        OnFailure::Stages(stages) => &stages[..],
        OnFailure::Rollback | OnFailure::Hold => &[],
    };
    match pipeline.stages.iter().chain(after).find(|stage| reaches_out(stage)) {
        Some(stage) if role < Role::Admin => {
            let detail = format!(
                "stage {} runs a command, calls somebody or writes a file: a definition with such a stage takes the role admin",
                stage.name
            );
            Err(Problem { field: Some("definition".to_owned()), ..Problem::new(Code::Forbidden, detail) })
        }
        _ => Ok(()),
    }
}

/// Beyond weights, audiences, limits and waiting.
fn reaches_out(stage: &Stage) -> bool {
    match &stage.kind {
        StageKind::Job(_) | StageKind::Webhook(_) => true,
        StageKind::Deploy(deploy) => matches!(deploy.by, Some(DeployBy::Command(_) | DeployBy::Webhook(_))),
        StageKind::Promote(promote) => promote.write_back.is_some(),
        StageKind::Approve(_)
        | StageKind::AbTest(_)
        | StageKind::Ramp(_)
        | StageKind::Watch(_)
        | StageKind::Wait(_)
        | StageKind::Protect(_) => false,
    }
}

/// An id that is part of paths, of names of commands and of questions.
pub(super) fn id(sent: Option<String>) -> Result<Option<String>, Problem> {
    let Some(id) = sent else { return Ok(None) };
    let sound = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_';
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(sound) {
        return Err(Problem::invalid("id", "is no id", format!("1 to {MAX_ID} letters, digits, - and _")));
    }
    Ok(Some(id))
}

/// What tells a build apart; an empty text is none.
pub(super) fn build(sent: Option<String>) -> Result<Option<String>, Problem> {
    match sent {
        Some(build) if build.len() > MAX_BUILD => {
            let what = format!("is {} bytes long", build.len());
            Err(Problem::invalid("build", what, format!("at most {MAX_BUILD} bytes")))
        }
        sent => Ok(sent.filter(|build| !build.is_empty())),
    }
}

/// What an earlier rollout of the same canary has seen of it.
pub(super) async fn observed(
    shared: &Shared,
    after: Option<&str>,
    pipeline: &Pipeline,
    build: Option<&str>,
) -> Result<Option<Observed>, Problem> {
    let Some(after) = after.filter(|after| !after.is_empty()) else { return Ok(None) };
    let wrong = |what: String| Problem::invalid("after", what, "the id of an earlier rollout of the same canary");
    let Some((earlier, _)) = shared.rollouts.get(after).await? else {
        return Err(wrong(format!("is {after:?}, which is no rollout")));
    };
    let is_same = earlier.service == pipeline.service.value && earlier.canary == pipeline.canary.value;
    if !is_same {
        return Err(wrong(format!("is {after:?}, which is about {} of {}", earlier.canary, earlier.service)));
    }
    if let (Some(was), Some(is)) = (&earlier.build, build)
        && was != is
    {
        return Err(wrong(format!("is {after:?}, which is about build {was}")));
    }
    Ok(Some(earlier.observed))
}

/// Of the names of pipelines that are sent along.
const PROVIDER: &str = "inline";
/// Characters of an id: effects, folders of commands and questions have it in their names.
const MAX_ID: usize = 100;
/// Bytes of a build's name.
const MAX_BUILD: usize = 255;
