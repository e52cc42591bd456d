//! `rollgate pipeline list|show|put|delete`: what rollouts run.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use http::Method;
use rollgate_config::{Document, Format};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Common, Done, EXIT_CODES,
    client::{Asked, Client, encoded},
    contract::ConfigurationProblem,
    failure::Failure,
    reach::text_of,
    screen::Screen,
    table::{
        Cell,
        Column::{Left, Right},
        Table, Tone,
    },
};

/// What to do with pipelines.
#[derive(Debug, Subcommand)]
pub(crate) enum PipelineCommand {
    /// Shows all pipelines: the configuration's and those that were sent.
    #[command(after_help = EXIT_CODES)]
    List(ListArgs),
    /// Shows a pipeline, its stages and what is wrong with it.
    #[command(after_help = EXIT_CODES)]
    Show(NamedArgs),
    /// Sends a pipeline, in place of the one that was sent under its name before.
    #[command(after_help = EXIT_CODES)]
    Put(PutArgs),
    /// Forgets a pipeline that was sent. Rollouts of it go on.
    #[command(after_help = EXIT_CODES)]
    Delete(NamedArgs),
}

/// The command line of `pipeline list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    common: Common,
}

/// The command line of `pipeline show` and `pipeline delete`.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// The pipeline, as `release@file`, or `release` where that is unique
    name: String,
    #[command(flatten)]
    common: Common,
}

/// The command line of `pipeline put`.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// What stands under a name in `rollouts`, and `name`: a .yml, .yaml, .toml or .json file
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// A pipeline as it is told.
#[derive(Debug, Deserialize)]
struct Pipeline {
    name: String,
    service: String,
    stable: String,
    canary: String,
    /// As it was written.
    #[serde(default)]
    pipeline: Value,
    #[serde(default)]
    problems: Vec<ConfigurationProblem>,
}

impl PipelineCommand {
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::List(arguments) => &arguments.common,
            Self::Show(arguments) | Self::Delete(arguments) => &arguments.common,
            Self::Put(arguments) => &arguments.common,
        }
    }
}

pub(super) fn run(command: &PipelineCommand, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    match command {
        PipelineCommand::List(_) => list(client, screen)?,
        PipelineCommand::Show(arguments) => {
            let path = path(&arguments.name);
            show(&path, &client.ask(&Asked::get(&path))?.body, client, screen)?;
        }
        PipelineCommand::Put(arguments) => {
            let body = Some(read(&arguments.file)?);
            let asked = Asked { method: Method::POST, body, ..Asked::get("/pipelines") };
            show(&asked.path, &client.change(&asked).answer?.body, client, screen)?;
        }
        PipelineCommand::Delete(arguments) => delete(&arguments.name, client, screen)?,
    }
    Ok(Done::Well)
}

fn list(client: &Client, screen: &Screen) -> Result<(), Failure> {
    let items = client.list(&Asked::get("/pipelines"), None)?;
    if screen.json {
        return screen.value(&json!({ "items": items, "next": null }));
    }
    let pipelines: Vec<Pipeline> = client.read("/pipelines", &Value::Array(items))?;
    if pipelines.is_empty() {
        screen.note("there are no pipelines");
        return Ok(());
    }
    let columns = [Left("PIPELINE"), Left("SERVICE"), Left("STABLE"), Left("CANARY"), Right("STAGES"), Left("STATE")];
    let mut table = Table::new(&columns);
    for pipeline in &pipelines {
        let state = match pipeline.problems.len() {
            0 => Cell::from("ok").toned(Tone::Good),
            1 => Cell::from("1 problem").toned(Tone::Bad),
            several => Cell::from(format!("{several} problems")).toned(Tone::Bad),
        };
        table.row([
            Cell::from(&pipeline.name),
            Cell::from(&pipeline.service),
            Cell::from(&pipeline.stable),
            Cell::from(&pipeline.canary),
            Cell::from(pipeline.listed("stages").len().to_string()),
            state,
        ]);
    }
    screen.table(&table)
}

