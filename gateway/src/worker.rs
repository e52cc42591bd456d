//! A worker: one thread, one single-threaded runtime, listeners, connections, pools and counters of its own.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::TcpListener as StdListener,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, StatusCode, header, request};
use slab::Slab;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{Notify, mpsc, oneshot},
};

use crate::{
    access_log::{Headers, Record},
    balancer::Rounds,
    body::replay::Room,
    clock,
    connection::{Connection, PATIENCE, parking},
    entry_point::EntryPoint,
    listener::{ListeningSocket, Reserve, accept::Accepting},
    metrics::WorkerMetrics,
    pool::Pools,
    shared::Shared,
    snapshot::{Snapshot, retired::Released},
};

/// What the requests of one thread share.
pub(crate) struct Worker {
    /// Its place among the workers, from 0.
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    snapshot: RefCell<Rc<Local>>,
    pub(crate) pools: Pools,
    pub(crate) rounds: Rounds,
    pub(crate) metrics: WorkerMetrics,
    /// For bodies that may have to be sent again.
    pub(crate) replays: Rc<Room>,
    /// For copies of requests that mirrors get.
    pub(crate) mirrors: Rc<Room>,
    /// For encoders at work.
    pub(crate) encoders: Rc<Room>,
    /// For the internal entry point, when the process has no descriptors left.
    pub(crate) reserve: Reserve,
    random: RefCell<fastrand::Rng>,
    accepting: RefCell<Vec<Rc<Accepting>>>,
    connections: RefCell<Slab<Rc<Connection>>>,
    /// So many ticks still stir the allocator, since connections were parked.
    pub(crate) stirs: Cell<u8>,
    /// Accepting, connections and tunnels that are under way.
    held: Cell<usize>,
    released: Notify,
    /// An entry point has begun to end.
    ending: Notify,
    /// By entry point: what is still under way is to be cut off.
    cuts: RefCell<HashMap<usize, Rc<Notify>>>,
    /// When timeouts were last looked at.
    ticked: Cell<Instant>,
}

/// The snapshot as one worker's requests hold it: their reference count is seen by no other thread.
pub(crate) struct Local {
    snapshot: Arc<Snapshot>,
    /// Dropped after the snapshot.
    _released: Released,
}

impl Local {
    fn new(snapshot: Arc<Snapshot>, shared: &Shared) -> Rc<Self> {
        Rc::new(Self { snapshot, _released: shared.retired.notice() })
    }
}

impl std::ops::Deref for Local {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// What a worker can be told.
pub(crate) enum Command {
    /// Take the published snapshot and say so.
    Take(oneshot::Sender<()>),
    /// Listen on these sockets and no others, and say so.
    Listen(Listening, oneshot::Sender<()>),
    /// Give out the sockets that are listened on, to be shared with another process.
    Share(oneshot::Sender<io::Result<Vec<ListeningSocket>>>),
    /// Stop accepting, finish what is under way, each entry point in its own time, end the rest, and say so.
    Drain(Draining, oneshot::Sender<()>),
}

/// What a worker is to listen on.
#[derive(Default)]
pub(crate) struct Listening {
    pub(crate) sockets: Vec<Wanted>,
    /// Entry points that are no longer there.
    pub(crate) gone: Vec<Arc<EntryPoint>>,
}

/// A socket and the entry point it is for.
pub(crate) struct Wanted {
    pub(crate) socket: u64,
    pub(crate) entry: Arc<EntryPoint>,
    /// There the first time only.
    pub(crate) listener: Option<StdListener>,
}

/// How to end.
#[derive(Debug, Clone)]
pub(crate) struct Draining {
    pub(crate) entries: Vec<Arc<EntryPoint>>,
    /// Another process accepts on the same sockets: no need to go on accepting for a while.
    pub(crate) handed_over: bool,
}

/// Keeps the worker from ending; see [`Worker::hold`].
pub(crate) struct Held(Rc<Worker>);

/// Starts a worker's thread; it ends after [`Command::Drain`].
pub(crate) fn spawn(
    index: usize,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_all().event_interval(POLLS).build_local(LocalOptions::default());
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "a worker could not start");
                return;
            }
        };
        runtime.block_on(run(index, shared, commands));
    })
}

