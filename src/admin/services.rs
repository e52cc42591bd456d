//! `rollgate services`: all services, or one with everything that is known of it.

use clap::Args;
use serde_json::{Value, json};

use super::{
    Common, Done,
    client::{Asked, Client, encoded},
    contract::{Breaker, Service, Version},
    failure::Failure,
    numbers::percent,
    screen::Screen,
    table::{
        Cell,
        Column::{Left, Right},
        Table, Tone,
    },
};

/// The command line of `services`.
#[derive(Debug, Args)]
pub(crate) struct ServicesArgs {
    /// One service, as `pro@file`, or `pro` where that is unique
    name: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn run(arguments: &ServicesArgs, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    match &arguments.name {
        None => all(client, screen)?,
        Some(name) => one(name, client, screen)?,
    }
    Ok(Done::Well)
}

fn all(client: &Client, screen: &Screen) -> Result<(), Failure> {
    let items = client.list(&Asked::get("/services").with("limit", Some(PAGE)), None)?;
    if screen.json {
        return screen.value(&json!({ "items": items, "next": null }));
    }
    let services: Vec<Service> = client.read("/services", &Value::Array(items))?;
    if services.is_empty() {
        screen.note("there are no services");
        return Ok(());
    }
    let columns = [
        Left("SERVICE"),
        Left("KIND"),
        Left("OWNER"),
        Left("CHILD"),
        Right("WEIGHT"),
        Right("SHARE"),
        Right("LAST MINUTE"),
        Left("STATE"),
    ];
    let mut table = Table::new(&columns);
    for service in &services {
        let mut first = [Cell::from(&service.name), Cell::from(&service.kind), owned(service)];
        let mut children = children(service);
        if children.is_empty() {
            children.push(vec!["-".into()]);
        }
        for child in children {
            table.row([&std::mem::take(&mut first)[..], &child].concat());
        }
    }
    screen.table(&table)
}

/// What a service leads to: name, weight, share, achieved, state.
fn children(service: &Service) -> Vec<Vec<Cell>> {
    let versions = service.versions.iter().map(|version| {
        vec![
            Cell::from(&version.name),
            Cell::from(&version.effective),
            Cell::maybe(version.share.map(|share| percent(share, 2))),
            Cell::maybe(version.share_last_minute.map(|share| percent(share, 1))),
            state(version),
        ]
    });
    let nothing = || [Cell::default(), Cell::default(), Cell::default()];
    let servers = service.servers.iter().map(|server| {
        let up = if server.up { Cell::from("up").toned(Tone::Good) } else { Cell::from("down").toned(Tone::Bad) };
        [&[Cell::from(&server.url)][..], &nothing(), &[up]].concat()
    });
    let services = service.services.iter().map(|child| vec![Cell::from(child)]);
    versions.chain(servers).chain(services).collect()
}

fn one(name: &str, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let path = format!("/services/{}", encoded(name));
    let answer = client.ask(&Asked::get(&path))?;
    if screen.json {
        return screen.value(&answer.body);
    }
    let service: Service = client.read(&path, &answer.body)?;
    let mut facts = Table::facts();
    facts.fact("service", &service.name);
    facts.fact("kind", &service.kind);
    if service.owner.is_some() {
        facts.fact("owner", owned(&service));
    }
    if let Some(set) = set(service.set_by.as_deref(), service.set_at.as_deref()) {
        facts.fact("set", set);
    }
    if let Some(available) = service.available {
        let text = if available { Cell::from("yes").toned(Tone::Good) } else { Cell::from("no").toned(Tone::Bad) };
        facts.fact("available", text);
    }
    if let Some(etag) = &answer.etag {
        facts.fact("etag", etag);
    }
    screen.table(&facts)?;
    let (table, causes) = (versions_or_children(&service), causes(&service));
    for table in [table, causes].iter().filter(|table| !table.is_empty()) {
        screen.line("")?;
        screen.table(table)?;
    }
    Ok(())
}

fn versions_or_children(service: &Service) -> Table {
    if service.versions.is_empty() {
        let mut table = Table::new(&[Left("CHILD"), Right(""), Right(""), Right(""), Left("STATE")]);
        children(service).into_iter().for_each(|child| table.row(child));
        return table;
    }
    let mut table = Table::new(&[
        Left("VERSION"),
        Right("CONFIGURED"),
        Right("LIVE"),
        Right("EFFECTIVE"),
        Right("SHARE"),
        Right("LAST MINUTE"),
        Right("REQUESTS"),
        Left("STATE"),
    ]);
    for version in &service.versions {
        table.row([
            Cell::from(&version.name),
            Cell::from(&version.configured),
            Cell::maybe(version.live.as_ref()),
            Cell::from(&version.effective),
            Cell::maybe(version.share.map(|share| percent(share, 2))),
            Cell::maybe(version.share_last_minute.map(|share| percent(share, 1))),
            Cell::maybe(version.requests_last_minute.map(|requests| requests.to_string())),
            state(version),
        ]);
    }
    table
}

/// Why breakers are not at rest.
fn causes(service: &Service) -> Table {
    let mut table = Table::new(&[Left("BREAKER"), Left("BEFORE"), Left("STATE"), Left("CAUSE")]);
    let versions = service.versions.iter().map(|version| (&version.name, &version.breakers));
    for (before, breakers) in versions.chain([(&service.name, &service.breakers)]) {
        for breaker in at_work(breakers) {
            let (name, state) = (Cell::from(&breaker.middleware), Cell::from(&breaker.state));
            table.row([name, Cell::from(before), state, Cell::maybe(breaker.cause.as_ref())]);
        }
    }
    table
}

fn at_work(breakers: &[Breaker]) -> impl Iterator<Item = &Breaker> {
    breakers.iter().filter(|breaker| breaker.state != "standby")
}

fn state(version: &Version) -> Cell {
    let mut said = Vec::new();
    if version.braked {
        said.push("braked".to_owned());
    }
    if version.available == Some(false) {
        said.push("unavailable".to_owned());
    }
    said.extend(at_work(&version.breakers).map(|breaker| format!("{} {}", breaker.middleware, breaker.state)));
    match said.is_empty() {
        true => Cell::from("ok").toned(Tone::Good),
        false => Cell::from(said.join(", ")).toned(Tone::Bad),
    }
}

fn owned(service: &Service) -> Cell {
    service.owner.as_ref().map_or_else(|| "-".into(), |name| owner(name, service.drift))
}

/// Who owns the weights, and whether the configuration has moved on below them.
pub(super) fn owner(owner: &str, drift: bool) -> Cell {
    match drift {
        true => Cell::from(format!("{owner}, drift")).toned(Tone::Warning),
        false => owner.into(),
    }
}

/// `by whom at what time`.
pub(super) fn set(by: Option<&str>, at: Option<&str>) -> Option<String> {
    match (by, at) {
        (Some(by), Some(at)) => Some(format!("by {by} at {at}")),
        (Some(by), None) => Some(format!("by {by}")),
        (None, Some(at)) => Some(format!("at {at}")),
        (None, None) => None,
    }
}

/// What is asked for at once: as many as there may be.
const PAGE: u32 = 1000;
