//! Load on a thread of its own, so that what a scenario does meanwhile does not hold it up.
//!
//! Closed, a connection sends its next request once the last one is answered: that measures capacity. Open, requests are
//! due at a steady rate whatever becomes of them, and latency counts from the moment at which one was due: a gateway that
//! stalls shows all that had to wait.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::task::{JoinSet, LocalSet};

use crate::{
    client::{self, Answer, Client, Failure, PATIENCE},
    pace::{Pace, Timer},
    tally::Tally,
};

/// A request with the status that its answer has to have.
#[derive(Debug, Clone)]
pub struct Shot {
    bytes: Vec<u8>,
    status: u16,
}

impl Shot {
    /// GET of a path from a host.
    pub fn get(host: &str, path: &str, status: u16) -> Self {
        Self::get_with(host, path, "", status)
    }

    /// The same with some more header fields, each a line with its `\r\n`.
    pub fn get_with(host: &str, path: &str, fields: &str, status: u16) -> Self {
        Self { bytes: format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes(), status }
    }

    /// GET of a path from a host, and the connection ends with the answer.
    pub fn last(host: &str, path: &str, status: u16) -> Self {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes();
        Self { bytes, status }
    }
}

/// What is sent, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where it goes.
    pub address: SocketAddr,
    /// Taken in turn by each connection.
    pub shots: Vec<Shot>,
    /// Connections that are kept; of new ones, how many may be open at once.
    pub connections: usize,
    /// Requests in a second; as many as are answered if not said.
    pub rate: Option<f64>,
}

/// A running load. Each request counts for the phase in which it was due.
#[derive(Debug)]
pub struct Load {
    shared: Shared,
    thread: JoinHandle<Vec<Tally>>,
}

#[derive(Debug, Clone, Default)]
struct Shared {
    stop: Arc<AtomicBool>,
    phase: Arc<AtomicUsize>,
    answered: Arc<AtomicU64>,
}

impl Load {
    /// On kept connections.
    pub fn kept(plan: Plan) -> Self {
        Self::on_a_thread(plan, kept)
    }

    /// On a connection for each request; the plan has to have a rate.
    pub fn fresh(plan: Plan) -> Self {
        Self::on_a_thread(plan, fresh)
    }

    /// Begins another phase.
    pub fn phase(&self, phase: usize) {
        self.shared.phase.store(phase, Ordering::SeqCst);
    }

    /// Requests that have been answered or have failed so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Ends it; a tally for each phase.
    pub fn end(self) -> Vec<Tally> {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the load does not panic")
    }

    fn on_a_thread<F>(plan: Plan, run: impl FnOnce(Rc<Run>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let shared = Shared::default();
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let running = Rc::new(Run { plan, shared: of_thread, begin: Instant::now(), tallies: RefCell::default() });
            let local = LocalSet::new();
            local.block_on(&runtime.expect("a runtime can be built"), run(Rc::clone(&running)));
            running.tallies.take()
        });
        Self { shared, thread }
    }
}

/// A load as its own thread sees it.
struct Run {
    plan: Plan,
    shared: Shared,
    begin: Instant,
    tallies: RefCell<Vec<Tally>>,
}

impl Run {
    fn is_over(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn now_in(&self) -> usize {
        self.shared.phase.load(Ordering::Relaxed)
    }

    fn count(&self, phase: usize, result: Result<Answer, Failure>, asked: u16, after: Duration) {
        let mut tallies = self.tallies.borrow_mut();
        if tallies.len() <= phase {
            tallies.resize_with(phase + 1, Tally::default);
        }
        tallies[phase].count(result, asked, after);
        self.shared.answered.fetch_add(1, Ordering::Relaxed);
    }
}

async fn kept(run: Rc<Run>) {
    let mut connections = JoinSet::new();
    for index in 0..run.plan.connections {
        connections.spawn_local(connection(Rc::clone(&run), index));
    }
    connections.join_all().await;
}

/// One kept connection; opened anew after a failure and after an answer that closes it.
async fn connection(run: Rc<Run>, index: usize) {
    let pace = run.plan.rate.map(|rate| Pace::new(run.begin, rate).share(index, run.plan.connections));
    let timer = Timer::default();
    let mut client = None;
    for turn in 0.. {
        let due = pace.map_or_else(Instant::now, |pace| pace.due(turn));
        timer.until(due).await;
        if run.is_over() {
            return;
        }
        let phase = run.now_in();
        let shot = &run.plan.shots[(index as u64 + turn) as usize % run.plan.shots.len()];
        let asked = ask(&mut client, run.plan.address, &shot.bytes);
        let result = tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(Failure::Late));
        if !result.is_ok_and(|answer| !answer.closes) {
            client = None;
        }
        run.count(phase, result, shot.status, due.elapsed());
        if result.is_err() && pace.is_none() {
            // A closed load against nobody would do nothing but fail.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn ask(client: &mut Option<Client>, address: SocketAddr, request: &[u8]) -> Result<Answer, Failure> {
    let open = match client.take() {
        Some(open) => open,
        None => Client::open(address).await?,
    };
    client.insert(open).exchange(request).await
}

async fn fresh(run: Rc<Run>) {
    let pace = Pace::new(run.begin, run.plan.rate.expect("new connections come at a rate"));
    let timer = Timer::default();
    let mut clients = JoinSet::new();
    for turn in 0.. {
        let due = pace.due(turn);
        timer.until(due).await;
        if run.is_over() {
            break;
        }
        while clients.try_join_next().is_some() {}
        if clients.len() >= run.plan.connections {
            clients.join_next().await;
        }
        let (phase, run) = (run.now_in(), Rc::clone(&run));
        clients.spawn_local(async move {
            let shot = &run.plan.shots[turn as usize % run.plan.shots.len()];
            let result = client::once(run.plan.address, &shot.bytes, PATIENCE).await;
            run.count(phase, result, shot.status, due.elapsed());
        });
    }
    clients.join_all().await;
}