async fn run(index: usize, shared: Arc<Shared>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let worker = Worker::new(index, shared);
    let drained = Rc::new(Notify::new());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Take(done)) => {
                    worker.take_snapshot();
                    // Whoever asked may have given up waiting, here and below.
                    let _ = done.send(());
                }
                Some(Command::Listen(listening, done)) => {
                    worker.listen(listening);
                    let _ = done.send(());
                }
                Some(Command::Share(answer)) => drop(answer.send(worker.share())),
                Some(Command::Drain(draining, done)) => {
                    let (worker, drained) = (worker.clone(), drained.clone());
                    tokio::task::spawn_local(async move {
                        worker.drain(draining).await;
                        let _ = done.send(());
                        drained.notify_one();
                    });
                }
                None => return,
            },
            () = drained.notified() => return,
            _ = tick.tick() => worker.tick(),
        }
    }
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        clock::renew(Instant::now());
        Rc::new(Self {
            index,
            snapshot: RefCell::new(Local::new(shared.current.load_full(), &shared)),
            metrics: shared.metrics.worker(),
            replays: Rc::new(Room::new(shared.bounds.replays)),
            mirrors: Rc::new(Room::new(shared.bounds.mirrors)),
            encoders: Rc::new(Room::new(shared.bounds.encoders)),
            shared,
            pools: Pools::default(),
            rounds: Rounds::default(),
            reserve: Reserve::new(),
            random: RefCell::new(fastrand::Rng::new()),
            accepting: RefCell::default(),
            connections: RefCell::default(),
            stirs: Cell::default(),
            held: Cell::new(0),
            released: Notify::new(),
            ending: Notify::new(),
            cuts: RefCell::default(),
            ticked: Cell::new(Instant::now()),
        })
    }

    /// The snapshot that an entry point's requests are to use: the current one (one comparison, and a clone that no
    /// other thread sees), or the last that knew the entry point.
    pub(crate) fn snapshot(&self, entry: &EntryPoint) -> Rc<Local> {
        if self.snapshot.borrow().generation != self.shared.generation.load(Ordering::Acquire) {
            self.take_snapshot();
        }
        // Looked at second: a snapshot without the entry point is published after this is set.
        match entry.last_snapshot() {
            None => self.snapshot.borrow().clone(),
            Some(last) => Local::new(last.clone(), &self.shared),
        }
    }

    fn take_snapshot(&self) {
        *self.snapshot.borrow_mut() = Local::new(self.shared.current.load_full(), &self.shared);
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
        if connection.entry.is_ending() {
            connection.close_gracefully();
        }
        self.connections.borrow_mut().insert(connection.clone())
    }

    #[cfg(test)]
    pub(crate) fn open_connections(&self) -> usize {
        self.connections.borrow().len()
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
            forwarded_for: parts.headers.get("x-forwarded-for").cloned(),
            host: parts.headers.get(header::HOST).cloned().or_else(|| {
                let authority = parts.uri.authority()?;
                HeaderValue::from_str(authority.as_str()).ok()
            }),
            method: Some(parts.method.clone()),
            path: parts.uri.path_and_query().cloned(),
            version: Some(parts.version),
            request_headers: log.request_headers(&parts.headers),
            ..Record::began(connection.entry.name.clone(), connection.client, connection.tls_labels())
        })
    }

    /// Counts and logs what was refused before it was a request.
    pub(crate) fn refused_head(&self, connection: &Connection, reason: &'static str, status: StatusCode) {
        self.metrics.refused(reason);
        if connection.entry.settings.access_logs {
            let began = Record::began(connection.entry.name.clone(), connection.client, connection.tls_labels());
            self.log_access(Box::new(Record { status: status.as_u16(), ..began }));
        }
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

    /// Returns a moment after its entry point has begun to end: for connections on which nothing has come yet.
    pub(crate) async fn no_longer_patient(&self, entry: &EntryPoint) {
        loop {
            let ending = self.ending.notified();
            if entry.is_ending() {
                break;
            }
            ending.await;
        }
        tokio::time::sleep(PATIENCE).await;
    }

    /// Returns when whatever an entry point still has under way is to be cut off.
    pub(crate) async fn cut_off(&self, entry: &EntryPoint) {
        loop {
            let cut = self.cuts.borrow_mut().entry(entry.index).or_default().clone();
            cut.notified().await;
            // It may have been another one, which had the name before.
            if entry.is_ending() {
                return;
            }
        }
    }

    fn tick(&self) {
        let now = Instant::now();
        clock::renew(now);
        drop(self.reserve.refill());
        self.pools.sweep(&self.shared.targets);
        if now.duration_since(self.ticked.replace(now)) > LATE {
            // Stopped, or without a CPU: what clients have sent in the meantime is read before their time is up.
            return;
        }
        parking::stir_the_allocator(&self.stirs);
        let little_memory = self.shared.bounds.pressure.refuses_requests();
        for (_, connection) in self.connections.borrow().iter() {
            connection.check_time();
            if little_memory {
                connection.close_if_idle();
            }
        }
    }

    fn listen(self: &Rc<Self>, listening: Listening) {
        self.take_snapshot();
        let mut before = std::mem::take(&mut *self.accepting.borrow_mut());
        for Wanted { socket, entry, listener } in listening.sockets {
            if let Some(place) = before.iter().position(|accepting| accepting.socket == socket) {
                let accepting = before.swap_remove(place);
                accepting.belongs_to(entry);
                self.accepting.borrow_mut().push(accepting);
                continue;
            }
            let Some(listener) = listener else { continue };
            let name = entry.name.clone();
            match Accepting::start(self, socket, entry, listener) {
                Ok(accepting) => self.accepting.borrow_mut().push(accepting),
                Err(error) => tracing::error!(entry_point = %name, %error, "a listener could not start"),
            }
        }
        before.iter().for_each(|accepting| accepting.stop());
        if !listening.gone.is_empty() {
            let worker = self.clone();
            let draining = Draining { entries: listening.gone, handed_over: true };
            tokio::task::spawn_local(async move { worker.end_in_time(&draining).await });
        }
    }

    fn share(&self) -> io::Result<Vec<ListeningSocket>> {
        let accepting = self.accepting.borrow();
        let shared = accepting.iter().map(|accepting| {
            let entry = accepting.entry();
            let (entry_point, address) = (entry.name.to_string(), entry.settings.address.value.clone());
            Ok(ListeningSocket { entry_point, address, socket: accepting.share()? })
        });
        shared.collect()
    }

    async fn drain(self: &Rc<Self>, draining: Draining) {
        self.end_in_time(&draining).await;
        self.pools.clear();
    }

    /// Ends entry points, each in its own time. Returns when nothing is under way any more, or all has been cut off.
    async fn end_in_time(self: &Rc<Self>, draining: &Draining) {
        let began = tokio::time::Instant::now();
        let steps = schedule(draining);
        let last_stop = steps.iter().rposition(|step| step.act == Act::Stop);
        for (place, step) in steps.iter().enumerate() {
            let at = began + step.after;
            if last_stop.is_some_and(|last| place > last) {
                if tokio::time::timeout_at(at, self.all_released()).await.is_ok() {
                    return;
                }
            } else {
                tokio::time::sleep_until(at).await;
            }
            match step.act {
                Act::Stop => self.stop(&step.entry),
                Act::Cut => self.cut(&step.entry),
            }
        }
        // What was cut off has nothing left to wait for.
        drop(tokio::time::timeout(LAST_MOMENT, self.all_released()).await);
    }

    /// Accepts what is queued and no more; connections end with what is under way on them.
    fn stop(&self, entry: &Arc<EntryPoint>) {
        entry.end();
        self.accepting.borrow_mut().retain(|accepting| {
            let stays = accepting.entry().index != entry.index;
            if !stays {
                accepting.stop();
            }
            stays
        });
        self.ending.notify_waiters();
        self.for_each_connection(entry, Connection::close_gracefully);
    }

    fn cut(&self, entry: &EntryPoint) {
        self.for_each_connection(entry, Connection::close_now);
        if let Some(cut) = self.cuts.borrow_mut().remove(&entry.index) {
            cut.notify_waiters();
        }
    }

    /// Of an entry point that ends, and of those that it has replaced.
    fn for_each_connection(&self, entry: &EntryPoint, act: impl Fn(&Connection)) {
        for (_, connection) in self.connections.borrow().iter() {
            if connection.entry.index == entry.index && connection.entry.is_ending() {
                act(connection);
            }
        }
    }

    async fn all_released(&self) {
        while self.held.get() > 0 {
            self.released.notified().await;
        }
    }
}

