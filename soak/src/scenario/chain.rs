//! A steady load through a chain of ten middlewares before a split with cohorts, while the file that has all of it is
//! rewritten every second.
//!
//! Each rewrite changes a number of what is in the chain, and raises the canary's weight. It is live when every observer's
//! connection is answered by it; then the clients of the cohort are asked for their version, which none may leave.

use std::time::{Duration, Instant};

use rollgate_load::{Load, Plan, Shot, Tally};
use rollgate_testkit::{Ask, Backend, Connection, Gateway, Launch, Reply, configuration};

use crate::{
    figures::{Figures, mebibytes, milliseconds},
    options::Options,
    watch,
};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let seconds = options.seconds(60, 5);
    let rate = options.rate.unwrap_or_else(|| options.either(RATE, SHORT_RATE));
    let servers = [page('s'), page('c')];
    let launch = Launch::new(&configuration("providers: {file: {directory: '@DIR@/conf'}}\n"));
    let launch = launch.file("conf/chain.yml", &text(0, &servers));
    let gateway = launch.program(options.binary.to_str().expect("the binary's path is text")).start();
    let mut observers = Observers::open(&gateway).await;
    assert_eq!(observers.ask(0, "nobody", false).await.status, 401, "the chain is in the way");
    // The only time that the password is computed.
    observers.see(0).await.expect("the first configuration is live");
    let shots = (0..CLIENTS).map(|client| Shot::get_with(HOST, PATH, &fields(client), 200)).collect();
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let load = Load::kept(Plan { address: gateway.web(), shots, connections, rate: Some(rate) });
    let (began, worked) = (Instant::now(), gateway.processor_time());
    let mut rewrites = Rewrites::default();
    for generation in 1.. {
        let due = began + Duration::from_secs(u64::from(generation));
        if due >= began + Duration::from_secs(seconds) {
            break;
        }
        tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
        gateway.rewrite("conf/chain.yml", &text(generation, &servers));
        rewrites.watch(&mut observers, generation).await;
    }
    tokio::time::sleep((began + Duration::from_secs(seconds)).saturating_duration_since(Instant::now())).await;
    let (lasted, worked) = (began.elapsed(), gateway.processor_time() - worked);
    let mut all = Tally::default();
    load.end().iter().for_each(|tally| all.add(tally));
    let mut figures = Figures::default();
    report(&mut figures, &options, &all, rate, lasted);
    let each = worked.as_secs_f64() * 1e6 / (all.requests() + observers.asked) as f64;
    figures.tell("the gateway's processor time for a request", format!("{each:.0} us"));
    rewrites.report(&mut figures, (seconds - 1) as u32);
    state(&mut figures, &gateway, all.requests() + observers.asked).await;
    watch::conclude(&mut figures, &gateway, &[]).await;
    figures
}

fn report(figures: &mut Figures, options: &Options, all: &Tally, rate: f64, lasted: Duration) {
    figures.tell("load, requests a second", format!("{rate:.0}"));
    let due = rate * lasted.as_secs_f64();
    let sent = format!("{} ({:.1}%)", all.requests(), 100.0 * all.requests() as f64 / due);
    if options.short {
        figures.tell("requests, of those that were due", sent);
    } else {
        let kept_up = all.requests() as f64 >= due * IN_TIME;
        figures.ask("requests, of those that were due", format!("{:.0}%", IN_TIME * 100.0), sent, kept_up);
    }
    if all.failed() > 0 {
        println!("failed: {all}");
    }
    figures.none("failed requests", all.failed());
    figures.none("resets", all.resets());
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        figures.tell(name, milliseconds(all.quantile(quantile)));
    }
    figures.tell("longest", milliseconds(all.largest()));
}

/// What was counted beyond a request, over all the rewrites.
async fn state(figures: &mut Figures, gateway: &Gateway, requests: u64) {
    let metrics = gateway.metrics().await;
    let sum = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels) as u64;
    figures.ask("passwords that were computed", 1, sum("rollgate_password_checks_total", &[]), {
        sum("rollgate_password_checks_total", &[("outcome", "right")]) == 1
    });
    let allowed = sum("rollgate_ratelimit_total", &[("decision", "allowed")]);
    figures.ask("requests that the limit has counted", requests, allowed, allowed == requests);
    figures.none("requests still under way for inFlightReq", sum("rollgate_inflight_requests", &[]));
    figures.none("transitions of breakers", sum("rollgate_circuit_breaker_transitions_total", &[]));
    let share = |version: &str| metrics.sum("rollgate_version_requests_total", &[("version", version)]);
    let canary = share("canary@file") / (share("canary@file") + share("stable@file"));
    figures.tell("requests to the canary", format!("{:.1}%", canary * 100.0));
    figures.tell("anonymous memory at the end", mebibytes(watch::held(gateway.id()).anonymous));
}

/// Connections that look whether a rewrite is live, so many that every worker has some.
struct Observers {
    connections: Vec<Connection>,
    /// Requests so far that the chain let through.
    asked: u64,
}

impl Observers {
    async fn open(gateway: &Gateway) -> Self {
        let mut connections = Vec::new();
        for _ in 0..OBSERVERS {
            connections.push(Connection::http1(gateway.web()).await);
        }
        Self { connections, asked: 0 }
    }

    async fn ask(&mut self, connection: usize, client: &str, with_password: bool) -> Reply {
        let mut ask = Ask::get(&format!("http://{HOST}{PATH}")).header("X-Client", client);
        if with_password {
            ask = ask.header("Authorization", AUTHORIZATION);
            self.asked += 1;
        }
        self.connections[connection].ask(ask).await
    }

