//! `job` and `deploy`.

use super::{
    values::{DAY, SECOND, file, length, section, strict_list, without_nul},
    webhook,
};
use crate::{
    dynamic::rollout::stage::{Command, Deploy, DeployBy},
    fields::{Fields, Sink, Value, integer, quoted},
    read::router::reference,
    scalar::Secret,
    tree::{Key, Kind, Node},
};

pub(super) fn job(value: Value<'_>, out: &mut Sink) -> Option<Command> {
    let read = section(value, out, |fields| {
        let command = fields.required("command", command);
        let mut job = Command::new(Vec::new());
        beside(fields, &mut job);
        fields.set("timeout", &mut job.timeout, length(SECOND..=DAY));
        Some(Command { command: command?, ..job })
    });
    read.flatten()
}

pub(super) fn deploy(value: Value<'_>, out: &mut Sink) -> Option<Deploy> {
    section(value, out, |fields| {
        let mut deploy = Deploy::default();
        let command = fields.read("command", command);
        let mut run = Command::new(Vec::new());
        beside(fields, &mut run);
        let webhook = fields.read("webhook", webhook::read);
        fields.set_some("router", &mut deploy.router, reference);
        fields.set("healthy", &mut deploy.healthy, integer(1..=1_000_000));
        fields.set("timeout", &mut deploy.timeout, length(SECOND..=DAY));
        run.timeout = deploy.timeout;
        match (fields.has("command"), fields.has("webhook")) {
            (true, true) => fields.problem("webhook", "it is deployed twice", "one of command and webhook"),
            (true, false) => deploy.by = command.map(|command| DeployBy::Command(Command { command, ..run })),
            (false, _) => {
                for key in BESIDE {
                    if fields.has(key) {
                        fields.problem(key, "there is no command that it could be for", "command beside it");
                    }
                }
                deploy.by = webhook.map(DeployBy::Webhook);
            }
        }
        deploy
    })
}

/// What stands beside a command.
const BESIDE: [&str; 3] = ["env", "directory", "retries"];

fn beside(fields: &mut Fields<'_>, command: &mut Command) {
    fields.set("env", &mut command.env, |value, out| Some(value.named(out, variable).into_iter().collect()));
    fields.set_some("directory", &mut command.directory, file);
    fields.set("retries", &mut command.retries, integer(0..=10));
}

/// The program and its arguments.
fn command(value: Value<'_>, out: &mut Sink) -> Option<Vec<String>> {
    const LIKE: &str = "[program, argument, ...]";
    if matches!(&value.node.kind, Kind::Sequence(items) if items.first().is_none_or(is_empty)) {
        out.problem(&value.node.at, value.path, "names no program", LIKE);
    }
    strict_list(LIKE, without_nul)(value, out)
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.is_empty())
}

fn variable(key: &Key, value: Value<'_>, out: &mut Sink) -> Option<(String, Secret)> {
    let name = &key.name;
    let problem = if name.is_empty() || name.contains(['=', '\0']) {
        (format!("{} is no name of a variable", quoted(name)), "not empty and without =")
    } else if name.starts_with(OWN) {
        (format!("{} is the gateway's to set", quoted(name)), "not ROLLGATE_...")
    } else {
        return Some((name.clone(), Secret(without_nul(value, out)?)));
    };
    out.problem(&key.at, value.path, problem.0, problem.1);
    None
}

/// What the variables that tell of the rollout begin with.
const OWN: &str = "ROLLGATE_";
