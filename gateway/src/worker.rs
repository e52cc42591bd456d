//! A worker: one thread, one single-threaded runtime, listeners, connections, pools and counters of its own.

use std::{
    cell::{Cell, RefCell},
    net::TcpListener as StdListener,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderValue, header, request};
use slab::Slab;
use tokio::{
    net::TcpListener,
    runtime::LocalRuntime,
    sync::{Notify, mpsc, oneshot},
};

use crate::{
    access_log::{Headers, Record},
    balancer::Rounds,
    clock,
    connection::{self, Connection},
    entry_point::EntryPoint,
    metrics::WorkerMetrics,
    pool::Pools,
    shared::Shared,
    snapshot::Snapshot,
    stream::socket::Socket,
};

/// What the requests of one thread share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    snapshot: RefCell<Rc<Local>>,
    pub(crate) pools: Pools,
    pub(crate) rounds: Rounds,
    pub(crate) metrics: WorkerMetrics,
    random: RefCell<fastrand::Rng>,
    connections: RefCell<Slab<Rc<Connection>>>,
    /// Connections and tunnels that are under way.
    held: Cell<usize>,
    released: Notify,
    accepting: Cell<bool>,
    stop_accepting: Notify,
    cut: Notify,
}

/// The snapshot as one worker's requests hold it: their reference count is seen by no other thread.
pub(crate) struct Local(Arc<Snapshot>);

impl std::ops::Deref for Local {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

/// What a worker can be told.
pub(crate) enum Command {
    /// Take the published snapshot and say so.
    Take(oneshot::Sender<()>),
    /// Stop accepting, finish what is under way within the time, end the rest, and say so.
    Drain(Duration, oneshot::Sender<()>),
}

/// Keeps the worker from ending; see [`Worker::hold`].
pub(crate) struct Held(Rc<Worker>);

/// Starts a worker's thread; it ends after [`Command::Drain`].
pub(crate) fn spawn(
    index: usize,
    shared: Arc<Shared>,
    listeners: Vec<(Arc<EntryPoint>, StdListener)>,
    commands: mpsc::UnboundedReceiver<Command>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let runtime = match LocalRuntime::new() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "a worker could not start");
                return;
            }
        };
        runtime.block_on(run(shared, listeners, commands));
    })
}

async fn run(
    shared: Arc<Shared>,
    listeners: Vec<(Arc<EntryPoint>, StdListener)>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let worker = Worker::new(shared);
    for (entry, listener) in listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => drop(tokio::task::spawn_local(accept(worker.clone(), entry, listener))),
            Err(error) => tracing::error!(entry_point = %entry.name, %error, "a listener could not start"),
        }
    }
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Take(done)) => {
                    worker.take_snapshot();
                    // Whoever asked may have given up waiting.
                    let _ = done.send(());
                }
                Some(Command::Drain(grace, done)) => {
                    worker.drain(grace).await;
                    let _ = done.send(());
                    return;
                }
                None => return,
            },
            _ = tick.tick() => worker.tick(),
        }
    }
}