    /// Waits until every connection is answered by a generation.
    async fn see(&mut self, generation: u32) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let wanted = generation.to_string();
        for connection in 0..OBSERVERS {
            loop {
                let reply = self.ask(connection, "observer", true).await;
                if reply.status != 200 {
                    return Err(format!("an observer gets {} of generation {generation}", reply.status));
                }
                if reply.header("x-generation") == Some(&wanted) {
                    break;
                }
                if Instant::now() > deadline {
                    return Err(format!("generation {generation} is not live within {PATIENCE:?}"));
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Ok(())
    }

    /// The clients of the cohort that the canary answers.
    async fn in_canary(&mut self) -> Vec<bool> {
        let mut canary = Vec::new();
        for client in 0..CLIENTS {
            let reply = self.ask(client % OBSERVERS, &client.to_string(), true).await;
            canary.push(reply.text().starts_with('c'));
        }
        canary
    }
}

/// The rewrites so far.
#[derive(Default)]
struct Rewrites {
    count: u32,
    complaints: u64,
    slowest: Duration,
    in_canary: Vec<bool>,
    left: u64,
}

impl Rewrites {
    /// Waits until a rewrite is live, and looks who is where.
    async fn watch(&mut self, observers: &mut Observers, generation: u32) {
        self.count += 1;
        let written = Instant::now();
        if let Err(what) = observers.see(generation).await {
            println!("{what}");
            self.complaints += 1;
            return;
        }
        self.slowest = self.slowest.max(written.elapsed());
        let now = observers.in_canary().await;
        self.left += self.in_canary.iter().zip(&now).filter(|(before, now)| **before && !**now).count() as u64;
        self.in_canary = now;
    }

    fn report(&self, figures: &mut Figures, due: u32) {
        figures.ask("rewrites", due, self.count, self.count == due);
        figures.none("rewrites that did not go live", self.complaints);
        figures.tell("slowest rewrite to live", milliseconds(self.slowest.as_micros() as u64));
        figures.none("clients that left the canary as its weight rose", self.left);
        let in_canary = self.in_canary.iter().filter(|is| **is).count();
        figures.tell("clients in the canary at the end", format!("{in_canary} of {CLIENTS}"));
    }
}

/// A backend with a page that is worth compressing and begins with this letter.
fn page(letter: char) -> Backend {
    let body = format!("{letter}{}", "<p>The quick brown fox jumps over the lazy dog.</p>\n".repeat(25));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", body.len());
    Backend::canned(&letter.to_string(), head + &body)
}

fn fields(client: usize) -> String {
    format!("X-Client: {client}\r\nAuthorization: {AUTHORIZATION}\r\nAccept-Encoding: gzip\r\n")
}

/// Everything, with the numbers of a generation.
fn text(generation: u32, [stable, canary]: &[Backend; 2]) -> String {
    format!(
        "http:
  routers:
    chain: {{rule: 'Host(`{HOST}`)', middlewares: [ten], service: pro}}
  middlewares:
    ten: {{chain: {{middlewares: [header, addresses, user, rate, flight, breaker, again, gzip, strip, prefix]}}}}
    header: {{headers: {{customResponseHeaders: {{X-Generation: '{generation}'}}, accessControlAllowOriginList: ['*']}}}}
    addresses: {{ipAllowList: {{sourceRange: [127.0.0.0/8, 10.0.{low}.0/24]}}}}
    user: {{basicAuth: {{users: ['{USER}'], headerField: X-User, removeHeader: true, realm: r{generation}}}}}
    rate: {{rateLimit: {{average: {many}, burst: {many}, sourceCriterion: {{requestHeaderName: X-Client}}}}}}
    flight: {{inFlightReq: {{amount: {many}}}}}
    breaker:
      circuitBreaker:
        expression: NetworkErrorRatio() > 0.5 || ResponseCodeRatio(500, 600, 0, 600) > 0.5 || LatencyAtQuantileMS(50.0) > 5000
        fallbackDuration: {seconds}s
    again: {{retry: {{attempts: {attempts}, initialInterval: 1ms, status: ['502-504']}}}}
    gzip: {{compress: {{minResponseBodyBytes: {least}}}}}
    strip: {{stripPrefix: {{prefixes: [/api, /old{generation}]}}}}
    prefix: {{addPrefix: {{prefix: /v{generation}}}}}
  services:
    pro:
      weighted:
        services: [{{name: stable, weight: 100}}, {{name: canary, weight: {weight}}}]
        cohort: {{header: X-Client}}
    stable: {}
    canary: {}
",
        stable.load_balancer(),
        canary.load_balancer(),
        low = generation % 256,
        many = 100_000 + generation,
        seconds = 10 + generation % 10,
        attempts = 2 + generation % 3,
        least = 1000 + generation % 100,
        weight = generation + 1,
    )
}

const HOST: &str = "chain.test";

const PATH: &str = "/api/things?q=1";

/// `test` with the password `test`.
const USER: &str = "test:$2y$10$abcdefghijklmnopqrstuuNYVhuCzN8W/N3q6oBTpBoHaLLh6DgBG";

const AUTHORIZATION: &str = "Basic dGVzdDp0ZXN0";

/// Requests a second.
const RATE: f64 = 5_000.0;

/// A short run shares the machine with whatever else a check does, and has the debug build.
const SHORT_RATE: f64 = 200.0;

/// Of the load.
const CONNECTIONS: usize = 64;

/// Keys of the cohort and of the limit.
const CLIENTS: usize = 50;

const OBSERVERS: usize = 8;

/// How long a rewrite may take before it counts as one that did not go live.
const PATIENCE: Duration = Duration::from_secs(5);

/// The share of requests that has to be sent: what is due while the last ones are answered is not.
const IN_TIME: f64 = 0.99;
