//! Listening sockets: one per worker and entry point, all on the same address.

pub(crate) mod accept;
pub(crate) mod admission;
mod reserve;

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

pub(crate) use self::reserve::Reserve;

/// A socket that is listened on, on its way from one process to the next.
#[derive(Debug)]
pub struct ListeningSocket {
    /// The entry point's name.
    pub entry_point: String,
    /// The address as it is configured (`:443`), which a port 0 does not tell.
    pub address: String,
    /// Bound and listening; what is queued on it stays queued.
    pub socket: OwnedFd,
}

impl ListeningSocket {
    /// Another descriptor of it.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        let (entry_point, address) = (self.entry_point.clone(), self.address.clone());
        Ok(Self { entry_point, address, socket: self.socket.try_clone()? })
    }
}

/// What a process before this one listened on; each socket is taken once.
#[derive(Debug, Default)]
pub(crate) struct Inherited(Vec<ListeningSocket>);

impl Inherited {
    pub(crate) fn new(sockets: Vec<ListeningSocket>) -> Self {
        Self(sockets)
    }

    /// The sockets of this address. Two entry points may both be configured with port 0: then the name decides.
    fn take(&mut self, entry_point: &str, address: &str) -> io::Result<Vec<TcpListener>> {
        let named = self.0.iter().any(|socket| socket.address == address && socket.entry_point == entry_point);
        let (ours, others) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|socket| socket.address == address && (!named || socket.entry_point == entry_point));
        self.0 = others;
        let listener = |socket: ListeningSocket| {
            let listener = TcpListener::from(socket.socket);
            // Shared with the process before; both want it so.
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        Vec::into_iter(ours).map(listener).collect()
    }
}

/// At least one socket for each worker. `address` is `host:port`; an empty host is every address. With port 0, all get
/// the port that the first was given. Inherited sockets are all used, also where there are more of them than workers:
/// what is queued on one must find somebody who accepts it. `patience` is how long the kernel tries to reach a client that
/// acknowledges nothing; new sockets have it before the first connection comes.
pub(crate) fn bind(
    entry_point: &str,
    (address, patience): (&str, Duration),
    workers: usize,
    inherited: &mut Inherited,
) -> io::Result<Vec<TcpListener>> {
    let mut taken = inherited.take(entry_point, address)?;
    if let Some(first) = taken.first() {
        let bound = first.local_addr()?;
        for _ in taken.len()..workers {
            let more = socket(bound, true)?;
            reach_for(&more, patience)?;
            socket2::SockRef::from(&more).listen(BACKLOG)?;
            taken.push(more);
        }
        return Ok(taken);
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in candidates(address)? {
        match bind_all(candidate, patience, workers) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => last = error,
        }
    }
    Err(last)
}
fn candidates(address: &str) -> io::Result<Vec<SocketAddr>> {
    match address.strip_prefix(':') {
        // IPv6 with IPv4 in it; plain IPv4 where the machine has no IPv6.
        Some(port) => {
            let port = port.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no port"))?;
            Ok(vec![SocketAddr::from(([0u16; 8], port)), SocketAddr::from(([0u8; 4], port))])
        }
        None => Ok(address.to_socket_addrs()?.collect()),
    }
}

fn bind_all(address: SocketAddr, patience: Duration, workers: usize) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        // SO_REUSEPORT would let a second gateway of the same user take half of the first one's connections.
        socket(address, false)?;
    }
    let first = socket(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(socket(address, true)?);
    }
    for listener in &listeners {
        reach_for(listener, patience)?;
        socket2::SockRef::from(listener).listen(BACKLOG)?;
    }
    Ok(listeners)
}

/// How long the kernel tries to reach a client that acknowledges nothing; zero: as long as it does by itself. Accepted
/// sockets inherit it when their handshake ends: no system call for each connection.
pub(crate) fn reach_for(listener: &impl AsFd, patience: Duration) -> io::Result<()> {
    socket2::SockRef::from(listener).set_tcp_user_timeout((!patience.is_zero()).then_some(patience))
}

/// Bound, not yet listening: a connection that arrives before all are bound would otherwise be lost to one of them.
fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    // Accepted sockets inherit these: no system call for each connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE))?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

/// Connections that may wait to be accepted, up to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Traefik's: a peer that vanished is noticed within minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(180);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_connection_too_is_given_up_in_time() {
        for patience in [Duration::ZERO, Duration::from_secs(7)] {
            let bound = bind("web", ("127.0.0.1:0", patience), 2, &mut Inherited::default()).unwrap();
            assert_eq!(bound.len(), 2);
            for listener in &bound {
                let has = socket2::SockRef::from(listener).tcp_user_timeout().unwrap();
                assert_eq!(has.unwrap_or_default(), patience);
            }
        }
    }
}
