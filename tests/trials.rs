//! A canary is judged in the data path: who gets it, what is counted of it, and how soon it is stopped.

#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use rollgate_config::{
    Allow, Document, Format,
    dynamic::{
        Configuration,
        rollout::{
            analysis::Analysis,
            audience::{AllOf, Audience},
        },
    },
    scalar::{IpStrategy, Share, Weight},
    static_config::Static,
};
use rollgate_gateway::{Gateway, Over, Trial, TrialMode, TrialOrder};
use rollgate_testkit::{Ask, Backend, Connection};

const STATIC: &str = "
entryPoints: {web: {address: '127.0.0.1:0', forwardedHeaders: {insecure: true}}}
";

const SERVICE: &str = "pro@file";
const STABLE: &str = "stable@file";
const CANARY: &str = "canary@file";

/// A gateway in this process, whose `pro` has the versions `stable` and `canary`.
struct Site {
    gateway: Gateway,
    web: SocketAddr,
}

fn read(dynamic: &str) -> (Static, Configuration) {
    let document = Document::parse("static.yml", STATIC, Format::Yaml).unwrap();
    let statics = rollgate_config::read_static(&document, &Allow::default()).value.unwrap();
    let document = Document::parse("dynamic.yml", dynamic, Format::Yaml).unwrap();
    let read = rollgate_config::read_dynamic(&[document], "file", Some(&statics), &Allow::default());
    (statics, read.value.unwrap_or_else(|| panic!("{:?}", read.problems)))
}

impl Site {
    /// `options` of `pro` besides its versions.
    fn new(stable: &Backend, canary: &Backend, options: &str) -> Self {
        Self::with(&format!(
            "http:
  routers: {{pro: {{rule: Host(`pro.test`), service: pro}}}}
  services:
    stable: {}
    canary: {}
    pro: {{weighted: {{services: [{{name: stable, weight: 100}}, {{name: canary, weight: 0}}]{options}}}}}
",
            stable.load_balancer(),
            canary.load_balancer()
        ))
    }

    fn with(dynamic: &str) -> Self {
        let (statics, configuration) = read(dynamic);
        let gateway = Gateway::start(&statics, (&configuration, Vec::new()), 2, Vec::new()).unwrap();
        let web = gateway.addresses().into_iter().find(|(name, _)| name == "web").unwrap().1;
        Self { gateway, web }
    }

    /// Begins a trial and lays it over `pro`.
    async fn begin(&self, order: TrialOrder, canary: f64) -> Arc<Trial> {
        let trial = self.gateway.begin_trial(order).unwrap();
        self.lay(Some(&trial), canary, false).await;
        trial
    }

    /// With so many per cent for the canary.
    async fn lay(&self, trial: Option<&Arc<Trial>>, canary: f64, braked: bool) {
        let weight = |percent: f64| Weight((percent * 1e6) as u64);
        let weights =
            BTreeMap::from([(Arc::from(STABLE), weight(100.0 - canary)), (Arc::from(CANARY), weight(canary))]);
        let braked = braked.then(|| Arc::from(CANARY)).into_iter().collect::<BTreeSet<_>>();
        let over = Over { weights: Some(weights), braked, trial: trial.cloned() };
        self.gateway.lay_over(vec![(SERVICE.into(), over)]).await;
    }
}

fn order(analysis: Analysis) -> TrialOrder {
    TrialOrder {
        rollout: "r-1".into(),
        service: SERVICE.into(),
        stable: STABLE.into(),
        canary: CANARY.into(),
        salt: "r-1".to_owned(),
        analysis: Arc::new(analysis),
        cohort: false,
        mode: TrialMode::Randomised,
    }
}

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

fn get() -> Ask {
    Ask::get("http://pro.test/")
}

#[tokio::test]
async fn an_audience_gets_the_canary_whatever_its_weight_is() {
    let (stable, canary) = (Backend::echo("stable"), Backend::echo("canary"));
    let site = Site::new(&stable, &canary, "");
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
    let site = Site::new(&stable, &canary, "");
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
