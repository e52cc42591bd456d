//! A whole gateway: data plane and control plane, from a static configuration to its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rollgate_config::{Allow, problem::Problem, static_config::Static};
use rollgate_gateway::{Gateway, StartError};
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    file::Sources,
    reconciler::{self, Reconciler},
};

/// What an instance is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The static configuration.
    pub statics: Static,
    /// Where the dynamic configuration is.
    pub sources: Sources,
    /// What `--allow-unsupported` names.
    pub allow: Allow,
    /// Unsupported keys of the static configuration that were let through.
    pub allowed: Vec<Problem>,
    /// Worker threads; 0: as many as CPUs may be used.
    pub workers: usize,
}

/// A running gateway. Needs a tokio runtime for its control plane.
pub struct Instance {
    gateway: Arc<Gateway>,
    reconciler: JoinHandle<()>,
    look: Arc<Notify>,
    statics: Static,
}

/// Why there is no instance.
#[derive(Debug)]
pub enum StartFailure {
    /// The configuration is wrong; all of it that is.
    Problems(Vec<Problem>),
    /// The machine does not let us.
    System(String),
}

impl Instance {
    /// Reads the dynamic configuration, binds, serves, and follows the files from then on.
    pub fn start(options: Options) -> Result<Self, StartFailure> {
        let Options { statics, sources, allow, allowed, workers } = options;
        let texts = sources.read();
        let (read, warnings) = reconciler::read(&texts, &statics, &allow);
        let configuration = read.map_err(StartFailure::Problems)?;
        let workers = if workers == 0 { available_workers() } else { workers };
        let gateway = Gateway::start(&statics, &configuration, workers).map_err(|error| match error {
            StartError::Problems(problems) => StartFailure::Problems(problems),
            other => StartFailure::System(other.to_string()),
        })?;
        gateway.report_problems("file", &[]);
        reconciler::report_allowed(&gateway, &allowed, &warnings);
        gateway.reloaded(reconciler::unix_seconds());
        let (gateway, look) = (Arc::new(gateway), Arc::new(Notify::new()));
        let watched = statics.file_provider.as_ref().is_none_or(|provider| provider.watch);
        let reconciler = Reconciler::new(gateway.clone(), statics.clone(), (allow, allowed), sources, &texts);
        let reconciler = tokio::spawn(reconciler.follow(watched, look.clone()));
        Ok(Self { gateway, reconciler, look, statics })
    }

    /// Where each entry point listens, by name.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.gateway.addresses()
    }

    /// Looks at the files at once.
    pub fn reload(&self) {
        self.look.notify_one();
    }

    /// Opens log files anew, after they were rotated.
    pub fn reopen_logs(&self) {
        self.gateway.reopen_logs();
    }

    /// Everything counted so far, in Prometheus' text format.
    pub fn metrics_text(&self) -> Vec<u8> {
        self.gateway.metrics_text()
    }

    /// Ends as `transport.lifeCycle` says: `/ping` and `/ready` answer 503 while connections are still accepted for
    /// `requestAcceptGraceTimeout`, then what is under way has `graceTimeOut`. The longest of all entry points counts.
    pub async fn shutdown(self) {
        self.reconciler.abort();
        let longest = |of: fn(&rollgate_config::static_config::EntryPoint) -> Duration| {
            self.statics.entry_points.values().map(of).max().unwrap_or_default()
        };
        let (accept, grace) = (longest(|e| e.request_accept_grace_timeout), longest(|e| e.grace_timeout));
        self.gateway.announce_shutdown();
        tokio::time::sleep(accept).await;
        self.gateway.shutdown(grace).await;
    }
}

/// The CPUs that affinity and the cgroup grant.
fn available_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
