//! What the judge of a canary counts, and how soon it stops one that fails.

#![cfg(test)]

#[path = "trials/site.rs"]
mod site;

use std::time::{Duration, Instant};

use rollgate_config::{dynamic::rollout::analysis::Analysis, scalar::Share};
use rollgate_gateway::{Trial, TrialVerdict};
use rollgate_testkit::{
    Ask, Backend, Connection,
    backend::{Switched, nobody},
    wait::{PATIENCE, eventually},
};

use self::site::{Site, get, order, send};

/// A judge that is wrong once in a hundred thousand: for tests in which versions are as good as each other.
fn careful() -> Analysis {
    Analysis { alpha: Share(10), ..Analysis::default() }
}

/// Sends requests until the canary is stopped.
async fn send_until_the_brake(client: &mut Connection, trial: &Trial) {
    let began = Instant::now();
    while !trial.is_braked() {
        send(client, 1).await;
        assert!(began.elapsed() < PATIENCE, "{:?}", trial.evidence());
    }
}

#[tokio::test]
async fn a_canary_that_always_fails_gets_five_requests_and_no_more() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let trial = site.begin(order(Analysis::default()), 5.0).await;
    canary.answers(503);
    let mut client = Connection::http1(site.web).await;
    send_until_the_brake(&mut client, &trial).await;
    let got = canary.requests();
    // More than five: four times in a million.
    assert!((3..=5).contains(&got), "{got}");
    assert!(send(&mut client, 300).await.iter().all(|status| *status == 200));
    assert_eq!(canary.requests(), got);
}

#[tokio::test]
async fn with_many_clients_no_more_than_are_under_way_come_after_the_errors_that_decide() {
    const CLIENTS: usize = 16;
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let trial = site.begin(order(Analysis::default()), 5.0).await;
    canary.answers(503);
    let web = site.web;
    let clients = (0..CLIENTS).map(|_| {
        let trial = trial.clone();
        tokio::spawn(async move {
            let mut client = Connection::http1(web).await;
            send_until_the_brake(&mut client, &trial).await;
            send(&mut client, 50).await
        })
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        assert!(client.await.unwrap().iter().all(|status| *status == 200), "nothing goes there any more");
    }
    assert!(canary.requests() <= 5 + CLIENTS as u64, "{}", canary.requests());
}

#[tokio::test]
async fn a_canary_is_stopped_at_its_deciding_error_and_not_at_the_next_tick() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    canary.answers(503);
    let mut took = Vec::new();
    for _ in 0..100 {
        let trial = site.begin(order(Analysis::default()), 50.0).await;
        let mut client = Connection::http1(site.web).await;
        let mut errors = 0;
        loop {
            errors += usize::from(send(&mut client, 1).await == [503]);
            // Without an error of stable's, nine of the canary's decide at 50%.
            if errors == 9 {
                break;
            }
        }
        let answered = Instant::now();
        while !trial.is_braked() {
            assert!(answered.elapsed() < PATIENCE, "{:?}", trial.evidence());
            std::thread::yield_now();
        }
        took.push(answered.elapsed());
        trial.end();
    }
    took.sort_unstable();
    println!("from the answer to the brake: median {:?}, p99 {:?}, longest {:?}", took[50], took[98], took[99]);
    // By ticks of 100 ms it would be half of that.
    assert!(took[50] < Duration::from_millis(10), "{took:?}");
}

#[tokio::test]
async fn a_good_canary_goes_on_while_stable_fails_now_and_then() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let trial = site.begin(order(Analysis::default()), 25.0).await;
    let mut client = Connection::http1(site.web).await;
    for _ in 0..10 {
        stable.answers(500);
        send(&mut client, 2).await;
        stable.answers(200);
        send(&mut client, 100).await;
    }
    let evidence = trial.evidence();
    assert!(!trial.is_braked() && evidence.verdict == TrialVerdict::Clear, "{evidence:?}");
    assert_eq!(evidence.total.canary.requests, canary.requests());
    assert_eq!(evidence.total.stable.requests, stable.requests());
    assert_eq!(evidence.total.canary.errors, 0);
}

