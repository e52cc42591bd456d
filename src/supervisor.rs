//! Tells systemd how the service fares (sd_notify(3)), where it has asked by `NOTIFY_SOCKET`: with `Type=notify` the unit
//! is up when everything listens, and after a hand-over its main process is the new one (`NotifyAccess=all`).

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// This process serves, and is the main one.
pub(crate) fn serving() {
    notify(&format!("READY=1\nMAINPID={}", std::process::id()));
}

/// This process is ending.
pub(crate) fn ending() {
    notify("STOPPING=1");
}

fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, "the supervisor cannot be told: {}", state.replace('\n', " "));
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}
