//! What policies know outlives reloads: all of them are brought into a state, others or their own numbers change, and
//! everything is as it was.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Response, StatusCode};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, Reply, Switched,
    backend::Protocol,
    client::full,
    configuration,
    wait::{eventually, within},
};
use tokio::{sync::watch, task::JoinHandle};

/// The backends that policies are brought into a state with.
struct Backends {
    echo: Backend,
    /// Answers nobody before its gate is open.
    gated: Backend,
    gate: watch::Sender<bool>,
    /// Fails as long as it is told to.
    failing: Backend,
    fails: Arc<AtomicBool>,
    slow: Backend,
    fast: Backend,
    /// Down by its health check.
    sick: Switched,
}

impl Backends {
    fn new() -> Self {
        let (gate, open) = watch::channel(false);
        let gated = Backend::serve("gated", Protocol::Http1, move |_| {
            let mut open = open.clone();
            async move {
                open.wait_for(|open| *open).await.expect("the gate outlives its server");
                Response::new(full("done"))
            }
        });
        let fails = Arc::new(AtomicBool::new(false));
        let failing = fails.clone();
        let failing = Backend::serve("failing", Protocol::Http1, move |_| {
            let status = if failing.load(Ordering::SeqCst) { 500 } else { 200 };
            async move {
                let mut response = Response::new(full("done"));
                *response.status_mut() = StatusCode::from_u16(status).expect("it is a status");
                response
            }
        });
        let slow = Backend::serve("slow", Protocol::Http1, |_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Response::builder().header("x-backend", "slow").body(full("")).expect("it is an answer")
        });
        let sick = Switched::new("sick");
        sick.health(500);
        Self { echo: Backend::echo("echo"), gated, gate, failing, fails, slow, fast: Backend::echo("fast"), sick }
    }

    /// A router for each policy, at a host of its name; all of them differ a little with each number.
    fn dynamic(&self, number: u32) -> String {
        let (echo, gated, failing) = (self.echo.url(), self.gated.url(), self.failing.url());
        format!(
            "http:
  routers:
    policies: {{rule: Host(`policies{number}`), service: noop@internal}}
    bucket: {{rule: Host(`bucket`), middlewares: [bucket], service: echo}}
    breaker: {{rule: Host(`breaker`), middlewares: [breaker], service: echo}}
    flight: {{rule: Host(`flight`) || Host(`flight{number}`), middlewares: [flight], service: gated}}
    budget: {{rule: Host(`budget`), middlewares: [again], service: failing}}
    turn: {{rule: Host(`turn`), service: turn}}
    fastest: {{rule: Host(`fastest`), service: fastest}}
    versions: {{rule: Host(`versions`), service: versions}}
    checked: {{rule: Host(`checked`), service: checked}}
    learned: {{rule: Host(`learned`), service: learned}}
    instead: {{rule: Host(`instead`), service: instead}}
    password: {{rule: Host(`password`), middlewares: [password], service: echo}}
  middlewares:
    bucket: {{rateLimit: {{average: 1, period: {minutes}m, burst: 2}}}}
    breaker: {{circuitBreaker: {{expression: NetworkErrorRatio() > 0.5, checkPeriod: 1ns, fallbackDuration: {minutes}m}}}}
    of-version: {{circuitBreaker: {{expression: NetworkErrorRatio() > 0.5, checkPeriod: 1ns, fallbackDuration: {minutes}m}}}}
    flight: {{inFlightReq: {{amount: {amount}}}}}
    again: {{retry: {{attempts: 2, status: ['500'], initialInterval: {number}ns, budget: {{percent: 50, minPerSecond: 0}}}}}}
    password: {{basicAuth: {{users: ['{USER}'], realm: r{number}}}}}
  services:
    echo: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{echo}'}}]}}}}
    gated: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{gated}'}}]}}}}
    failing: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{failing}'}}]}}}}
    turn: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{echo}', weight: 3}}, {{url: '{fast}', weight: 1}}]}}}}
    fastest: {{loadBalancer: {{passHostHeader: {pass}, strategy: leasttime, servers: [{{url: '{slow}'}}, {{url: '{fast}'}}]}}}}
    versions: {{weighted: {{services: [{{name: good}}, {{name: bad}}]}}}}
    checked: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{sick}'}}, {{url: '{fast}'}}], healthCheck: {{path: /health, interval: {minutes}00h}}}}}}
    learned: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{failing}'}}, {{url: '{fast}'}}], passiveHealthCheck: {{failureWindow: {minutes}m}}}}}}
    alone: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{sick}'}}], healthCheck: {{path: /health, interval: {minutes}00h}}}}}}
    instead: {{failover: {{service: alone, fallback: good}}}}
    good: {{loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{fast}'}}]}}}}
    bad: {{middlewares: [of-version], loadBalancer: {{passHostHeader: {pass}, servers: [{{url: '{echo}'}}]}}}}
",
            fast = self.fast.url(),
            slow = self.slow.url(),
            sick = self.sick.url(),
            minutes = 60 + number,
            amount = 2 + number,
            pass = number.is_multiple_of(2),
        )
    }
}

/// The gateway, and what is under way.
struct Running {
    gateway: Gateway,
    backends: Backends,
    /// Kept, so that it is one worker's for as long as it is there.
    connection: Connection,
    under_way: Vec<JoinHandle<Reply>>,
}

impl Running {
    async fn start() -> Self {
        let backends = Backends::new();
        let statics = configuration("providers: {file: {directory: '@DIR@/conf'}}\n");
        let launch = Launch::new(&statics).file("conf/policies.yml", &backends.dynamic(0));
        // One worker: what workers know for themselves is known whoever asks.
        let gateway = launch.file("conf/other.yml", &other(0)).argument("--workers").argument("1").start();
        let connection = Connection::http1(gateway.web()).await;
        Self { gateway, backends, connection, under_way: Vec::new() }
    }

    async fn ask(&mut self, host: &str) -> Reply {
        self.connection.ask(Ask::get(&format!("http://{host}/"))).await
    }

    async fn statuses<const N: usize>(&mut self, host: &str) -> [u16; N] {
        let mut statuses = [0; N];
        for status in &mut statuses {
            *status = self.ask(host).await.status;
        }
        statuses
    }

    /// Who answers at a host, so many times.
    async fn servers(&mut self, host: &str, count: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..count {
            let reply = self.ask(host).await;
            assert_eq!(reply.status, 200, "{host}: {}", reply.text());
            *counts.entry(reply.header("x-backend").expect("a backend says who it is").to_owned()).or_default() += 1;
        }
        counts
    }

    /// Asks an echo server for so many answers of 502.
    async fn fail(&mut self, host: &str, count: usize) {
        let mut failed = 0;
        while failed < count {
            let ask = Ask::get(&format!("http://{host}/")).header("echo-status", "502");
            let reply = self.connection.ask(ask).await;
            assert_eq!(reply.status, 502, "{host}");
            failed += usize::from(reply.header("x-backend") == Some("echo"));
        }
    }

    async fn begin(&mut self, host: &str) {
        let there = self.backends.gated.requests();
        self.under_way.push(tokio::spawn(Ask::get(&format!("http://{host}/")).send(self.gateway.web())));
        let has_it = async || (self.backends.gated.requests() == there + 1).then_some(());
        eventually("the server has it", has_it).await;
    }

    /// Rewrites the other file, and waits until that is live.
    async fn change_something_else(&self, number: u32) {
        self.gateway.rewrite("conf/other.yml", &other(number));
        self.goes_live("other", number).await;
    }

    /// Rewrites the policies' own file likewise.
    async fn change_policies(&self, number: u32) {
        self.gateway.rewrite("conf/policies.yml", &self.backends.dynamic(number));
        self.goes_live("policies", number).await;
    }

    async fn goes_live(&self, file: &str, number: u32) {
        let (old, new) = (format!("http://{file}{}/", number - 1), format!("http://{file}{number}/"));
        let is_live = async || {
            let (old, new) = (self.gateway.get(&old).await.status, self.gateway.get(&new).await.status);
            ((old, new) == (404, 418)).then_some(())
        };
        eventually("the change is live", is_live).await;
    }

    async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.gateway.metrics().await.sum(name, labels)
    }
}

