//! What was found, for scripts. Shares are from 0 to 1, times in seconds.

use rollgate_control::rollout::simulation::{Quantiles, Rate, StepSummary};
use serde_json::{Value, json};

use super::{SimulateArgs, series::Series};

/// All series.
pub(super) fn of(arguments: &SimulateArgs, all: &[Series]) -> Value {
    json!({
        "seed": arguments.seed,
        "runs": arguments.runs,
        "series": all.iter().map(series).collect::<Vec<_>>(),
    })
}

fn series(series: &Series) -> Value {
    let (scene, summary) = (&series.plan.scene, &series.summary);
    json!({
        "pipeline": series.pipeline,
        "alpha": series.plan.pipeline.analysis.alpha.fraction(),
        "rps": scene.rps,
        "baselineError": scene.baseline_error,
        "canaryError": scene.canary_error,
        "slowBaseline": scene.slow_baseline,
        "slowCanary": scene.slow_canary,
        "asGoodAsStable": series.is_as_good,
        "promoted": rate(&summary.promoted),
        "rolledBack": rate(&summary.rolled_back),
        "held": rate(&summary.held),
        "failed": rate(&summary.failed),
        "whyFailed": summary.why_failed,
        "canaryRequestsUntilBrake": summary.requests.map(quantiles),
        "secondsUntilBrake": summary.verdict.map(quantiles),
        "secondsUntilPromoted": summary.promotion.map(quantiles),
        "brakedFor": summary.families,
        "steps": summary.steps.iter().map(|found| step(series, found)).collect::<Vec<_>>(),
    })
}

fn step(series: &Series, found: &StepSummary) -> Value {
    json!({
        "stage": series.plan.pipeline.stages.get(found.stage).map(|stage| &stage.name),
        "step": found.step + 1,
        "weight": series.weight(found),
        "begun": rate(&found.begun),
        "passed": rate(&found.passed),
        "rolledBack": rate(&found.rolled_back),
        "seconds": found.lasted.map(quantiles),
        "canaryRequests": found.requests.map(quantiles),
    })
}

fn rate(rate: &Rate) -> Value {
    json!({"share": rate.share, "standardError": rate.error})
}

fn quantiles(found: Quantiles) -> Value {
    json!({"median": found.median, "p95": found.p95, "p999": found.p999, "most": found.most})
}
