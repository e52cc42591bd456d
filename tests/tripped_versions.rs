//! A version whose circuit breaker has tripped gives its share to the other versions, whatever keeps its clients, or fails
//! for it, and has it back afterwards.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Response;
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Reply, backend::Protocol, client::full, configuration, wait::eventually,
};

/// Trips at the tenth answer, and stays so for longer than a test lasts.
const LASTING: &str =
    "{circuitBreaker: {expression: NetworkErrorRatio() > 0.5, checkPeriod: 1ns, fallbackDuration: 1h}}";

/// Two versions of equal weight.
const EQUAL: &str = "{weighted: {services: [{name: s}, {name: c}]}}";

const STABLE: (&str, &str) = ("service", "s@file");
const CANARY: (&str, &str) = ("service", "c@file");

/// `pro.coding` leads to `pro`, and that to `s` and `c`, each with a breaker before it. `c` fails as long as it is told to.
struct Versions {
    gateway: Gateway,
    stable: Backend,
    canary: Backend,
    fails: Arc<AtomicBool>,
    dynamic: String,
}

impl Versions {
    fn start(breaker: &str) -> Self {
        Self::of(EQUAL, "", breaker)
    }

    /// `pro` as it is written, and other services.
    fn of(pro: &str, others: &str, breaker: &str) -> Self {
        let fails = Arc::new(AtomicBool::new(true));
        let failing = fails.clone();
        let stable = Backend::serve("s", Protocol::Http1, |_| async { Response::new(full("s")) });
        let canary = Backend::serve("c", Protocol::Http1, move |_| {
            let failing = failing.clone();
            async move {
                let mut response = Response::new(full("c"));
                if failing.load(Ordering::SeqCst) {
                    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
                }
                response
            }
        });
        let dynamic = format!(
            "http:
  routers:
    r: {{rule: 'Host(`pro.coding`)', service: pro}}
  middlewares:
    cb: {breaker}
  services:
    pro: {pro}
    s: {{middlewares: [cb], loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    c: {{middlewares: [cb], loadBalancer: {{servers: [{{url: '{}'}}]}}}}
{others}",
            stable.url(),
            canary.url()
        );
        Self { gateway: Gateway::with(&dynamic), stable, canary, fails, dynamic }
    }

    fn fails(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    async fn ask(&self) -> Reply {
        self.gateway.get("http://pro.coding/").await
    }

    /// Asks until the canary's breaker has tripped.
    async fn trip(&self) {
        for _ in 0..1_000 {
            if self.ask().await.status == 502 && self.gateway.breaker(CANARY).await == "tripped" {
                return;
            }
        }
        panic!("it does not trip");
    }

    /// Who answers so many requests, by version; everything else by its status.
    async fn answers(&self, count: usize) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        let mut connection = Connection::http1(self.gateway.web()).await;
        for _ in 0..count {
            let reply = connection.ask(Ask::get("http://pro.coding/")).await;
            *answers.entry(who(&reply)).or_default() += 1;
        }
        answers
    }

    /// Who answers so many users, each at its place.
    async fn users(&self, count: usize) -> Vec<String> {
        let mut answers = Vec::new();
        let mut connection = Connection::http1(self.gateway.web()).await;
        for user in 0..count {
            let ask = Ask::get("http://pro.coding/").header("X-User", &format!("user-{user}"));
            answers.push(who(&connection.ask(ask).await));
        }
        answers
    }

    /// Replaces parts of the configuration and waits until that is live.
    async fn change(&mut self, parts: &[(&str, &str)]) {
        for (old, new) in parts {
            assert!(self.dynamic.contains(old), "{old}");
            self.dynamic = self.dynamic.replace(old, new);
        }
        self.gateway.apply("rollgate.yml", &configuration(&self.dynamic)).await;
    }

    /// Lets the fallback and the recovery be over.
    async fn recover(&mut self) {
        self.change(&[("fallbackDuration: 1h", "fallbackDuration: 1ns, recoveryDuration: 1ns")]).await;
        let standby = async || (self.gateway.breaker(CANARY).await == "standby").then_some(());
        eventually("the breaker is in standby", standby).await;
    }

    async fn counted(&self, outcome: &str) -> f64 {
        let labels = [CANARY, ("outcome", outcome)];
        self.gateway.metrics().await.sum("rollgate_circuit_breaker_rejected_total", &labels)
    }

    async fn assigned(&self, how: &str) -> f64 {
        let labels = [("service", "pro@file"), ("assignment", how)];
        self.gateway.metrics().await.sum("rollgate_assignments_total", &labels)
    }
}

/// The version, or the status of an answer that is none's.
fn who(reply: &Reply) -> String {
    if reply.status == 200 { reply.text() } else { reply.status.to_string() }
}

fn all(version: &str, count: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([(version.to_owned(), count)])
}

#[tokio::test]
async fn of_two_versions_only_the_bad_one_trips_and_its_share_goes_to_the_other() {
    let versions =
        Versions::start(&LASTING.replace("1h", "3s").replace("checkPeriod", "recoveryDuration: 2s, checkPeriod"));
    versions.trip().await;
    assert_eq!(versions.canary.requests(), 10);
    assert_eq!(versions.gateway.breaker(STABLE).await, "standby");
    let before = versions.stable.requests();
    assert_eq!(versions.answers(200).await, all("s", 200));
    assert_eq!((versions.stable.requests() - before, versions.canary.requests()), (200, 10));
    // Half of 200 were its own; seven standard deviations.
    let moved = versions.counted("redistributed").await;
    assert!((50.0..=150.0).contains(&moved), "{moved} went elsewhere");
    assert_eq!(versions.counted("answered").await, 0.0);
    // It is mended, and comes back without one request that fails.
    versions.fails(false);
    let mut of_canary = 0;
    eventually("it is in standby again", async || {
        let reply = versions.ask().await;
        assert_eq!(reply.status, 200);
        of_canary += usize::from(reply.text() == "c");
        (versions.gateway.breaker(CANARY).await == "standby").then_some(())
    })
    .await;
    assert!(of_canary > 0, "some were let through on the way");
    // Half of them again; five standard deviations.
    let canaries = versions.answers(400).await["c"];
    assert!((150..=250).contains(&canaries), "{canaries} of 400");
}

#[tokio::test]
async fn a_version_that_is_to_fail_answers_for_its_share() {
    let versions = Versions::start(&LASTING.replace("checkPeriod", "onTrip: fail, responseCode: 429, checkPeriod"));
    versions.trip().await;
    let answers = versions.answers(200).await;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["429", "s"]);
    assert!((50..=150).contains(&answers["429"]), "{answers:?}");
    assert_eq!(versions.counted("answered").await, answers["429"] as f64);
    assert_eq!((versions.counted("redistributed").await, versions.canary.requests()), (0.0, 10));
}

#[tokio::test]
async fn where_no_other_version_is_left_the_breaker_answers() {
    let versions = Versions::start(LASTING);
    versions.trip().await;
    // The other one goes away altogether.
    let Versions { gateway, stable, canary, .. } = versions;
    drop(stable);
    eventually("both are tripped", async || {
        let reply = gateway.get("http://pro.coding/").await;
        (reply.status == 503).then_some(())
    })
    .await;
    for _ in 0..20 {
        let reply = gateway.get("http://pro.coding/").await;
        assert_eq!((reply.status, reply.text().as_str()), (503, "Service Unavailable"));
        assert!(reply.header("retry-after").is_some());
    }
    assert_eq!(canary.requests(), 10);
}

#[tokio::test]
async fn a_cohort_moves_to_its_next_version_and_comes_home() {
    let pro = "{weighted: {services: [{name: s, weight: 60}, {name: c, weight: 40}], cohort: {header: X-User}}}";
    let mut versions = Versions::of(pro, "", LASTING);
    versions.fails(false);
    let home = versions.users(100).await;
    let in_canary = home.iter().filter(|version| *version == "c").count();
    // The users are fixed, so this either holds or does not.
    assert!((25..55).contains(&in_canary), "{in_canary}");
    versions.fails(true);
    // With those that were answered before, half of its answers are not enough.
    eventually("it has tripped", async || {
        versions.users(100).await;
        (versions.gateway.breaker(CANARY).await == "tripped").then_some(())
    })
    .await;
    let asked = versions.canary.requests();
    let (kept, lost) = (versions.assigned("kept").await, versions.assigned("lost").await);
    assert_eq!(versions.users(100).await, vec!["s"; 100]);
    assert_eq!(versions.canary.requests(), asked, "none of them came to the canary");
    assert_eq!(versions.assigned("lost").await - lost, in_canary as f64, "only its own users moved");
    assert_eq!(versions.assigned("kept").await - kept, (100 - in_canary) as f64);
    // A change of something else changes nothing about it.
    let other = "  routers:\n    other: {rule: 'Host(`other.coding`)', service: s}\n";
    versions.change(&[("  routers:\n", other)]).await;
    assert_eq!(versions.users(100).await, vec!["s"; 100]);
    versions.fails(false);
    versions.recover().await;
    assert_eq!(versions.users(100).await, home);
}

#[tokio::test]
async fn a_cohort_of_a_version_that_is_to_fail_is_answered_and_nobody_else() {
    let pro = "{weighted: {services: [{name: s}, {name: c}], cohort: {header: X-User}}}";
    let versions = Versions::of(pro, "", &LASTING.replace("checkPeriod", "onTrip: fail, checkPeriod"));
    versions.fails(false);
    let home = versions.users(50).await;
    versions.fails(true);
    eventually("it has tripped", async || {
        versions.users(50).await;
        (versions.gateway.breaker(CANARY).await == "tripped").then_some(())
    })
    .await;
    let expected: Vec<String> =
        home.iter().map(|home| if home == "c" { "503".to_owned() } else { home.clone() }).collect();
    assert!(expected.contains(&"503".to_owned()) && expected.contains(&"s".to_owned()));
    assert_eq!(versions.users(50).await, expected);
}

#[tokio::test]
async fn a_sticky_client_is_given_another_version_and_its_cookie() {
    let pro = "{weighted: {services: [{name: s}, {name: c}], sticky: {cookie: {name: at}}}}";
    let mut versions = Versions::of(pro, "", LASTING);
    versions.fails(false);
    let cookie_of = |reply: &Reply| {
        reply.header("set-cookie").map(|line| line.split(';').next().expect("there is a first part").to_owned())
    };
    let held = eventually("somebody is given the canary", async || {
        let reply = versions.ask().await;
        (reply.text() == "c").then(|| cookie_of(&reply).expect("a cookie is given"))
    })
    .await;
    let with = async |versions: &Versions, cookie: &str| {
        versions.gateway.ask(Ask::get("http://pro.coding/").header("Cookie", cookie)).await
    };
    assert_eq!(who(&with(&versions, &held).await), "c");
    versions.fails(true);
    eventually("it has tripped", async || {
        with(&versions, &held).await;
        (versions.gateway.breaker(CANARY).await == "tripped").then_some(())
    })
    .await;
    let moved = with(&versions, &held).await;
    assert_eq!(who(&moved), "s");
    let new = cookie_of(&moved).expect("it is given the other one's");
    assert_ne!(new, held);
    assert!(versions.assigned("lost").await >= 1.0);
    // Whoever has come back stays where it is; who kept the old cookie has its version again.
    versions.fails(false);
    versions.recover().await;
    let stays = with(&versions, &new).await;
    assert_eq!((who(&stays), cookie_of(&stays)), ("s".to_owned(), None));
    assert_eq!(who(&with(&versions, &held).await), "c");
}

#[tokio::test]
async fn below_a_version_the_share_stays_within_it_as_long_as_something_there_takes_it() {
    let (pro, inner) = (
        "{weighted: {services: [{name: other}, {name: inner}]}}",
        "    inner: {weighted: {services: [{name: s}, {name: c}]}}\n    other: ",
    );
    let other = Backend::serve("o", Protocol::Http1, |_| async { Response::new(full("o")) });
    let mut versions = Versions::of(pro, &format!("{inner}{}\n", other.load_balancer()), LASTING);
    versions.trip().await;
    let answers = versions.answers(400).await;
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["o", "s"]);
    // Half of 400; five standard deviations.
    assert!((150..=250).contains(&answers["s"]), "{answers:?}");
    // Once nothing below it takes requests, the version's share goes, too.
    let canary = versions.canary.load_balancer();
    let added = format!("    d: {{middlewares: [cb], {}\n    other: ", &canary[1..]);
    versions.change(&[("{name: s}, {name: c}", "{name: c}, {name: d}"), ("    other: ", &added)]).await;
    eventually("both are tripped", async || {
        versions.ask().await;
        (versions.gateway.breaker(("service", "d@file")).await == "tripped").then_some(())
    })
    .await;
    assert_eq!(versions.answers(200).await, all("o", 200));
}
