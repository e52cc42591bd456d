//! `rollgate weights get|set|reset`: the live weights that lie over the configuration's.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    Common, Done, EXIT_CODES,
    client::{Asked, Client, encoded, fresh_key},
    contract::Weights,
    failure::Failure,
    numbers::{percent, shares},
    screen::Screen,
    services::{owner, set},
    table::{
        Cell,
        Column::{Left, Right},
        Table,
    },
};

/// What to do with weights.
#[derive(Debug, Subcommand)]
pub(crate) enum WeightsCommand {
    /// Shows weights: the configuration's, the live ones, and what counts.
    #[command(after_help = EXIT_CODES)]
    Get(GetArgs),
    /// Sets live weights. They are in force on every worker when the command ends, and outlive reloads and restarts.
    #[command(after_help = EXIT_CODES)]
    Set(SetArgs),
    /// Returns to the configuration's weights.
    #[command(after_help = EXIT_CODES)]
    Reset(ResetArgs),
}

/// The command line of `weights get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// One service, as `pro@file`, or `pro` where that is unique
    service: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// The command line of `weights set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The service, as `pro@file`, or `pro` where that is unique
    service: String,
    /// Every version with its weight: a decimal from 0 to 1000000 with at most 6 places; 0 sends nobody there
    #[arg(required = true, value_name = "VERSION=WEIGHT", value_parser = weight)]
    weights: Vec<(String, String)>,
    /// The versions that are not named keep their weights
    #[arg(long)]
    patch: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    common: Common,
}

/// The command line of `weights reset`.
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// The service, as `pro@file`, or `pro` where that is unique
    service: String,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    common: Common,
}

/// What every change of weights takes.
#[derive(Debug, Args)]
struct Change {
    /// Why, for the audit log and the events
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only if the weights are still those that had this ETag, with or without its quotation marks
    #[arg(long, value_name = "ETAG", value_parser = etag)]
    if_match: Option<String>,
    /// What tells a repeat from a change of its own, for 24 hours [default: a new one for each command]
    #[arg(long, value_name = "KEY", value_parser = header_text)]
    idempotency_key: Option<String>,
    /// Changes nothing: shows what it would come to
    #[arg(long)]
    dry_run: bool,
}

impl WeightsCommand {
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Get(arguments) => &arguments.common,
            Self::Set(arguments) => &arguments.common,
            Self::Reset(arguments) => &arguments.common,
        }
    }
}

pub(super) fn run(command: &WeightsCommand, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    match command {
        WeightsCommand::Get(GetArgs { service: None, .. }) => all(client, screen)?,
        WeightsCommand::Get(GetArgs { service: Some(service), .. }) => {
            let path = path(service);
            show(&path, &client.ask(&Asked::get(&path))?.body, client, screen)?;
        }
        WeightsCommand::Set(arguments) => {
            let method = if arguments.patch { Method::PATCH } else { Method::PUT };
            let mut body = Map::from_iter([("weights".to_owned(), Value::Object(named(&arguments.weights)?))]);
            body.extend(arguments.change.reason.iter().map(|reason| ("reason".to_owned(), json!(reason))));
            change(method, &arguments.service, &arguments.change, Some(Value::Object(body)), client, screen)?;
        }
        WeightsCommand::Reset(arguments) => {
            change(Method::DELETE, &arguments.service, &arguments.change, None, client, screen)?;
        }
    }
    Ok(Done::Well)
}

fn named(weights: &[(String, String)]) -> Result<Map<String, Value>, Failure> {
    let mut named = Map::new();
    for (version, weight) in weights {
        if named.insert(version.clone(), json!(weight)).is_some() {
            return Err(Failure::Usage(format!("{version}: given twice")));
        }
    }
    Ok(named)
}

fn change(
    method: Method,
    service: &str,
    change: &Change,
    body: Option<Value>,
    client: &Client,
    screen: &Screen,
) -> Result<(), Failure> {
    let key = change.idempotency_key.clone().map_or_else(fresh_key, Ok)?;
    let mut headers = vec![("Idempotency-Key", key)];
    headers.extend(change.if_match.clone().map(|etag| ("If-Match", etag)));
    let path = path(service);
    // Without a body, a reason stands in the query.
    let reason = change.reason.clone().filter(|_| body.is_none());
    let body = body.map(|body| body.to_string());
    let asked = Asked { method, path: path.clone(), headers, body, ..Asked::default() };
    let asked = asked.with("dryRun", change.dry_run.then_some(true)).with("reason", reason);
    show(&path, &client.change(&asked).answer?.body, client, screen)
}

