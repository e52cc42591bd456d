//! `rollgate rollout ...`: runs of pipelines: begin one, watch it, decide about it.
//!
//! ```text
//! contract (what the answers hold) -> tell (tables) -> watch: lines, or a picture on a terminal
//! ```

mod contract;
mod tell;
mod watch;

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::contract::Rollout;
use super::{
    Common, Done, EXIT_CODES,
    client::{Answer, Asked, Client, encoded, fresh_key},
    failure::Failure,
    screen::Screen,
    table::Table,
    weights::header_text,
};

/// What to do with rollouts.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Begins a rollout of a pipeline. It goes on by itself when the command ends.
    #[command(after_help = watch::EXIT_CODES)]
    Start(StartArgs),
    /// Shows how far a rollout is and what it waits for, or all that have not ended.
    #[command(after_help = watch::EXIT_CODES)]
    Status(StatusArgs),
    /// Shows rollouts, the newest first, those that have ended too.
    #[command(after_help = EXIT_CODES, visible_alias = "history")]
    List(ListArgs),
    /// Shows all of a rollout: its stages, the numbers that have decided, what has happened.
    #[command(after_help = EXIT_CODES)]
    Show(ShowArgs),
    /// Says yes to the question of an `approve` stage.
    #[command(after_help = EXIT_CODES)]
    Approve(ActArgs),
    /// Says no to it: the rollout fails.
    #[command(after_help = EXIT_CODES)]
    Deny(ActArgs),
    /// Has nothing begin and nothing grow; the weights stay, the canary is judged on.
    #[command(after_help = EXIT_CODES)]
    Pause(ActArgs),
    /// Goes on after a pause.
    #[command(after_help = EXIT_CODES)]
    Resume(ActArgs),
    /// Tries the stage that has failed once more.
    #[command(after_help = EXIT_CODES)]
    Retry(ActArgs),
    /// Passes the stage over; takes a reason.
    #[command(after_help = EXIT_CODES)]
    Skip(ActArgs),
    /// Ends the rollout: the weights are what they were before.
    #[command(after_help = EXIT_CODES)]
    Abort(ActArgs),
    /// Gives the canary all users now, whatever is still to come; takes a reason.
    #[command(after_help = EXIT_CODES)]
    Promote(ActArgs),
}

/// The command line of `rollout start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The pipeline, as `release@file`, or `release` where that is unique
    pipeline: String,
    /// What tells the canary's build apart; shown with the rollout
    #[arg(long, value_name = "TEXT")]
    build: Option<String>,
    /// What tells a repeat from a rollout of its own, for 24 hours [default: a new one for each command]
    #[arg(long, value_name = "KEY", value_parser = header_text)]
    idempotency_key: Option<String>,
    /// Watches it to its end: a picture on a terminal, else a line for each change
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    common: Common,
}

/// The command line of `rollout status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// One rollout [default: all that have not ended; with --watch the only one of them]
    id: Option<String>,
    /// Watches it to its end: a picture on a terminal, else a line for each change
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    common: Common,
}

/// The command line of `rollout list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only rollouts of this service, by its qualified name: `pro@file`
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only rollouts of this pipeline, by its qualified name: `release@file`
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Only rollouts that stand so; several with commas between them
    #[arg(long, ignore_case = true, value_delimiter = ',', value_parser = PossibleValuesParser::new(STATUSES))]
    status: Vec<String>,
    /// So many rollouts at most
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

/// The command line of `rollout show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The rollout
    id: String,
    #[command(flatten)]
    common: Common,
}

/// The command line of what an operator decides.
#[derive(Debug, Args)]
pub(crate) struct ActArgs {
    /// The rollout
    id: String,
    /// Why, for its history and the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// What tells a repeat from an action of its own, for 24 hours [default: a new one for each command]
    #[arg(long, value_name = "KEY", value_parser = header_text)]
    idempotency_key: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// A rollout at a moment.
#[derive(Debug)]
struct Look {
    rollout: Rollout,
    /// As it came.
    body: Value,
    /// By the gateway's clock, in milliseconds since 1970.
    at: i64,
}

impl RolloutCommand {
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Start(arguments) => &arguments.common,
            Self::Status(arguments) => &arguments.common,
            Self::List(arguments) => &arguments.common,
            Self::Show(arguments) => &arguments.common,
            Self::Approve(arguments)
            | Self::Deny(arguments)
            | Self::Pause(arguments)
            | Self::Resume(arguments)
            | Self::Retry(arguments)
            | Self::Skip(arguments)
            | Self::Abort(arguments)
            | Self::Promote(arguments) => &arguments.common,
        }
    }
}

