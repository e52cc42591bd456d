//! Many small requests, cheaply: one byte string sent again and again on kept-alive connections.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{client, wait::within};

/// Sends `count` requests on one connection, some pipelined; gives the first body byte of each answer, in order.
/// Every answer must be a 200 with Content-Length; anything else panics.
pub async fn first_bytes(address: SocketAddr, request: &[u8], count: usize) -> Vec<u8> {
    let mut stream = client::connect(address).await;
    let mut buffer = Vec::with_capacity(4096);
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let batch = PIPELINED.min(count - bytes.len());
        let requests = request.repeat(batch);
        stream.write_all(&requests).await.expect("the gateway takes requests");
        for _ in 0..batch {
            bytes.push(within("an answer under load", answer(&mut stream, &mut buffer)).await);
        }
    }
    bytes
}

/// `total` requests over `connections` connections at once; first body bytes in the order in which they began on each.
pub async fn in_parallel(address: SocketAddr, request: &'static [u8], total: usize, connections: usize) -> Vec<u8> {
    let each = total.div_ceil(connections);
    let clients = (0..connections).map(|_| tokio::spawn(first_bytes(address, request, each))).collect::<Vec<_>>();
    let mut bytes = Vec::with_capacity(each * connections);
    for client in clients {
        bytes.extend(client.await.expect("a client ends well"));
    }
    bytes.truncate(total);
    bytes
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u8 {
    loop {
        if let Some((body, length)) = whole(buffer) {
            buffer.drain(..length);
            return body;
        }
        let read = stream.read_buf(buffer).await.expect("the gateway answers");
        assert!(read > 0, "the gateway closed instead of answering");
    }
}

/// The first answer's first body byte and its length, head and body, once it is whole.
fn whole(buffer: &[u8]) -> Option<(u8, usize)> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]);
    assert!(text.starts_with("HTTP/1.1 200 "), "not a 200: {text}");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = head + length.unwrap_or_else(|| panic!("no length: {text}"));
    (buffer.len() >= whole).then(|| (buffer[head], whole))
}

/// How many requests are sent before the first of their answers is read: fewer wake-ups for the same work.
const PIPELINED: usize = 50;