fn all(client: &Client, screen: &Screen) -> Result<(), Failure> {
    let items = client.list(&Asked::get("/weights"), None)?;
    if screen.json {
        return screen.value(&json!({ "items": items, "next": null }));
    }
    let weights: Vec<Weights> = client.read("/weights", &Value::Array(items))?;
    if weights.is_empty() {
        screen.note("there are no weighted services");
        return Ok(());
    }
    let columns =
        [Left("SERVICE"), Left("OWNER"), Left("VERSION"), Right("CONFIGURED"), Right("LIVE"), Right("EFFECTIVE")];
    let mut table = Table::new(&[&columns[..], &[Right("SHARE")]].concat());
    for weights in &weights {
        let mut first = [Cell::from(&weights.service), owner(&weights.owner, weights.drift)];
        for row in rows(weights) {
            table.row([&std::mem::take(&mut first)[..], &row].concat());
        }
    }
    screen.table(&table)
}

fn show(path: &str, body: &Value, client: &Client, screen: &Screen) -> Result<(), Failure> {
    if screen.json {
        return screen.value(body);
    }
    let weights: Weights = client.read(path, body)?;
    let mut facts = Table::facts();
    facts.fact("service", &weights.service);
    facts.fact("owner", owner(&weights.owner, weights.drift));
    if let Some(set) = set(weights.set_by.as_deref(), weights.set_at.as_deref()) {
        facts.fact("set", set);
    }
    if let Some(reason) = &weights.reason {
        facts.fact("reason", reason);
    }
    if let Some(generation) = weights.generation {
        facts.fact("generation", generation.to_string());
    }
    if let Some(etag) = &weights.etag {
        facts.fact("etag", etag);
    }
    match (weights.dry_run, weights.changed) {
        (true, Some(false)) => facts.fact("changed", "dry run: nothing would change"),
        (true, _) => facts.fact("changed", "dry run: nothing was changed, this is what it would come to"),
        (false, Some(true)) => facts.fact("changed", "yes, on every worker"),
        (false, Some(false)) => facts.fact("changed", "no, it was so already"),
        (false, None) => {}
    }
    screen.table(&facts)?;
    let columns = [Left("VERSION"), Right("CONFIGURED"), Right("LIVE"), Right("EFFECTIVE"), Right("SHARE")];
    let mut table = Table::new(&columns);
    rows(&weights).into_iter().for_each(|row| table.row(row));
    screen.line("")?;
    screen.table(&table)
}

/// A row for each version: its name, its weights, its share.
fn rows(weights: &Weights) -> Vec<Vec<Cell>> {
    let live = |version| weights.weights.get(version).filter(|_| weights.set_at.is_some());
    let shares = shares(weights.effective.values());
    let rows = weights.effective.iter().zip(shares).map(|((version, effective), share)| {
        vec![
            Cell::from(version),
            Cell::maybe(weights.configured.get(version)),
            Cell::maybe(live(version)),
            Cell::from(effective),
            Cell::maybe(share.map(|share| percent(share, 2))),
        ]
    });
    rows.collect()
}

fn path(service: &str) -> String {
    format!("/services/{}/weights", encoded(service))
}

/// `VERSION=WEIGHT`; the gateway judges the weight.
fn weight(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((version, weight)) if !version.is_empty() && !weight.is_empty() => {
            Ok((version.to_owned(), weight.to_owned()))
        }
        _ => Err("not VERSION=WEIGHT".to_owned()),
    }
}

/// A shell takes quotation marks away.
fn etag(text: &str) -> Result<String, String> {
    let text = header_text(text)?;
    match text == "*" || text.contains('"') {
        true => Ok(text),
        false => Ok(format!("\"{text}\"")),
    }
}

/// What may be the value of a header.
pub(super) fn header_text(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        true => Ok(text.to_owned()),
        false => Err("visible ASCII only".to_owned()),
    }
}
