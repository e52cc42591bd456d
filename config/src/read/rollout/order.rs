//! What stages are to one another: their names, and what may come after what.

use std::collections::HashSet;

use super::stage::Draft;
use crate::{
    dynamic::rollout::stage::StageKind,
    fields::{Path, Sink, quoted},
    scalar::Share,
};

/// Gives those without a name one: their kind, and `-2` and so on where that is taken. No two of a pipeline have the
/// same.
pub(super) fn give_names(pipeline: Path<'_>, stages: &mut [Draft], on_failure: &mut [Draft], out: &mut Sink) {
    let mut taken: HashSet<String> = HashSet::new();
    for (key, drafts) in [("stages", &*stages), ("onFailure", &*on_failure)] {
        for (index, draft) in drafts.iter().enumerate() {
            let Some(name) = draft.name.as_ref().filter(|name| !taken.insert(name.value.clone())) else { continue };
            let what = format!("two stages are called {}", quoted(&name.value));
            out.problem(&name.at, pipeline.key(key).index(index).key("name"), what, "");
        }
    }
    for draft in stages.iter_mut().chain(on_failure) {
        draft.stage.name =
            draft.name.take().map_or_else(|| fresh(draft.stage.kind.name(), &mut taken), |name| name.value);
    }
}

fn fresh(kind: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{kind}-{number}"));
    let mut names = std::iter::once(kind.to_owned()).chain(numbered);
    names.find(|name| taken.insert(name.clone())).expect("numbers do not end")
}

/// Weights only rise, and after the promotion nothing moves them.
pub(super) fn check_order(list: Path<'_>, stages: &[Draft], out: &mut Sink) {
    let mut promoted = false;
    let mut reached: Option<Share> = None;
    for (index, Draft { stage, .. }) in stages.iter().enumerate() {
        let kind = stage.kind.name();
        let mut refuse =
            |what: String, allowed: &str| out.problem(&stage.at, list.index(index).key(kind), what, allowed);
        match &stage.kind {
            StageKind::Promote(_) if promoted => refuse("the canary is promoted already".into(), "one promote at most"),
            StageKind::Promote(_) => promoted = true,
            StageKind::AbTest(_) | StageKind::Ramp(_) if promoted => {
                refuse("moves users after the promotion".into(), "promote after it");
            }
            StageKind::Watch(_) if promoted => {
                refuse("compares with stable, which has no users after the promotion".into(), "promote after it");
            }
            StageKind::Ramp(ramp) => {
                let first = ramp.steps.first().map(|step| step.weight);
                if let (Some(first), Some(reached)) = (first, reached)
                    && first <= reached
                {
                    let what = format!("begins at {first}, and the ramp before it ends at {reached}");
                    refuse(what, "higher than that");
                }
                reached = ramp.steps.last().map(|step| step.weight).or(reached);
            }
            _ => {}
        }
    }
}

/// After a failure nobody gets the canary.
pub(super) fn check_failure(list: Path<'_>, stages: &[Draft], out: &mut Sink) {
    for (index, Draft { stage, .. }) in stages.iter().enumerate() {
        let does = match stage.kind {
            StageKind::AbTest(_) | StageKind::Ramp(_) | StageKind::Promote(_) => "gives users to",
            StageKind::Watch(_) => "judges",
            _ => continue,
        };
        let kind = stage.kind.name();
        let what = format!("{kind} {does} the canary, which has just failed");
        out.problem(&stage.at, list.index(index).key(kind), what, "job, deploy, approve, wait, webhook, protect");
    }
}
