//! The data plane as the control plane holds it: start, publish, end.

mod admin;
mod trials;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use rollgate_config::{
    dynamic::Configuration,
    problem::{Place, Problem},
    static_config::Static,
    steps::Awaited,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    access_log::AccessLog,
    breaker::BreakerStatus,
    clock,
    compile::{Compiled, Compiler},
    entry_points::EntryPoints,
    health,
    listener::{Inherited, ListeningSocket, admission::Admission},
    metrics::{Certificate, Metrics},
    overlay::Over,
    pool::Targets,
    pressure::Pressure,
    resolver::Names,
    shared::{Bounds, Shared},
    snapshot::retired::Retired,
    status::{self, ServiceStatus},
    worker::{self, Command, Draining, Listening},
};

/// A running data plane.
pub struct Gateway {
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    /// Who waits for `writer`.
    awaited: Awaited,
    workers: Mutex<Vec<Handle>>,
}

/// What a publication changes.
struct Writer {
    compiler: Compiler,
    entry_points: EntryPoints,
    certificates: Vec<Certificate>,
}

struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error("entry point {entry_point}: cannot listen on {address}: {error}")]
    Listen {
        /// Its name.
        entry_point: String,
        /// As configured.
        address: String,
        /// Where it is written.
        at: Place,
        /// The system's answer.
        error: io::Error,
    },
    /// The access log's file could not be opened.
    #[error("access log: {0}")]
    AccessLog(io::Error),
    /// The first configuration does not compile.
    #[error("the configuration has {} problem(s)", .0.len())]
    Problems(Vec<Problem>),
    /// The system gave no threads or no randomness.
    #[error("{0}")]
    System(String),
}

impl Gateway {
    /// Binds every entry point (or takes over what was listened on before), compiles the first configuration, with what lies
    /// over its weights, and starts the workers.
    pub fn start(
        statics: &Static,
        (configuration, over): (&Configuration, Vec<(Arc<str>, Over)>),
        workers: usize,
        inherited: Vec<ListeningSocket>,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new(statics.prometheus.as_ref());
        let metrics = Arc::new(metrics.map_err(|error| StartError::System(error.to_string()))?);
        let mut entry_points = EntryPoints::new(workers);
        let plan = entry_points.plan(statics, &metrics, &mut Inherited::new(inherited))?;
        let mut compiler =
            Compiler::new(statics.clone(), plan.entries(), metrics.clone(), workers).map_err(StartError::System)?;
        compiler.targets = Targets::new(Names::followed(&statics.resolver, metrics.clone()));
        compiler.health = health::Surroundings::new(
            Some(compiler.helper.clone()),
            metrics.clone(),
            compiler.troubles.clone(),
            compiler.targets.clone(),
        );
        let compiled = compiler.compile_under(configuration, over).map_err(StartError::Problems)?;
        let access_log = match &statics.access_log {
            Some(config) => {
                Some(AccessLog::start(config, metrics.access_log_dropped()).map_err(StartError::AccessLog)?)
            }
            None => None,
        };
        let bounds = bounds(statics, &metrics, workers)?;
        let terminating = statics.ping.as_ref().map_or(503, |ping| ping.terminating_status);
        compiled.record(&metrics);
        let certificates = compiled.certificates;
        let (retired, sweeper) = Retired::new();
        // It ends when nothing is left of this.
        let sweeping = std::thread::Builder::new().name("snapshots".to_owned()).spawn(|| sweeper.run());
        drop(sweeping.map_err(|error| StartError::System(format!("a thread could not start: {error}")))?);
        let shared = Arc::new(Shared::new(
            (compiled.snapshot, retired),
            &compiler,
            statics.prometheus.is_some(),
            access_log,
            bounds,
            terminating,
        ));
        let mut handles = Vec::with_capacity(workers);
        for (index, listening) in entry_points.adopt(plan).into_iter().enumerate() {
            let (commands, inbox) = mpsc::unbounded_channel();
            let thread = worker::spawn(index, shared.clone(), inbox)
                .map_err(|error| StartError::System(format!("a worker could not start: {error}")))?;
            // Whoever connects from now on waits in the queue of a socket that is listened on.
            drop(commands.send(Command::Listen(listening, oneshot::channel().0)));
            handles.push(Handle { commands, thread });
        }
        let writer = Mutex::new(Writer { compiler, entry_points, certificates });
        Ok(Self { shared, writer, awaited: Awaited::default(), workers: Mutex::new(handles) })
    }

    /// Whether anybody waits until a configuration is compiled.
    pub fn is_awaited(&self) -> bool {
        self.awaited.by_anybody()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        let _waiting = self.awaited.wait();
        self.writer.lock()
    }

