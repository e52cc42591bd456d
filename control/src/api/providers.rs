//! `/snapshot`, `/live`, `/ready`: what the gateway is made of now, and how it is.

use std::collections::HashSet;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::{
    events::rfc3339,
    file::{FILE, REST},
    providers::Known,
    report::provider_of,
};

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigProblem {
    /// The file's name, or `--flag`, or a variable's.
    file: String,
    /// From 1; 0 where there are no lines.
    line: u32,
    /// From 1; 0 where there are no lines.
    column: u32,
    /// The key's path; empty where the whole source is meant.
    #[schema(example = "http.routers.pro.rule")]
    field: String,
    what: String,
    /// What is allowed instead; may be empty.
    allowed: String,
}

impl From<&rollgate_config::problem::Problem> for ConfigProblem {
    fn from(problem: &rollgate_config::problem::Problem) -> Self {
        Self {
            file: problem.at.source.to_string(),
            line: problem.at.line,
            column: problem.at.column,
            field: problem.path.clone(),
            what: problem.what.clone(),
            allowed: problem.allowed.clone(),
        }
    }
}

/// What requests consult.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Counts up with each change that is live.
    generation: u64,
    /// The program's.
    version: &'static str,
    /// When the process began, RFC 3339.
    started_at: String,
    routers: usize,
    services: usize,
    middlewares: usize,
    providers: Vec<Provider>,
    store: Store,
}

/// Where configuration comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Provider {
    name: &'static str,
    files: Vec<File>,
    /// What is wrong with the newest texts.
    problems: Vec<ConfigProblem>,
    /// What was changed and takes effect at the next start.
    restart: Vec<ConfigProblem>,
}

/// A file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct File {
    name: String,
    /// Since when its text has been live, RFC 3339; null: no text of it was good yet.
    live_since: Option<String>,
    /// Its newest text is not the one that is live.
    held_back: bool,
}

/// Where decisions are kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// Its file; null: memory.
    file: Option<String>,
    /// What was wrong with it at the start: a damaged file that was moved aside.
    problem: Option<String>,
    /// Since when something that is in force could not be kept, RFC 3339.
    owing_since: Option<String>,
}

/// How the gateway is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `terminating`.
    status: &'static str,
    /// What there is to say, a line each.
    notes: Vec<String>,
}

/// The generation, the providers with their last good texts and what is wrong with their newest, and the store.
#[utoipa::path(get, path = "/snapshot", tag = "gateway", responses((status = 200, body = Snapshot)))]
pub async fn snapshot(State(shared): State<Shared>) -> Json<Snapshot> {
    let configuration = shared.traffic.configuration();
    let owing_since = shared.traffic.owing_since().map(rfc3339);
    Json(Snapshot {
        generation: shared.gateway.generation(),
        version: env!("CARGO_PKG_VERSION"),
        started_at: rfc3339(shared.started),
        routers: configuration.routers.len(),
        services: configuration.services.len(),
        middlewares: configuration.middlewares.len(),
        providers: providers(&shared.providers.known()),
        store: Store { file: shared.store.file.clone(), problem: shared.store.problem.clone(), owing_since },
    })
}

fn providers(known: &Known) -> Vec<Provider> {
    let names = [FILE, REST].into_iter().filter(|name| *name == FILE || known.statics.rest_provider);
    names.map(|name| provider(name, known)).collect()
}

fn provider(name: &'static str, known: &Known) -> Provider {
    let is_its = |source: &str| provider_of(source) == name;
    let since = |seconds: i64| jiff::Timestamp::from_second(seconds).ok().map(|at| at.to_string());
    let held = || known.report.held_back.iter().filter(|held| is_its(&held.name));
    let held_back: HashSet<_> = held().map(|held| &held.name).collect();
    let live = known.texts.keys().filter(|name| is_its(name)).map(|name| File {
        name: name.to_string(),
        live_since: known.since.get(name).and_then(|seconds| since(*seconds)),
        held_back: held_back.contains(name),
    });
    let never_live = held().filter(|held| !known.texts.contains_key(&held.name));
    let never_live = never_live.map(|held| File { name: held.name.to_string(), live_since: None, held_back: true });
    let shown = |problems: &[rollgate_config::problem::Problem]| {
        problems.iter().filter(|problem| is_its(&problem.at.source)).map(ConfigProblem::from).collect()
    };
    Provider {
        name,
        files: live.chain(never_live).collect(),
        problems: shown(&known.report.problems),
        restart: shown(&known.report.restart),
    }
}

/// Answers as long as the control plane lives.
#[utoipa::path(get, path = "/live", tag = "gateway", responses((status = 200, body = Health)))]
pub async fn live() -> Json<Health> {
    Json(Health { status: "ok", notes: Vec::new() })
}

/// Whether the gateway is to get requests, and what there is to say.
#[utoipa::path(get, path = "/ready", tag = "gateway", responses(
    (status = 200, body = Health),
    (status = 503, body = Health, description = "it is ending"),
))]
pub async fn ready(State(shared): State<Shared>) -> Response {
    let (terminating, notes) = shared.gateway.readiness();
    let notes = notes.lines().map(str::to_owned).collect();
    if terminating {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "terminating", notes })).into_response();
    }
    Json(Health { status: "ok", notes }).into_response()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use rollgate_config::{Allow, Document, Format};

    use super::*;
    use crate::{
        file::{Text, Texts},
        report::{Held, Report},
    };

    #[test]
    fn of_many_files_it_is_told_in_a_moment_which_are_held_back() {
        let document = Document::parse("a.yml", "{}", Format::Yaml).unwrap();
        let statics = Arc::new(rollgate_config::read_static(&document, &Allow::default()).value.unwrap());
        let text = Arc::new(Text::parse("a.yml", Ok("{}".into()), false));
        let texts: Texts = (0..50_000).map(|number| (format!("conf/{number:06}.yml").into(), text.clone())).collect();
        let held = texts.keys().step_by(2).map(|name| Held { name: name.clone(), since: None });
        let report = Report { held_back: held.collect(), ..Report::default() };
        let known = Known { statics, texts, since: Default::default(), report };
        let began = Instant::now();
        let files = provider(FILE, &known).files;
        assert_eq!((files.len(), files.iter().filter(|file| file.held_back).count()), (50_000, 25_000));
        // Each with each takes a minute.
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
