//! `rollgate status`: what runs, from which configuration, and what is wrong with it.

use clap::Args;
use serde_json::{Value, json};

use super::{
    Common, Done,
    client::{Asked, Client},
    contract::{ConfigurationProblem, EntryPoint, Provider, Snapshot, plain},
    failure::Failure,
    screen::Screen,
    table::{Cell, Column::Left, Table, Tone},
};

/// The command line of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(super) common: Common,
}

/// The others' and one of its own.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  it runs, and the configuration is live as it is in its files
  1  refused by the gateway, or the output could not be written
  2  wrong usage, or a file of the command line that is no good
  3  not reached, no answer in time, or the gateway cannot do it now (5xx)
  5  it runs, and there are problems with the configuration, or a file is held back";

pub(super) fn run(_: &StatusArgs, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let body = client.ask(&Asked::get("/snapshot"))?.body;
    let snapshot: Snapshot = client.read("/snapshot", &body)?;
    let items = client.list(&Asked::get("/entrypoints"), None)?;
    let entry_points: Vec<EntryPoint> = client.read("/entrypoints", &Value::Array(items.clone()))?;
    if screen.json {
        screen.value(&json!({ "snapshot": body, "entryPoints": items }))?;
    } else {
        show(&snapshot, &entry_points, screen)?;
    }
    let troubled =
        |provider: &Provider| !provider.problems.is_empty() || provider.files.iter().any(|file| file.held_back);
    Ok(if snapshot.providers.iter().any(troubled) { Done::Troubled } else { Done::Well })
}

fn show(snapshot: &Snapshot, entry_points: &[EntryPoint], screen: &Screen) -> Result<(), Failure> {
    let mut facts = Table::facts();
    facts.fact("version", &snapshot.version);
    facts.fact("generation", snapshot.generation.to_string());
    if let Some(at) = &snapshot.started_at {
        facts.fact("started", at);
    }
    screen.table(&facts)?;
    let mut listening = Table::new(&[Left("ENTRY POINT"), Left("ADDRESS")]);
    for entry_point in entry_points {
        listening.row([Cell::from(&entry_point.name), Cell::maybe(entry_point.address.as_ref())]);
    }
    for table in [listening, files(&snapshot.providers), problems(&snapshot.providers), restart(&snapshot.providers)] {
        if !table.is_empty() {
            screen.line("")?;
            screen.table(&table)?;
        }
    }
    Ok(())
}

fn files(providers: &[Provider]) -> Table {
    let mut table = Table::new(&[Left("PROVIDER"), Left("FILE"), Left("LIVE SINCE"), Left("STATE")]);
    for provider in providers {
        for file in &provider.files {
            let state = match file.held_back {
                true => Cell::from("held back: its last good text is live").toned(Tone::Bad),
                false => Cell::from("live").toned(Tone::Good),
            };
            let since = Cell::maybe(file.live_since.as_ref());
            table.row([Cell::from(&provider.name), Cell::from(&file.name), since, state]);
        }
        if provider.files.is_empty() {
            table.row([Cell::from(&provider.name), "-".into(), "-".into(), "-".into()]);
        }
    }
    table
}

fn problems(providers: &[Provider]) -> Table {
    let mut table = Table::new(&[Left("PROBLEM"), Left("FIELD"), Left("WHAT")]);
    for problem in providers.iter().flat_map(|provider| &provider.problems) {
        let what = match &problem.hint {
            Some(hint) if !hint.is_empty() => format!("{} ({hint})", problem.what),
            _ => problem.what.clone(),
        };
        table.row([place(problem).toned(Tone::Bad), Cell::maybe(problem.field.as_ref()), what.into()]);
    }
    table
}

fn restart(providers: &[Provider]) -> Table {
    let mut table = Table::new(&[Left("NEEDS A RESTART")]);
    for key in providers.iter().flat_map(|provider| &provider.restart) {
        table.row([Cell::from(plain(key)).toned(Tone::Warning)]);
    }
    table
}

fn place(problem: &ConfigurationProblem) -> Cell {
    match (&problem.file, problem.line) {
        (Some(file), Some(line)) => Cell::from(format!("{file}:{line}")),
        (Some(file), None) => Cell::from(file),
        (None, _) => "-".into(),
    }
}
