//! Clients at the side of a load: one that does something whole again and again, and counts how often it went well.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rollgate_testkit::{Ask, Connection, RawConnection, tls::unverified_client};
use tokio::task::JoinHandle;

use crate::site::{HOST, SECURE_HOST, WEBSOCKET_HOST};

/// A client that does something again and again.
#[derive(Debug)]
pub struct Side {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(u64, u64)>,
}

impl Side {
    /// Does `work` with so much time between; what panics or is `false` has failed.
    pub fn begin<F>(pause: Duration, work: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (mut good, mut failed) = (0, 0);
            while !over.load(Ordering::SeqCst) {
                // A task of its own: the tools of tests panic where something fails.
                match tokio::spawn(work()).await {
                    Ok(true) => good += 1,
                    Ok(false) | Err(_) => failed += 1,
                }
                tokio::time::sleep(pause).await;
            }
            (good, failed)
        });
        Self { stop, task }
    }

    /// Ends it; how often it went well, and how often not.
    pub async fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.expect("it does not panic itself")
    }
}

/// A TLS handshake and a request.
pub async fn handshake(address: SocketAddr) -> bool {
    let mut client = Connection::tls(address, SECURE_HOST, unverified_client(&["http/1.1"])).await;
    client.ask(Ask::get(&format!("https://{SECURE_HOST}/"))).await.status == 200
}

/// A connection of HTTP/2 with some requests.
pub async fn http2(address: SocketAddr) -> bool {
    let mut client = Connection::http2(address).await;
    for _ in 0..50 {
        if client.ask(Ask::get(&format!("http://{HOST}/"))).await.status != 200 {
            return false;
        }
    }
    true
}

/// A WebSocket that some messages go through.
pub async fn websocket(address: SocketAddr) -> bool {
    let mut client = RawConnection::open(address).await;
    let handshake = format!(
        "GET / HTTP/1.1\r\nHost: {WEBSOCKET_HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    if client.exchange(handshake.as_str()).await.status() != 101 {
        return false;
    }
    for _ in 0..30 {
        // "Hello", masked, as RFC 6455 section 5.7 has it.
        client.write(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").await;
        if client.read_exactly(7).await != b"\x81\x05Hello" {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    true
}

/// A client that goes away in the middle of its request, with a reset.
pub async fn crash(address: SocketAddr) -> bool {
    let mut client = RawConnection::open(address).await;
    client.write(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100\r\n\r\nhalf").as_str()).await;
    client.reset();
    true
}
