//! A rollout in tables: the same for a command that ends and for one that watches.

use jiff::Timestamp;

use super::{
    super::{
        numbers::{percent, span, times},
        table::{
            Cell,
            Column::{Left, Right},
            Table, Tone,
        },
    },
    contract::{Evidence, Rollout, Stage, Step, Tally},
};

/// Several, a line each.
pub(super) fn list(rollouts: &[Rollout]) -> Table {
    let columns = [
        Left("ROLLOUT"),
        Left("PIPELINE"),
        Left("SERVICE"),
        Left("BUILD"),
        Left("STATUS"),
        Left("STAGE"),
        Right("CANARY"),
        Left("BY"),
        Left("STARTED"),
        Left("ENDED"),
        Left("REASON"),
    ];
    let mut table = Table::new(&columns);
    for rollout in rollouts {
        table.row([
            Cell::from(&rollout.id),
            Cell::from(&rollout.pipeline),
            Cell::from(&rollout.service),
            Cell::maybe(rollout.build.as_ref()),
            status(&rollout.status, &rollout.status),
            Cell::from(&rollout.stage),
            Cell::maybe(rollout.weight.as_ref()),
            Cell::maybe(rollout.actor.as_ref()),
            Cell::maybe(rollout.started_at.as_ref()),
            Cell::maybe(rollout.ended_at.as_ref()),
            Cell::maybe(rollout.reason.as_ref()),
        ]);
    }
    table
}

/// What there is to say of one before its stages.
pub(super) fn facts(rollout: &Rollout) -> Table {
    let mut facts = Table::facts();
    facts.fact("rollout", &rollout.id);
    facts.fact("pipeline", &rollout.pipeline);
    facts.fact("service", &rollout.service);
    facts.fact("versions", versions_named(rollout));
    let begun = [("by", &rollout.actor), ("at", &rollout.started_at)];
    let begun = begun.into_iter().filter_map(|(how, what)| what.as_ref().map(|what| format!("{how} {what}")));
    facts.fact("begun", begun.collect::<Vec<_>>().join(" "));
    if let Some(ended) = &rollout.ended_at {
        facts.fact("ended", format!("at {ended}"));
    }
    facts.fact("progress", status(&rollout.status, &rollout.progress));
    if rollout.canary_braked {
        facts.fact("canary", Cell::from("braked: it gets nothing, whatever its weight").toned(Tone::Warning));
    }
    if !rollout.has_ended() {
        facts.fact("waits for", &rollout.waits_for);
    }
    if let Some(reason) = &rollout.reason {
        facts.fact("reason", reason);
    }
    if !rollout.possible.is_empty() {
        facts.fact("possible", rollout.possible.join(", "));
    }
    facts
}

/// `stable@file -> canary@file, build 1.4.2`.
pub(super) fn versions_named(rollout: &Rollout) -> String {
    let build = rollout.build.as_ref().map(|build| format!(", build {build}")).unwrap_or_default();
    format!("{} -> {}{build}", rollout.stable, rollout.canary)
}

/// A line for each stage; `now` is for those that are under way, in milliseconds since 1970.
pub(super) fn stages(stages: &[&Stage], now: i64) -> Table {
    let mut table = Table::new(&[Left(""), Left("STAGE"), Left("STATE"), Right("TIME"), Left("WHAT")]);
    for stage in stages {
        let what = [Some(stage.says.as_str()).filter(|says| !says.is_empty()), stage.reason.as_deref()];
        let what: Vec<&str> = what.into_iter().flatten().collect();
        let after = if stage.is_after_rollback() { "after the rollback: " } else { "" };
        table.row([
            Cell::from(if stage.is_current { ">" } else { "" }),
            Cell::from(stage_named(stage)),
            Cell::from(&stage.state).toned(state_tone(&stage.state)),
            Cell::maybe(lasted(stage.started, stage.ended, now)),
            Cell::from(format!("{after}{}", what.join(": "))),
        ]);
    }
    table
}

