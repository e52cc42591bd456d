//! `rollgate status`: what runs, from which configuration, and what is wrong with it.

use clap::Args;
use serde_json::{Value, json};

use super::{
    Common, Done,
    client::{Asked, Client},
    contract::{ConfigurationProblem, EntryPoint, Provider, Snapshot},
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
  5  it runs, and there are problems with the configuration, a file is held back, or the store does not keep what is in force";

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
    Ok(if is_troubled(&snapshot) { Done::Troubled } else { Done::Well })
}

fn is_troubled(snapshot: &Snapshot) -> bool {
    let troubled =
        |provider: &Provider| !provider.problems.is_empty() || provider.files.iter().any(|file| file.held_back);
    let owes = snapshot.store.as_ref().is_some_and(|store| store.owing_since.is_some());
    owes || snapshot.providers.iter().any(troubled)
}

fn show(snapshot: &Snapshot, entry_points: &[EntryPoint], screen: &Screen) -> Result<(), Failure> {
    screen.table(&facts(snapshot))?;
    let mut listening = Table::new(&[Left("ENTRY POINT"), Left("ADDRESS"), Left("LISTENING")]);
    for entry_point in entry_points {
        let places = entry_point.listening.join(", ");
        let places = Cell::maybe(Some(places).filter(|places| !places.is_empty()));
        listening.row([Cell::from(&entry_point.name), Cell::maybe(entry_point.address.as_ref()), places]);
    }
    let problems = snapshot.providers.iter().flat_map(|provider| &provider.problems);
    let restart = snapshot.providers.iter().flat_map(|provider| &provider.restart);
    let problems = problem_table("PROBLEM", Tone::Bad, problems);
    let restart = problem_table("NEEDS A RESTART", Tone::Warning, restart);
    for table in [listening, files(&snapshot.providers), problems, restart] {
        if !table.is_empty() {
            screen.line("")?;
            screen.table(&table)?;
        }
    }
    Ok(())
}

fn facts(snapshot: &Snapshot) -> Table {
    let mut facts = Table::facts();
    facts.fact("version", &snapshot.version);
    facts.fact("generation", snapshot.generation.to_string());
    if let Some(at) = &snapshot.started_at {
        facts.fact("started", at);
    }
    for (name, count) in
        [("routers", snapshot.routers), ("services", snapshot.services), ("middlewares", snapshot.middlewares)]
    {
        if let Some(count) = count {
            facts.fact(name, count.to_string());
        }
    }
    if let Some(store) = &snapshot.store {
        facts.fact("store", store.file.as_deref().unwrap_or("memory: a restart forgets"));
        if let Some(problem) = &store.problem {
            facts.fact("", Cell::from(problem).toned(Tone::Warning));
        }
        if let Some(since) = &store.owing_since {
            let owes = format!("what is in force could not be kept since {since}");
            facts.fact("", Cell::from(owes).toned(Tone::Bad));
        }
    }
    facts
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

fn problem_table<'s>(
    heading: &'static str,
    tone: Tone,
    problems: impl Iterator<Item = &'s ConfigurationProblem>,
) -> Table {
    let mut table = Table::new(&[Left(heading), Left("FIELD"), Left("WHAT")]);
    for problem in problems {
        let field = Some(&problem.field).filter(|field| !field.is_empty());
        table.row([Cell::from(place(problem)).toned(tone), Cell::maybe(field), problem.says().into()]);
    }
    table
}

/// `file:line:column`, as `rollgate check` writes it.
fn place(problem: &ConfigurationProblem) -> String {
    match (problem.line, problem.column) {
        (0, _) => problem.file.clone(),
        (line, 0) => format!("{}:{line}", problem.file),
        (line, column) => format!("{}:{line}:{column}", problem.file),
    }
}
