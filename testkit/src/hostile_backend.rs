//! A server of bytes. The test is its script: it takes each connection of the gateway's and says what is read, what is
//! sent, in which pieces, and when.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::{raw::RawConnection, wait::within};

/// A listening server that does nothing by itself.
#[derive(Debug)]
pub struct HostileBackend {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// One of the gateway's connections to it.
#[derive(Debug)]
pub struct Peer(RawConnection);

/// Which way the gateway's next request came.
#[derive(Debug)]
pub enum Route {
    /// On the connection that was there.
    Kept(String),
    /// On a new one.
    New(Peer, String),
}

impl HostileBackend {
    /// Listens on the loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    /// On a socket that listens already.
    pub fn on(listener: std::net::TcpListener) -> Self {
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let listener = TcpListener::from_std(listener).expect("the runtime takes the socket");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The gateway's next connection.
    pub async fn accept(&self) -> Peer {
        let (stream, _) = within("the gateway connects", self.listener.accept()).await.expect("a socket is accepted");
        // So that each piece that is sent is a segment of its own.
        stream.set_nodelay(true).expect("a socket has options");
        Peer(RawConnection::over(stream))
    }

    /// The gateway's next request, with the connection that it came on.
    pub async fn request(&self) -> (Peer, String) {
        let mut peer = self.accept().await;
        let head = peer.head().await;
        (peer, head)
    }

    /// The gateway's next request, where `peer` is a connection that it has already.
    pub async fn next(&self, peer: &mut Peer) -> Route {
        tokio::select! {
            biased;
            Some(head) = peer.0.read_head() => Route::Kept(head),
            (peer, head) = self.request() => Route::New(peer, head),
        }
    }
}

impl Peer {
    /// A request's head. Panics if the gateway closes instead.
    pub async fn head(&mut self) -> String {
        self.0.read_head().await.expect("the gateway sends a request")
    }

    /// So many bytes of a request's body.
    pub async fn body(&mut self, length: usize) -> Vec<u8> {
        self.0.read_exactly(length).await
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write(bytes).await;
    }

    /// Sends bytes; the gateway may have closed.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.try_write(bytes).await
    }

    /// Sends bytes in pieces of so many, each a segment of its own.
    pub async fn send_in_pieces(&mut self, bytes: impl AsRef<[u8]>, length: usize) {
        for piece in bytes.as_ref().chunks(length) {
            self.send(piece).await;
            tokio::task::yield_now().await;
        }
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        self.0.half_close().await;
    }

    /// Closes with a reset.
    pub fn reset(self) {
        self.0.reset();
    }

    /// The gateway's end of the connection.
    pub fn address(&self) -> SocketAddr {
        self.0.peer()
    }

    /// Whether the gateway has closed without a further byte; waits for one or the other.
    pub async fn is_closed(&mut self) -> bool {
        self.0.is_closed().await
    }
}