/// `look (approve)`: its name, and its kind where that is another word.
fn stage_named(stage: &Stage) -> String {
    let Stage { name, kind, .. } = stage;
    let is_named_by_it = kind.is_empty()
        || name.strip_prefix(kind.as_str()).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    if is_named_by_it { name.clone() } else { format!("{name} ({kind})") }
}

/// Both versions beside each other, by the last look; empty where nobody has looked.
pub(super) fn versions(rollout: &Rollout) -> Table {
    let columns = [
        Left("VERSION"),
        Right("WEIGHT"),
        Right("OF REQUESTS"),
        Right("REQUESTS"),
        Right("ERRORS"),
        Right(""),
        Right("SLOW"),
        Right(""),
    ];
    let mut table = Table::new(&columns);
    let Some(evidence) = &rollout.evidence else { return table };
    let canary = rollout.weight.as_deref().and_then(share);
    let all = evidence.stable.requests.saturating_add(evidence.canary.requests);
    for (name, weight, tally) in [
        (&rollout.stable, canary.map(|canary| 1.0 - canary), &evidence.stable),
        (&rollout.canary, canary, &evidence.canary),
    ] {
        table.row([
            Cell::from(name),
            Cell::maybe(weight.map(|weight| percent(weight, 4))),
            Cell::maybe(part(tally.requests, all)),
            Cell::from(tally.requests.to_string()),
            failures(tally),
            Cell::from(part(tally.errors, tally.requests).unwrap_or_default()),
            Cell::from(tally.slow.to_string()),
            Cell::from(part(tally.slow, tally.requests).unwrap_or_default()),
        ]);
    }
    table
}

/// What follows from them; empty where nobody has looked.
pub(super) fn evidence(rollout: &Rollout) -> Table {
    let mut facts = Table::facts();
    let Some(evidence) = &rollout.evidence else { return facts };
    facts.fact("ratio", ratio(evidence).unwrap_or_else(|| "not known yet".to_owned()));
    let against = evidence.ln_e.iter().map(|(kind, ln_e)| {
        let needed = evidence.ln_needed.get(kind).map(|needed| format!(" of {}", times(needed.exp())));
        format!("E = {}{} ({kind})", times(ln_e.exp()), needed.unwrap_or_default())
    });
    let against: Vec<String> = against.collect();
    if !against.is_empty() {
        facts.fact("against it", against.join(", "));
    }
    let further = [("not worse by the margin", evidence.ln_not_inferior), ("keeps the promise", evidence.ln_kept)];
    let further = further.into_iter().filter_map(|(what, ln_e)| Some(format!("E = {} ({what})", times(ln_e?.exp()))));
    let further = further.collect::<Vec<_>>().join(", ");
    if !further.is_empty() {
        let enough = match (evidence.discarding, evidence.advance) {
            (true, _) => Cell::from(format!("{further}: it warms up, nothing counts yet")),
            (false, true) => Cell::from(format!("{further}: enough")).toned(Tone::Good),
            (false, false) => Cell::from(format!("{further}: not enough")),
        };
        facts.fact("for it", enough);
    }
    if !evidence.says.is_empty() {
        facts.fact("says", &evidence.says);
    }
    facts
}

/// The numbers that have decided: a line for each step of a ramp and for each A/B test that was begun. The last line of what is
/// under way has the last look.
pub(super) fn decided(rollout: &Rollout, now: i64) -> Table {
    let columns = [
        Left("STAGE"),
        Right("SHARE"),
        Right("TIME"),
        Right("REQUESTS"),
        Right("CANARY'S ERRORS"),
        Right("STABLE'S ERRORS"),
        Right("RATIO"),
        Left("WHAT HAS DECIDED"),
    ];
    let mut table = Table::new(&columns);
    for stage in &rollout.stages {
        let last = stage.steps.len().saturating_sub(1);
        for (index, step) in stage.steps.iter().enumerate() {
            let evidence = step.evidence.as_ref().or_else(|| stage.evidence.as_ref().filter(|_| index == last));
            table.row(line_decided(&stage.name, step, evidence, now));
        }
        if let Some(evidence) = stage.evidence.as_ref().filter(|_| stage.steps.is_empty()) {
            let (started, ended, requests) = (stage.started, stage.ended, evidence.canary.requests);
            let whole = Step { weight: "-".to_owned(), started, ended, requests, evidence: None };
            table.row(line_decided(&stage.name, &whole, Some(evidence), now));
        }
    }
    table
}

