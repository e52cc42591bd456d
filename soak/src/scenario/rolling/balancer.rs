//! A TCP balancer: each connection goes to the next gateway whose `/ready` says yes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use rollgate_load::once;

/// It runs on a thread of its own, and ends with it.
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    places: Arc<Mutex<[Option<Place>; 2]>>,
    runtime: Option<Runtime>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    web: SocketAddr,
    internal: SocketAddr,
    ready: bool,
}

impl Balancer {
    /// Without any gateway.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("a listener has an address");
        let places: Arc<Mutex<[Option<Place>; 2]>> = Arc::default();
        runtime.spawn(accept(listener, Arc::clone(&places)));
        for place in 0..2 {
            runtime.spawn(look(Arc::clone(&places), place));
        }
        Self { address, places, runtime: Some(runtime) }
    }

    /// Puts a gateway in a place; it gets connections once it is ready.
    pub fn set(&self, place: usize, web: SocketAddr, internal: SocketAddr) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places[place] = Some(Place { web, internal, ready: false });
    }

    /// Waits until the gateway in a place gets connections.
    pub async fn is_ready(&self, place: usize) {
        let ready = || {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places[place].is_some_and(|place| place.ready)
        };
        while !ready() {
            tokio::time::sleep(INTERVAL / 10).await;
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: std::net::TcpListener, places: Arc<Mutex<[Option<Place>; 2]>>) {
    let listener = TcpListener::from_std(listener).expect("the runtime takes the socket");
    let mut turn = 0;
    while let Ok((mut client, _)) = listener.accept().await {
        turn += 1;
        let places = Arc::clone(&places);
        tokio::spawn(async move {
            let Some(server) = choose(&places, turn).await else {
                return;
            };
            // No second try elsewhere: a gateway that is said to be ready has to accept.
            let Ok(mut server) = TcpStream::connect(server).await else {
                return;
            };
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            // Either side may end as it likes; what was sent has been passed on.
            let _ended = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// The next gateway that is ready. If none is, which a busy machine makes of one late answer, a client waits a while.
async fn choose(places: &Mutex<[Option<Place>; 2]>, turn: usize) -> Option<SocketAddr> {
    let deadline = Instant::now() + QUEUED;
    loop {
        let all = *places.lock().unwrap_or_else(PoisonError::into_inner);
        let ready: Vec<SocketAddr> = all.iter().flatten().filter(|place| place.ready).map(|place| place.web).collect();
        if !ready.is_empty() {
            return Some(ready[turn % ready.len()]);
        }
        if Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(INTERVAL / 10).await;
    }
}

/// Asks one gateway whether it is ready, again and again.
async fn look(places: Arc<Mutex<[Option<Place>; 2]>>, number: usize) {
    loop {
        let place = places.lock().unwrap_or_else(PoisonError::into_inner)[number];
        if let Some(place) = place {
            let answer = once(place.internal, b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n", PATIENCE).await;
            let ready = answer.is_ok_and(|answer| answer.status == 200);
            let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(now) = places[number].as_mut().filter(|now| now.internal == place.internal) {
                now.ready = ready;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long a client waits for a gateway that is ready.
const QUEUED: Duration = Duration::from_secs(5);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
