//! Servers that are bytes on a socket.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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
