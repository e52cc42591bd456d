use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use http::StatusCode;
use parking_lot::Mutex;
use rollgate_config::{
    dynamic::{
        service::health::{HealthCheck, Probe},
        transport::ServersTransport,
    },
    problem::Place,
};

use super::*;
use crate::tls::client::Transport;

/// What a watched server was asked and what was told of it, in milliseconds from the start.
#[derive(Debug, Default)]
struct Seen {
    asked: Mutex<Vec<(u64, String)>>,
    told: Mutex<Vec<(u64, bool)>>,
    bad: AtomicBool,
}

fn check(path: &str, interval: u64, unhealthy: Option<u64>) -> Check {
    let probe = Probe { path: path.to_owned(), ..Probe::default() };
    let config = HealthCheck {
        probe,
        interval: Duration::from_millis(interval),
        unhealthy_interval: unhealthy.map(Duration::from_millis),
        ..HealthCheck::default()
    };
    let transport = Transport::load(&ServersTransport::new(Place::of_default()), "", false).unwrap();
    Check { config, transport }
}

/// Watches a server whose answers take so long. Chance is always at the middle.
fn started(first: Check, takes: u64) -> (watch::Sender<Check>, Arc<Seen>) {
    let (checks, seen) = (watch::Sender::new(first), Arc::new(Seen::default()));
    let start = now();
    let since = move || now().duration_since(start).as_millis() as u64;
    let (asking, telling) = (seen.clone(), seen.clone());
    let ask = move |check: Check| {
        let seen = asking.clone();
        async move {
            seen.asked.lock().push((since(), check.config.probe.path));
            tokio::time::sleep(Duration::from_millis(takes)).await;
            if seen.bad.load(SeqCst) { Err(Fault::Status(StatusCode::NOT_FOUND)) } else { Ok(()) }
        }
    };
    let tell = move |_, answer: &Result<(), Fault>| telling.told.lock().push((since(), answer.is_ok()));
    tokio::spawn(watch(checks.subscribe(), ask, tell, || u64::MAX / 2));
    (checks, seen)
}

async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

fn times(seen: &Seen) -> Vec<u64> {
    seen.asked.lock().iter().map(|(at, _)| *at).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_probe_comes_at_once_and_the_others_at_intervals_from_begin_to_begin() {
    let (_checks, seen) = started(check("/", 1_000, None), 100);
    pass(3_000).await;
    // The second after half of the interval, then with half of the jitter.
    assert_eq!(times(&seen), [0, 500, 1_450, 2_400]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_asked_at_its_own_interval() {
    let (_checks, seen) = started(check("/", 10_000, Some(100)), 1);
    seen.bad.store(true, SeqCst);
    pass(300).await;
    assert_eq!(times(&seen), [0, 50, 145, 240]);
    seen.bad.store(false, SeqCst);
    pass(9_000).await;
    assert_eq!(times(&seen)[4..], [335], "and at the other one when it is up again");
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_slower_than_it_is_asked_is_asked_one_at_a_time() {
    let (_checks, seen) = started(check("/", 100, None), 1_000);
    pass(3_500).await;
    assert_eq!(times(&seen), [0, 1_000, 2_000, 3_000]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_changes_nothing_restarts_nothing() {
    let (checks, seen) = started(check("/", 1_000, None), 0);
    for _ in 0..30 {
        pass(100).await;
        checks.send_replace(check("/", 1_000, None));
    }
    assert_eq!(times(&seen), [0, 500, 1_450, 2_400]);
}

#[tokio::test(start_paused = true)]
async fn another_interval_holds_at_once() {
    let (checks, seen) = started(check("/", 1_000_000, None), 0);
    pass(2_000).await;
    checks.send_replace(check("/", 1_000, None));
    pass(1).await;
    assert_eq!(times(&seen), [0, 2_000], "it is overdue");
    pass(950).await;
    assert_eq!(times(&seen), [0, 2_000, 2_950]);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_anew_is_asked_at_once() {
    let (checks, seen) = started(check("/", 1_000_000, None), 0);
    pass(2_000).await;
    checks.send_replace(check("/other", 1_000_000, None));
    pass(1).await;
    assert_eq!(*seen.asked.lock(), [(0, "/".to_owned()), (2_000, "/other".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_is_no_longer_asked_is_not_waited_for() {
    let (checks, seen) = started(check("/", 10_000, None), 1_000);
    pass(500).await;
    checks.send_replace(check("/other", 10_000, None));
    pass(2_000).await;
    assert_eq!(*seen.asked.lock(), [(0, "/".to_owned()), (500, "/other".to_owned())]);
    assert_eq!(*seen.told.lock(), [(1_500, true)]);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_checks() {
    let (checks, seen) = started(check("/", 1_000, None), 0);
    pass(1).await;
    drop(checks);
    pass(1).await;
    assert_eq!(Arc::strong_count(&seen), 1, "nobody asks or tells any more");
}
