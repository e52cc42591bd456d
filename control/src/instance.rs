//! A whole gateway: data plane and control plane, from a static configuration to its end.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use rollgate_config::{Allow, problem::Problem, static_config::Static};
use rollgate_gateway::{Gateway, ListeningSocket};
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    file::Sources,
    reconciler::Reconciler,
    state::{Keeper, StateDir},
    statics::Started,
};

/// What an instance is made of.
#[derive(Debug)]
pub struct Options {
    /// The static configuration.
    pub statics: Static,
    /// Where the dynamic configuration is.
    pub sources: Sources,
    /// Where the internal entry point listens if the configuration does not say.
    pub internal_address: Option<String>,
    /// Where a copy of the last good files is kept, for a start at which they are not good.
    pub state_dir: Option<PathBuf>,
    /// What `--allow-unsupported` names.
    pub allow: Allow,
    /// Unsupported keys of the static configuration that were let through.
    pub allowed: Vec<Problem>,
    /// Worker threads; 0: as many as CPUs may be used.
    pub workers: usize,
    /// What the process that this one takes over from listens on.
    pub inherited: Vec<ListeningSocket>,
}

/// A running gateway. Needs a tokio runtime for its control plane.
pub struct Instance {
    gateway: Arc<Gateway>,
    reconciler: JoinHandle<()>,
    look: Arc<Notify>,
    stop: Arc<Notify>,
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
    ///
    /// # Errors
    /// All that is wrong with the configuration, or what the machine does not let us. Files that are not good are no error
    /// where there is a copy to fall back to.
    pub async fn start(options: Options) -> Result<Self, StartFailure> {
        let Options { statics, sources, internal_address, state_dir, allow, allowed, workers, inherited } = options;
        let watched = statics.file_provider.as_ref().is_none_or(|provider| provider.watch);
        let started = Started { statics, internal_address, allow, allowed };
        let (copy, keeper) = match state_dir.map(StateDir::new) {
            Some(folder) => {
                let (copy, problem) = match folder.load() {
                    Ok(copy) => (copy, None),
                    Err(problem) => (None, Some(problem)),
                };
                (copy, Some(Keeper::new(folder, problem)))
            }
            None => (None, None),
        };
        let workers = if workers == 0 { available_workers() } else { workers };
        let mut reconciler = Reconciler::new(started, sources, copy, keeper);
        let gateway = reconciler.start(workers, inherited).await?;
        let (look, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let reconciler = tokio::spawn(reconciler.follow(watched, look.clone(), stop.clone()));
        Ok(Self { gateway, reconciler, look, stop })
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

    /// Another descriptor of every socket that is listened on, for a process that is to take them over.
    pub async fn listening_sockets(&self) -> io::Result<Vec<ListeningSocket>> {
        self.gateway.listening_sockets().await
    }

    /// Ends as `transport.lifeCycle` says: `/ping` and `/ready` answer 503 while connections are still accepted for
    /// `requestAcceptGraceTimeout`, then what is under way has `graceTimeOut`, each entry point by itself. Where another
    /// process was handed the sockets, nothing more is accepted.
    pub async fn shutdown(self, handed_over: bool) {
        self.stop.notify_one();
        self.gateway.shutdown(handed_over).await;
        // It has only its last copy to write, unless it has panicked.
        drop(self.reconciler.await);
    }
}

/// The CPUs that affinity and the cgroup grant.
fn available_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
