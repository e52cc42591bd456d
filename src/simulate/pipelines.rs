//! The pipelines that are to be played, and what their versions have before.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use rollgate_config::{
    Allow, Document, Read,
    dynamic::{
        Configuration,
        rollout::{Pipeline, stage::StageKind},
        service::ServiceKind,
    },
    read_pipeline, read_pipeline_alone,
    scalar::Weight,
};
use rollgate_control::{
    file::{Texts, reader::Reader},
    reconciler,
};

use super::SimulateArgs;
use crate::{
    check::parsed,
    statics::{self, Failure},
};

/// One of them.
#[derive(Debug)]
pub(super) struct Found {
    /// As it was asked for, without the provider.
    pub(super) name: String,
    pub(super) pipeline: Arc<Pipeline>,
    /// By version.
    pub(super) weights: BTreeMap<String, Weight>,
    /// Users keep their version.
    pub(super) keeps_users: bool,
}

/// By its qualified name.
type Named = (Arc<str>, Arc<Pipeline>);

/// Reads all.
pub(super) fn read(arguments: &SimulateArgs) -> Result<Vec<Found>, Failure> {
    let allow = Allow::parse(&arguments.allow_unsupported);
    let configuration = arguments.config.as_deref().map(|file| configuration(file, &allow)).transpose()?;
    let read = |named: &String| one(named, configuration.as_ref(), &allow);
    let mut all = arguments.pipelines.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = all.iter().map(|found| found.name.clone()).collect();
    // Those with one name are told apart by how they were asked for.
    for (found, named) in all.iter_mut().zip(&arguments.pipelines) {
        if names.iter().filter(|name| **name == found.name).count() > 1 {
            found.name.clone_from(named);
        }
    }
    Ok(all)
}

fn configuration(file: &Path, allow: &Allow) -> Result<Configuration, Failure> {
    let loaded = statics::load(Some(file), &[], allow)?;
    let texts = loaded.sources.look(&mut Reader::default(), &Texts::new()).texts;
    reconciler::read(&texts, &loaded.statics, allow).0.map_err(Failure::Problems)
}

fn one(named: &str, configuration: Option<&Configuration>, allow: &Allow) -> Result<Found, Failure> {
    if let Some(configuration) = configuration
        && let Some((name, pipeline)) = by_name(named, configuration)?
    {
        return Ok(found(&name, pipeline, Some(configuration)));
    }
    let file = Path::new(named);
    match () {
        () if file.is_file() => {}
        () if file.exists() => return Err(Failure::Usage(format!("{named} is no ordinary file"))),
        () => return Err(Failure::Usage(unknown(named, configuration))),
    }
    let document = document(file)?;
    let Read { value, problems, .. } = match configuration {
        Some(configuration) => read_pipeline(&document, "file", configuration, allow),
        None => read_pipeline_alone(&document, "file", allow),
    };
    let (name, pipeline) = value.ok_or(Failure::Problems(problems))?;
    Ok(found(&name, pipeline, configuration))
}

/// By its qualified name, or by its bare one if there is one such.
fn by_name(named: &str, configuration: &Configuration) -> Result<Option<Named>, Failure> {
    let is_it = |name: &str| name == named || bare(name) == named;
    let all: Vec<_> = configuration.rollouts.iter().filter(|(name, _)| is_it(name)).collect();
    match all[..] {
        [] => Ok(None),
        [(name, pipeline)] => Ok(Some((name.clone(), pipeline.clone()))),
        _ => {
            let names: Vec<&str> = all.iter().map(|(name, _)| &***name).collect();
            Err(Failure::Usage(format!("{named} may be {}", names.join(" or "))))
        }
    }
}

fn unknown(named: &str, configuration: Option<&Configuration>) -> String {
    let Some(configuration) = configuration else {
        return format!("{named}: no such file; a pipeline of a configuration is found with --config FILE");
    };
    let names: Vec<&str> = configuration.rollouts.keys().map(|name| &**name).collect();
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!("{named} is neither a pipeline of the configuration, which has {has}, nor a file")
}

fn document(file: &Path) -> Result<Document, Failure> {
    parsed(file).map_err(Failure::Usage)?.map_err(Failure::Problems)
}

fn found(name: &str, pipeline: Arc<Pipeline>, configuration: Option<&Configuration>) -> Found {
    let service = configuration.and_then(|configuration| configuration.services.get(&*pipeline.service.value));
    let mut keeps_users = pipeline.stages.iter().any(|stage| match &stage.kind {
        StageKind::Ramp(ramp) => ramp.cohort == Some(true),
        _ => false,
    });
    let weights = match service.map(|service| &service.kind) {
        Some(ServiceKind::Weighted(weighted)) => {
            keeps_users |= weighted.cohort.is_some();
            weighted.services.iter().map(|child| (child.name.value.clone(), child.weight)).collect()
        }
        // Stable has all.
        _ => [(&pipeline.stable, Weight(1_000_000)), (&pipeline.canary, Weight(0))]
            .map(|(version, weight)| (version.value.clone(), weight))
            .into(),
    };
    Found { name: bare(name).to_owned(), pipeline, weights, keeps_users }
}

fn bare(name: &str) -> &str {
    name.split_once('@').map_or(name, |(bare, _)| bare)
}
