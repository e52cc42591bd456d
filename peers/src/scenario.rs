//! What is measured, and what is asked of it.

mod closed;
mod idle;
mod latency;
mod reload;
mod websocket;

use std::pin::Pin;

use crate::{
    options::Options,
    peer::Peer,
    process::Running,
    sample::Sample,
    site::{Behind, Job, PLAIN, Site},
    tool::Asked,
};

/// One of them.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub what: &'static str,
    /// What a peer has to do.
    pub job: Job,
    /// What asks, where it is a program.
    pub asked: Asked,
    /// Whether it is asked at a rate: half of what the slowest peer can do.
    pub is_paced: bool,
    /// One turn.
    pub measure: for<'r> fn(Round<'r>) -> Turn<'r>,
    /// What is asked of us.
    pub targets: &'static [Target],
}

type Turn<'r> = Pin<Box<dyn Future<Output = Result<Sample, String>> + 'r>>;

/// A peer's turn.
#[derive(Clone, Copy)]
pub struct Round<'r> {
    /// How it is to be.
    pub options: &'r Options,
    /// What it is about.
    pub scenario: &'static Scenario,
    /// What stands around the peer.
    pub site: &'r Site,
    /// Who.
    pub peer: &'static Peer,
    /// It.
    pub running: &'r Running,
    /// Requests in a second, where it is asked at a rate.
    pub rate: f64,
}

/// What our figure may be at most.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Which figure.
    pub figure: &'static str,
    /// In words.
    pub of: Of,
    /// At most so much.
    pub most: f64,
}

/// Of what it is a part or a multiple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The better one of nginx and HAProxy.
    Best,
    /// The best of all peers.
    BestOfAll,
    /// One of them.
    Named(&'static str),
    /// Our own in another scenario.
    Own(&'static str),
    /// Nothing: it is a number.
    Nothing,
}

const fn at_most(most: f64, of: Of) -> Target {
    Target { figure: closed::COST, of, most }
}

/// With the fields that a browser sends.
const SMALL: Asked = Asked::Wrk {
    connections: 64,
    path: "/ok",
    fields: &["User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Accept: */*", "X-Request-Source: bench"],
};

/// What most of them are.
const USUAL: Scenario = Scenario {
    name: "",
    what: "",
    job: PLAIN,
    asked: SMALL,
    is_paced: false,
    measure: |round| Box::pin(closed::measure(round)),
    targets: &[],
};

const ENVOY: Target = at_most(0.33, Of::Named("envoy"));
const TRAEFIK: Target = at_most(0.2, Of::Named("traefik"));

/// In the order in which they are run.
pub static SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "plain",
        what: "GET of 1 KiB over kept connections, two versions behind",
        targets: &[at_most(0.9, Of::Best), ENVOY, TRAEFIK],
        ..USUAL
    },
    Scenario {
        name: "canary",
        what: "the same with a header that chooses the canary, a rate limit, and a circuit breaker where there are such",
        job: Job { policies: true, ..PLAIN },
        targets: &[at_most(0.9, Of::Best), ENVOY, TRAEFIK],
        ..USUAL
    },
    Scenario {
        name: "routes",
        what: "the same as plain with 10,000 more hosts, the last of which is asked",
        job: Job { hosts: MANY, ..PLAIN },
        targets: &[at_most(0.9, Of::Best), at_most(1.03, Of::Own("plain")), ENVOY, TRAEFIK],
        ..USUAL
    },
    Scenario {
        name: "conn",
        what: "a connection for each request",
        asked: Asked::Wrk { connections: 32, path: "/ok", fields: &["Connection: close"] },
        targets: &[at_most(0.95, Of::Best), TRAEFIK],
        ..USUAL
    },
    Scenario {
        name: "tls1",
        what: "HTTP/1.1 over TLS, connections kept",
        job: Job { tls: true, ..PLAIN },
        asked: Asked::Wrk { connections: 64, path: "/ok", fields: &[] },
        targets: &[at_most(0.75, Of::Best), ENVOY, TRAEFIK],
        ..USUAL
    },
    Scenario {
        name: "h2",
        what: "HTTP/2 over TLS, 16 connections with 16 requests each",
        job: Job { tls: true, ..PLAIN },
        asked: Asked::H2load { path: "/ok", grpc: false },
        targets: &[at_most(1.0, Of::Best), ENVOY, TRAEFIK],
        ..USUAL
    },
    Scenario {
        name: "big",
        what: "bodies of 1 MiB, 16 connections",
        asked: Asked::Wrk { connections: 16, path: "/1m", fields: &[] },
        targets: &[at_most(0.85, Of::BestOfAll)],
        ..USUAL
    },
    Scenario {
        name: "grpc",
        what: "unary gRPC, HTTP/2 over TLS to HTTP/2 in clear text",
        job: Job { tls: true, behind: Behind::Grpc, ..PLAIN },
        asked: Asked::H2load { path: "/echo.Echo/Say", grpc: true },
        ..USUAL
    },
    Scenario {
        name: "ws",
        what: "WebSocket messages of 64 bytes, there and back, 64 connections",
        job: Job { behind: Behind::Websocket, ..PLAIN },
        measure: |round| Box::pin(websocket::measure(round)),
        ..USUAL
    },
    Scenario {
        name: "idle",
        what: "4,000 connections that have asked once",
        measure: |round| Box::pin(idle::measure(round)),
        targets: &[Target { figure: idle::EACH, of: Of::Nothing, most: 4.0 }],
        ..USUAL
    },
    Scenario {
        name: "latency",
        what: "a fixed rate, half of what the slowest can do",
        is_paced: true,
        measure: |round| Box::pin(latency::measure(round)),
        targets: &[Target { figure: latency::P99, of: Of::Best, most: 1.1 }],
        ..USUAL
    },
    Scenario {
        name: "reload",
        what: "a fixed rate while 10,000 hosts are read anew each second",
        job: Job { hosts: MANY, ..PLAIN },
        is_paced: true,
        measure: |round| Box::pin(reload::measure(round)),
        targets: &[Target { figure: reload::RATIO, of: Of::Nothing, most: 1.2 }],
        ..USUAL
    },
];

impl Scenario {
    /// The rate that it is asked at, for those of these peers that can do the job; 0 if at none.
    ///
    /// # Errors
    /// If one of them cannot be asked.
    pub async fn rate(&self, site: &Site, peers: &[&'static Peer]) -> Result<f64, String> {
        if self.is_paced { latency::rate(self.asked, site, peers).await } else { Ok(0.0) }
    }

    /// How often each peer has its turn: where nothing else is said, oftener for a tail, which wanders more than a cost.
    pub fn rounds(&self, options: &Options) -> usize {
        options.rounds.unwrap_or(if self.is_paced { 7 } else { 5 })
    }
}

/// Their names.
pub fn names() -> String {
    SCENARIOS.each_ref().map(|scenario| scenario.name).join(" ")
}

const MANY: usize = 10_000;
