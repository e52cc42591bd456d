//! The users of one scene: so many requests a second, whatever becomes of them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use fastrand::Rng;
use rollgate_load::{Client, Pace, Timer};
use tokio::task::JoinSet;

use super::scene::{Moment, Scene};

/// Those of one scene.
pub struct Users {
    seen: Arc<Seen>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    canary: AtomicU64,
    failed: AtomicU64,
}

impl Users {
    pub fn begin(address: SocketAddr, scene: &'static Scene, rate: f64, short: bool) -> Self {
        let seen = Arc::<Seen>::default();
        let begin = Instant::now();
        let pace = Pace::new(begin, rate);
        let mut tasks = JoinSet::new();
        // What asks in turn does so on one connection.
        for index in 0..CONNECTIONS {
            let (seen, pace) = (seen.clone(), pace.share(index, CONNECTIONS));
            let faster = if short { SHORTER } else { 1 };
            tasks.spawn(async move {
                let mut random = Rng::with_seed(SEED + index as u64);
                let mut client = Client::open(address).await.expect("the gateway accepts");
                let timer = Timer::default();
                for turn in 0.. {
                    let due = pace.due(turn);
                    timer.until(due).await;
                    if seen.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let moment = Moment {
                        number: turn * CONNECTIONS as u64 + index as u64,
                        elapsed: due.saturating_duration_since(begin) * faster,
                        canary: seen.canary.load(Ordering::Relaxed),
                        user: user(&mut random),
                    };
                    let letters = (scene.fails)(&moment, &mut random).map(|fails| if fails { 'x' } else { '-' });
                    let request = format!(
                        "GET /{}{} HTTP/1.1\r\nHost: {}.test\r\nx-user: {}\r\n\r\n",
                        letters[0], letters[1], scene.name, moment.user
                    );
                    let answer = client.exchange(request.as_bytes()).await.expect("the gateway answers");
                    if answer.first == b'c' {
                        seen.canary.fetch_add(1, Ordering::Relaxed);
                        seen.failed.fetch_add(u64::from(answer.status != 200), Ordering::Relaxed);
                    }
                }
            });
        }
        Self { seen, tasks }
    }

    /// Requests that the canary has answered.
    pub fn canary(&self) -> u64 {
        self.seen.canary.load(Ordering::Relaxed)
    }

    /// Ends them: requests that the canary has answered, and those that failed.
    pub async fn end(mut self) -> (u64, u64) {
        self.seen.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("every request is answered");
        }
        (self.canary(), self.seen.failed.load(Ordering::Relaxed))
    }
}

/// One of many; few ask most.
fn user(random: &mut Rng) -> u64 {
    // The inverse of 1/x between 1 and the number of users.
    (USERS.powf(random.f64())) as u64
}

const CONNECTIONS: usize = 4;
const USERS: f64 = 20_000.0;
const SEED: u64 = 7;
const SHORTER: u32 = 10;
