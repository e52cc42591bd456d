//! Live weights under load: how long a change takes until it is answered, that requests do not notice, that none which comes
//! after the answer reaches a version of weight 0, and that a brake outlives a kill.
//!
//! A change is durable before it is answered, so the disk's own time is told beside it.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use rollgate_load::{Client, Load, Plan, Shot, Tally, Timer};
use rollgate_testkit::{Backend, Gateway, Launch, configuration};

use super::reload::capacity;
use crate::{
    figures::{Figures, milliseconds},
    options::Options,
    site::letter,
    watch::Conclusion,
};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let mut figures = Figures::default();
    let mut conclusion = Conclusion::default();
    for routers in [1, options.either(10_000, 500)] {
        let site = Site::start(&options, routers, None);
        answered(&options, &mut figures, &site, routers).await;
        conclusion.look(&site.gateway, &[]).await;
    }
    let site = Site::start(&options, 1, None);
    unnoticed(&options, &mut figures, &site).await;
    conclusion.look(&site.gateway, &[]).await;
    let site = Site::start(&options, 1, None);
    braked(&options, &mut figures, &site).await;
    conclusion.look(&site.gateway, &BRAKES).await;
    killed(&options, &mut figures).await;
    conclusion.report(&mut figures);
    figures
}

/// Changes one after the other, as fast as they are answered, under load.
async fn answered(options: &Options, figures: &mut Figures, site: &Site, routers: usize) {
    let changes = options.changes.unwrap_or_else(|| options.either(10_000, 100));
    let (load, _) = site.load(options, figures, &format!("{routers} routers: ")).await;
    let alone = disk(options.either(1_000, 50));
    let [p50, p99] = [0.5, 0.99].map(|share| milliseconds(alone.value_at_quantile(share)));
    figures.tell(format!("{routers} routers: the disk alone, p50 and p99"), format!("{p50}, {p99}"));
    let mut writer = Writer::open(&site.gateway).await;
    let mut times = histogram();
    for number in 0..changes {
        let began = Instant::now();
        writer.set(number % 2 == 0).await;
        times.saturating_record(began.elapsed().as_micros() as u64);
    }
    let mut all = Tally::default();
    load.end().iter().for_each(|tally| all.add(tally));
    figures.none(format!("{routers} routers: failed requests of {}", all.requests()), all.failed());
    told(figures, options, &format!("{routers} routers: PUT to live on every worker"), changes, &times);
}

/// How long a file in the temporary folder, where the store is too, takes to keep as much as a commit writes.
fn disk(times: u64) -> Histogram<u64> {
    let file = tempfile::tempfile().expect("a file can be made");
    let (mut alone, pages) = (histogram(), [b'x'; 3 * 4096]);
    for turn in 0..=times {
        let began = Instant::now();
        file.write_all_at(&pages, 0).expect("a file can be written");
        file.sync_data().expect("a file can be kept");
        // The first one makes the file longer.
        if turn > 0 {
            alone.saturating_record(began.elapsed().as_micros() as u64);
        }
    }
    alone
}

fn told(figures: &mut Figures, options: &Options, what: &str, of: u32, times: &Histogram<u64>) {
    let [p50, p99] = [0.5, 0.99].map(|share| times.value_at_quantile(share));
    figures.tell(format!("{what}, p50 of {of}"), milliseconds(p50));
    let figure = format!("{what}, p99 of {of}");
    if options.short {
        figures.tell(figure, milliseconds(p99));
    } else {
        figures.ask(figure, "5 ms", milliseconds(p99), p99 <= TARGET);
    }
    figures.tell(format!("{what}, longest of {of}"), milliseconds(times.max()));
}

