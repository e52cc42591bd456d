//! The data plane as the control plane holds it: start, publish, end.

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

use parking_lot::Mutex;
use rollgate_config::{
    dynamic::Configuration,
    problem::Problem,
    static_config::{INTERNAL, Static},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    access_log::AccessLog,
    clock,
    compile::{Compiled, Compiler},
    entry_point::EntryPoint,
    listener,
    metrics::Metrics,
    shared::Shared,
    worker::{self, Command},
};

/// A running data plane.
pub struct Gateway {
    shared: Arc<Shared>,
    compiler: Mutex<Compiler>,
    entry_points: Vec<Arc<EntryPoint>>,
    workers: Mutex<Vec<Handle>>,
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
        /// The system's answer.
        error: std::io::Error,
    },
    /// The access log's file could not be opened.
    #[error("access log: {0}")]
    AccessLog(std::io::Error),
    /// The first configuration does not compile.
    #[error("the configuration has {} problem(s)", .0.len())]
    Problems(Vec<Problem>),
    /// The system gave no threads or no randomness.
    #[error("{0}")]
    System(String),
}

impl Gateway {
    /// Binds every entry point, compiles the first configuration and starts the workers.
    pub fn start(statics: &Static, configuration: &Configuration, workers: usize) -> Result<Self, StartError> {
        let metrics = Metrics::new(statics.prometheus.as_ref());
        let metrics = Arc::new(metrics.map_err(|error| StartError::System(error.to_string()))?);
        let (entry_points, listeners) = bind(statics, &metrics, workers)?;
        let mut compiler = Compiler::new(statics.clone(), entry_points.clone(), metrics.clone(), workers)
            .map_err(StartError::System)?;
        let compiled = compiler.compile(configuration).map_err(StartError::Problems)?;
        let access_log = match &statics.access_log {
            Some(config) => {
                Some(AccessLog::start(config, metrics.access_log_dropped()).map_err(StartError::AccessLog)?)
            }
            None => None,
        };
        let terminating = statics.ping.as_ref().map_or(503, |ping| ping.terminating_status);
        record(&metrics, &compiled);
        let shared = Arc::new(Shared::new(
            compiled.snapshot,
            metrics,
            statics.prometheus.is_some(),
            compiler.targets.clone(),
            access_log,
            terminating,
        ));
        let mut handles = Vec::with_capacity(workers);
        for (index, listeners) in listeners.into_iter().enumerate() {
            let (commands, inbox) = mpsc::unbounded_channel();
            let listeners = entry_points.iter().cloned().zip(listeners).collect();
            let thread = worker::spawn(index, shared.clone(), listeners, inbox)
                .map_err(|error| StartError::System(format!("a worker could not start: {error}")))?;
            handles.push(Handle { commands, thread });
        }
        Ok(Self { shared, compiler: Mutex::new(compiler), entry_points, workers: Mutex::new(handles) })
    }

    /// Where each entry point listens, by name.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.entry_points.iter().map(|entry| (entry.name.to_string(), entry.address)).collect()
    }

    /// Compiles a configuration and makes it live: returns its generation when every worker has it. On problems the
    /// one before stays.
    pub async fn publish(&self, configuration: &Configuration) -> Result<u64, Vec<Problem>> {
        let generation = {
            let mut compiler = self.compiler.lock();
            let compiled = compiler.compile(configuration)?;
            record(&self.shared.metrics, &compiled);
            let generation = compiled.snapshot.generation;
            self.shared.store(compiled.snapshot);
            generation
        };
        self.acknowledged(Command::Take).await;
        Ok(generation)
    }

    /// What `/ready` and `rollgate_config_problems` tell of a provider; an empty list ends it.
    pub fn report_problems(&self, provider: &str, problems: &[Problem]) {
        self.shared.metrics.set_problems(provider, problems.len());
        let lines: Vec<String> = problems.iter().map(|problem| format!("{problem}\n")).collect();
        *self.shared.readiness.lock() = lines.concat();
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

    /// Stops accepting, finishes what is under way within `grace`, then ends the rest.
    pub async fn shutdown(&self, grace: Duration) {
        self.announce_shutdown();
        self.acknowledged(|done| Command::Drain(grace, done)).await;
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

    async fn acknowledged(&self, command: impl Fn(oneshot::Sender<()>) -> Command) {
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

type Listeners = Vec<Vec<std::net::TcpListener>>;

/// The entry points, and for each worker one listener for each of them.
fn bind(statics: &Static, metrics: &Metrics, workers: usize) -> Result<(Vec<Arc<EntryPoint>>, Listeners), StartError> {
    let host_name = hostname::get().unwrap_or_default().to_string_lossy().into_owned();
    let mut entry_points = Vec::new();
    let mut listeners: Listeners = (0..workers).map(|_| Vec::new()).collect();
    for (name, settings) in &statics.entry_points {
        let bound = match listener::bind(&settings.address.value, workers) {
            Ok(bound) => bound,
            // Nobody asked for the internal entry point by name; the machine's 8080 may be somebody else's.
            Err(error) if name == INTERNAL && &*settings.at.source == "default" => {
                tracing::warn!(address = settings.address.value, %error, "no internal entry point");
                continue;
            }
            Err(error) => {
                let (entry_point, address) = (name.clone(), settings.address.value.clone());
                return Err(StartError::Listen { entry_point, address, error });
            }
        };
        let address = bound[0].local_addr().map_err(|error| StartError::System(error.to_string()))?;
        let id = metrics.entry_point_id(name);
        let index = entry_points.len();
        entry_points.push(Arc::new(EntryPoint::new(index, name, id, settings, address, &host_name, statics)));
        for (worker, listener) in bound.into_iter().enumerate() {
            listeners[worker].push(listener);
        }
    }
    Ok((entry_points, listeners))
}

/// Tells the metrics what a new snapshot is made of.
fn record(metrics: &Metrics, compiled: &Compiled) {
    metrics.retain(&compiled.live);
    metrics.set_certificates(&compiled.certificates);
    for (version, share) in &compiled.shares {
        metrics.set_target_share(*version, *share);
    }
    let servers = compiled.servers.iter().map(|(service, url)| (&**service, &**url, true));
    metrics.set_servers(servers);
}

/// For the access log's last lines.
const LOG_DRAIN: Duration = Duration::from_secs(2);
