//! A whole gateway: data plane and control plane, from a static configuration to its end.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use rollgate_config::{Allow, dynamic::Configuration, problem::Problem, static_config::Static};
use rollgate_gateway::{Gateway, ListeningSocket};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    api::{self, Bounds, Consulted, StoreFacts},
    events::Events,
    file::{self, Sources},
    history::{self, History},
    providers::Providers,
    reconciler::{Reconciler, RestProvider},
    rollout::{Rollouts, jobs::Jobs},
    state::{Copy, Keeper, StateDir},
    statics::Started,
    store::{self, Owner, Sqlite, Store, StoreError, StoreThread},
    traffic::{Actor, Refused, Traffic, Weighing, Wish},
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
    /// Where live weights and brakes are kept.
    pub state: StateChoice,
    /// What `--allow-unsupported` names.
    pub allow: Allow,
    /// Unsupported keys of the static configuration that were let through.
    pub allowed: Vec<Problem>,
    /// Worker threads; 0: as many as CPUs may be used.
    pub workers: usize,
    /// The program that keeps commands of rollouts, and its first arguments: `rollgate keep-job`.
    pub keeper: Vec<PathBuf>,
    /// What the process that this one takes over from listens on.
    pub inherited: Vec<ListeningSocket>,
}

/// Where decisions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateChoice {
    /// In a folder. It is made when the configuration has `api`; what is there is read in any case.
    Folder(PathBuf),
    /// Only as long as the process lives.
    Memory,
}

impl StateChoice {
    /// Where commands of rollouts are kept.
    fn jobs(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join("jobs"),
            Self::Memory => std::env::temp_dir().join(format!("rollgate-jobs-{}", std::process::id())),
        }
    }
}

/// A running gateway. Needs a tokio runtime for its control plane.
pub struct Instance {
    gateway: Arc<Gateway>,
    reconciler: oneshot::Receiver<()>,
    helpers: Vec<JoinHandle<()>>,
    traffic: Arc<Traffic>,
    rollouts: Arc<Rollouts>,
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
        let Options {
            statics,
            sources,
            internal_address,
            state_dir,
            state,
            allow,
            allowed,
            workers,
            keeper,
            inherited,
        } = options;
        let watched = statics.file_provider.as_ref().is_none_or(|provider| provider.watch);
        let kept = kept(state_dir);
        let taken_over = !inherited.is_empty();
        let workers = if workers == 0 { available_workers() } else { workers };
        let started_at = SystemTime::now();
        let epoch = started_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let events = Arc::new(Events::new(epoch, KEPT_EVENTS));
        let (store, store_facts) = open_store(&state, statics.api.is_some())?;
        let traffic = Traffic::open(store, events).await;
        let traffic = Arc::new(traffic.map_err(|error| StartFailure::System(error.to_string()))?);
        let providers = Arc::new(Providers::new(Arc::new(statics.clone())));
        let (rest_provider, has_api) = (statics.rest_provider, statics.api.is_some());
        let started = Started { statics, internal_address, allow: allow.clone(), allowed };
        let folder = sources.main.as_deref().and_then(Path::parent).map_or_else(|| ".".into(), Path::to_owned);
        let mut reconciler = Reconciler::new(started, sources, kept, traffic.clone(), providers.clone())
            .with_store(store_facts.problem.as_deref());
        let jobs = Jobs::new(state.jobs(), keeper);
        let rollouts = Arc::new(Rollouts::new(traffic.clone(), jobs, folder));
        let mut rest = None;
        if rest_provider {
            let (provider, inbox) = RestProvider::new();
            reconciler = reconciler.with_rest(inbox, traffic.document(file::REST).as_deref());
            rest = Some(provider);
        }
        let gateway = reconciler.start(workers, inherited).await?;
        let (look, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let reconciler = reconciler.follow(watched, look.clone(), stop.clone());
        let reconciler = reconciler.map_err(|error| StartFailure::System(format!("following files: {error}")))?;
        let history = Arc::new(Mutex::new(History::new(history::Limits::default(), gateway.metrics().buckets())));
        let consulted = Consulted {
            gateway: gateway.clone(),
            traffic: traffic.clone(),
            providers,
            allow,
            started: started_at,
            store: store_facts,
            rest,
            rollouts: rollouts.clone(),
            history: history.clone(),
            bounds: Bounds::default(),
        };
        let paying = traffic.clone();
        let mut helpers = vec![
            tokio::spawn(async move { paying.pay().await }),
            tokio::spawn(beat(gateway.clone())),
            tokio::spawn(tell_of_notices(gateway.clone(), consulted.traffic.clone())),
            tokio::spawn(serve_api(gateway.clone(), Arc::new(consulted))),
        ];
        if has_api {
            helpers.push(tokio::spawn(history::follow(gateway.clone(), history)));
        }
        if taken_over {
            helpers.push(tokio::spawn(look_again(traffic.clone(), rollouts.clone())));
        } else {
            rollouts.resume();
        }
        Ok(Self { gateway, reconciler, helpers, traffic, rollouts, look, stop })
    }

