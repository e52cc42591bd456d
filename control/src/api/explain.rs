//! `/explain` and `/check`: what would be.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponse as _, Response},
};
use rollgate_config::{dynamic::Configuration, static_config::Static};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Consulted, Shared,
    extract::parse,
    problem::{Code, Problem},
    providers::ConfigProblem,
};
use crate::{
    explain::{self, Asked},
    file::{Text, Texts},
    reconciler,
};

/// A request to explain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"url": "http://pro.coding/", "headers": {"x-beta": "1"}}))]
pub struct Question {
    /// With a scheme (http, https) and a host.
    #[schema(example = "http://pro.coding/", max_length = 65536)]
    url: String,
    #[schema(default = "GET", pattern = "^[A-Z]{1,32}$")]
    method: Option<String>,
    /// Header fields.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The client's address, 127.0.0.1 by default.
    #[schema(value_type = Option<String>, example = "192.0.2.1")]
    client: Option<String>,
    /// Where it comes in; by default, where such a URL would.
    entry_point: Option<String>,
}

/// Files to check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// 1 to 1,000; together they are one dynamic configuration.
    #[schema(min_items = 1, max_items = 1000)]
    files: Vec<SentFile>,
}

/// One of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentFile {
    /// Its ending says what it is: `.yml`, `.yaml`, `.toml`, `.json`.
    #[schema(example = "routes.yml", max_length = 255, pattern = r"\.(yml|yaml|toml|json)$")]
    name: String,
    text: String,
}

/// What is wrong with them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checked {
    /// Nothing.
    ok: bool,
    problems: Vec<ConfigProblem>,
    /// What is not supported and was let through by `--allow-unsupported`.
    warnings: Vec<ConfigProblem>,
}

/// Where a request would go with what is live, and why: the entry point, the routers that were asked, the one that wins, and
/// the services that it leads to with their shares.
#[utoipa::path(post, path = "/explain", tag = "gateway", request_body = Question, responses((status = 200, body = Object)))]
pub async fn explain(State(shared): State<Shared>, body: Bytes) -> Result<Response, Problem> {
    let consulted = shared.clone();
    // Ten thousand routers take a tenth of a second to compile.
    shared.bounds.heavy(move || explained(&consulted, &body)).await?
}

fn explained(shared: &Consulted, body: &[u8]) -> Result<Response, Problem> {
    let (statics, configuration) = (shared.providers.statics(), shared.traffic.configuration());
    let asked = asked(parse(body)?, &statics, &configuration)?;
    let explanation = rollgate_gateway::explain(&statics, (&configuration, shared.traffic.over()), &asked.question);
    let explanation = explanation.map_err(|problems| not_by_itself(&problems))?;
    Ok(axum::Json(explain::json(&explanation, &asked)).into_response())
}

fn asked(sent: Question, statics: &Static, configuration: &Configuration) -> Result<Asked, Problem> {
    let client: IpAddr = match &sent.client {
        None => IpAddr::from([127, 0, 0, 1]),
        Some(text) => text.parse().map_err(|_| Problem::invalid("client", "is no address", "an IP address"))?,
    };
    let method = sent.method.as_deref().unwrap_or("GET").parse();
    let method = method.map_err(|_| Problem::invalid("method", "is no method", "a token (RFC 9110 section 9.1)"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &sent.headers {
        let field = || format!("headers.{name}");
        let known: HeaderName = name
            .parse()
            .map_err(|_| Problem::invalid(field(), "is no header's name", "a token (RFC 9110 section 5.1)"))?;
        let value = value.parse::<HeaderValue>();
        let value = value.map_err(|_| Problem::invalid(field(), "is no header's value", "visible ASCII characters"))?;
        headers.append(known, value);
    }
    let question = explain::question((method, &sent.url, headers), client, statics, configuration);
    let mut asked = question.map_err(|what| Problem::invalid("url", what, "http://host[:port]/path or https://"))?;
    if let Some(name) = sent.entry_point {
        if !statics.entry_points.contains_key(&name) {
            let candidates = statics.entry_points.keys().cloned().collect();
            let missing = Problem::new(Code::NotFound, format!("there is no entry point {name:?}"));
            return Err(Problem { field: Some("entryPoint".to_owned()), candidates, ..missing });
        }
        (asked.question.entry_point, asked.because) = (name, "it was asked for");
    }
    Ok(asked)
}

/// What is live was good with the files that its certificates are in.
fn not_by_itself(problems: &[rollgate_config::problem::Problem]) -> Problem {
    let problems = problems.iter().map(ConfigProblem::from).collect();
    Problem { problems, ..Problem::invalid("body", "cannot be explained: what is live does not compile by itself", "") }
}

/// What would be wrong with a dynamic configuration under the static one that is live; nothing is applied. Certificates are
/// not looked at.
#[utoipa::path(post, path = "/check", tag = "gateway", request_body = Files, responses((status = 200, body = Checked)))]
pub async fn check(State(shared): State<Shared>, body: Bytes) -> Result<Response, Problem> {
    let consulted = shared.clone();
    shared.bounds.heavy(move || checked(&consulted, &body)).await?
}

fn checked(shared: &Consulted, body: &[u8]) -> Result<Response, Problem> {
    let sent: Files = parse(body)?;
    if sent.files.is_empty() || sent.files.len() > MAX_FILES {
        let what = format!("has {} files", sent.files.len());
        return Err(Problem::invalid("files", what, format!("1 to {MAX_FILES}")));
    }
    let texts = texts(sent.files)?;
    let (read, warnings) = reconciler::read(&texts, &shared.providers.statics(), &shared.allow);
    let problems: Vec<ConfigProblem> = read.err().unwrap_or_default().iter().map(ConfigProblem::from).collect();
    let warnings = warnings.iter().map(ConfigProblem::from).collect();
    Ok(axum::Json(Checked { ok: problems.is_empty(), problems, warnings }).into_response())
}

fn texts(files: Vec<SentFile>) -> Result<Texts, Problem> {
    let mut texts = Texts::new();
    for (place, file) in files.into_iter().enumerate() {
        let field = format!("files[{place}].name");
        let known = [".yml", ".yaml", ".toml", ".json"].iter().any(|ending| file.name.ends_with(ending));
        if !known || file.name.len() > 255 {
            let allowed = "a name of at most 255 bytes that ends with .yml, .yaml, .toml or .json";
            return Err(Problem::invalid(field, "is no file's name", allowed));
        }
        let text = Text::parse(&file.name, Ok(Arc::from(file.text)), false);
        if texts.insert(Arc::from(file.name.as_str()), Arc::new(text)).is_some() {
            return Err(Problem::invalid(field, "is there twice", "each name once"));
        }
    }
    Ok(texts)
}

/// In one request.
const MAX_FILES: usize = 1000;
