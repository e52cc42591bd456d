//! `/pipelines`: those of the configuration, and those that were sent here.

use std::{collections::BTreeMap, sync::Arc};

use axum::{body::Bytes, extract::State};
use rollgate_config::{Document, Format, dynamic::rollout::Pipeline};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

use super::{
    Shared,
    extract::{By, Named, Unconditional, parse},
    problem::{Code, Problem},
    providers::ConfigProblem,
};
use crate::traffic::names;

/// A pipeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineView {
    /// Its qualified name: `NAME@api` if it was sent here.
    name: String,
    /// The service's.
    service: String,
    /// The version that has the users.
    stable: String,
    /// The one that is to get them.
    canary: String,
    /// It as it was written; what may be secret is `***`.
    #[schema(value_type = Object)]
    pipeline: Box<RawValue>,
    /// What is wrong with it under the configuration that is live.
    problems: Vec<ConfigProblem>,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pipelines {
    items: Vec<PipelineView>,
    /// Always null: all are in one page.
    next: Option<String>,
}

/// All pipelines.
#[utoipa::path(get, path = "/pipelines", tag = "rollouts", responses((status = 200, body = Pipelines)))]
pub async fn list(State(shared): State<Shared>) -> axum::Json<Pipelines> {
    let items = all(&shared).iter().map(|(name, pipeline)| view(&shared, name, pipeline)).collect();
    axum::Json(Pipelines { items, next: None })
}

/// A pipeline.
#[utoipa::path(get, path = "/pipelines/{name}", tag = "rollouts", params(("name" = String, Path)), responses((status = 200, body = PipelineView)))]
pub async fn get(
    State(shared): State<Shared>,
    Named(name): Named<String>,
) -> Result<axum::Json<PipelineView>, Problem> {
    let (name, pipeline) = named(&shared, &name)?;
    Ok(axum::Json(view(&shared, &name, &pipeline)))
}

/// Keeps a pipeline, in place of the one that was sent under its name before. The body is what stands under a name in `rollouts`,
/// and `name`. Bare names of services, versions and routers are looked up among all providers'.
#[utoipa::path(post, path = "/pipelines", tag = "rollouts", request_body = Object, responses((status = 200, body = PipelineView)))]
pub async fn put(
    State(shared): State<Shared>,
    By(by): By,
    _: Unconditional,
    body: Bytes,
) -> Result<axum::Json<PipelineView>, Problem> {
    // What is no JSON, or nested too deeply for it, is found here.
    parse::<Value>(&body)?;
    let (name, pipeline) = read(&shared, &String::from_utf8_lossy(&body), PROVIDER, None)?;
    shared.traffic.put_text(&format!("{PREFIX}{name}"), Some(pipeline.source.to_string()), &by).await?;
    Ok(axum::Json(view(&shared, &name, &pipeline)))
}

/// Forgets a pipeline that was sent here. Rollouts of it go on.
#[utoipa::path(delete, path = "/pipelines/{name}", tag = "rollouts", params(("name" = String, Path)), responses((status = 200, body = PipelineView)))]
pub async fn delete(
    State(shared): State<Shared>,
    Named(name): Named<String>,
    By(by): By,
    _: Unconditional,
) -> Result<axum::Json<PipelineView>, Problem> {
    let (name, pipeline) = named(&shared, &name)?;
    if !name.ends_with(&format!("@{PROVIDER}")) {
        let detail = format!("{name} is the configuration's: take it out there");
        return Err(Problem::new(Code::NotPossible, detail));
    }
    let view = view(&shared, &name, &pipeline);
    shared.traffic.put_text(&format!("{PREFIX}{name}"), None, &by).await?;
    Ok(axum::Json(view))
}

