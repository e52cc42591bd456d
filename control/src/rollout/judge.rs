//! What a trial of the data plane has found, as the engine takes it.

use std::collections::BTreeMap;

use rollgate_analysis::{Advance, Family, Progress};
use rollgate_config::scalar::Share;
use rollgate_gateway::{Level, TrialEvidence, TrialState, TrialVerdict};
use serde_json::{Value, json};

use super::engine::{Busiest, Evidence, Mode, Ratio, Rollout, Tally};

/// A look. `advance`: the trial's.
pub(super) fn evidence(
    advance: impl FnOnce(f64) -> Option<Progress>,
    found: &TrialEvidence,
    rollout: &Rollout,
) -> Evidence {
    let tally =
        |tally: &rollgate_analysis::Tally| Tally { requests: tally.requests, errors: tally.errors, slow: tally.slow };
    let margin = match rollout.trial.as_ref().map(|trial| &trial.mode) {
        Some(Mode::Randomised { margin, .. }) => Some(*margin),
        _ => None,
    };
    let progress = margin.and_then(advance);
    let levels = |value: fn(&Level) -> f64| -> BTreeMap<String, f64> {
        found.families.iter().map(|(family, level)| (name(*family).to_owned(), value(level))).collect()
    };
    Evidence {
        canary: tally(&found.total.canary),
        stable: tally(&found.total.stable),
        step_requests: found.step_requests,
        ln_e: levels(|level| level.ln_e),
        ln_needed: levels(|level| level.needed),
        ln_not_inferior: progress.map(|progress| progress.ln_not_inferior),
        ln_kept: progress.and_then(|progress| progress.ln_kept),
        ln_broken: found.broken.map(|level| level.ln_e),
        ln_broken_needed: found.broken.map(|level| level.needed),
        ratio: found.ratio.zip(found.interval).map(|(estimate, interval)| Ratio {
            estimate,
            lower: interval.lower,
            upper: interval.upper,
        }),
        advance: progress
            .is_some_and(|progress| matches!(progress.answer, Advance::NotInferior | Advance::PromiseKept))
            && found.verdict == TrialVerdict::Clear,
        discarding: !found.warm,
        busiest: (found.highest_rate > 0.0).then(|| Busiest {
            requests: found.highest_rate.ceil() as u64,
            // It is that of the whole service.
            share: Share::ALL,
        }),
        says: found.sentence.clone(),
    }
}

/// The kind of evidence that a verdict rests on most.
pub(super) fn family(found: &TrialEvidence) -> String {
    let reached = found.families.iter().filter(|(_, level)| level.ln_e >= level.needed);
    reached.map(|(family, _)| name(*family).to_owned()).next().unwrap_or_else(|| "promise".to_owned())
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Errors => "errors",
        Family::First => "firstErrors",
        Family::Again => "repeatedErrors",
        Family::Slow => "slow",
    }
}

/// What is kept of a judge.
pub(super) fn kept(state: &TrialState) -> Value {
    json!(state)
}

/// It again; `None`: it was kept by a program that knew other things.
pub(super) fn state(kept: &Value) -> Option<TrialState> {
    serde_json::from_value(kept.clone()).ok()
}

#[cfg(test)]
mod tests {
    use rollgate_analysis::{Answers, Rule, Settings, Tally};
    use rollgate_gateway::Kept;

    use super::*;

    #[test]
    fn what_is_kept_of_a_judge_is_read_as_it_was() {
        let mut rule = Rule::new(Settings::default()).unwrap();
        let tally = |requests, errors| Tally { requests, errors, ..Tally::default() };
        for (w, canary, stable) in [(0.01, tally(300, 4), tally(9_000, 80)), (0.05, tally(40, 0), tally(700, 9))] {
            rule.add(w, &Answers { canary, stable });
            rule.restart();
        }
        let state = TrialState {
            evidence: Kept::Compared(Box::new(rule.state())),
            slow_after: Some(12_345),
            step_requests: 40,
            highest_rate: 99.5,
            warm: true,
            braked: false,
        };
        let text = kept(&state).to_string();
        assert_eq!(super::state(&serde_json::from_str(&text).unwrap()), Some(state));
        assert_eq!(super::state(&Value::Null), None);
    }
}