/// Accepts until told to stop. A failed accept (no descriptors left) backs off instead of spinning.
async fn accept(worker: Rc<Worker>, entry: Arc<EntryPoint>, listener: TcpListener) {
    while worker.accepting.get() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = worker.stop_accepting.notified() => break,
        };
        match accepted {
            Ok((tcp, peer)) => {
                tokio::task::spawn_local(connection::serve(worker.clone(), entry.clone(), Socket::Tcp(tcp), peer));
            }
            Err(error) => {
                tracing::warn!(entry_point = %entry.name, %error, "accepting failed");
                tokio::time::sleep(ACCEPT_BACK_OFF).await;
            }
        }
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>) -> Rc<Self> {
        clock::renew(Instant::now());
        Rc::new(Self {
            snapshot: RefCell::new(Rc::new(Local(shared.current.load_full()))),
            metrics: shared.metrics.worker(),
            shared,
            pools: Pools::default(),
            rounds: Rounds::default(),
            random: RefCell::new(fastrand::Rng::new()),
            connections: RefCell::default(),
            held: Cell::new(0),
            released: Notify::new(),
            accepting: Cell::new(true),
            stop_accepting: Notify::new(),
            cut: Notify::new(),
        })
    }

    /// The snapshot that is current: one comparison, and a clone that no other thread sees.
    pub(crate) fn snapshot(&self) -> Rc<Local> {
        if self.snapshot.borrow().generation != self.shared.generation.load(Ordering::Acquire) {
            self.take_snapshot();
        }
        self.snapshot.borrow().clone()
    }

    fn take_snapshot(&self) {
        *self.snapshot.borrow_mut() = Rc::new(Local(self.shared.current.load_full()));
        self.metrics.prune();
    }

    /// 64 random bits, for choosing; not for secrets.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// Keeps the worker alive until the guard is dropped.
    pub(crate) fn hold(self: &Rc<Self>) -> Held {
        self.held.set(self.held.get() + 1);
        Held(self.clone())
    }

    pub(crate) fn register(&self, connection: &Rc<Connection>) -> usize {
        if !self.accepting.get() {
            connection.close_gracefully();
        }
        self.connections.borrow_mut().insert(connection.clone())
    }

    pub(crate) fn unregister(&self, place: usize) {
        self.connections.borrow_mut().remove(place);
    }

    /// A record to fill, if accesses are logged.
    pub(crate) fn access_record(&self, connection: &Connection, parts: &request::Parts) -> Option<Record> {
        let log = self.shared.access_log.as_ref()?;
        if !connection.entry.settings.access_logs {
            return None;
        }
        Some(Record {
            start: SystemTime::now(),
            duration: Duration::ZERO,
            entry_point: connection.entry.name.clone(),
            router: None,
            service: None,
            server_url: None,
            server_address: None,
            client: connection.client,
            forwarded_for: parts.headers.get("x-forwarded-for").cloned(),
            username: None,
            host: parts.headers.get(header::HOST).cloned().or_else(|| {
                let authority = parts.uri.authority()?;
                HeaderValue::from_str(authority.as_str()).ok()
            }),
            method: Some(parts.method.clone()),
            path: parts.uri.path_and_query().cloned(),
            version: Some(parts.version),
            tls: connection.tls.as_ref().map(|tls| tls.labels),
            tls_subject: None,
            retries: 0,
            request_bytes: 0,
            origin: None,
            status: 0,
            bytes: 0,
            request_headers: log.request_headers(&parts.headers),
            origin_headers: Vec::new(),
            downstream_headers: Vec::new(),
        })
    }

    /// What the access log keeps of a response's headers.
    pub(crate) fn kept_headers(&self, headers: &HeaderMap) -> Headers {
        self.shared.access_log.as_ref().map_or_else(Vec::new, |log| log.response_headers(headers))
    }

    /// Queues a record; the log decides whether it wants it.
    pub(crate) fn log_access(&self, record: Box<Record>) {
        if let Some(log) = &self.shared.access_log
            && log.wants(record.status, record.duration, record.retries)
        {
            log.write(record);
        }
    }

    /// Returns a moment after accepting has stopped: for connections on which nothing has come yet.
    pub(crate) async fn no_longer_patient(&self) {
        if self.accepting.get() {
            self.stop_accepting.notified().await;
        }
        tokio::time::sleep(PATIENCE).await;
    }

    /// Returns when whatever is still under way is to be cut off.
    pub(crate) async fn cut_off(&self) {
        self.cut.notified().await;
    }

    fn tick(&self) {
        clock::renew(Instant::now());
        self.pools.sweep(&self.shared.targets);
        for (_, connection) in self.connections.borrow().iter() {
            connection.check_time();
        }
    }

    async fn drain(self: &Rc<Self>, grace: Duration) {
        self.accepting.set(false);
        self.stop_accepting.notify_waiters();
        self.for_each_connection(Connection::close_gracefully);
        if tokio::time::timeout(grace, self.all_released()).await.is_err() {
            self.for_each_connection(Connection::close_now);
            self.cut.notify_waiters();
            // What was cut off has nothing left to wait for.
            drop(tokio::time::timeout(LAST_MOMENT, self.all_released()).await);
        }
        self.pools.clear();
    }

    fn for_each_connection(&self, act: impl Fn(&Connection)) {
        for (_, connection) in self.connections.borrow().iter() {
            act(connection);
        }
    }

    async fn all_released(&self) {
        while self.held.get() > 0 {
            self.released.notified().await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get() - 1);
        if self.0.held.get() == 0 {
            self.0.released.notify_one();
        }
    }
}

/// How often timeouts are looked at: none is shorter than seconds.
const TICK: Duration = Duration::from_millis(500);
/// Long enough for a descriptor to come free, short enough that nobody notices.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);
/// A request that was sent before the end was announced has come by then.
const PATIENCE: Duration = Duration::from_millis(500);
/// For tasks that were cut off to unwind.
const LAST_MOMENT: Duration = Duration::from_secs(1);
