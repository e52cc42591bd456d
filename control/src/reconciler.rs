//! The one writer: takes what a provider has, and makes it live as a whole or not at all.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rollgate_config::{Allow, Read, dynamic::Configuration, problem::Problem, static_config::Static};
use rollgate_gateway::Gateway;
use tokio::sync::Notify;

use crate::file::{Sources, Texts, watch::Watch};

/// Keeps the gateway's configuration what the files say.
pub struct Reconciler {
    gateway: Arc<Gateway>,
    statics: Static,
    allow: Allow,
    /// What it let through of the static configuration.
    allowed: Vec<Problem>,
    sources: Sources,
    last: u64,
    /// The problems that were reported last.
    reported: Vec<Problem>,
}

/// Reads and validates the dynamic configuration. The warnings name what `--allow-unsupported` lets through.
pub fn read(texts: &Texts, statics: &Static, allow: &Allow) -> (Result<Configuration, Vec<Problem>>, Vec<Problem>) {
    let documents = match texts.documents() {
        Ok(documents) => documents,
        Err(problems) => return (Err(problems), Vec::new()),
    };
    let Read { value, mut problems, warnings, .. } =
        rollgate_config::read_dynamic(&documents, "file", Some(statics), allow);
    let Some(configuration) = value else { return (Err(problems), warnings) };
    problems.extend(rollgate_config::validate_entry_points(statics, &configuration));
    if problems.is_empty() { (Ok(configuration), warnings) } else { (Err(problems), warnings) }
}

impl Reconciler {
    /// `first` is what the gateway was started with.
    pub fn new(
        gateway: Arc<Gateway>,
        statics: Static,
        (allow, allowed): (Allow, Vec<Problem>),
        sources: Sources,
        first: &Texts,
    ) -> Self {
        Self { gateway, statics, allow, allowed, sources, last: first.hash(), reported: Vec::new() }
    }

    /// Follows the files until dropped. `now` asks for a look at once (SIGHUP).
    pub async fn follow(mut self, watched: bool, now: Arc<Notify>) {
        let mut watch = watched.then(|| Watch::start(&self.sources.folders()));
        loop {
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = now.notified() => {}
            }
            self.look().await;
        }
    }

    /// Applies what the files say, if that is new.
    async fn look(&mut self) {
        let texts = self.sources.read();
        let hash = texts.hash();
        if hash == self.last {
            return;
        }
        self.last = hash;
        let (read, warnings) = read(&texts, &self.statics, &self.allow);
        let applied = match read {
            Ok(configuration) => self.gateway.publish(&configuration).await,
            Err(problems) => Err(problems),
        };
        match applied {
            Ok(generation) => {
                self.gateway.reloaded(unix_seconds());
                tracing::info!(generation, "configuration is live on every worker");
                report_allowed(&self.gateway, &self.allowed, &warnings);
                self.report(Vec::new());
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!("{problem}");
                }
                tracing::error!(problems = problems.len(), "the change is refused; the last good configuration stays");
                self.report(problems);
            }
        }
    }

    fn report(&mut self, problems: Vec<Problem>) {
        if problems != self.reported {
            self.gateway.report_problems("file", &problems);
            self.reported = problems;
        }
    }
}

/// Shows what was let through although it is not supported: in the log at its default level, and as a metric.
pub(crate) fn report_allowed(gateway: &Gateway, of_statics: &[Problem], of_files: &[Problem]) {
    let allowed = of_statics.iter().chain(of_files);
    allowed.clone().for_each(|warning| tracing::error!("let through without effect: {warning}"));
    let keys: Vec<String> = allowed.filter_map(|warning| warning.unsupported.clone()).collect();
    gateway.report_allowed(&keys);
}

/// For the metrics.
pub fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
