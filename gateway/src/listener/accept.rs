//! Accepting on one socket, from its first connection to its last.
//!
//! A socket is closed only after its queue has been emptied: the kernel resets what is still queued on a socket that is
//! closed, also where other sockets listen on the same address.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{SocketAddr, TcpListener as StdListener},
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::reach_for;
use crate::{connection, entry_point::EntryPoint, limits, stream::socket::Socket, worker::Worker};

/// A socket that a worker accepts on.
pub(crate) struct Accepting {
    /// The same for as long as it is open, whatever entry point it belongs to.
    pub(crate) socket: u64,
    entry: RefCell<Arc<EntryPoint>>,
    listener: TcpListener,
    stopped: Cell<bool>,
    stop: Notify,
}

impl Accepting {
    /// Starts to accept, in a task of the worker.
    pub(crate) fn start(
        worker: &Rc<Worker>,
        socket: u64,
        entry: Arc<EntryPoint>,
        listener: StdListener,
    ) -> io::Result<Rc<Self>> {
        // One that another process has left says what that one's entry point did.
        reach_for(&listener, entry.settings.timeouts.tcp_user)?;
        let accepting = Rc::new(Self {
            socket,
            entry: RefCell::new(entry),
            listener: TcpListener::from_std(listener)?,
            stopped: Cell::new(false),
            stop: Notify::new(),
        });
        tokio::task::spawn_local(accepting.clone().run(worker.clone(), worker.hold()));
        Ok(accepting)
    }

    /// The entry point that connections are accepted for.
    pub(crate) fn entry(&self) -> Arc<EntryPoint> {
        self.entry.borrow().clone()
    }

    /// From now on its connections belong to this entry point.
    pub(crate) fn belongs_to(&self, entry: Arc<EntryPoint>) {
        if let Err(error) = reach_for(&self.listener, entry.settings.timeouts.tcp_user) {
            tracing::warn!(entry_point = %entry.name, %error, "tcpUserTimeout could not be set");
        }
        *self.entry.borrow_mut() = entry;
    }

    /// Ends: what is queued is still accepted, then the socket is closed.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
        self.stop.notify_one();
    }

    /// Another descriptor of the same socket.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// `_held` keeps the worker until the queue is empty.
    async fn run<H>(self: Rc<Self>, worker: Rc<Worker>, _held: H) {
        let mut pause = FIRST_PAUSE;
        while !self.stopped.get() {
            let accepted = tokio::select! {
                biased;
                () = self.stop.notified() => break,
                accepted = self.accept(&worker) => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    pause = FIRST_PAUSE;
                    self.serve(&worker, tcp, peer);
                }
                Err(error) => match fault(&error) {
                    Fault::Connection => tracing::debug!(%error, "a connection went away before it was accepted"),
                    Fault::Descriptors if self.entry.borrow().internal && worker.reserve.release() => {}
                    Fault::Descriptors | Fault::System => {
                        worker.metrics.accept_failed();
                        tracing::warn!(entry_point = %self.entry.borrow().name, %error, "accepting failed");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                },
            }
        }
        self.empty_queue(&worker);
    }

    /// The next connection, once there may be one more: until then it waits in the kernel's queue.
    async fn accept(&self, worker: &Worker) -> io::Result<(TcpStream, SocketAddr)> {
        if !self.entry.borrow().internal {
            // What becomes free goes to the reserve first: clients that wait would take it before the next scrape comes.
            worker.reserve.refill()?;
            worker.shared.bounds.admission.room().await;
        }
        self.listener.accept().await
    }

    /// The runtime only asks the kernel once that has told it of a connection; here the kernel itself is asked.
    fn empty_queue(&self, worker: &Rc<Worker>) {
        loop {
            match SockRef::from(&self.listener).accept() {
                Ok((socket, peer)) => {
                    let tcp = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket.into()));
                    match (tcp, peer.as_socket()) {
                        (Ok(tcp), Some(peer)) => self.serve(worker, tcp, peer),
                        (tcp, _) => tracing::warn!(error = ?tcp.err(), "a queued connection could not be served"),
                    }
                }
                Err(error) if fault(&error) == Fault::Connection => {}
                // Empty; or nothing more can be accepted, and what is queued is lost with the socket.
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        tracing::warn!(entry_point = %self.entry.borrow().name, %error, "queued connections are lost");
                    }
                    return;
                }
            }
        }
    }

    fn serve(&self, worker: &Rc<Worker>, tcp: TcpStream, peer: SocketAddr) {
        let (entry, bounds) = (self.entry(), &worker.shared.bounds);
        if !entry.internal && bounds.pressure.refuses_connections() {
            worker.metrics.refused(limits::MEMORY);
            return;
        }
        let place = (!entry.internal).then(|| bounds.admission.enter());
        tokio::task::spawn_local(connection::serve(worker.hold(), entry, Socket::Tcp(tcp), peer, place));
    }
}

/// What a failed accept is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// One connection, which is gone; the next may be fine.
    Connection,
    /// The process or the machine has no descriptor left.
    Descriptors,
    /// Anything else: no memory, no permission.
    System,
}

/// Network errors of a connection are handed to whoever accepts it (accept(2)).
fn fault(error: &io::Error) -> Fault {
    use rustix::io::Errno;
    let Some(errno) = Errno::from_io_error(error) else { return Fault::System };
    match errno {
        Errno::MFILE | Errno::NFILE => Fault::Descriptors,
        Errno::CONNABORTED
        | Errno::INTR
        | Errno::PROTO
        | Errno::NETDOWN
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::NONET
        | Errno::HOSTUNREACH
        | Errno::OPNOTSUPP
        | Errno::NETUNREACH
        | Errno::TIMEDOUT => Fault::Connection,
        _ => Fault::System,
    }
}

/// Long enough for a descriptor to come free, short enough that nobody notices.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// A lasting lack costs ten attempts a second, no more.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