pub(super) fn run(command: &RolloutCommand, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let (action, arguments) = match command {
        RolloutCommand::Start(arguments) => return start(arguments, client, screen),
        RolloutCommand::Status(arguments) => return status(arguments, client, screen),
        RolloutCommand::List(arguments) => return list(arguments, client, screen),
        RolloutCommand::Show(arguments) => return show(&arguments.id, client, screen),
        RolloutCommand::Approve(arguments) => ("approve", arguments),
        RolloutCommand::Deny(arguments) => ("deny", arguments),
        RolloutCommand::Pause(arguments) => ("pause", arguments),
        RolloutCommand::Resume(arguments) => ("resume", arguments),
        RolloutCommand::Retry(arguments) => ("retry", arguments),
        RolloutCommand::Skip(arguments) => ("skip", arguments),
        RolloutCommand::Abort(arguments) => ("abort", arguments),
        RolloutCommand::Promote(arguments) => ("promote", arguments),
    };
    let key = arguments.idempotency_key.clone().map_or_else(fresh_key, Ok)?;
    let done = act(&arguments.id, (action, key), arguments.reason.as_deref(), client)?;
    if screen.json {
        screen.value(&done.body)?;
    } else {
        screen.table(&tell::facts(&done.rollout))?;
    }
    Ok(Done::Well)
}

fn start(arguments: &StartArgs, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let key = arguments.idempotency_key.clone().map_or_else(fresh_key, Ok)?;
    let mut body = json!({ "pipeline": arguments.pipeline });
    if let Some(build) = &arguments.build {
        body["build"] = json!(build);
    }
    let asked = Asked {
        method: Method::POST,
        headers: vec![("Idempotency-Key", key)],
        body: Some(body.to_string()),
        ..Asked::get("/rollouts")
    };
    let begun = read(&asked.path, client.change(&asked).answer?, client)?;
    if arguments.watch {
        return watch::watch(&begun.rollout.id, client, screen);
    }
    if screen.json {
        screen.value(&begun.body)?;
    } else {
        screen.table(&tell::facts(&begun.rollout))?;
    }
    Ok(Done::Well)
}

fn status(arguments: &StatusArgs, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    if let (Some(id), true) = (&arguments.id, arguments.watch) {
        return watch::watch(id, client, screen);
    }
    if let Some(id) = &arguments.id {
        let look = look(id, client)?;
        match screen.json {
            true => screen.value(&look.body)?,
            false => sections(&state(&look), screen)?,
        }
        return Ok(Done::Well);
    }
    let items = open(client)?;
    let rollouts: Vec<Rollout> = client.read("/rollouts", &Value::Array(items.clone()))?;
    match (&rollouts[..], arguments.watch) {
        ([only], true) => return watch::watch(&only.id, client, screen),
        ([], true) => return Err(Failure::Usage("no rollout is under way: there is nothing to watch".to_owned())),
        (several, true) => {
            let ids: Vec<&str> = several.iter().map(|rollout| rollout.id.as_str()).collect();
            return Err(Failure::Usage(format!("name the one to watch: {}", ids.join(", "))));
        }
        (_, false) => {}
    }
    table(items, &rollouts, "no rollout is under way", screen)
}

/// Those that have not ended. There may be a few of them: a service has one at a time.
fn open(client: &Client) -> Result<Vec<Value>, Failure> {
    let open = STATUSES[..OPEN].join(",");
    let asked = Asked::get("/rollouts").with("status", Some(open)).with("limit", Some(PAGE));
    let mut items = client.list(&asked, None)?;
    // One that has ended since it was looked for.
    items.retain(|item| item["endedAt"].is_null());
    Ok(items)
}

