//! `rollgate brake set|release|list`: weight 0 at once, whatever the weights say.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{
    Common, Done, EXIT_CODES,
    client::{Asked, Client, encoded},
    contract::{Brake, Service},
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
    /// Why, for the audit log and the events
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
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
            let asked = Asked { method: Method::PUT, body: Some(body.to_string()), ..Asked::get(path(version)) };
            told(&asked.path, &client.change(&asked).answer?.body, client, screen)?;
        }
        BrakeCommand::Release(arguments) => release(arguments, client, screen)?,
        BrakeCommand::List(_) => list(client, screen)?,
    }
    Ok(Done::Well)
}

fn release(arguments: &ReleaseArgs, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let asked = Asked { method: Method::DELETE, ..Asked::get(path(&arguments.version)) };
    let asked = asked.with("reason", arguments.reason.as_ref());
    let changed = client.change(&asked);
    match changed.answer {
        Ok(answer) => told(&asked.path, &answer.body, client, screen),
        Err(failure) if changed.repeated && failure.status() == Some(404) => {
            // The first attempt may have released it, and its answer was lost.
            let body = released(&arguments.version, client)?.ok_or(failure)?;
            told(&asked.path, &body, client, screen)
        }
        Err(failure) => Err(failure),
    }
}

/// That the version is there and free, in the manner of the API; none if it is not.
fn released(version: &Named, client: &Client) -> Result<Option<Value>, Failure> {
    let path = format!("/services/{}", encoded(&version.service));
    let service: Service = client.read(&path, &client.ask(&Asked::get(&path))?.body)?;
    let is_named = |name: &str| name == version.version || name.split('@').next() == Some(&version.version);
    let found = service.versions.iter().find(|found| is_named(&found.name) && !found.braked);
    Ok(found.map(|found| json!({ "service": service.name, "version": found.name, "braked": false })))
}

fn told(path: &str, body: &Value, client: &Client, screen: &Screen) -> Result<(), Failure> {
    if screen.json {
        return screen.value(body);
    }
    let brake: Brake = client.read(path, body)?;
    let done = if brake.braked { "braked" } else { "released" };
    let generation = brake.generation.map_or_else(String::new, |generation| format!(" (generation {generation})"));
    screen.line(&format!("{} of {} is {done}{generation}", brake.version, brake.service))?;
    if brake.stored == Some(false) {
        screen.note("it is in force, and not stored yet: a restart now would lose it");
    }
    Ok(())
}

fn path(version: &Named) -> String {
    format!("/services/{}/brake/{}", encoded(&version.service), encoded(&version.version))
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