    /// Where each entry point listens, by name.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.gateway.addresses()
    }

    /// Its rollouts.
    pub fn rollouts(&self) -> &Rollouts {
        &self.rollouts
    }

    /// What is live.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.traffic.configuration()
    }

    /// Gives a service back the weights of its configuration, and takes off what rollouts have laid before versions.
    ///
    /// # Errors
    /// See [`Traffic::weigh`].
    pub async fn start_over(&self, service: &str, by: &Actor) -> Result<(), Refused> {
        for version in self.traffic.protections().into_keys() {
            self.traffic.protect(&version, None, by).await?;
        }
        let wish = Wish {
            services: vec![(service.to_owned(), Weighing::Reset)],
            if_match: None,
            asking: Owner::Api,
            owner: Owner::Api,
            dry_run: false,
            key: None,
            reason: None,
            several: false,
        };
        self.traffic.weigh(wish, by, |_| String::new()).await.map(drop)
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
        self.rollouts.stop();
        self.traffic.events().end();
        self.gateway.shutdown(handed_over).await;
        // It has only its last copy to write, unless it has panicked.
        drop(self.reconciler.await);
        // A disk that hangs does not hold up the end.
        if !timeout(LAST_WORD, self.traffic.pay_once()).await.unwrap_or(false) {
            tracing::error!("what is in force and not in the store is lost with this process: look at the brakes");
        }
        self.helpers.iter().for_each(JoinHandle::abort);
    }
}

/// The CPUs that affinity and the cgroup grant.
fn available_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn kept(state_dir: Option<PathBuf>) -> (Option<Copy>, Option<Keeper>) {
    let Some(folder) = state_dir.map(StateDir::new) else { return (None, None) };
    let (copy, problem) = match folder.load() {
        Ok(copy) => (copy, None),
        Err(problem) => (None, Some(problem)),
    };
    (copy, Some(Keeper::new(folder, problem)))
}

/// Opens what there is; a folder is made only where something can come to be kept.
fn open_store(choice: &StateChoice, needed: bool) -> Result<(StoreThread, StoreFacts), StartFailure> {
    let failed = |error: StoreError| StartFailure::System(format!("the store: {error}"));
    let start = |store: Box<dyn Store>| {
        StoreThread::start(store).map_err(|error| StartFailure::System(format!("the store's thread: {error}")))
    };
    match choice {
        StateChoice::Folder(folder) if needed || folder.join(store::FILE).exists() => {
            let opened = Sqlite::open(folder).map_err(failed)?;
            if let Some(problem) = &opened.problem {
                tracing::error!("{problem}");
            }
            let file = Some(folder.join(store::FILE).display().to_string());
            Ok((start(Box::new(opened.store))?, StoreFacts { file, problem: opened.problem }))
        }
        _ => Ok((start(Box::new(Sqlite::in_memory().map_err(failed)?))?, StoreFacts::default())),
    }
}

/// The process before may still have decided something when this one had looked already.
async fn look_again(traffic: Arc<Traffic>, rollouts: Arc<Rollouts>) {
    for wait in LOOKS {
        tokio::time::sleep(wait).await;
        if let Err(error) = traffic.refresh().await {
            tracing::warn!(%error, "the store could not be looked at again");
        }
        // Those that it has given up.
        rollouts.resume();
    }
}

/// Shows the workers that the control plane's runtime runs.
async fn beat(gateway: Arc<Gateway>) {
    let mut tick = tokio::time::interval(BEAT);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        gateway.control_is_alive();
    }
}

async fn serve_api(gateway: Arc<Gateway>, consulted: Arc<Consulted>) {
    if let Some(requests) = gateway.admin_requests() {
        api::serve(requests, consulted).await;
    }
}

/// Makes events of what breakers and servers do.
async fn tell_of_notices(gateway: Arc<Gateway>, traffic: Arc<Traffic>) {
    let Some(mut notices) = gateway.notices() else { return };
    while let Some(notice) = notices.recv().await {
        traffic.notice(notice);
    }
}

/// After a handover: soon, and when the process before has ended.
const LOOKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(25)];

/// For what is owed to the store when the process ends.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Less than what workers wait for.
const BEAT: Duration = Duration::from_millis(100);

/// For whoever comes back.
const KEPT_EVENTS: usize = 10_000;
