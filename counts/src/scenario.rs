//! What is asked, of which gateway.

use std::{hint::black_box, sync::Arc};

use rollgate_config::{
    Allow, Document, Format,
    dynamic::{Configuration, rollout::analysis::Analysis},
    static_config::Static,
};
use rollgate_gateway::{
    TrialMode, TrialOrder,
    memory::{BODY, InMemory, OverHttp2, Versions},
};

/// A name and what it stands for.
pub struct Scenario {
    name: &'static str,
    work: Work,
}

enum Work {
    /// Over HTTP/1.1, with one more line in the head.
    Requests { site: Site, line: &'static str },
    /// Over HTTP/2 in clear text.
    Http2(Site),
    /// Plain ones over which a trial lies.
    Judged,
    /// No requests: the draw of a version alone.
    Draws,
    /// The loop around draws.
    Nothing,
}

/// A gateway's configuration.
#[derive(Default, Clone, Copy)]
struct Site {
    /// Of the service that is split.
    affinity: &'static str,
    /// Servers besides the first.
    more: &'static str,
    /// A header that chooses the canary, a rate limit and a circuit breaker.
    policies: bool,
}

const PLAIN: Site = Site { affinity: "", more: "", policies: false };

/// All there are. Those with a cookie have the same bytes, so that only what is done with them differs.
static SCENARIOS: [Scenario; 10] = [
    Scenario { name: "plain", work: Work::Requests { site: PLAIN, line: "" } },
    Scenario { name: "canary", work: Work::Requests { site: Site { policies: true, ..PLAIN }, line: "" } },
    Scenario { name: "h2", work: Work::Http2(PLAIN) },
    Scenario { name: "trial", work: Work::Judged },
    Scenario {
        name: "servers",
        work: Work::Requests { site: Site { more: ", {url: 'http://in-memory.invalid:3'}", ..PLAIN }, line: "" },
    },
    Scenario { name: "cookie", work: Work::Requests { site: PLAIN, line: "Cookie: at=0123456789abcdef\r\n" } },
    Scenario {
        name: "cohort",
        work: Work::Requests {
            site: Site { affinity: ", cohort: {cookie: {name: at}}", ..PLAIN },
            line: "Cookie: at=0123456789abcdef\r\n",
        },
    },
    Scenario {
        name: "sticky",
        work: Work::Requests {
            site: Site { affinity: ", sticky: {cookie: {name: at}}", ..PLAIN },
            // printf stable | sha256sum
            line: "Cookie: at=f379ccb92b911644\r\n",
        },
    },
    Scenario { name: "draw", work: Work::Draws },
    Scenario { name: "none", work: Work::Nothing },
];

/// The one of that name.
pub fn of(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// Their names.
pub fn names() -> String {
    SCENARIOS.each_ref().map(|scenario| scenario.name).join(" ")
}

impl Scenario {
    /// Does it so often, and says what was done.
    pub fn run(&self, count: usize) -> String {
        match &self.work {
            Work::Requests { site, line } => requests(count, line, in_memory(site)),
            Work::Http2(site) => over_http2(count, site),
            Work::Judged => requests(count, "", judged()),
            Work::Draws => {
                let versions = Versions::new(&[90_000_000, 10_000_000]);
                draws(count, |random| black_box(&versions).draw(random) == Some(1))
            }
            Work::Nothing => draws(count, |random| black_box(random) == 1),
        }
    }
}

impl Site {
    fn read(&self) -> (Static, Configuration) {
        let (by_header, middlewares) = if self.policies { (BY_HEADER, "[limit, breaker]") } else { ("", "[]") };
        let text = CONFIGURATION
            .replace("AFFINITY", self.affinity)
            .replace("MORE", self.more)
            .replace("BY_HEADER", by_header)
            .replace("MIDDLEWARES", middlewares);
        let document = Document::parse("counts.yml", &text, Format::Yaml).expect("YAML");
        let statics = rollgate_config::read_static(&document, &Allow::default()).value.expect("static configuration");
        let read = rollgate_config::read_dynamic(&[document], "file", Some(&statics), &Allow::default());
        (statics, read.value.expect("dynamic configuration"))
    }
}

fn in_memory(site: &Site) -> InMemory {
    let (statics, configuration) = site.read();
    InMemory::new(&statics, &configuration, "web").expect("it compiles")
}

fn judged() -> InMemory {
    let (statics, configuration) = PLAIN.read();
    let order = TrialOrder {
        rollout: "r-1".into(),
        service: "split@file".into(),
        stable: "stable@file".into(),
        canary: "canary@file".into(),
        salt: "r-1".to_owned(),
        analysis: Arc::new(Analysis::default()),
        cohort: false,
        mode: TrialMode::Randomised,
    };
    InMemory::judged(&statics, &configuration, "web", order).expect("it compiles")
}

fn requests(count: usize, line: &str, mut gateway: InMemory) -> String {
    let request = format!("{HEAD}{line}\r\n").into_bytes();
    let length = gateway.first(&request);
    assert!(gateway.last_head().starts_with("HTTP/1.1 200 OK\r\n"), "{}", gateway.last_head());
    assert!(!gateway.last_head().contains("set-cookie"), "{}", gateway.last_head());
    warm(|| gateway.exchange(&request, length));
    measured(count, || gateway.exchange(&request, length));
    format!("{count} requests, {length} bytes each answered")
}

fn over_http2(count: usize, site: &Site) -> String {
    let (statics, configuration) = site.read();
    let mut gateway = OverHttp2::new(&statics, &configuration, "web").expect("it compiles");
    warm(|| assert_eq!(gateway.exchange("http://pro.coding/ok", &FIELDS), (200, BODY)));
    measured(count, || assert_eq!(gateway.exchange("http://pro.coding/ok", &FIELDS), (200, BODY)));
    format!("{count} requests")
}

/// What is counted: all else, and what is done once, stands outside.
#[inline(never)]
fn measured(count: usize, mut once: impl FnMut()) {
    for _ in 0..count {
        once();
    }
}

/// The same without counting, so that all is there and warm.
fn warm(mut once: impl FnMut()) {
    for _ in 0..WARM {
        once();
    }
}

#[inline(always)]
fn draws(count: usize, is_canary: impl Fn(u64) -> bool) -> String {
    let mut random = 0u64;
    let mut canaries = 0;
    measured(count, || {
        // Any spread will do; the generator is not what is measured.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        canaries += usize::from(is_canary(black_box(random)));
    });
    format!("{canaries} of {count} draws")
}

const WARM: usize = 500;

const CONFIGURATION: &str = "
entryPoints: {web: {address: ':80'}}
http:
  routers:
    pro: {rule: 'Host(`pro.coding`)', service: split, middlewares: MIDDLEWARES}
BY_HEADER
  middlewares:
    limit: {rateLimit: {average: 10000000, burst: 10000000}}
    breaker: {circuitBreaker: {expression: 'NetworkErrorRatio() > 0.30 || LatencyAtQuantileMS(50.0) > 5000'}}
  services:
    split: {weighted: {services: [{name: stable, weight: 90}, {name: canary, weight: 10}]AFFINITY}}
    stable: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:1'}MORE]}}
    canary: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:2'}MORE]}}
";

const BY_HEADER: &str = "    ab: {rule: 'Host(`pro.coding`) && Header(`X-Canary`, `true`)', service: canary, middlewares: [limit, breaker]}";

const HEAD: &str = "GET /ok HTTP/1.1\r\nHost: pro.coding\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nX-Request-Source: bench\r\n";

const FIELDS: [(&str, &str); 3] =
    [("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"), ("accept", "*/*"), ("x-request-source", "bench")];
