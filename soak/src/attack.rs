//! What hostile HTTP/2 clients do, each on some connections at once, on a thread of its own.
//!
//! A connection that the gateway closes is opened anew, so an attack lasts as long as it is meant to. Every second
//! connection does not read what comes back: what the gateway queues for it has to have an end too.

pub mod frames;
mod kind;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf},
    task::JoinSet,
};

pub use self::kind::Kind;

/// A running attack.
#[derive(Debug)]
pub struct Attack {
    shared: Shared,
    thread: JoinHandle<()>,
}

#[derive(Debug, Clone, Default)]
struct Shared {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    closed: AtomicU64,
    bytes: AtomicU64,
}

/// What an attack did, and what it met.
#[derive(Debug, Clone, Copy)]
pub struct Fought {
    /// Connections that it opened.
    pub opened: u64,
    /// Connections that the gateway closed under it.
    pub closed: u64,
    /// Bytes that it sent.
    pub bytes: u64,
}

impl Attack {
    /// Begins it.
    pub fn begin(kind: Kind, address: SocketAddr, connections: usize) -> Self {
        let shared = Shared::default();
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async move {
                let mut attackers = JoinSet::new();
                for index in 0..connections {
                    attackers.spawn(attacker(kind, address, index, of_thread.clone()));
                }
                attackers.join_all().await;
            });
        });
        Self { shared, thread }
    }

    /// Ends it.
    pub fn end(self) -> Fought {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("an attacker does not panic");
        let counts = &self.shared.counts;
        let count = |of: &AtomicU64| of.load(Ordering::SeqCst);
        Fought { opened: count(&counts.opened), closed: count(&counts.closed), bytes: count(&counts.bytes) }
    }
}

async fn attacker(kind: Kind, address: SocketAddr, index: usize, shared: Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        if let Ok(stream) = TcpStream::connect(address).await {
            shared.counts.opened.fetch_add(1, Ordering::Relaxed);
            if !fight(kind, stream, index.is_multiple_of(2), &shared).await {
                shared.counts.closed.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(REOPENED).await;
    }
}

/// One connection of it; whether it was still open at the end.
async fn fight(kind: Kind, stream: TcpStream, reads: bool, shared: &Shared) -> bool {
    let (reader, mut writer) = stream.into_split();
    let mut fighter = kind.fighter();
    let mut bytes = fighter.opening();
    let mut reader = Reader { half: reader, reads, buffer: vec![0; 65_536] };
    loop {
        let sent = tokio::select! {
            biased;
            () = stopped(shared) => return true,
            () = reader.ends() => return false,
            sent = writer.write_all(&bytes) => sent,
        };
        if sent.is_err() {
            return false;
        }
        shared.counts.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        bytes.clear();
        match fighter.next() {
            Some(more) => bytes = more,
            // All is said; what is left is to hold the connection.
            None => {
                return tokio::select! {
                    () = stopped(shared) => true,
                    () = reader.ends() => false,
                };
            }
        }
        tokio::task::yield_now().await;
    }
}

struct Reader {
    half: OwnedReadHalf,
    reads: bool,
    buffer: Vec<u8>,
}

impl Reader {
    /// Returns once the peer has closed; of a connection that does not read, once the peer has reset it.
    async fn ends(&mut self) {
        if self.reads {
            while self.half.read(&mut self.buffer).await.is_ok_and(|read| read > 0) {}
            return;
        }
        while self.half.as_ref().take_error().is_ok_and(|error| error.is_none()) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn stopped(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}

/// An attacker that is thrown out comes back this much later.
const REOPENED: Duration = Duration::from_millis(20);

/// How often what gives no notice is looked at.
const LOOK: Duration = Duration::from_millis(50);