fn list(arguments: &ListArgs, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let status = arguments.status.join(",").to_ascii_uppercase();
    let asked = Asked::get("/rollouts")
        .with("service", arguments.service.as_ref())
        .with("pipeline", arguments.pipeline.as_ref())
        .with("status", Some(status).filter(|status| !status.is_empty()))
        .with("limit", Some(arguments.limit.min(PAGE)));
    let items = client.list(&asked, Some(usize::try_from(arguments.limit).unwrap_or(usize::MAX)))?;
    let rollouts: Vec<Rollout> = client.read("/rollouts", &Value::Array(items.clone()))?;
    table(items, &rollouts, "there are no such rollouts", screen)
}

fn table(items: Vec<Value>, rollouts: &[Rollout], none: &str, screen: &Screen) -> Result<Done, Failure> {
    if screen.json {
        screen.value(&json!({ "items": items, "next": null }))?;
    } else if rollouts.is_empty() {
        screen.note(none);
    } else {
        screen.table(&tell::list(rollouts))?;
    }
    Ok(Done::Well)
}

fn show(id: &str, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let look = look(id, client)?;
    if screen.json {
        screen.value(&look.body)?;
        return Ok(Done::Well);
    }
    let rollout = &look.rollout;
    let stages = tell::stages(&rollout.plan(true), look.at);
    let decided = tell::decided(rollout, look.at);
    let history = tell::history(rollout, usize::MAX, tell::moment);
    sections(&[tell::facts(rollout), stages, decided, tell::laid(rollout)], screen)?;
    for stage in &rollout.stages {
        if let Some(output) = stage.output.as_ref().filter(|output| !output.is_empty()) {
            screen.line("")?;
            screen.line(&format!("{} has said:", stage.name))?;
            output.lines().try_for_each(|line| screen.line(&format!("  {line}")))?;
        }
    }
    if !history.is_empty() {
        screen.line("")?;
        screen.table(&history)?;
    }
    Ok(Done::Well)
}

/// How far it is: what is there, but for the past.
fn state(look: &Look) -> [Table; 4] {
    let rollout = &look.rollout;
    let stages = tell::stages(&rollout.plan(false), look.at);
    [tell::facts(rollout), stages, tell::versions(rollout), tell::evidence(rollout)]
}

/// Tables with an empty line between them.
fn sections(tables: &[Table], screen: &Screen) -> Result<(), Failure> {
    for (index, table) in tables.iter().filter(|table| !table.is_empty()).enumerate() {
        if index > 0 {
            screen.line("")?;
        }
        screen.table(table)?;
    }
    Ok(())
}

fn look(id: &str, client: &Client) -> Result<Look, Failure> {
    let path = path(id);
    read(&path, client.ask(&Asked::get(&path))?, client)
}

/// Done once, however often it has to be sent: a second `skip` would pass over the next stage.
fn act(id: &str, (action, key): (&str, String), reason: Option<&str>, client: &Client) -> Result<Look, Failure> {
    let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    let path = format!("{}/{action}", path(id));
    let headers = vec![("Idempotency-Key", key)];
    let asked = Asked { method: Method::POST, headers, body: Some(body.to_string()), ..Asked::get(&path) };
    read(&path, client.change(&asked).answer?, client)
}

fn read(path: &str, answer: Answer, client: &Client) -> Result<Look, Failure> {
    let at = answer.date.unwrap_or_else(Timestamp::now).as_millisecond();
    Ok(Look { rollout: client.read(path, &answer.body)?, body: answer.body, at })
}

fn path(id: &str) -> String {
    format!("/rollouts/{}", encoded(id))
}

/// How a rollout may stand: first the [`OPEN`] that are no end, in the order in which it comes to them.
const STATUSES: [&str; 8] =
    ["PENDING", "RUNNING", "WAITING", "PAUSED", "SUCCEEDED", "ROLLED_BACK", "FAILED", "CANCELED"];
const OPEN: usize = 4;

/// What is asked for at once: all that is told of a rollout is in it.
const PAGE: u32 = 100;
