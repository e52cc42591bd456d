//! What was found, for people.

use rollgate_config::dynamic::rollout::stage::{Stage, StageKind};
use rollgate_control::rollout::simulation::{Quantiles, Rate, StepSummary};

use super::{
    SimulateArgs,
    numbers::{count, percent, plain, seconds},
    series::Series,
};
use crate::admin::table::{Cell, Column, Table};

/// All of it.
pub(super) fn text(arguments: &SimulateArgs, all: &[Series], colours: bool) -> String {
    let mut text = facts(arguments, all).text(colours);
    text.push('\n');
    text.push_str(&ends(all).text(colours));
    let with_steps: Vec<&Series> = all.iter().filter(|series| !series.summary.steps.is_empty()).collect();
    if !with_steps.is_empty() && with_steps.len() <= MOST_WITH_STEPS {
        text.push('\n');
        text.push_str(&steps(&with_steps).text(colours));
    }
    for note in notes(all) {
        text.push_str(&format!("\n{note}\n"));
    }
    text
}

impl Series {
    /// The canary's share in a step, as it is written.
    pub(super) fn weight(&self, step: &StepSummary) -> Option<String> {
        match &self.plan.pipeline.stages.get(step.stage)?.kind {
            StageKind::Ramp(ramp) => Some(ramp.steps.get(step.step)?.weight.to_string()),
            _ => None,
        }
    }

    /// The stages in a line.
    pub(super) fn stages(&self) -> String {
        let stages = self.plan.pipeline.stages.iter().map(stage);
        stages.collect::<Vec<_>>().join(", ")
    }
}

fn stage(stage: &Stage) -> String {
    match &stage.kind {
        StageKind::Ramp(ramp) => {
            let steps = ramp.steps.iter().map(|step| step.weight.to_string());
            format!("ramp {}", steps.collect::<Vec<_>>().join(" "))
        }
        StageKind::Wait(long) => format!("wait {}", seconds(long.as_secs_f64())),
        kind => kind.name().to_owned(),
    }
}

fn facts(arguments: &SimulateArgs, all: &[Series]) -> Table {
    let mut facts = Table::facts();
    let mut last = "";
    for series in all {
        if series.pipeline != last {
            facts.fact("pipeline", format!("{}: {}", series.pipeline, series.stages()));
        }
        last = &series.pipeline;
    }
    let mut alphas: Vec<String> = all.iter().map(|series| series.plan.pipeline.analysis.alpha.to_string()).collect();
    alphas.dedup();
    facts.fact("alpha", alphas.join(", "));
    let rates: Vec<String> = arguments.rps.iter().map(|rate| plain(*rate)).collect();
    facts.fact("requests", format!("{} a second, {} of stable's fail", rates.join(", "), arguments.baseline_error));
    for (name, what) in scene(arguments) {
        facts.fact(name, what);
    }
    facts.fact("rollouts", format!("{} of each, seed {}", count(f64::from(arguments.runs)), arguments.seed));
    facts
}

/// What happens besides.
pub(super) fn scene(arguments: &SimulateArgs) -> Vec<(&'static str, String)> {
    let time = |duration: std::time::Duration| seconds(duration.as_secs_f64());
    let (median, p95) = arguments.latency;
    let slow = (arguments.slow_canary, arguments.slow_baseline);
    [
        arguments.audience.map(|audience| ("audience", format!("{audience} of the requests"))),
        slow.0.map(|slow_canary| {
            let usual = format!("half take {} at most, and 95% {}", time(median), time(p95));
            ("slow", format!("{slow_canary} of the canary's answers, {} of stable's; {usual}", slow.1))
        }),
        arguments.outage.map(|outage| {
            let (from, long, share) = (time(outage.from), time(outage.long), percent(outage.share));
            ("outage", format!("after {from}, {share} of all requests fail for {long}"))
        }),
        arguments.drift.map(|drift| ("drift", format!("to {} within {}", percent(drift.to), time(drift.over)))),
        arguments.break_after.map(|after| ("breaks", format!("after {} requests of the canary", count(after as f64)))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn ends(all: &[Series]) -> Table {
    let has_failed = all.iter().any(|series| series.summary.failed.share > 0.0);
    let mut columns =
        vec![Column::Left("CANARY"), Column::Right("PROMOTED"), Column::Right("ROLLED BACK"), Column::Right("HELD")];
    if has_failed {
        columns.push(Column::Right("FAILED"));
    }
    columns.extend(["REQUESTS UNTIL BRAKED", "95%", "BRAKED AFTER", "95%", "PROMOTED AFTER", "95%"].map(Column::Right));
    let mut table = Table::new(&columns);
    for series in all {
        let summary = &series.summary;
        let mut row: Vec<Cell> = vec![series.label.join(", ").into()];
        row.extend([summary.promoted, summary.rolled_back, summary.held].map(rate));
        if has_failed {
            row.push(rate(summary.failed));
        }
        row.extend(quantiles(summary.requests, count));
        row.extend(quantiles(summary.verdict, seconds));
        row.extend(quantiles(summary.promotion, seconds));
        table.row(row);
    }
    table
}

fn steps(all: &[&Series]) -> Table {
    let mut table = Table::new(&[
        Column::Left("CANARY"),
        Column::Left("STEP"),
        Column::Right("PASSED"),
        Column::Right("ROLLED BACK IN IT"),
        Column::Right("PASSED AFTER"),
        Column::Right("95%"),
        Column::Right("REQUESTS IN IT"),
        Column::Right("95%"),
    ]);
    for series in all {
        let mut label = series.label.join(", ");
        for step in &series.summary.steps {
            let mut row: Vec<Cell> = vec![std::mem::take(&mut label).into(), Cell::maybe(series.weight(step))];
            row.extend([step.passed, step.rolled_back].map(rate));
            row.extend(quantiles(step.lasted, seconds));
            row.extend(quantiles(step.requests, count));
            table.row(row);
        }
    }
    table
}

fn notes(all: &[Series]) -> Vec<String> {
    let why = all.iter().find_map(|series| series.summary.why_failed.as_ref());
    let keeps = all.iter().any(|series| series.keeps_users);
    [
        why.map(|why| format!("failed: {why}")),
        keeps.then(|| "Users keep their version in this service; here each request is one of another user.".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Where a rate is certain there is no error to tell.
fn rate(rate: Rate) -> Cell {
    let error = (rate.error * 1000.0).round() / 10.0;
    match rate.error > 0.0 {
        true => format!("{} ±{}", percent(rate.share), plain(error.max(0.1))).into(),
        false => percent(rate.share).into(),
    }
}

fn quantiles(found: Option<Quantiles>, show: fn(f64) -> String) -> [Cell; 2] {
    let shown = |value: fn(&Quantiles) -> f64| Cell::maybe(found.as_ref().map(|found| show(value(found))));
    [shown(|found| found.median), shown(|found| found.p95)]
}

/// With more of them nobody reads the table.
const MOST_WITH_STEPS: usize = 4;
