//! Listening sockets: one per worker and entry point, all on the same address.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

/// One socket for each worker. `address` is `host:port`; an empty host is every address. With port 0, all get the port
/// that the first was given.
pub(crate) fn bind(address: &str, workers: usize) -> io::Result<Vec<TcpListener>> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in candidates(address)? {
        match bind_all(candidate, workers) {
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

fn bind_all(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
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
        socket2::SockRef::from(listener).listen(BACKLOG)?;
    }
    Ok(listeners)
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
