//! A little traffic of the demo's own: some two hundred requests a second over four connections.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Starts it on a thread of its own; it ends with the process.
pub(super) fn start(web: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("traffic".to_owned()).spawn(move || {
        runtime.block_on(async {
            let clients = (0..CONNECTIONS).map(|place| tokio::spawn(client(web, place)));
            for client in clients.collect::<Vec<_>>() {
                // A client never ends by itself.
                drop(client.await);
            }
        });
    })?;
    Ok(())
}

async fn client(web: SocketAddr, mut turn: usize) {
    loop {
        // The gateway may not serve yet, or not any more.
        drop(session(web, &mut turn).await);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn session(web: SocketAddr, turn: &mut usize) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(web).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let mut clock = tokio::time::interval(PAUSE);
    loop {
        clock.tick().await;
        sender.ready().await?;
        let mut response = sender.send_request(request(*turn)?).await?;
        while let Some(frame) = response.body_mut().frame().await {
            frame?;
        }
        *turn += 1;
        if driven.is_finished() {
            return Ok(());
        }
    }
}

/// Of twenty requests, two go to dev.coding, one asks for the canary and one is an employee's; the split decides about the others.
fn request(turn: usize) -> http::Result<Request<Empty<Bytes>>> {
    let request = Request::get("/").header("user-agent", "rollgate-demo");
    match turn % 20 {
        3 | 13 => request.header("host", "dev.coding"),
        7 => request.header("host", "pro.coding").header("x-version", "canary"),
        11 => request.header("host", "pro.coding").header("x-user-group", "employees"),
        _ => request.header("host", "pro.coding"),
    }
    .body(Empty::new())
}

const CONNECTIONS: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
