//! Messages there and back, as many as come back: what each costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{Round, closed::COST};
use crate::sample::Sample;

/// One message at a time on each connection.
pub async fn measure(round: Round<'_>) -> Result<Sample, String> {
    let (count, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let stream = handshake(round.site.port(), &round.site.host()).await?;
        clients.spawn(echoed(stream, count.clone(), stop.clone()));
    }
    tokio::time::sleep(WARM).await;
    let (before, messages, began) = (round.running.processor_time(), count.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(Duration::from_secs(round.options.seconds)).await;
    let took = round.running.processor_time() - before;
    let messages = (count.load(Ordering::Relaxed) - messages) as f64;
    let elapsed = began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.map_err(|why| why.to_string())??;
    }
    Ok(Sample::default()
        .with(COST, took.as_secs_f64() * 1e6 / messages)
        .with("messages/s", messages / elapsed)
        .with("MiB", round.running.memory() as f64 / 1024.0))
}

async fn handshake(port: u16, host: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|why| why.to_string())?;
    stream.set_nodelay(true).map_err(|why| why.to_string())?;
    let request = format!(
        "GET /ok HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|why| why.to_string())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.map_err(|why| why.to_string())?);
    }
    match head.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(stream),
        false => Err(format!("no WebSocket: {}", String::from_utf8_lossy(&head))),
    }
}

async fn echoed(mut stream: TcpStream, count: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Result<(), String> {
    // A text frame with a mask of zeros (RFC 6455 section 5.2), and what comes back of it.
    let mut frame = vec![0x81, 0x80 | MESSAGE as u8, 0, 0, 0, 0];
    frame.extend([b'm'; MESSAGE]);
    let mut back = [0; 2 + MESSAGE];
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&frame).await.map_err(|why| why.to_string())?;
        stream.read_exact(&mut back).await.map_err(|why| why.to_string())?;
        if back[..2] != [0x81, MESSAGE as u8] || back[2..] != [b'm'; MESSAGE] {
            return Err("another message came back".to_owned());
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

const CONNECTIONS: usize = 64;
const MESSAGE: usize = 64;
const WARM: Duration = Duration::from_secs(2);
