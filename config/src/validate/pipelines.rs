//! What a pipeline refers to: a weighted service, two of its versions, routers; and what that service must be for what the
//! stages ask of it.

use super::{Check, INTERNAL_SERVICES, Known, Section, nearest, shown};
use crate::{
    dynamic::{
        Configuration,
        rollout::{
            OnFailure, Pipeline,
            stage::{Stage, StageKind},
        },
        service::{ServiceKind, Weighted},
    },
    fields::quoted,
    problem::{Located, Place, Problem},
};

/// `services` and `routers` are all that there are, those that could not be read among them.
pub(super) fn check(
    check: &mut Check,
    pipeline: &Pipeline,
    path: Section<'_>,
    services: &impl Known,
    routers: &impl Known,
    configuration: &Configuration,
) {
    let on_failure: &[Stage] = match &pipeline.on_failure {
        OnFailure::Stages(stages) => stages,
        OnFailure::Rollback | OnFailure::Hold => &[],
    };
    for (list, stages) in [("stages", &*pipeline.stages), ("onFailure", on_failure)] {
        for (index, stage) in stages.iter().enumerate() {
            if let StageKind::Deploy(deploy) = &stage.kind
                && let Some(router) = &deploy.router
            {
                check.one(router, routers, "router", path, &format!("{list}[{index}].deploy.router"));
            }
        }
    }
    // One without versions is a problem already.
    if let Some(weighted) = weighted(check, &pipeline.service, path, services, configuration)
        && !weighted.services.is_empty()
    {
        check.version(&pipeline.stable, pipeline, weighted, path, "stable");
        check.version(&pipeline.canary, pipeline, weighted, path, "canary");
        check.assignment(pipeline, weighted, path);
    }
}

/// The service, if it is a weighted one.
fn weighted<'c>(
    check: &mut Check,
    name: &Located<String>,
    path: Section<'_>,
    services: &impl Known,
    configuration: &'c Configuration,
) -> Option<&'c Weighted> {
    let kind = configuration.services.get(&*name.value).map(|service| &service.kind);
    if let Some(ServiceKind::Weighted(weighted)) = kind {
        return Some(weighted);
    }
    let is = match kind {
        Some(kind) => kind.name(),
        None if INTERNAL_SERVICES.contains(&&*name.value) => "internal",
        None => {
            check.one(name, services, "service", path, "service");
            return None;
        }
    };
    let what = format!("{} is no weighted service, but {is}", quoted(shown(&name.value, path.provider)));
    check.refuse(&name.at, path, "service", what, "one whose versions are drawn by weight");
    None
}

impl Check {
    fn refuse(&mut self, at: &Place, path: Section<'_>, key: &str, what: String, allowed: impl Into<String>) {
        self.problems.push(Problem::new(&at.moved(path.lines_before), path.key(key), what, allowed));
    }

    fn version(
        &mut self,
        name: &Located<String>,
        pipeline: &Pipeline,
        weighted: &Weighted,
        path: Section<'_>,
        key: &str,
    ) {
        let versions = || weighted.services.iter().map(|child| &*child.name.value);
        if versions().any(|version| version == name.value) {
            return;
        }
        let [wanted, service] = [name, &pipeline.service].map(|name| shown(&name.value, path.provider));
        let near = nearest(wanted, versions(), path.provider);
        let all = || versions().take(MAX_SHOWN).map(|name| shown(name, path.provider)).collect::<Vec<_>>().join(", ");
        let what = format!("{} is no version of {}", quoted(wanted), quoted(service));
        self.refuse(&name.at, path, key, what, near.unwrap_or_else(all));
    }

    /// What keeps clients where they are has to go with how the stages choose.
    fn assignment(&mut self, pipeline: &Pipeline, weighted: &Weighted, path: Section<'_>) {
        let service = quoted(shown(&pipeline.service.value, path.provider));
        for (index, stage) in pipeline.stages.iter().enumerate() {
            let (key, draws, keeps) = match &stage.kind {
                StageKind::Ramp(ramp) => ("ramp", true, ramp.cohort == Some(true)),
                StageKind::AbTest(test) => ("abTest.draw", test.draw.is_some(), false),
                StageKind::Watch(_) => ("watch", true, false),
                _ => continue,
            };
            let key = format!("stages[{index}].{key}");
            if draws && weighted.sticky.is_some() {
                let what = format!(
                    "{service} has sticky: whoever was drawn to a version once stays with it, so that its requests are no \
                     draws that could be compared"
                );
                self.refuse(&stage.at, path, &key, what, "cohort instead of sticky, or neither");
            } else if keeps && weighted.cohort.is_none() {
                let what = format!("{service} has no cohort that would keep users with their version");
                self.refuse(&stage.at, path, &format!("{key}.cohort"), what, "cohort at the service, or false");
            }
        }
        if pipeline.analysis.repeated_errors && weighted.cohort.is_none() {
            let what = format!("{service} has no cohort by which users are told apart");
            self.refuse(&pipeline.at, path, "analysis.repeatedErrors", what, "cohort at the service, or false");
        }
    }
}

/// How many versions are named in a message.
const MAX_SHOWN: usize = 10;
