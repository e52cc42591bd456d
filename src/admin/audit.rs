//! `rollgate audit`: who changed what, newest first.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Common, Done,
    client::{Asked, Client},
    contract::Change,
    difference::difference,
    failure::Failure,
    screen::Screen,
    table::{
        Cell,
        Column::{Left, Right},
        Table,
    },
};

/// The command line of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Only changes of this service, by its qualified name: `pro@file`
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only changes by this token, certificate or other caller
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only changes of this kind, as `weights.set`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only changes from this time on: 2026-11-26T10:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only changes before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// So many changes at most
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn run(arguments: &AuditArgs, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let asked = Asked::get("/audit")
        .with("service", arguments.service.as_ref())
        .with("actor", arguments.actor.as_ref())
        .with("action", arguments.action.as_ref())
        .with("since", arguments.since)
        .with("until", arguments.until)
        .with("limit", Some(arguments.limit.min(PAGE)));
    let items = client.list(&asked, Some(usize::try_from(arguments.limit).unwrap_or(usize::MAX)))?;
    if screen.json {
        screen.value(&json!({ "items": items, "next": null }))?;
        return Ok(Done::Well);
    }
    let changes: Vec<Change> = client.read("/audit", &Value::Array(items))?;
    if changes.is_empty() {
        screen.note("there are no such changes");
        return Ok(Done::Well);
    }
    let columns = [
        Left("AT"),
        Left("ACTOR"),
        Left("ACTION"),
        Left("SERVICE"),
        Right("GENERATION"),
        Left("CHANGE"),
        Left("REASON"),
    ];
    let mut table = Table::new(&columns);
    for change in &changes {
        table.row([
            Cell::from(&change.at),
            Cell::from(actor(change)),
            Cell::from(&change.action),
            Cell::maybe(changed(change)),
            Cell::maybe(change.generation.map(|generation| generation.to_string())),
            Cell::from(difference(&change.from, &change.to)),
            Cell::maybe(change.reason.as_ref()),
        ]);
    }
    screen.table(&table)?;
    Ok(Done::Well)
}

/// `spinnaker (operate) from 10.0.0.7:4711`.
fn actor(change: &Change) -> String {
    // The gateway itself has neither.
    let with = |before: &str, text: &Option<String>, after: &str| {
        text.as_ref().filter(|text| !text.is_empty()).map_or_else(String::new, |text| format!(" {before}{text}{after}"))
    };
    format!("{}{}{}", change.actor, with("(", &change.role, ")"), with("from ", &change.address, ""))
}

/// The service, and the version of it if the change is of one.
fn changed(change: &Change) -> Option<String> {
    let service = change.service.as_ref()?;
    Some(change.version.as_ref().map_or_else(|| service.clone(), |version| format!("{service} {version}")))
}

/// A time, or how long ago.
fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = text.parse::<SignedDuration>() {
        return Timestamp::now().checked_sub(ago).map_err(|error| error.to_string());
    }
    text.parse::<Timestamp>().map_err(|_| "neither a time (2026-11-26T10:00:00Z) nor how long ago (2h, 15m)".to_owned())
}

/// What is asked for at once.
const PAGE: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_time_or_how_long_ago() {
        assert_eq!(time("2026-11-26T10:00:00Z").unwrap().to_string(), "2026-11-26T10:00:00Z");
        let ago = Timestamp::now().duration_since(time("2h").unwrap());
        assert!((ago - SignedDuration::from_hours(2)).abs() < SignedDuration::from_secs(60), "{ago}");
        assert!(time("yesterday").is_err());
    }
}
