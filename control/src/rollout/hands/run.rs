//! Commands, calls, and waiting for servers.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use rollgate_config::dynamic::rollout::stage::{Command, DeployBy, StageKind, Webhook};

use super::Work;
use crate::rollout::{
    engine::{Effect, EffectId, Weights},
    jobs::{Ended, Job},
    webhook::{self, Attempt},
    write_back,
};

/// The stage's command, as often as it may be tried.
pub(super) async fn job(work: &Work, effect: &Effect) -> Result<Option<String>, String> {
    let command = match effect.stage(&work.pipeline).map(|stage| &stage.kind) {
        Some(StageKind::Job(command)) => command,
        Some(StageKind::Deploy(deploy)) => match &deploy.by {
            Some(DeployBy::Command(command)) => command,
            _ => return Err("the stage has no command".to_owned()),
        },
        _ => return Err("the stage has no command".to_owned()),
    };
    let job = of(command, work, effect);
    let mut attempt = 0;
    loop {
        let report = work.context.jobs.run(&id(&effect.id, attempt), &job).await;
        let report = report.map_err(|error| format!("the command cannot be kept: {error}"))?;
        if report.ended.is_success() {
            return Ok(Some(report.output));
        }
        if attempt >= command.retries || report.ended == Ended::Canceled {
            let printed = report.output.trim();
            let last: String = printed.chars().rev().take(SHOWN).collect::<Vec<_>>().into_iter().rev().collect();
            return Err(if last.is_empty() { report.ended.to_string() } else { format!("{}: {last}", report.ended) });
        }
        attempt += 1;
    }
}

fn of(command: &Command, work: &Work, effect: &Effect) -> Job {
    let mut env: BTreeMap<String, String> =
        ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
    for (name, value) in values(work, effect) {
        env.insert(format!("ROLLGATE_{}", name.to_ascii_uppercase()), value);
    }
    env.extend(command.env.iter().map(|(name, value)| (name.clone(), value.0.clone())));
    let directory = command.directory.clone().unwrap_or_else(|| PathBuf::from("/"));
    Job { command: command.command.clone(), env, directory, timeout: command.timeout }
}

/// The folder's name of an attempt at an effect.
pub(super) fn id(effect: &EffectId, attempt: u32) -> String {
    let name: String = effect.0.chars().map(|letter| if letter == '/' { '.' } else { letter }).collect();
    format!("{name}.{attempt}")
}

/// The stage's webhook, as often as it may be tried.
pub(super) async fn webhook(work: &Work, effect: &Effect) -> Result<Option<String>, String> {
    let webhook = match effect.stage(&work.pipeline).map(|stage| &stage.kind) {
        Some(StageKind::Webhook(webhook)) => webhook,
        Some(StageKind::Deploy(deploy)) => match &deploy.by {
            Some(DeployBy::Webhook(webhook)) => webhook,
            _ => return Err("the stage has no webhook".to_owned()),
        },
        _ => return Err("the stage has no webhook".to_owned()),
    };
    let values = values(work, effect);
    let mut retries = 0;
    loop {
        match asked(webhook, &values).await {
            Attempt::Done(answer) => return Ok(Some(answer)),
            Attempt::Failed { why, is_passing } if !is_passing || retries >= webhook.retries => return Err(why),
            Attempt::Failed { why, .. } => {
                retries += 1;
                tracing::warn!(rollout = work.rollout.id, effect = %effect.id, why, retries, "a webhook is called again");
                tokio::time::sleep(webhook::pause(retries)).await;
            }
        }
    }
}

async fn asked(webhook: &Webhook, values: &BTreeMap<&'static str, String>) -> Attempt {
    let (webhook, values) = (webhook.clone(), values.clone());
    let asking = tokio::task::spawn_blocking(move || webhook::ask(&webhook, &values));
    asking.await.unwrap_or_else(|error| Attempt::Failed { why: error.to_string(), is_passing: false })
}

/// What is told of a rollout to whoever is run or called for it.
fn values(work: &Work, effect: &Effect) -> BTreeMap<&'static str, String> {
    let rollout = &work.rollout;
    let stage = effect.stage(&work.pipeline).map(|stage| stage.name.clone());
    BTreeMap::from([
        ("rollout", rollout.id.clone()),
        ("pipeline", rollout.pipeline.clone()),
        ("stage", stage.unwrap_or_default()),
        ("service", rollout.service.clone()),
        ("stable", rollout.stable.clone()),
        ("canary", rollout.canary.clone()),
        ("status", rollout.status.name().to_owned()),
        ("weight", rollout.share.map(|share| share.to_string()).unwrap_or_default()),
        ("reason", rollout.reason.clone().unwrap_or_default()),
    ])
}

/// Until so many of the canary's servers are up. How long that may take is the engine's.
pub(super) async fn healthy(work: &Work, wanted: u32) -> Result<Option<String>, String> {
    loop {
        let up = work.observed.canary_servers_up();
        if up >= wanted {
            return Ok(Some(format!("{up} up")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The weights into the file that the configuration is in, or what would have to be written.
pub(super) async fn write_back(work: &Work, effect: &Effect, weights: &Weights) -> Result<Option<String>, String> {
    let file = match effect.stage(&work.pipeline).map(|stage| &stage.kind) {
        Some(StageKind::Promote(promote)) => promote.write_back.clone(),
        _ => None,
    };
    let (service, weights) = (work.rollout.service.clone(), weights.0.clone());
    match file {
        None => Ok(Some(write_back::patch(&service, &weights))),
        Some(file) => {
            let file = work.context.beside(&file);
            let writing = tokio::task::spawn_blocking(move || write_back::write(&file, &service, &weights));
            writing.await.map_err(|error| error.to_string())?.map(Some)
        }
    }
}

/// Between two looks at servers.
const LOOK: Duration = Duration::from_millis(200);
/// Characters of what a failed command has printed.
const SHOWN: usize = 1000;
