//! A client that keeps to nothing: it sends the bytes a test says, in the pieces, at the pace and with the end that it
//! says, and tells what came back.
//!
//! ```text
//! Script::new().send("GET / HT").pause(..).send("TP/1.1\r\n..").reset()  ->  play  ->  Heard { replies, ended }
//! ```

pub mod http2;

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{RawConnection, RawReply, client, wait::within};

/// What to do, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Script(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    Await(Vec<u8>),
    Finish,
    Reset,
}

/// What came back until the peer ended, or the script reset the connection.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub ended: Ended,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed it in order.
    #[default]
    Closed,
    /// The peer reset it.
    Reset,
    /// The script did.
    ByScript,
}

impl Script {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends bytes, in one write.
    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.push(Step::Send(bytes.as_ref().to_vec()));
        self
    }

    /// Sends bytes in pieces of this size, a moment apart, so that each is read by itself.
    pub fn drip(mut self, bytes: impl AsRef<[u8]>, size: usize) -> Self {
        for piece in bytes.as_ref().chunks(size) {
            self = self.send(piece).pause(MOMENT);
        }
        self
    }

    /// Sends bytes in two pieces, a moment apart.
    pub fn split(self, bytes: impl AsRef<[u8]>, at: usize) -> Self {
        let (first, second) = bytes.as_ref().split_at(at);
        self.send(first).pause(MOMENT).send(second)
    }

    /// Is silent for so long.
    pub fn pause(mut self, time: Duration) -> Self {
        self.0.push(Step::Pause(time));
        self
    }

    /// Reads until these bytes have come.
    pub fn hear(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.push(Step::Await(bytes.as_ref().to_vec()));
        self
    }

    /// Ends its writing side.
    pub fn finish(mut self) -> Self {
        self.0.push(Step::Finish);
        self
    }

    /// Closes with a reset; the last thing it does.
    pub fn reset(mut self) -> Self {
        self.0.push(Step::Reset);
        self
    }

    /// Does it all on a new connection, and hears the peer out. A peer that no longer takes bytes is no failure.
    pub async fn play(self, address: SocketAddr) -> Heard {
        let mut stream = client::connect(address).await;
        let mut heard = Heard::default();
        for step in self.0 {
            match step {
                Step::Send(bytes) => drop(within("the peer takes bytes", stream.write_all(&bytes)).await),
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Await(wanted) => while !contains(&heard.bytes, &wanted) && read(&mut stream, &mut heard).await {},
                Step::Finish => drop(stream.shutdown().await),
                Step::Reset => {
                    stream.set_zero_linger().expect("a socket can linger for no time");
                    heard.ended = Ended::ByScript;
                    return heard;
                }
            }
        }
        while read(&mut stream, &mut heard).await {}
        heard
    }
}

impl Heard {
    /// The answers that came, one after the other; a half one is the last, without its body's end.
    pub async fn replies(&self) -> Vec<RawReply> {
        let (mut near, far) = tokio::io::duplex(self.bytes.len() + 1);
        near.write_all(&self.bytes).await.expect("the pipe takes it all");
        drop(near);
        let mut connection = RawConnection::over(far);
        let mut replies = Vec::new();
        loop {
            let reply = connection.read_reply().await;
            if reply.status_line.is_empty() {
                return replies;
            }
            replies.push(reply);
        }
    }

    /// Their statuses.
    pub async fn statuses(&self) -> Vec<u16> {
        self.replies().await.iter().map(RawReply::status).collect()
    }
}

async fn read(stream: &mut TcpStream, heard: &mut Heard) -> bool {
    match within("the peer sends something or closes", stream.read_buf(&mut heard.bytes)).await {
        Ok(read) => read > 0,
        Err(_) => {
            heard.ended = Ended::Reset;
            false
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Longer than a peer on the same machine needs to read what was sent.
const MOMENT: Duration = Duration::from_millis(2);
