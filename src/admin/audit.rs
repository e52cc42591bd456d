//! `rollgate audit`: who changed what, newest first.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Common, Done,
    client::{Asked, Client},
    contract::{Change, plain},
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
    /// Only changes of this service
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
    let role = change.role.as_ref().map_or_else(String::new, |role| format!(" ({role})"));
    let address = change.address.as_ref().map_or_else(String::new, |address| format!(" from {address}"));
    format!("{}{role}{address}", change.actor)
}

/// The service, and the version of it if the change is of one.
fn changed(change: &Change) -> Option<String> {
    let service = change.service.as_ref()?;
    Some(change.version.as_ref().map_or_else(|| service.clone(), |version| format!("{service} {version}")))
}

/// What differs between two objects, a level deep: `a 90 -> 95, b 10 -> 5`.
fn difference(from: &Value, to: &Value) -> String {
    let flat = |value: &Value| {
        let mut all = Map::new();
        flatten("", value, &mut all);
        all
    };
    let (from, to) = (flat(from), flat(to));
    let shown = |value: Option<&Value>| value.filter(|value| !value.is_null()).map_or_else(|| "-".to_owned(), plain);
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names.into_iter().filter(|name| from.get(*name) != to.get(*name));
    let told: Vec<String> = changed
        .map(|name| {
            let space = if name.is_empty() { "" } else { " " };
            format!("{name}{space}{} -> {}", shown(from.get(name)), shown(to.get(name)))
        })
        .collect();
    if told.is_empty() { "-".to_owned() } else { told.join(", ") }
}

/// Objects in objects under the names of what holds the value itself; `weights` and the like say nothing that the names
/// of versions do not.
fn flatten(name: &str, value: &Value, all: &mut Map<String, Value>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| flatten(name, value, all)),
        Value::Null => {}
        other => drop(all.insert(name.to_owned(), other.clone())),
    }
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
    fn only_what_differs_is_told() {
        for (from, to, expected) in [
            (json!({"a": "90", "b": "10"}), json!({"a": "95", "b": "5"}), "a 90 -> 95, b 10 -> 5"),
            (json!({"a": "90", "b": "10"}), json!({"a": "90", "b": "5"}), "b 10 -> 5"),
            (
                json!({"owner": "none", "weights": null}),
                json!({"owner": "api", "weights": {"a": "1"}}),
                "a - -> 1, owner none -> api",
            ),
            (json!({"braked": false}), json!({"braked": true}), "braked false -> true"),
            (json!(null), json!({}), "-"),
        ] {
            assert_eq!(difference(&from, &to), expected);
        }
    }

    #[test]
    fn a_time_is_a_time_or_how_long_ago() {
        assert_eq!(time("2026-11-26T10:00:00Z").unwrap().to_string(), "2026-11-26T10:00:00Z");
        let ago = Timestamp::now().duration_since(time("2h").unwrap());
        assert!((ago - SignedDuration::from_hours(2)).abs() < SignedDuration::from_secs(60), "{ago}");
        assert!(time("yesterday").is_err());
    }
}