#[tokio::test]
async fn versions_that_fail_together_are_held_and_not_rolled_back() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let mut notices = site.gateway.notices().unwrap();
    let trial = site.begin(order(careful()), 50.0).await;
    stable.answers(503);
    canary.answers(503);
    let mut client = Connection::http1(site.web).await;
    send(&mut client, 400).await;
    assert_eq!(trial.evidence().verdict, TrialVerdict::Hold, "{:?}", trial.evidence());
    assert!(!trial.is_braked());
    let told = eventually("the hold", async || notices.try_recv().ok()).await;
    assert!(matches!(told, rollgate_gateway::Notice::Verdict { verdict: TrialVerdict::Hold, .. }), "{told:?}");
}

#[tokio::test]
async fn draws_count_under_their_weight_over_every_change() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let mut client = Connection::http1(site.web).await;
    let trial = site.begin(order(Analysis::default()), 10.0).await;
    let mut expected = Vec::new();
    for (step, percent) in [10.0, 50.0, 10.0, 25.0].into_iter().enumerate() {
        if step > 0 {
            trial.next_step();
            site.lay(Some(&trial), percent, false).await;
        }
        let before = (canary.requests(), stable.requests());
        send(&mut client, 150).await;
        expected.push((percent / 100.0, canary.requests() - before.0, stable.requests() - before.1));
        assert_eq!(trial.evidence().step_requests, canary.requests() - before.0);
    }
    let (again_canary, again_stable) = (expected[2].1, expected[2].2);
    expected.remove(2);
    (expected[0].1, expected[0].2) = (expected[0].1 + again_canary, expected[0].2 + again_stable);
    let evidence = trial.evidence();
    let counted: Vec<_> =
        evidence.strata.iter().map(|stratum| (stratum.w, stratum.canary.requests, stratum.stable.requests)).collect();
    assert_eq!(counted, expected);
}

#[tokio::test]
async fn a_canary_that_cannot_be_reached_fails_and_one_that_is_never_drawn_does_not_count() {
    let stable = Switched::new("stable");
    let site = Site::new(&stable.url(), &nobody(), "");
    let mut client = Connection::http1(site.web).await;
    let trial = site.begin(order(Analysis::default()), 0.0).await;
    send(&mut client, 20).await;
    assert_eq!(trial.evidence().total.stable.requests, 0, "chance had no say");
    site.lay(Some(&trial), 50.0, false).await;
    send_until_the_brake(&mut client, &trial).await;
    let total = trial.evidence().total;
    assert_eq!(total.canary.errors, total.canary.requests);
    // Where that is no error, it is none.
    let connect = Analysis::default().errors;
    let analysis = Analysis {
        errors: rollgate_config::dynamic::rollout::analysis::ErrorRule { connect: false, ..connect },
        ..Analysis::default()
    };
    let trial = site.begin(order(analysis), 50.0).await;
    let failed = send(&mut client, 60).await.iter().filter(|status| **status == 502).count();
    let total = trial.evidence().total;
    assert_eq!((total.canary.requests, total.canary.errors), (failed as u64, 0));
}

#[tokio::test]
async fn a_request_that_is_tried_again_counts_once_as_it_ends() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::with(&format!(
        "http:
  routers: {{pro: {{rule: Host(`pro.test`), service: pro, middlewares: [again]}}}}
  middlewares: {{again: {{retry: {{attempts: 3, status: ['503'], budget: {{percent: 100, minPerSecond: 1000}}}}}}}}
  services:
    stable: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    canary: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    pro: {{weighted: {{services: [{{name: stable}}, {{name: canary}}]}}}}
",
        stable.url(),
        canary.url()
    ));
    let trial = site.begin(order(careful()), 50.0).await;
    let mut client = Connection::http1(site.web).await;
    canary.answers(503);
    let failed = send(&mut client, 6).await.iter().filter(|status| **status == 503).count() as u64;
    let total = trial.evidence().total;
    assert_eq!((total.canary.requests, total.canary.errors), (failed, failed));
    assert_eq!(canary.requests(), 3 * failed, "each was tried three times");
    assert_eq!(total.stable.requests, 6 - failed);
}