/// One that was sent, by its JSON, whose numbers keep their digits: its qualified name, and it. `name`: what it is called if it does not
/// say.
pub(super) fn read(
    shared: &Shared,
    sent: &str,
    provider: &str,
    name: Option<&str>,
) -> Result<(String, Arc<Pipeline>), Problem> {
    let configuration = shared.traffic.configuration();
    let mut document = Document::parse("body", sent, Format::Json).map_err(wrong)?;
    if let Some(name) = name {
        document.set_missing("name", name);
    }
    qualify(&mut document, &configuration)?;
    let read = rollgate_config::read_pipeline(&document, provider, &configuration, &shared.allow);
    let (name, pipeline) = read.value.ok_or(read.problems).map_err(wrong)?;
    Ok((name.to_string(), pipeline))
}

fn wrong(problems: Vec<rollgate_config::problem::Problem>) -> Problem {
    let detail = problems.first().map_or_else(String::new, ToString::to_string);
    Problem { problems: problems.iter().map(Into::into).collect(), ..Problem::new(Code::Invalid, detail) }
}

/// A pipeline by its name or its bare one, if that is nobody else's.
pub(super) fn named(shared: &Shared, name: &str) -> Result<(String, Arc<Pipeline>), Problem> {
    let all = all(shared);
    if let Some(pipeline) = all.get(name) {
        return Ok((name.to_owned(), pipeline.clone()));
    }
    let bare = |qualified: &&String| names::bare(qualified) == name;
    match all.keys().filter(bare).collect::<Vec<_>>()[..] {
        [] => Err(Problem::new(Code::NotFound, format!("there is no pipeline {name}"))),
        [only] => Ok((only.clone(), all[only].clone())),
        ref several => {
            let candidates: Vec<String> = several.iter().map(|name| (*name).clone()).collect();
            let detail = format!("{name} could be any of {}", candidates.join(", "));
            Err(Problem { candidates, ..Problem::new(Code::AmbiguousName, detail) })
        }
    }
}

fn all(shared: &Shared) -> BTreeMap<String, Arc<Pipeline>> {
    let configuration = shared.traffic.configuration();
    let mut all: BTreeMap<String, Arc<Pipeline>> =
        configuration.rollouts.iter().map(|(name, pipeline)| (name.to_string(), pipeline.clone())).collect();
    for (name, source) in shared.traffic.texts(PREFIX) {
        match rollgate_config::reread_pipeline(&name, &source) {
            Ok(pipeline) => drop(all.insert(name, Arc::new(pipeline))),
            Err(problems) => tracing::warn!(name, ?problems, "a pipeline that was sent here cannot be read any more"),
        }
    }
    all
}

fn view(shared: &Shared, name: &str, pipeline: &Pipeline) -> PipelineView {
    let problems = rollgate_config::validate_pipeline(name, pipeline, &shared.traffic.configuration());
    PipelineView {
        name: name.to_owned(),
        service: pipeline.service.value.clone(),
        stable: pipeline.stable.value.clone(),
        canary: pipeline.canary.value.clone(),
        pipeline: RawValue::from_string(pipeline.shown()).unwrap_or_default(),
        problems: problems.iter().map(Into::into).collect(),
    }
}

/// Writes names whole that are bare and only one thing's.
fn qualify(sent: &mut Document, configuration: &rollgate_config::dynamic::Configuration) -> Result<(), Problem> {
    let of = |name: &str, all: &mut dyn Iterator<Item = &Arc<str>>| -> Result<Option<String>, Problem> {
        if name.contains('@') {
            return Ok(None);
        }
        let found: Vec<String> = all.filter(|known| names::bare(known) == name).map(ToString::to_string).collect();
        match &found[..] {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            several => {
                let detail = format!("{name} could be any of {}", several.join(", "));
                Err(Problem { candidates: several.to_vec(), ..Problem::new(Code::AmbiguousName, detail) })
            }
        }
    };
    for key in ["service", "stable", "canary"] {
        sent.change_texts(&[key], &|name| of(name, &mut configuration.services.keys()))?;
    }
    sent.change_texts(&["stages", "*", "deploy", "router"], &|name| of(name, &mut configuration.routers.keys()))
}

/// Of the names of what was sent here.
const PROVIDER: &str = "api";
/// Of their documents in the store.
const PREFIX: &str = "pipeline:";