fn line_decided(stage: &str, step: &Step, evidence: Option<&Evidence>, now: i64) -> Vec<Cell> {
    let errors = |tally: &Tally| format!("{} of {}", tally.errors, tally.requests);
    vec![
        Cell::from(stage),
        Cell::from(&step.weight),
        Cell::maybe(lasted(step.started, step.ended, now)),
        Cell::from(step.requests.to_string()),
        Cell::maybe(evidence.map(|evidence| errors(&evidence.canary))),
        Cell::maybe(evidence.map(|evidence| errors(&evidence.stable))),
        Cell::maybe(evidence.and_then(ratio)),
        Cell::maybe(evidence.map(|evidence| &evidence.says)),
    ]
}

/// What was laid before the canary, or will be.
pub(super) fn laid(rollout: &Rollout) -> Table {
    let mut table = Table::facts();
    for stage in &rollout.stages {
        if let Some(laid) = stage.protection() {
            table.fact(&stage.name, format!("lays {laid}"));
        }
    }
    table
}

/// What has happened, the newest last; the newest `most` of it.
pub(super) fn history(rollout: &Rollout, most: usize, at: impl Fn(i64) -> String) -> Table {
    let mut newest: Vec<_> = rollout.happenings().rev().take(most).collect();
    newest.reverse();
    let mut table = Table::facts();
    for happening in newest {
        table.fact(&happening.at.map(&at).unwrap_or_default(), happening.says);
    }
    table
}

/// `2026-11-26T10:00:00.123Z`.
pub(super) fn moment(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map(|at| at.to_string()).unwrap_or_default()
}

/// `10:00:00`.
pub(super) fn time_of_day(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map(|at| at.strftime("%H:%M:%S").to_string()).unwrap_or_default()
}

/// A text in the colour of a status.
pub(super) fn status(status: &str, text: &str) -> Cell {
    Cell::from(text).toned(match status {
        "SUCCEEDED" => Tone::Good,
        "WAITING" | "PAUSED" | "CANCELED" => Tone::Warning,
        "ROLLED_BACK" | "FAILED" => Tone::Bad,
        _ => Tone::Plain,
    })
}

fn state_tone(state: &str) -> Tone {
    match state {
        "done" => Tone::Good,
        "waiting" | "skipped" => Tone::Warning,
        "failed" => Tone::Bad,
        _ => Tone::Plain,
    }
}

fn failures(tally: &Tally) -> Cell {
    Cell::from(tally.errors.to_string()).toned(if tally.errors > 0 { Tone::Bad } else { Tone::Plain })
}

/// How long something that has begun has been under way.
fn lasted(started: Option<i64>, ended: Option<i64>, now: i64) -> Option<String> {
    Some(span(ended.unwrap_or(now).saturating_sub(started?)))
}

/// `1.2 (0.6 to 2.4)`.
fn ratio(evidence: &Evidence) -> Option<String> {
    let ratio = evidence.ratio?;
    Some(format!("{} ({} to {})", times(ratio.estimate), times(ratio.lower), times(ratio.upper)))
}

fn part(some: u64, all: u64) -> Option<String> {
    (all > 0).then(|| percent(some as f64 / all as f64, 1))
}

/// `5%` as a number from 0 to 1.
fn share(text: &str) -> Option<f64> {
    let percents: f64 = text.strip_suffix('%')?.parse().ok()?;
    Some(percents / 100.0).filter(|share| (0.0..=1.0).contains(share))
}