    /// Where each entry point listens, by name.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.writer().entry_points.addresses()
    }

    /// Compiles a configuration and makes it live: returns its generation when every worker has it. `over` lies over the
    /// weights of the services that it names from then on. On problems all is as before.
    pub async fn publish(
        &self,
        configuration: &Configuration,
        over: Vec<(Arc<str>, Over)>,
    ) -> Result<u64, Vec<Problem>> {
        let generation = {
            let Writer { compiler, certificates, .. } = &mut *self.writer();
            let compiled = compiler.compile_under(configuration, over)?;
            self.make_current(compiled, certificates)
        };
        self.acknowledged(Command::Take).await;
        Ok(generation)
    }

    /// From now on this lies over the weights of the services that it names, in place of what did: returns the generation
    /// when every worker has it. It costs the same for any number of routers. What is said of a service that is not there
    /// waits for it.
    pub async fn lay_over(&self, over: Vec<(Arc<str>, Over)>) -> u64 {
        let generation = {
            let Writer { compiler, .. } = &mut *self.writer();
            let (snapshot, changes) = compiler.reweigh(&self.shared.current.load_full(), over);
            changes.record(&snapshot, &self.shared.metrics);
            let generation = snapshot.generation;
            self.shared.store(snapshot);
            generation
        };
        self.acknowledged(Command::Take).await;
        generation
    }

    /// The certificates that are served.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.writer().certificates.clone()
    }

    /// Whether the gateway is ending, and what `/ready` has to say, in lines.
    pub fn readiness(&self) -> (bool, String) {
        (self.shared.is_terminating(), self.shared.readiness.lock().clone())
    }

    /// The generation that is current.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// A service as it is now, by its qualified name; `None`: there is none.
    pub fn status(&self, service: &str) -> Option<ServiceStatus> {
        // Until both are looked at, no other snapshot gives the place to another service.
        let (index, snapshot) = {
            let writer = self.writer();
            (writer.compiler.place_of(service)?, self.shared.current.load_full())
        };
        Some(status::of(&snapshot.services, index, &self.shared.metrics, Instant::now()))
    }

    /// Like [`Gateway::publish`], with the entry points and the default transport of this static configuration (the rest of it
    /// is as at the start).
    /// New ones are listened on, those that are gone end in their `graceTimeOut`, and the others do not notice.
    pub async fn publish_with_entry_points(
        &self,
        statics: &Static,
        configuration: &Configuration,
        over: Vec<(Arc<str>, Over)>,
    ) -> Result<u64, Vec<Problem>> {
        let (generation, listening) = {
            let Writer { compiler, entry_points, certificates } = &mut *self.writer();
            let plan = entry_points.plan(statics, &self.shared.metrics, &mut Inherited::default());
            let plan = plan.map_err(|error| vec![error.into_problem()])?;
            let before = std::mem::replace(&mut compiler.entry_points, plan.entries());
            let settings = std::mem::replace(&mut compiler.statics.entry_points, statics.entry_points.clone());
            let transport = statics.servers_transport.clone();
            let transport = std::mem::replace(&mut compiler.statics.servers_transport, transport);
            let compiled = match compiler.compile_under(configuration, over) {
                Ok(compiled) => compiled,
                Err(problems) => {
                    (compiler.entry_points, compiler.statics.entry_points) = (before, settings);
                    compiler.statics.servers_transport = transport;
                    return Err(problems);
                }
            };
            let last = self.shared.current.load_full();
            entry_points.gone(&plan).iter().for_each(|entry| entry.retire(last.clone()));
            (self.make_current(compiled, certificates), entry_points.adopt(plan))
        };
        let mut listening = listening.into_iter();
        self.acknowledged(|done| Command::Listen(listening.next().unwrap_or_default(), done)).await;
        Ok(generation)
    }

    /// Returns its generation.
    fn make_current(&self, compiled: Compiled, certificates: &mut Vec<Certificate>) -> u64 {
        compiled.record(&self.shared.metrics);
        *certificates = compiled.certificates;
        let generation = compiled.snapshot.generation;
        self.shared.store(compiled.snapshot);
        generation
    }

    /// Another descriptor of every socket that is listened on, for a process that is to take them over.
    pub async fn listening_sockets(&self) -> io::Result<Vec<ListeningSocket>> {
        let mut answers = Vec::new();
        for worker in self.workers.lock().iter() {
            let (done, answer) = oneshot::channel();
            drop(worker.commands.send(Command::Share(done)));
            answers.push(answer);
        }
        let mut sockets = Vec::new();
        for answer in answers {
            sockets.extend(answer.await.map_err(|_| io::Error::other("a worker has ended"))??);
        }
        Ok(sockets)
    }

    /// What `/ready` tells of the configuration, and what else it has to say; empty lists end it.
    pub fn report_problems(&self, problems: &[Problem], notes: &[String]) {
        let problems = problems.iter().map(|problem| format!("{problem}\n"));
        let lines: Vec<String> = problems.chain(notes.iter().map(|note| format!("{note}\n"))).collect();
        *self.shared.readiness.lock() = lines.concat();
    }

    /// How many problems a provider has, and how many of its texts are not live with their newest.
    pub fn count_problems(&self, provider: &str, problems: usize, held_back: usize) {
        self.shared.metrics.set_problems(provider, problems);
        self.shared.metrics.set_held_back(provider, held_back);
    }

    /// The keys of the static configuration that were changed and take effect at the next start.
    pub fn report_restart<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        self.shared.metrics.set_restart_needed(keys);
    }

    /// Shows unsupported keys that the operator has allowed.
    pub fn report_allowed(&self, keys: &[String]) {
        self.shared.metrics.set_unsupported_allowed(keys.iter().map(String::as_str));
    }

    /// Counts a reload in `traefik_config_reloads_total`; `now` in seconds since 1970.
    pub fn reloaded(&self, now: i64) {
        self.shared.metrics.reloaded(now);
    }

    /// Everything counted so far, in Prometheus' text format.
    pub fn metrics_text(&self) -> Vec<u8> {
        self.shared.metrics.encode(clock::seconds())
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Every circuit breaker, as it is now.
    pub fn breakers(&self) -> Vec<BreakerStatus> {
        self.shared.metrics.breakers().all(Instant::now())
    }

    /// Opens the access log's file anew, after it was rotated.
    pub fn reopen_logs(&self) {
        if let Some(log) = &self.shared.access_log {
            log.reopen();
        }
    }

    /// From now on `/ping` and `/ready` say that the gateway is ending; it serves on.
    pub fn announce_shutdown(&self) {
        self.shared.terminate();
    }

    /// Ends each entry point as its `transport.lifeCycle` says: connections are still accepted for
    /// `requestAcceptGraceTimeout` (not if another process was handed the sockets), then what is under way has
    /// `graceTimeOut`, then it is cut off. The internal one goes on accepting as long as any other.
    pub async fn shutdown(&self, handed_over: bool) {
        self.announce_shutdown();
        if handed_over {
            // Before anybody is told to come again: or he could come to a worker of this process that still accepts.
            self.acknowledged(|done| Command::Listen(Listening::default(), done)).await;
        }
        let draining = Draining { entries: self.writer().entry_points.entries(), handed_over };
        self.acknowledged(|done| Command::Drain(draining.clone(), done)).await;
        let workers = std::mem::take(&mut *self.workers.lock());
        for worker in workers {
            drop(worker.commands);
            // A worker that panicked has already said so.
            drop(worker.thread.join());
        }
        if let Some(log) = &self.shared.access_log {
            log.close(LOG_DRAIN);
        }
    }

    async fn acknowledged(&self, mut command: impl FnMut(oneshot::Sender<()>) -> Command) {
        let mut answers = Vec::new();
        for worker in self.workers.lock().iter() {
            let (done, answer) = oneshot::channel();
            if worker.commands.send(command(done)).is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            // A worker that has ended takes nothing any more.
            drop(answer.await);
        }
    }
}

impl StartError {
    /// For an operator who changes what runs.
    fn into_problem(self) -> Problem {
        match self {
            Self::Listen { entry_point, at, error, .. } => {
                let path = format!("entryPoints.{entry_point}.address");
                Problem::new(&at, path, format!("cannot listen on it: {error}"), "a free address of this machine")
            }
            other => Problem::new(&Place::default(), "", other.to_string(), ""),
        }
    }
}

fn bounds(statics: &Static, metrics: &Arc<Metrics>, workers: usize) -> Result<Bounds, StartError> {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Ok(Bounds {
        admission: Admission::new(&statics.limits, descriptors.unwrap_or(u64::MAX)),
        pressure: Pressure::start(&statics.limits, metrics).map_err(|error| StartError::System(error.to_string()))?,
        replays: statics.limits.max_replay_bytes / workers.max(1) as u64,
        mirrors: statics.limits.max_mirror_bytes / workers.max(1) as u64,
        encoders: match statics.limits.max_compress_bytes {
            0 => u64::MAX,
            bytes => bytes / workers.max(1) as u64,
        },
        files: statics.limits.max_buffer_file_bytes,
    })
}

/// For the access log's last lines.
const LOG_DRAIN: Duration = Duration::from_secs(2);
