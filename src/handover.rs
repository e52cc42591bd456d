//! A new binary takes over from the one that runs: it is given the listening sockets, so that a connection that waits in
//! one of their queues finds somebody who accepts it, whichever of the two that is.
//!
//! ```text
//! old: starts the new one, its standard input a socket pair  ->  sockets, some in each message  ->  an empty message
//! new: reads its configuration, starts its workers on them   ->  READY
//! old: ends, as if told to
//! ```
//!
//! Until READY nothing has changed for the old one: a new binary that cannot start costs nothing.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rollgate_control::ListeningSocket;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair, sockopt,
};
use serde::{Deserialize, Serialize};

/// What is started when a new binary is to take over: this program, by the name it was started with, which may by then
/// be another file.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<std::ffi::OsString>,
}

/// A new process on its way.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Child,
    channel: OwnedFd,
}

/// The line to the process before this one.
#[derive(Debug)]
pub(crate) struct Predecessor(());

/// What is told of a socket beside its descriptor.
#[derive(Debug, Serialize, Deserialize)]
struct Named {
    entry_point: String,
    address: String,
}

impl Program {
    /// To be asked early: afterwards the file may have been replaced, and its path is no longer known.
    pub(crate) fn current() -> io::Result<Self> {
        let mut words = std::env::args_os();
        let name = words.next().map(PathBuf::from).filter(|name| name.components().nth(1).is_some());
        let path = name.map_or_else(std::env::current_exe, Ok)?;
        Ok(Self { path, arguments: words.collect() })
    }

    /// Starts it, with sockets to take over.
    pub(crate) fn start(&self, sockets: &[ListeningSocket]) -> io::Result<Successor> {
        let (channel, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env(VARIABLE, "stdin").stdin(Stdio::from(theirs));
        let mut child = command.spawn()?;
        if let Err(error) = offer(channel.as_fd(), sockets) {
            end(&mut child);
            return Err(error);
        }
        Ok(Successor { child, channel })
    }
}

impl Successor {
    /// The new process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns when it serves. Blocks. One that does not is ended.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        let mut answer = [0; READY.len()];
        let received = sockopt::set_socket_timeout(&self.channel, sockopt::Timeout::Recv, Some(PATIENCE))
            .and_then(|()| recv(&self.channel, &mut answer, RecvFlags::empty()));
        match received {
            Ok((_, length)) if length == READY.len() && answer == *READY => Ok(()),
            Ok(_) => {
                let status = end(&mut self.child);
                Err(format!("the new process ended before it served{status}"))
            }
            Err(error) => {
                let status = end(&mut self.child);
                Err(format!("the new process did not serve within {} s: {error}{status}", PATIENCE.as_secs()))
            }
        }
    }
}

impl Predecessor {
    /// What the process before this one hands over, if there is one.
    pub(crate) fn take() -> io::Result<Option<(Self, Vec<ListeningSocket>)>> {
        if std::env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let stdin = io::stdin();
        sockopt::set_socket_timeout(&stdin, sockopt::Timeout::Recv, Some(PATIENCE))?;
        let mut sockets = Vec::new();
        loop {
            let some = receive(stdin.as_fd())?;
            if some.is_empty() {
                return Ok(Some((Self(()), sockets)));
            }
            sockets.extend(some);
        }
    }

    /// This process serves; the one before may end. If that is gone already, nothing is lost.
    pub(crate) fn ready(self) {
        if let Err(error) = send(io::stdin(), READY, SendFlags::NOSIGNAL) {
            tracing::warn!(%error, "the process before this one cannot be told that this one serves");
        }
    }
}

fn offer(channel: BorrowedFd<'_>, sockets: &[ListeningSocket]) -> io::Result<()> {
    for some in sockets.chunks(BATCH) {
        let names: Vec<Named> = some
            .iter()
            .map(|socket| Named { entry_point: socket.entry_point.clone(), address: socket.address.clone() })
            .collect();
        let descriptors: Vec<BorrowedFd<'_>> = some.iter().map(|socket| socket.socket.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("too many sockets in one message"));
        }
        sendmsg(channel, &[IoSlice::new(&serde_json::to_vec(&names)?)], &mut control, SendFlags::NOSIGNAL)?;
    }
    send(channel, b"[]", SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(channel: BorrowedFd<'_>) -> io::Result<Vec<ListeningSocket>> {
    let mut text = vec![0; MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(channel, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    let names: Vec<Named> = serde_json::from_slice(&text[..received.bytes])?;
    if names.len() != descriptors.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "names and sockets are not as many"));
    }
    let sockets = names.into_iter().zip(descriptors).map(|(Named { entry_point, address }, socket)| ListeningSocket {
        entry_point,
        address,
        socket,
    });
    Ok(sockets.collect())
}

/// Ends a process that is of no use; how it ended.
fn end(child: &mut Child) -> String {
    // It may have ended by itself.
    drop(child.kill());
    child.wait().map_or_else(|_| String::new(), |status| format!(" ({status})"))
}

/// Set for a process that is to take over: what its standard input is.
const VARIABLE: &str = "ROLLGATE_HANDOVER";
const READY: &[u8; 5] = b"READY";
/// Sockets in one message; the kernel takes 253.
const BATCH: usize = 64;
/// A message's text: names are some tens of bytes.
const MESSAGE: usize = 64 * 1024;
/// A configuration of 100,000 routers loads in seconds.
const PATIENCE: Duration = Duration::from_secs(60);
