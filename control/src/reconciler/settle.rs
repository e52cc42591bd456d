//! Makes the newest texts live, or as many of them as are good together.

use std::{collections::BTreeSet, sync::Arc};

use rollgate_config::problem::Problem;
use rollgate_gateway::{Gateway, StartError};

use super::{Live, Plane, Reconciler, prepare::Prepared, prepare::prepare, unix_seconds};
use crate::{
    file::{
        Texts,
        last_good::{Name, Selection, Step},
    },
    instance::StartFailure,
    statics,
    traffic::Traffic,
};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// All that is wrong with the newest texts.
    pub(super) problems: Vec<Problem>,
    /// The files whose newest text is not live.
    pub(super) held_back: Vec<Name>,
}

impl Reconciler {
    /// Makes the newest texts live as a whole.
    pub(super) async fn at_once(&mut self, newest: &Texts) -> Result<Settled, StartFailure> {
        self.certificates.clear();
        let problems = self.attempt(newest).await?.err();
        Ok(Settled { problems: problems.unwrap_or_default(), held_back: Vec::new() })
    }

    /// Makes the newest texts live, but for those of files at fault.
    pub(super) async fn settle(&mut self, newest: &Texts) -> Result<Settled, StartFailure> {
        let mut selection = Selection::new(newest, &self.live.texts);
        let mut settled = Settled::default();
        let mut accepted = false;
        self.certificates.clear();
        loop {
            let step = match self.attempt(&selection.chosen()).await? {
                Ok(()) => {
                    accepted = true;
                    selection.accepted()
                }
                Err(problems) => {
                    let at_fault: BTreeSet<Name> = problems.iter().map(|problem| problem.at.source.clone()).collect();
                    let count = problems.len();
                    // Once it is clean, what is tried besides has been told of before.
                    if !accepted {
                        settled.add(problems, &selection);
                    }
                    selection.refused(count, &at_fault)
                }
            };
            if step != Step::Try {
                settled.held_back = if step == Step::Done { selection.held_back() } else { self.differing(newest) };
                return Ok(settled);
            }
        }
    }

    /// Makes texts live, or tells what is wrong with them.
    async fn attempt(&mut self, texts: &Texts) -> Result<Result<(), Vec<Problem>>, StartFailure> {
        let Live { certificates, .. } = &self.live;
        let prepared =
            prepare(texts, &self.started, &mut self.reader, certificates, &mut self.filled, &mut self.certificates);
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(problems) => return Ok(Err(problems)),
        };
        match &mut self.plane {
            Plane::Starting { workers, inherited } => {
                // What is refused may be tried again with other texts, on the same sockets.
                let inherited = inherited.iter().map(|socket| socket.try_clone()).collect::<Result<Vec<_>, _>>();
                let inherited = inherited.map_err(|error| StartFailure::System(error.to_string()))?;
                let configuration = prepared.configuration.clone();
                match self.traffic.start(&prepared.statics, configuration, *workers, inherited).await {
                    Ok(gateway) => self.plane = Plane::Running(gateway),
                    Err(StartError::Problems(problems)) => return Ok(Err(problems)),
                    Err(other) => return Err(StartFailure::System(other.to_string())),
                }
            }
            Plane::Running(_) if *texts == self.live.texts && prepared.certificates == self.live.certificates => {}
            Plane::Running(gateway) => {
                let before = self.live.statics.as_ref();
                let same = before.is_some_and(|before| statics::is_same(before, &prepared.statics));
                match publish(&self.traffic, gateway, &prepared, same).await {
                    Ok(generation) => tracing::info!(generation, "configuration is live on every worker"),
                    Err(problems) => return Ok(Err(problems)),
                }
            }
        }
        if let Plane::Running(gateway) = &self.plane {
            self.is_live(&gateway.clone(), texts, prepared);
        }
        Ok(Ok(()))
    }

    pub(super) fn is_live(&mut self, gateway: &Gateway, texts: &Texts, prepared: Prepared) {
        let Prepared { statics, allowed, restart, certificates, outdated, .. } = prepared;
        let now = unix_seconds();
        let changed =
            self.live.texts != *texts || self.live.certificates != certificates || self.live.statics.is_none();
        if changed {
            gateway.reloaded(now);
            gateway.set_api(statics.api.as_ref());
            report_allowed(gateway, &allowed);
        }
        let since = texts.iter().map(|(name, text)| {
            let same = self.live.texts.get(name) == Some(text);
            let since = self.live.since.get(name).copied().filter(|_| same);
            (name.clone(), since.unwrap_or(now))
        });
        let since = since.collect();
        self.live = Live { texts: texts.clone(), since, certificates, statics: Some(statics), restart, outdated };
    }

    /// The files that are not live as they are.
    fn differing(&self, newest: &Texts) -> Vec<Name> {
        let names: BTreeSet<&Name> = newest.keys().chain(self.live.texts.keys()).collect();
        let differing = names.into_iter().filter(|name| newest.get(*name) != self.live.texts.get(*name));
        differing.cloned().collect()
    }
}

impl Settled {
    /// Adds what an attempt has found, but for what is only wrong with texts that are not the newest.
    fn add(&mut self, problems: Vec<Problem>, selection: &Selection<Arc<crate::file::Text>>) {
        let source = |problem: &Problem| problem.at.source.clone();
        self.problems.extend(problems.into_iter().filter(|problem| !selection.is_held(&source(problem))));
    }
}

/// Makes it live; with its entry points, if those are not the `same`.
async fn publish(traffic: &Traffic, gateway: &Gateway, prepared: &Prepared, same: bool) -> Result<u64, Vec<Problem>> {
    let Prepared { statics, configuration, .. } = prepared;
    if same {
        return traffic.publish(None, configuration.clone()).await;
    }
    let before = gateway.addresses();
    let generation = traffic.publish(Some(statics), configuration.clone()).await?;
    let now = gateway.addresses();
    for (name, address) in now.iter().filter(|listens| !before.contains(listens)) {
        tracing::info!(entrypoint = name, %address, "listening");
    }
    for (name, address) in before.iter().filter(|listened| !now.contains(listened)) {
        tracing::info!(entrypoint = name, %address, "no longer listening");
    }
    Ok(generation)
}

/// Shows what was let through although it is not supported: in the log at its default level, and as a metric.
fn report_allowed(gateway: &Gateway, allowed: &[Problem]) {
    allowed.iter().for_each(|warning| tracing::error!("let through without effect: {warning}"));
    let keys: Vec<String> = allowed.iter().filter_map(|warning| warning.unsupported.clone()).collect();
    gateway.report_allowed(&keys);
}