/// A hundred changes a second for half of the time; after each answer every connection of an observer is asked at once.
async fn unnoticed(options: &Options, figures: &mut Figures, site: &Site) {
    let seconds = options.seconds(60, 4);
    let (load, rate) = site.load(options, figures, "").await;
    let mut writer = Writer::open(&site.gateway).await;
    let mut observers = Vec::new();
    for _ in 0..OBSERVERS {
        observers.push(Client::open(site.gateway.web()).await.expect("the gateway accepts"));
    }
    let (mut changes, mut looks, mut wrong) = (0_u64, 0_u64, 0_u64);
    let timer = Timer::default();
    let part = Duration::from_secs(seconds) / PARTS;
    let (began, before) = (Instant::now(), load.answered());
    for number in 0..2 * PARTS {
        let with_changes = number % 2 == 1;
        load.phase(FIRST + number as usize);
        let begin = Instant::now();
        for change in 0_u32.. {
            let due = begin + EVERY * change;
            if due >= begin + part {
                break;
            }
            timer.until(due).await;
            // What asks beside the load asks in both phases.
            let canary = changes % 2 == 0;
            if with_changes {
                writer.set(canary).await;
                changes += 1;
            }
            let asked = observers.iter_mut().map(|client| client.exchange(ASK));
            for answer in join_all(asked).await {
                looks += 1;
                let expected = if canary { b'c' } else { b's' };
                let answer = answer.expect("the gateway answers");
                wrong += u64::from(with_changes && (answer.status != 200 || answer.first != expected));
            }
        }
    }
    let (due, answered) = (rate * began.elapsed().as_secs_f64(), load.answered() - before);
    let mut tallies = load.end();
    tallies.resize_with(FIRST + 2 * PARTS as usize, Tally::default);
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    figures.tell("changes, a hundred in a second", changes);
    let in_time = format!("{answered} ({:.1}%)", 100.0 * answered as f64 / due);
    if options.short {
        figures.tell("requests, of those that were due", in_time);
    } else {
        // What waits for a load that is too much for the machine says nothing of changes.
        let asked = format!("{:.0}%: else the rate is too high here", IN_TIME * 100.0);
        figures.ask("requests, of those that were due", asked, in_time, answered as f64 >= due * IN_TIME);
    }
    figures.none("failed requests", all.failed());
    figures.none("resets", all.resets());
    figures.none(format!("requests after an answer to a version of weight 0, of {looks}"), wrong);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        // A moment in which the machine does something else is in one part, and says nothing of changes.
        let [without, with] = [0, 1].map(|phase| {
            let mut parts: Vec<u64> =
                tallies[FIRST + phase..].iter().step_by(2).map(|tally| tally.quantile(quantile)).collect();
            parts.sort_unstable();
            parts
        });
        let median = |parts: &[u64]| parts[parts.len() / 2];
        let told = |parts: &[u64]| {
            let [least, most] = [parts[0], parts[parts.len() - 1]].map(milliseconds);
            format!("{} ({least} to {most})", milliseconds(median(parts)))
        };
        figures.tell(format!("{name} without changes, median of {PARTS} parts"), told(&without));
        let ratio = median(&with) as f64 / median(&without).max(1) as f64;
        let shown = format!("{}, {ratio:.2} x", told(&with));
        if name == "p99" && !options.short {
            figures.ask("p99 with changes", "1.2 x", shown, ratio <= 1.2);
        } else {
            figures.tell(format!("{name} with changes"), shown);
        }
    }
}

/// Brakes and releases in turn, under load.
async fn braked(options: &Options, figures: &mut Figures, site: &Site) {
    let brakes = options.changes.unwrap_or_else(|| options.either(1_000, 20));
    let (load, _) = site.load(options, figures, "brakes: ").await;
    let mut writer = Writer::open(&site.gateway).await;
    let mut times = histogram();
    for _ in 0..brakes {
        times.saturating_record(writer.brake("PUT").await.as_micros() as u64);
        writer.brake("DELETE").await;
    }
    let mut all = Tally::default();
    load.end().iter().for_each(|tally| all.add(tally));
    figures.none(format!("brakes: failed requests of {}", all.requests()), all.failed());
    for (name, time) in [("p50", times.value_at_quantile(0.5)), ("p99", times.value_at_quantile(0.99))] {
        figures.tell(format!("PUT of a brake to live and kept, {name} of {brakes}"), milliseconds(time));
    }
}

/// Brakes, and kills the process as soon as that is answered.
async fn killed(options: &Options, figures: &mut Figures) {
    let kills = options.either(20, 2);
    let (mut longest, mut lost) = (Duration::ZERO, 0);
    for _ in 0..kills {
        let state = tempfile::tempdir().expect("a folder can be made");
        let site = Site::start(options, 1, Some(state.path()));
        let mut writer = Writer::open(&site.gateway).await;
        longest = longest.max(writer.brake("PUT").await);
        // It is killed as it is dropped.
        drop(site);
        let site = Site::start(options, 1, Some(state.path()));
        let mut observer = Client::open(site.gateway.web()).await.expect("the gateway accepts");
        for _ in 0..20 {
            lost += u64::from(observer.exchange(ASK).await.expect("the gateway answers").first != b's');
        }
    }
    let (figure, shown) =
        (format!("PUT of a brake to kept, longest of {kills}"), milliseconds(longest.as_micros() as u64));
    if options.short {
        figures.tell(figure, shown);
    } else {
        figures.ask(figure, format!("{} ms", KEPT.as_millis()), shown, longest <= KEPT);
    }
    figures.none("requests to a braked version after a kill that came with its answer", lost);
}

