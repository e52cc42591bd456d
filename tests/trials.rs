//! Who gets a canary while it is tried, and that a brake holds for all of them.

#![cfg(test)]

#[path = "trials/site.rs"]
mod site;

use rollgate_config::{
    dynamic::rollout::{
        analysis::Analysis,
        audience::{AllOf, Audience},
    },
    scalar::{IpStrategy, Share},
};
use rollgate_gateway::{TrialMode, TrialOrder, TrialVerdict};
use rollgate_testkit::{Ask, Backend, Connection, backend::Switched, wait::eventually};

use self::site::{CANARY, SERVICE, STABLE, Site, get, order, send};

fn audience(all: AllOf, draw: Option<Share>) -> TrialOrder {
    let mode = TrialMode::Audience { audience: Audience { any_of: vec![all] }, draw };
    TrialOrder { mode, ..order(Analysis::default()) }
}

fn named(name: &str, value: &str) -> Vec<(String, Vec<String>)> {
    vec![(name.to_owned(), vec![value.to_owned()])]
}

/// Who answers.
async fn version(connection: &mut Connection, ask: Ask) -> String {
    let reply = connection.ask(ask).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-backend").expect("a backend says who it is").to_owned()
}

#[tokio::test]
async fn an_audience_gets_the_canary_whatever_its_weight_is() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let mut client = Connection::http1(site.web).await;
    let forwarded = IpStrategy { depth: 1, ..IpStrategy::default() };
    for (all, belongs, does_not) in [
        (
            AllOf { headers: named("x-beta", "1"), ..AllOf::default() },
            get().header("X-Beta", "1"),
            get().header("X-Beta", "0"),
        ),
        (
            AllOf { cookies: named("group", "b"), ..AllOf::default() },
            get().header("Cookie", "a=1; group=b"),
            get().header("Cookie", "group=a"),
        ),
        (
            AllOf { query: named("preview", "new design"), ..AllOf::default() },
            Ask::get("http://pro.test/?a&preview=new+design"),
            Ask::get("http://pro.test/?preview=old"),
        ),
        (
            AllOf { client_ip: vec!["10.0.0.0/8".parse().unwrap()], ip_strategy: forwarded, ..AllOf::default() },
            get().header("X-Forwarded-For", "10.1.2.3"),
            get().header("X-Forwarded-For", "11.1.2.3"),
        ),
    ] {
        let trial = site.begin(audience(all, None), 0.0).await;
        for _ in 0..10 {
            assert_eq!(version(&mut client, belongs.clone()).await, "canary", "{belongs:?}");
            assert_eq!(version(&mut client, does_not.clone()).await, "stable", "{does_not:?}");
        }
        // The brake holds for it, and without the trial there is no audience.
        site.lay(Some(&trial), 0.0, true).await;
        assert_eq!(version(&mut client, belongs.clone()).await, "stable", "{belongs:?}");
        site.lay(None, 0.0, false).await;
        assert_eq!(version(&mut client, belongs.clone()).await, "stable", "{belongs:?}");
    }
}

#[tokio::test]
async fn a_part_of_an_audience_is_drawn() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let mut client = Connection::http1(site.web).await;
    let beta = AllOf { headers: named("x-beta", "1"), ..AllOf::default() };
    site.begin(audience(beta, Some(Share(500_000))), 0.0).await;
    for _ in 0..400 {
        version(&mut client, get().header("X-Beta", "1")).await;
        assert_eq!(version(&mut client, get()).await, "stable");
    }
    // Five standard deviations.
    assert!((150..=250).contains(&canary.requests()), "{}", canary.requests());
}

#[tokio::test]
async fn an_audiences_canary_that_fails_is_stopped() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let beta = AllOf { headers: named("x-beta", "1"), ..AllOf::default() };
    let trial = site.begin(audience(beta, None), 0.0).await;
    let mut client = Connection::http1(site.web).await;
    canary.answers(503);
    let mut failed = 0;
    while !trial.is_braked() {
        failed += usize::from(client.ask(get().header("X-Beta", "1")).await.status == 503);
        assert!(failed < 10_000);
        send(&mut client, 20).await;
    }
    assert_eq!(client.ask(get().header("X-Beta", "1")).await.status, 200);
    assert_eq!(canary.requests(), failed as u64);
    let evidence = trial.evidence();
    assert!(!evidence.compared && evidence.verdict == TrialVerdict::RollBack, "{evidence:?}");
    assert_eq!(evidence.total.canary.errors, evidence.total.canary.requests);
}

