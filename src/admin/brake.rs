//! `rollgate brake set|release|list`: weight 0 at once, whatever the weights say.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{
    Common, Done, EXIT_CODES,
    client::{Asked, Client, encoded, fresh_key},
    contract::Brake,
    failure::Failure,
    screen::Screen,
    table::{Cell, Column::Left, Table},
};

/// What to do with brakes.
#[derive(Debug, Subcommand)]
pub(crate) enum BrakeCommand {
    /// Gives a version weight 0 now, until it is released; reloads and restarts leave it so.
    #[command(after_help = EXIT_CODES)]
    Set(BrakeArgs),
    /// Ends a brake: the version has its weight again.
    #[command(after_help = EXIT_CODES)]
    Release(ReleaseArgs),
    /// Shows what is braked, by whom and why.
    #[command(after_help = EXIT_CODES)]
    List(ListArgs),
}

/// The command line of `brake set`.
#[derive(Debug, Args)]
pub(crate) struct BrakeArgs {
    #[command(flatten)]
    version: Named,
    /// Why, for the audit log and the events
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// The command line of `brake release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    version: Named,
    #[command(flatten)]
    common: Common,
}

/// The command line of `brake list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    common: Common,
}

/// Which version.
#[derive(Debug, Args)]
struct Named {
    /// The service, as `pro@file`, or `pro` where that is unique
    service: String,
    /// Its version, as `k8s-flask-canary@file`, or without what follows `@` where that is unique
    version: String,
}

impl BrakeCommand {
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Set(arguments) => &arguments.common,
            Self::Release(arguments) => &arguments.common,
            Self::List(arguments) => &arguments.common,
        }
    }
}

pub(super) fn run(command: &BrakeCommand, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    match command {
        BrakeCommand::Set(BrakeArgs { version, reason, .. }) => {
            let body = reason.as_ref().map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
            change(Method::PUT, version, Some(body), client, screen)?;
        }
        BrakeCommand::Release(ReleaseArgs { version, .. }) => change(Method::DELETE, version, None, client, screen)?,
        BrakeCommand::List(_) => list(client, screen)?,
    }
    Ok(Done::Well)
}

fn change(
    method: Method,
    version: &Named,
    body: Option<Value>,
    client: &Client,
    screen: &Screen,
) -> Result<(), Failure> {
    let path = format!("/services/{}/brake/{}", encoded(&version.service), encoded(&version.version));
    let releases = method == Method::DELETE;
    let headers = vec![("Idempotency-Key", fresh_key()?)];
    let answer = client.change(&Asked { method, path: path.clone(), headers, body, ..Asked::default() })?;
    if screen.json {
        return screen.value(&answer.body);
    }
    let brake: Brake = client.read(&path, &answer.body)?;
    let done = if releases { "released" } else { "braked" };
    let generation = brake.generation.map_or_else(String::new, |generation| format!(" (generation {generation})"));
    screen.line(&format!("{} of {} is {done}{generation}", brake.version, brake.service))?;
    if brake.stored == Some(false) {
        screen.note("it is in force, and not stored yet: a restart now would lose it");
    }
    Ok(())
}

fn list(client: &Client, screen: &Screen) -> Result<(), Failure> {
    let items = client.list(&Asked::get("/brakes"), None)?;
    if screen.json {
        return screen.value(&json!({ "items": items, "next": null }));
    }
    let brakes: Vec<Brake> = client.read("/brakes", &Value::Array(items))?;
    if brakes.is_empty() {
        screen.note("nothing is braked");
        return Ok(());
    }
    let mut table = Table::new(&[Left("SERVICE"), Left("VERSION"), Left("SET BY"), Left("SET AT"), Left("REASON")]);
    for brake in &brakes {
        table.row([
            Cell::from(&brake.service),
            Cell::from(&brake.version),
            Cell::maybe(brake.set_by.as_ref()),
            Cell::maybe(brake.set_at.as_ref()),
            Cell::maybe(brake.reason.as_ref()),
        ]);
    }
    screen.table(&table)
}