/// A gateway with a split, the admin API and some routers.
struct Site {
    gateway: Gateway,
    _versions: [Backend; 2],
}

impl Site {
    fn start(options: &Options, routers: usize, state: Option<&Path>) -> Self {
        let versions = [letter('s'), letter('c')];
        let mut more = String::new();
        for router in 1..routers {
            // Writing to a string cannot fail.
            let _ =
                writeln!(more, "    r{router}: {{rule: 'Host(`r{router}.test`) && PathPrefix(`/api`)', service: s}}");
        }
        let dynamic = format!(
            "api: {{}}
http:
  routers:
    pro: {{rule: 'Host(`pro.coding`)', service: pro}}
{more}  services:
    pro: {{weighted: {{services: [{{name: s, weight: 9}}, {{name: c, weight: 1}}]}}}}
    s: {}
    c: {}
",
            versions[0].load_balancer(),
            versions[1].load_balancer()
        );
        let mut launch = Launch::new(&configuration(&dynamic).replace("level: INFO", "level: WARN"));
        if let Some(state) = state {
            launch = launch.variable("STATE_DIRECTORY", state.to_str().expect("a path is text"));
        }
        let gateway = launch.program(options.binary.to_str().expect("the binary's path is text")).start();
        Self { gateway, _versions: versions }
    }

    /// At 70% of what it can do; its rate.
    async fn load(&self, options: &Options, figures: &mut Figures, name: &str) -> (Load, f64) {
        let connections = options.connections.unwrap_or(32);
        let shots = vec![Shot::get("pro.coding", "/", 200)];
        let plan = Plan { address: self.gateway.web(), shots, connections, rate: None };
        let capacity = capacity(&plan, options.either(10, 1)).await;
        let rate = options.rate.unwrap_or_else(|| capacity * options.either(SHARE, SHORT_SHARE));
        figures.tell(format!("{name}load, requests a second"), format!("{rate:.0} of {capacity:.0}"));
        let load = Load::kept(Plan { rate: Some(rate), ..plan });
        tokio::time::sleep(Duration::from_millis(500)).await;
        (load, rate)
    }
}

/// A connection to the admin API.
struct Writer {
    client: Client,
    address: SocketAddr,
}

impl Writer {
    async fn open(gateway: &Gateway) -> Self {
        let address = gateway.address("traefik");
        Self { client: Client::open(address).await.expect("the gateway accepts"), address }
    }

    /// Gives everything to the canary, or to the other one.
    async fn set(&mut self, canary: bool) {
        let (stable, canary) = if canary { (0, 1) } else { (1, 0) };
        let body = format!(r#"{{"weights": {{"s": {stable}, "c": {canary}}}}}"#);
        assert_eq!(self.change("PUT", "/services/pro/weights", &body).await, 200);
    }

    /// Sets the canary's brake, or releases it; how long it took.
    async fn brake(&mut self, method: &str) -> Duration {
        let began = Instant::now();
        assert_eq!(self.change(method, "/services/pro/brake/c", "{}").await, 200);
        began.elapsed()
    }

    /// Its status.
    async fn change(&mut self, method: &str, path: &str, body: &str) -> u16 {
        let (address, length) = (self.address, body.len());
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.client.exchange(request.as_bytes()).await.expect("the gateway answers").status
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).expect("three digits of a minute can be kept")
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n";

/// From PUT to its answer, in microseconds.
const TARGET: u64 = 5_000;

/// Connections that look after each answer, so that every worker has some.
const OBSERVERS: usize = 8;

/// The first phase that counts; from then on they are in turn without changes and with them.
const FIRST: usize = 1;

/// How many there are of each.
const PARTS: u32 = 15;

/// A hundred a second.
const EVERY: Duration = Duration::from_millis(10);

/// The share of capacity that the load is.
const SHARE: f64 = 0.7;
const SHORT_SHARE: f64 = 0.2;

/// The share of the load that has to be answered in time.
const IN_TIME: f64 = 0.97;

/// Words in the log's lines that brakes cause.
const BRAKES: [&str; 2] = ["a version is braked", "a version is no longer braked"];

/// A brake is in the store by then.
const KEPT: Duration = Duration::from_millis(100);