/// Routers and a middleware of which some are new with each number, some others, and some gone.
fn other(number: u32) -> String {
    format!(
        "http:
  routers:
    other{number}: {{rule: Host(`other{number}`), middlewares: [other], service: noop@internal}}
    always: {{rule: Host(`always{number}`), service: noop@internal}}
  middlewares:
    other: {{addPrefix: {{prefix: /{number}}}}}
"
    )
}

const USER: &str = "test:$2y$04$abcdefghijklmnopqrstuuoD8yw7MmybLKVooaTGGZAt3HXugv2.a";

#[tokio::test]
async fn a_change_of_unrelated_routers_takes_nothing_from_any_policy() {
    let mut running = Running::start().await;
    bring_into_a_state(&mut running).await;
    let before = Known::of(&mut running, 2).await;
    for number in 1..=3 {
        running.change_something_else(number).await;
    }
    everything_is_as_it_was(running, before).await;
}

#[tokio::test]
async fn a_change_of_their_own_numbers_takes_nothing_either() {
    let mut running = Running::start().await;
    bring_into_a_state(&mut running).await;
    let before = Known::of(&mut running, 2 + 3).await;
    for number in 1..=3 {
        running.change_policies(number).await;
    }
    everything_is_as_it_was(running, before).await;
}

/// What was known before the changes.
struct Known {
    turn: BTreeMap<String, usize>,
    connects: f64,
    counted: f64,
    /// For requests under way, when the changes have been made.
    room: u32,
}

impl Known {
    async fn of(running: &mut Running, room: u32) -> Self {
        Self {
            room,
            turn: running.servers("turn", 6).await,
            connects: running.metric("rollgate_upstream_connects_total", &[]).await,
            counted: running.metric("rollgate_ratelimit_total", &[]).await,
        }
    }
}