#[tokio::test]
async fn a_ramp_keeps_users_or_draws_each_request_whatever_the_service_does() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let site = Site::new(&stable.url(), &canary.url(), ", cohort: {header: X-User}");
    let mut client = Connection::http1(site.web).await;
    let mut versions = async |order: TrialOrder, users: std::ops::Range<u32>| {
        let trial = site.begin(order, 50.0).await;
        let mut versions = Vec::new();
        for user in users {
            let ask = || get().header("X-User", &user.to_string());
            let first = version(&mut client, ask()).await;
            let mut stays = true;
            for _ in 0..7 {
                stays &= version(&mut client, ask()).await == first;
            }
            versions.push((first, stays));
        }
        trial.end();
        versions
    };
    let kept = |salt: &str| TrialOrder { cohort: true, salt: salt.to_owned(), ..order(Analysis::default()) };
    let first = versions(kept("r-1"), 0..40).await;
    assert!(first.iter().all(|(_, stays)| *stays));
    assert_eq!(versions(kept("r-1"), 0..40).await, first);
    assert_ne!(versions(kept("r-2"), 0..40).await, first, "another rollout has other users first");
    let drawn = versions(order(Analysis::default()), 0..40).await;
    // One user in 128 would see eight times the same.
    assert!(drawn.iter().filter(|(_, stays)| *stays).count() < 20);
}

#[tokio::test]
async fn a_brake_of_the_judge_takes_the_canarys_users_and_is_shown() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), ", cohort: {header: X-User}");
    let trial = site.begin(TrialOrder { cohort: true, ..order(Analysis::default()) }, 50.0).await;
    let generation = site.gateway.generation();
    canary.answers(503);
    let mut client = Connection::http1(site.web).await;
    let mut of_canary = Vec::new();
    for user in 0..1_000 {
        let user = user.to_string();
        if client.ask(get().header("X-User", &user)).await.status == 503 {
            of_canary.push(user);
        }
        if trial.is_braked() {
            break;
        }
    }
    assert!(trial.is_braked());
    for user in &of_canary {
        assert_eq!(client.ask(get().header("X-User", user)).await.status, 200, "{user}");
    }
    assert_eq!(canary.requests(), of_canary.len() as u64);
    assert_eq!(site.gateway.generation(), generation, "nothing was published");
    let status = site.gateway.status(SERVICE).unwrap();
    let shown: Vec<_> =
        status.versions.iter().map(|version| (&*version.name, version.weight.0, version.braked_by_judge)).collect();
    assert_eq!(shown, [(STABLE, 50_000_000, false), (CANARY, 0, true)]);
    assert_eq!(&*status.trial.unwrap().rollout, "r-1");
    let metrics = String::from_utf8(site.gateway.metrics_text()).unwrap();
    let labels = "rollout=\"r-1\",service=\"pro@file\",version=\"canary@file\"";
    assert!(metrics.contains(&format!("rollgate_trial_braked{{{labels}}} 1")), "{metrics}");
    assert!(
        metrics.contains("rollgate_trial_verdicts_total{service=\"pro@file\",verdict=\"roll_back\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains(&format!("rollgate_trial_errors_total{{{labels}}} {}", trial.evidence().total.canary.errors)),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_control_plane_is_told_of_a_verdict_with_its_evidence() {
    let (stable, canary) = (Switched::new("stable"), Switched::new("canary"));
    let site = Site::new(&stable.url(), &canary.url(), "");
    let mut notices = site.gateway.notices().unwrap();
    let trial = site.begin(order(Analysis::default()), 50.0).await;
    canary.answers(500);
    let mut client = Connection::http1(site.web).await;
    while !trial.is_braked() {
        send(&mut client, 1).await;
    }
    let told = eventually("the verdict", async || match notices.try_recv() {
        Ok(rollgate_gateway::Notice::Verdict {
            rollout,
            service,
            version,
            verdict: TrialVerdict::RollBack,
            evidence,
        }) => Some((rollout, service, version, evidence)),
        _ => None,
    });
    let (rollout, service, version, evidence) = told.await;
    assert_eq!((&*rollout, &*service, &*version), ("r-1", SERVICE, CANARY));
    assert_eq!(evidence.verdict, TrialVerdict::RollBack);
    assert_eq!(evidence.total.canary.errors, evidence.total.canary.requests);
    assert!(evidence.families.iter().any(|(_, level)| level.ln_e >= level.needed), "{evidence:?}");
}