fn show(path: &str, body: &Value, client: &Client, screen: &Screen) -> Result<(), Failure> {
    if screen.json {
        return screen.value(body);
    }
    let pipeline: Pipeline = client.read(path, body)?;
    let mut facts = Table::facts();
    facts.fact("pipeline", &pipeline.name);
    facts.fact("service", &pipeline.service);
    facts.fact("versions", format!("{} -> {}", pipeline.stable, pipeline.canary));
    // A word, or a list of stages.
    if let Some(word) = pipeline.pipeline.get("onFailure").and_then(Value::as_str) {
        facts.fact("on failure", word);
    }
    if let Some(analysis) = pipeline.pipeline.get("analysis") {
        facts.fact("analysis", settings(analysis));
    }
    screen.table(&facts)?;
    for (heading, stages) in [("STAGE", pipeline.listed("stages")), ("ON FAILURE", pipeline.listed("onFailure"))] {
        if !stages.is_empty() {
            screen.line("")?;
            screen.table(&stage_table(heading, stages))?;
        }
    }
    if pipeline.problems.is_empty() {
        return Ok(());
    }
    let mut problems = Table::new(&[Left("PROBLEM"), Left("WHAT")]);
    for problem in &pipeline.problems {
        problems.row([Cell::from(&problem.field).toned(Tone::Bad), Cell::from(problem.says())]);
    }
    screen.line("")?;
    screen.table(&problems)
}

fn stage_table(heading: &'static str, stages: &[Value]) -> Table {
    let mut table = Table::new(&[Left(heading), Left("KIND"), Left("SETTINGS")]);
    for stage in stages.iter().filter_map(Value::as_object) {
        let (names, kinds): (Vec<_>, Vec<_>) = stage.iter().partition(|(key, _)| key.eq_ignore_ascii_case("name"));
        let name = names.first().and_then(|(_, name)| name.as_str());
        for (kind, section) in kinds {
            table.row([Cell::from(name.unwrap_or(kind)), Cell::from(kind), Cell::from(settings(section))]);
        }
    }
    table
}

/// A section on a line: `timeout 15m, command ["kubectl","create"]`.
fn settings(section: &Value) -> String {
    let one = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match section {
        Value::Object(members) => {
            let told = members.iter().map(|(key, value)| format!("{key} {}", one(value)));
            told.collect::<Vec<_>>().join(", ")
        }
        Value::Null => String::new(),
        other => one(other),
    }
}

fn delete(name: &str, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let asked = Asked { method: Method::DELETE, ..Asked::get(path(name)) };
    let changed = client.change(&asked);
    let body = match changed.answer {
        Ok(answer) => answer.body,
        // The first attempt has done it, and its answer was lost.
        Err(failure) if changed.repeated && failure.status() == Some(404) => json!({ "name": name }),
        Err(failure) => return Err(failure),
    };
    if screen.json {
        return screen.value(&body);
    }
    screen.line(&format!("{} is forgotten", body.get("name").and_then(Value::as_str).unwrap_or(name)))
}

/// A file as the JSON that is sent, in its own digits.
fn read(file: &Path) -> Result<String, Failure> {
    let name = file.display().to_string();
    let format = Format::of(&name)
        .ok_or_else(|| Failure::Usage(format!("{name}: its name has to end with .yml, .yaml, .toml or .json")))?;
    let document = Document::parse(&name, &text_of(file)?, format)
        .map_err(|problems| Failure::Unreadable(problems.iter().map(ToString::to_string).collect()))?;
    document
        .to_json(MOST_BYTES)
        .ok_or_else(|| Failure::Usage(format!("{name}: longer than {MOST_BYTES} bytes as JSON")))
}

impl Pipeline {
    fn listed(&self, key: &str) -> &[Value] {
        self.pipeline.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

fn path(name: &str) -> String {
    format!("/pipelines/{}", encoded(name))
}

/// What the gateway takes of a body.
const MOST_BYTES: usize = 1024 * 1024;