async fn everything_is_as_it_was(mut running: Running, before: Known) {
    assert_eq!(running.metric("rollgate_ratelimit_total", &[]).await, before.counted, "counters go on");
    assert_eq!(running.statuses("bucket").await, [429; 3], "the bucket is still empty");
    breakers_are_tripped(&mut running).await;
    servers_are_out(&mut running).await;
    let mut turn = before.turn;
    for (server, count) in running.servers("turn", 6).await {
        *turn.entry(server).or_default() += count;
    }
    assert_eq!(turn, BTreeMap::from([("echo".to_owned(), 9), ("fast".to_owned(), 3)]), "the rotation goes on");
    let fastest = running.servers("fastest", 20).await;
    assert!(fastest.get("slow").is_none_or(|count| *count <= 1), "who is slow is known: {fastest:?}");
    assert_eq!(log_in(&mut running).await, 200);
    let computed = running.metric("rollgate_password_checks_total", &[]).await;
    assert_eq!(computed, 1.0, "the password is remembered");
    let connects = running.metric("rollgate_upstream_connects_total", &[]).await;
    assert_eq!(connects, before.connects, "the connections to servers were kept");
    the_budget_is_what_was_earned(&mut running).await;
    requests_under_way_still_count(running, before.room).await;
}

/// One by its probes, one by its answers, and the only one of a main service.
async fn servers_are_out(running: &mut Running) {
    for host in ["checked", "learned", "instead"] {
        assert_eq!(running.servers(host, 10).await, BTreeMap::from([("fast".to_owned(), 10)]), "{host}");
    }
    assert_eq!(running.backends.sick.probes(), 2, "nobody is asked anew");
    assert_eq!(running.metric("rollgate_server_changes_total", &[("to", "down")]).await, 3.0);
    let (sick, failing) = (running.backends.sick.url(), running.backends.failing.url());
    for (service, url) in [("checked@file", &sick), ("learned@file", &failing), ("alone@file", &sick)] {
        let labels = [("service", service), ("url", url)];
        assert_eq!(running.metric("traefik_service_server_up", &labels).await, 0.0, "{service}");
    }
}

async fn breakers_are_tripped(running: &mut Running) {
    assert_eq!(running.statuses("breaker").await, [503; 3], "the breaker is still tripped");
    assert_eq!(running.servers("versions", 20).await, BTreeMap::from([("fast".to_owned(), 20)]), "so is the version's");
    let tripped = running.metric("rollgate_circuit_breaker_state", &[("state", "tripped")]).await;
    let transitions = running.metric("rollgate_circuit_breaker_transitions_total", &[("to", "tripped")]).await;
    assert_eq!((tripped, transitions), (2.0, 2.0));
}

async fn the_budget_is_what_was_earned(running: &mut Running) {
    let asked = running.backends.failing.requests();
    running.backends.fails.store(true, Ordering::SeqCst);
    assert_eq!(running.statuses("budget").await, [500; 20]);
    let again = running.backends.failing.requests() - asked - 20;
    // By themselves they earn half as many attempts; older earnings wear off with time.
    assert!((16..=20).contains(&again), "the budget has what was earned before: {again}");
}

async fn bring_into_a_state(running: &mut Running) {
    assert_eq!(running.statuses("bucket").await, [200, 200, 429]);
    running.fail("breaker", 10).await;
    assert_eq!(running.statuses("breaker").await, [503]);
    running.fail("versions", 10).await;
    running.begin("flight").await;
    assert_eq!(running.statuses("budget").await, [200; 20]);
    let fastest = running.servers("fastest", 20).await;
    assert!(fastest["fast"] >= 18, "{fastest:?}");
    assert_eq!(log_in(running).await, 200);
    running.backends.fails.store(true, Ordering::SeqCst);
    while running.ask("learned").await.status != 500 {}
    running.backends.fails.store(false, Ordering::SeqCst);
    let out = async || (running.metric("rollgate_server_changes_total", &[("to", "down")]).await == 3.0).then_some(());
    eventually("three servers are out", out).await;
}

async fn log_in(running: &mut Running) -> u16 {
    running.connection.ask(Ask::get("http://password/").header("Authorization", "Basic dGVzdDp0ZXN0")).await.status
}

/// One request began before the changes and has a place; there are as many again as there should be, and all of them come back.
async fn requests_under_way_still_count(mut running: Running, room: u32) {
    assert_eq!(running.metric("rollgate_inflight_requests", &[]).await, 1.0);
    for _ in 1..room {
        running.begin("flight").await;
    }
    assert_eq!(running.statuses("flight").await, [429; 2]);
    running.backends.gate.send(true).expect("the server is there");
    for ask in std::mem::take(&mut running.under_way) {
        assert_eq!(within("an answer", ask).await.expect("a client ends well").status, 200);
    }
    assert_eq!(running.statuses("flight").await, [200; 5]);
    let none = async || (running.metric("rollgate_inflight_requests", &[]).await == 0.0).then_some(());
    eventually("nothing is in flight", none).await;
}
