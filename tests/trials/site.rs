//! A gateway in the test's own process, so that a trial can be held and asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use rollgate_config::{
    Allow, Document, Format,
    dynamic::{Configuration, rollout::analysis::Analysis},
    scalar::Weight,
    static_config::Static,
};
use rollgate_gateway::{Gateway, Over, Trial, TrialMode, TrialOrder};
use rollgate_testkit::{Ask, Connection};

const STATIC: &str = "
entryPoints: {web: {address: '127.0.0.1:0', forwardedHeaders: {insecure: true}}}
";

pub const SERVICE: &str = "pro@file";
pub const STABLE: &str = "stable@file";
pub const CANARY: &str = "canary@file";

/// A gateway in this process, whose `pro` has the versions `stable` and `canary`.
pub struct Site {
    pub gateway: Gateway,
    pub web: SocketAddr,
}

fn read(more: &str, dynamic: &str) -> (Static, Configuration) {
    let document = Document::parse("static.yml", &format!("{STATIC}{more}"), Format::Yaml).unwrap();
    let statics = rollgate_config::read_static(&document, &Allow::default()).value.unwrap();
    let document = Document::parse("dynamic.yml", dynamic, Format::Yaml).unwrap();
    let read = rollgate_config::read_dynamic(&[document], "file", Some(&statics), &Allow::default());
    (statics, read.value.unwrap_or_else(|| panic!("{:?}", read.problems)))
}

impl Site {
    /// `options` of `pro` besides its versions.
    pub fn new(stable: &str, canary: &str, options: &str) -> Self {
        Self::with(&Self::text(stable, canary, options))
    }

    /// The dynamic configuration.
    pub fn text(stable: &str, canary: &str, options: &str) -> String {
        format!(
            "http:
  routers: {{pro: {{rule: Host(`pro.test`), service: pro}}}}
  services:
    stable: {{loadBalancer: {{servers: [{{url: '{stable}'}}]}}}}
    canary: {{loadBalancer: {{servers: [{{url: '{canary}'}}]}}}}
    pro: {{weighted: {{services: [{{name: stable, weight: 100}}, {{name: canary, weight: 0}}]{options}}}}}
"
        )
    }

    pub fn with(dynamic: &str) -> Self {
        Self::under("", dynamic)
    }

    /// With more of a static configuration.
    pub fn under(more: &str, dynamic: &str) -> Self {
        let (statics, configuration) = read(more, dynamic);
        let gateway = Gateway::start(&statics, (&configuration, Vec::new()), 2, Vec::new()).unwrap();
        let web = gateway.addresses().into_iter().find(|(name, _)| name == "web").unwrap().1;
        Self { gateway, web }
    }

    /// Begins a trial and lays it over `pro`.
    pub async fn begin(&self, order: TrialOrder, canary: f64) -> Arc<Trial> {
        let trial = self.gateway.begin_trial(order, None).unwrap();
        self.lay(Some(&trial), canary, false).await;
        trial
    }

    /// With so many per cent for the canary.
    pub async fn lay(&self, trial: Option<&Arc<Trial>>, canary: f64, braked: bool) {
        let weight = |percent: f64| Weight((percent * 1e6) as u64);
        let weights =
            BTreeMap::from([(Arc::from(STABLE), weight(100.0 - canary)), (Arc::from(CANARY), weight(canary))]);
        let braked = braked.then(|| Arc::from(CANARY)).into_iter().collect::<BTreeSet<_>>();
        let over = Over { weights: Some(weights), braked, trial: trial.cloned() };
        self.gateway.lay_over(vec![(SERVICE.into(), over)]).await;
    }
}

pub fn order(analysis: Analysis) -> TrialOrder {
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

/// A request for `pro`.
pub fn get() -> Ask {
    Ask::get("http://pro.test/")
}

/// So many requests, one after the other: the statuses.
pub async fn send(connection: &mut Connection, times: usize) -> Vec<u16> {
    let mut statuses = Vec::with_capacity(times);
    for _ in 0..times {
        statuses.push(connection.ask(get()).await.status);
    }
    statuses
}
