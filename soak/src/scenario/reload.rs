//! Changes of every kind under load: nothing fails, nothing is reset.
//!
//! First capacity is measured, then a load of 70% of it flows in four phases: without changes, with, without, with. Changes
//! are spread over the phases that have them.

use std::time::{Duration, Instant};

use crate::{
    figures::{Figures, milliseconds},
    options::Options,
    side::{self, Side},
    site::{Kind, PROBLEMS, Site},
    watch,
};
use rollgate_load::{Load, Plan, Tally};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let seconds = options.seconds(60, 8);
    let changes = options.changes.unwrap_or_else(|| options.either(200, 26));
    let connections = options.connections.unwrap_or(32);
    let mut site = Site::start(&options);
    let plan = Plan { address: site.gateway.web(), shots: vec![Site::shot()], connections, rate: None };
    let capacity = capacity(&plan, options.either(10, 2)).await;
    let rate = options.rate.unwrap_or_else(|| capacity * options.either(SHARE, SHORT_SHARE));
    let address = site.gateway.address("websecure");
    let handshakes = Side::begin(Duration::from_millis(50), move || side::handshake(address));
    let load = Load::kept(Plan { rate: Some(rate), ..plan });
    let half = Duration::from_secs(seconds) / 2;
    tokio::time::sleep(half / 6).await;
    let mut made = Changes::default();
    for with in [false, true, false, true] {
        load.phase(if with { WITH } else { WITHOUT });
        let ends = Instant::now() + half;
        if with {
            made.spread(&mut site, changes / 2, ends).await;
        }
        tokio::time::sleep(ends.saturating_duration_since(Instant::now())).await;
    }
    let mut tallies = load.end();
    tallies.resize_with(WITH + 1, Tally::default);
    let (shaken, failed) = handshakes.end().await;
    let mut figures = Figures::default();
    figures.tell("capacity, requests a second", format!("{capacity:.0}"));
    figures.tell("load, requests a second", format!("{rate:.0}"));
    figures.ask("changes", format!("{changes} or more"), made.count, made.count >= changes);
    figures.none("changes that did not do what they should", made.complaints.len() as u64);
    report(&mut figures, &tallies);
    figures.tell("TLS handshakes with a request", shaken);
    figures.none("TLS handshakes or their requests that failed", failed);
    watch::conclude(&mut figures, &site.gateway, &PROBLEMS).await;
    figures
}

/// Requests a second that closed connections get answered.
pub(super) async fn capacity(plan: &Plan, seconds: u64) -> f64 {
    let load = Load::kept(plan.clone());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (began, before) = (Instant::now(), load.answered());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let rate = (load.answered() - before) as f64 / began.elapsed().as_secs_f64();
    load.end();
    rate
}

fn report(figures: &mut Figures, tallies: &[Tally]) {
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    figures.tell("requests", all.requests());
    if all.failed() > 0 {
        println!("failed: {all}");
    }
    figures.none("failed requests", all.failed());
    figures.none("resets", all.resets());
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let [without, with] = [WITHOUT, WITH].map(|phase| milliseconds(tallies[phase].quantile(quantile)));
        figures.tell(format!("{name} without changes"), without);
        figures.tell(format!("{name} with changes"), with);
    }
}

/// The changes so far.
#[derive(Default)]
struct Changes {
    count: u32,
    turns: usize,
    complaints: Vec<String>,
}

impl Changes {
    /// Makes so many changes, of every kind in turn, evenly until `ends`.
    async fn spread(&mut self, site: &mut Site, changes: u32, ends: Instant) {
        let (begin, first) = (Instant::now(), self.count);
        let share = ends.saturating_duration_since(begin) / changes.max(1);
        while self.count - first < changes {
            let due = begin + share * (self.count - first);
            tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
            let kind = Kind::ALL[self.turns % Kind::ALL.len()];
            if let Err(what) = site.change(kind).await {
                println!("{what}");
                self.complaints.push(what);
            }
            self.count += kind.changes();
            self.turns += 1;
        }
    }
}

/// The phases; 0 is before the first.
const WITHOUT: usize = 1;
const WITH: usize = 2;

/// The share of capacity that the load is.
const SHARE: f64 = 0.7;

/// A short run shares the machine with whatever else a check does.
const SHORT_SHARE: f64 = 0.3;
