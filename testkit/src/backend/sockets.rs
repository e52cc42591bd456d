//! Servers that are bytes on a socket.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// A URL at which nobody listens, as long as the process lasts.
pub fn nobody() -> String {
    // Bound and never listened on: nobody else gets the port, and whoever connects is refused.
    static KEPT: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a loopback port is free");
    let address = socket.local_addr().expect("a bound socket has an address");
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    format!("http://{address}")
}

/// Answers each request head with the same bytes until the peer ends.
pub(super) async fn canned(mut stream: TcpStream, answer: Arc<[u8]>) {
    let mut buffer = Vec::with_capacity(4096);
    while read_head(&mut stream, &mut buffer).await.is_some() {
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Answers one request head and ends.
pub(super) async fn once(mut stream: TcpStream, answer: Arc<[u8]>) {
    let mut buffer = Vec::new();
    if read_head(&mut stream, &mut buffer).await.is_some() {
        stream.write_all(&answer).await.ok();
        stream.shutdown().await.ok();
    }
}

/// Takes one head out of the buffer, reading more where it is not whole; `None` at the end of the stream.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            return Some(buffer.drain(..end + 4).collect());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
