//! A gateway before a server that reads by the letter.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use rollgate_testkit::{Ask, Ended, Gateway, Launch, Recorder, Script, recorder::Record, wait::eventually};

/// The request that follows each case on its connection: answered only if the connection is in step.
pub const LAST: &str = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Bytes, and what is to become of them.
pub struct Case {
    name: String,
    bytes: Vec<u8>,
    expected: Expected,
}

enum Expected {
    /// Refused: this status, this label, and the connection closes.
    Refused(u16, &'static str),
    /// Answered by the gateway, and the connection goes on.
    Answered(u16),
    /// The server sees a request with this target.
    Passed(String),
    /// The same, and the connection closes.
    Closing(String),
}

impl Case {
    pub fn refused(name: &str, bytes: &str, status: u16, reason: &'static str) -> Self {
        Self::new(name, bytes, Expected::Refused(status, reason))
    }

    pub fn answered(name: &str, bytes: &str, status: u16) -> Self {
        Self::new(name, bytes, Expected::Answered(status))
    }

    pub fn passed(name: &str, bytes: &str, target: &str) -> Self {
        Self::new(name, bytes, Expected::Passed(target.to_owned()))
    }

    pub fn closing(name: &str, bytes: &str, target: &str) -> Self {
        Self::new(name, bytes, Expected::Closing(target.to_owned()))
    }

    fn new(name: &str, bytes: &str, expected: Expected) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into(), expected }
    }
}

pub struct Lab {
    gateway: Gateway,
    recorder: Recorder,
}

impl Lab {
    /// `http` is what else stands in the configuration's section `http`, in one line.
    pub async fn start(http: &str) -> Self {
        Self::configured(http, "").await
    }

    /// With these settings in the entry point's section `http`.
    pub async fn with_entry_point(settings: &str) -> Self {
        Self::configured("", &format!(", http: {{{settings}}}")).await
    }

    async fn configured(http: &str, entry_point: &str) -> Self {
        let recorder = Recorder::start();
        let middlewares =
            |names: &str| if http.is_empty() { String::new() } else { format!("middlewares: [{names}], ") };
        let config = format!(
            "entryPoints:
  web: {{address: '127.0.0.1:0'{entry_point}}}
  traefik: {{address: '127.0.0.1:0'}}
metrics: {{prometheus: {{}}}}
accessLog: {{format: json, filePath: '@DIR@/access.log'}}
http:
  routers:
    all: {{rule: 'PathPrefix(`/`)', service: s}}
    add: {{rule: 'Host(`mw`) && PathPrefix(`/add`)', {}service: s}}
    strip: {{rule: 'Host(`mw`) && (PathPrefix(`/api`) || PathPrefix(`/v`) || PathPrefix(`/r/`) || PathPrefix(`/e/`))', {}service: s}}
  services: {{s: {}}}
  {http}
",
            middlewares("a"),
            middlewares("m, x, r, e"),
            recorder.backend().load_balancer()
        );
        Self { gateway: Launch::new(&config).start(), recorder }
    }

    pub fn web(&self) -> SocketAddr {
        self.gateway.web()
    }

    /// The server, as the gateway knows it.
    pub fn server(&self) -> String {
        self.recorder.backend().address.to_string()
    }

    /// The access log's lines.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.gateway.directory().join("access.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Each case on a connection of its own, with what it adds to `rollgate_refused_total`.
    pub async fn check(&self, cases: &[Case]) {
        let mut wrong = Vec::new();
        let mut counts = self.counts().await;
        for case in cases {
            let script = Script::new().send([&case.bytes[..], LAST.as_bytes()].concat());
            if let Err(what) = self.play(case, script).await {
                wrong.push(what);
            }
            let expected = match case.expected {
                Expected::Refused(_, reason) => {
                    *counts.entry(reason.to_owned()).or_default() += 1;
                    reason
                }
                _ => "none",
            };
            // What hyper refuses is counted when its connection has ended, which its client may see before.
            let counted = eventually("it is counted", async || (self.counts().await == counts).then_some(()));
            if tokio::time::timeout(Duration::from_secs(5), counted).await.is_err() {
                counts = self.counts().await;
                wrong.push(format!("{:?}: the label is not {expected}: {counts:?}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    /// One case by a script of its own.
    pub async fn check_script(&self, case: &Case, script: Script) {
        if let Err(what) = self.play(case, script).await {
            panic!("{what}");
        }
    }

    /// A case that passes: what the server saw, without the request that follows each case.
    pub async fn passes(&self, case: &Case) -> Record {
        let script = Script::new().send([&case.bytes[..], LAST.as_bytes()].concat());
        self.play(case, script).await.unwrap_or_else(|what| panic!("{what}"))
    }

    /// What the server has seen of everything that was sent and heard out before.
    pub async fn record(&self) -> Record {
        let reply = Ask::get("http://h/sign").send(self.web()).await;
        assert_eq!(reply.status, 200, "the gateway still serves");
        self.recorder.take_until("/sign").await
    }

    async fn play(&self, case: &Case, script: Script) -> Result<Record, String> {
        let heard = script.play(self.web()).await;
        let record = self.record().await;
        let statuses = heard.statuses().await;
        let targets: Vec<&str> = record.requests.iter().map(|request| request.target.as_str()).collect();
        let (expected_statuses, expected_targets) = match &case.expected {
            Expected::Refused(status, _) => (vec![*status], vec![]),
            Expected::Answered(status) => (vec![*status, 200], vec!["/last"]),
            Expected::Passed(target) => (vec![200, 200], vec![target.as_str(), "/last"]),
            Expected::Closing(target) => (vec![200], vec![target.as_str()]),
        };
        let as_expected = statuses == expected_statuses
            && targets == expected_targets
            && record.violations.is_empty()
            && heard.ended == Ended::Closed;
        if !as_expected {
            return Err(format!(
                "{:?}: {statuses:?} instead of {expected_statuses:?}, the server saw {targets:?} instead of \
                 {expected_targets:?}, violations {:?}, ended {:?}, the client heard {:?}",
                case.name,
                record.violations,
                heard.ended,
                String::from_utf8_lossy(&heard.bytes)
            ));
        }
        Ok(record)
    }

    /// Refusals so far, by label.
    pub async fn counts(&self) -> BTreeMap<String, u64> {
        let text = self.gateway.metrics().await.text;
        let lines = text.lines().filter_map(|line| line.strip_prefix("rollgate_refused_total{reason=\""));
        let count = |line: &str| Some((line.split_once('"')?.0.to_owned(), line.rsplit_once(' ')?.1.parse().ok()?));
        lines.filter_map(count).collect()
    }
}