#[tokio::test]
async fn an_error_page_and_a_fallback_hide_nothing_from_the_judge() {
    let (stable, canary, other) = (Switched::new("stable"), Switched::new("canary"), Switched::new("other"));
    for way in [
        "routers: {pro: {rule: Host(`pro.test`), service: pro, middlewares: [page]}}\n  middlewares: {page: {errors: {status: ['500-599'], service: other, query: /page, statusRewrites: {'503': 200}}}}",
        "routers: {pro: {rule: Host(`pro.test`), service: safe}}",
    ] {
        let site = Site::with(&format!(
            "http:
  {way}
  services:
    stable: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    canary: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    other: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    safe: {{failover: {{service: pro, fallback: other, errors: {{status: ['500-599']}}}}}}
    pro: {{weighted: {{services: [{{name: stable}}, {{name: canary}}]}}}}
",
            stable.url(),
            canary.url(),
            other.url()
        ));
        let trial = site.begin(order(careful()), 50.0).await;
        let before = canary.requests();
        canary.answers(503);
        let mut client = Connection::http1(site.web).await;
        assert_eq!(send(&mut client, 14).await, [200; 14], "{way}");
        let total = trial.evidence().total;
        let failed = canary.requests() - before;
        assert_eq!((total.canary.requests, total.canary.errors), (failed, failed), "{way}");
        assert_eq!(total.stable.requests, 14 - failed, "{way}");
    }
}

#[tokio::test]
async fn grpc_errors_count_that_stand_in_trailers() {
    for metrics in ["", "metrics: {prometheus: {}}\n"] {
        let (stable, canary) = (Backend::h2c("stable"), Backend::h2c("canary"));
        let site = Site::under(metrics, &Site::text(&stable.url_as("h2c"), &canary.url_as("h2c"), ""));
        let trial = site.begin(order(careful()), 50.0).await;
        let mut client = Connection::http2(site.web).await;
        let mut expected = [0, 0];
        for (status, is_error) in [(0, false), (5, false), (13, true), (14, true)] {
            for _ in 0..8 {
                let ask = Ask::new("POST", "http://pro.test/a.Service/Call")
                    .header("Content-Type", "application/grpc")
                    .header("Echo-Trailer", &format!("grpc-status: {status}"));
                let reply = client.ask(ask).await;
                assert_eq!(reply.trailers["grpc-status"], status.to_string());
                let is_canary = reply.header("x-backend") == Some("canary");
                expected[0] += u64::from(is_canary);
                expected[1] += u64::from(is_canary && is_error);
            }
        }
        let total = trial.evidence().total;
        assert_eq!([total.canary.requests, total.canary.errors], expected);
        assert!(total.stable.errors > 0);
    }
}

#[tokio::test]
async fn a_request_that_its_client_gives_up_does_not_count() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    // No answer at all.
    stable.answers(0);
    canary.answers(0);
    let site = Site::new(&stable.url(), &canary.url(), "");
    let trial = site.begin(order(careful()), 50.0).await;
    for _ in 0..4 {
        let before = stable.requests() + canary.requests();
        let web = site.web;
        let asking = tokio::spawn(async move { get().send(web).await });
        eventually("a server has it", async || (stable.requests() + canary.requests() > before).then_some(())).await;
        asking.abort();
    }
    stable.answers(200);
    canary.answers(200);
    let mut client = Connection::http1(site.web).await;
    send(&mut client, 10).await;
    let total = eventually("what is answered counts", async || {
        let total = trial.evidence().total;
        (total.canary.requests + total.stable.requests >= 10).then_some(total)
    });
    let total = total.await;
    assert_eq!(total.canary.requests + total.stable.requests, 10);
    assert_eq!(total.canary.errors + total.stable.errors, 0);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_an_error_where_there_is_a_limit() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::with(&format!(
        "http:
  routers: {{pro: {{rule: Host(`pro.test`), service: pro, timeouts: {{request: 50ms}}}}}}
  services:
    stable: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    canary: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    pro: {{weighted: {{services: [{{name: stable}}, {{name: canary}}]}}}}
",
        stable.url(),
        canary.url()
    ));
    canary.answers(0);
    let trial = site.begin(order(careful()), 50.0).await;
    let mut client = Connection::http1(site.web).await;
    let late = send(&mut client, 10).await.iter().filter(|status| **status == 504).count() as u64;
    let total = trial.evidence().total;
    assert!(total.canary.errors >= late && total.canary.errors == total.canary.requests, "{total:?} {late}");
}

#[tokio::test]
async fn protocols_that_are_switched_are_answered_then() {
    let (stable, canary) = (Backend::websocket("stable"), Backend::websocket("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let trial = site.begin(order(Analysis::default()), 50.0).await;
    let request = "GET / HTTP/1.1\r\nHost: pro.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut stream = rollgate_testkit::client::connect(site.web).await;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 101");
        open.push(stream);
    }
    let total = trial.evidence().total;
    assert_eq!(total.canary.requests + total.stable.requests, 5, "while they last");
}