impl Held {
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get() - 1);
        if self.0.held.get() == 0 {
            self.0.released.notify_waiters();
        }
    }
}

/// What happens to an entry point that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Stop,
    Cut,
}

#[derive(Debug)]
struct Step {
    after: Duration,
    act: Act,
    entry: Arc<EntryPoint>,
}

/// Each entry point stops after its `requestAcceptGraceTimeout` and is cut off after its `graceTimeOut` more; the
/// internal one stops with the last, so that whoever asks `/ready` is answered until then.
fn schedule(draining: &Draining) -> Vec<Step> {
    let accepting = |entry: &EntryPoint| {
        if draining.handed_over { Duration::ZERO } else { entry.settings.request_accept_grace_timeout }
    };
    let longest = draining.entries.iter().map(|entry| accepting(entry)).max().unwrap_or_default();
    let mut steps = Vec::with_capacity(2 * draining.entries.len());
    for entry in &draining.entries {
        let stop = if entry.internal { longest } else { accepting(entry) }.min(FOREVER);
        let cut = stop + entry.settings.grace_timeout.min(FOREVER);
        steps.push(Step { after: stop, act: Act::Stop, entry: entry.clone() });
        steps.push(Step { after: cut, act: Act::Cut, entry: entry.clone() });
    }
    steps.sort_by_key(|step| (step.after, step.act));
    steps
}

/// As far as the clock can be asked for: a year.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// How often timeouts are looked at: none is shorter than seconds.
const TICK: Duration = Duration::from_millis(500);
/// How many tasks are polled before the sockets are looked at again, if there is no end to what can be done: some twenty
/// requests. With fewer, what is on the other sides falls asleep and is woken by a system call of ours more often.
const POLLS: u32 = 256;
/// Between two looks, only if the worker itself was kept from its work.
const LATE: Duration = Duration::from_secs(1);
/// For tasks that were cut off to unwind.
const LAST_MOMENT: Duration = Duration::from_secs(1);
