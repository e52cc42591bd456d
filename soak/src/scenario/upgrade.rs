//! A new binary takes over by SIGUSR2, one after the other, under new connections.

use std::time::{Duration, Instant};

use rollgate_load::{Load, Plan, Shot, Tally};
use rollgate_testkit::{Launch, Successor};
use rustix::process::Signal;

use crate::{
    figures::{Figures, milliseconds},
    options::Options,
    site::letter,
    watch,
};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let (seconds, rate) = (options.seconds(60, 6), options.rate.unwrap_or_else(|| options.either(RATE, SHORT_RATE)));
    let backend = letter('s');
    let launch = Launch::new(&config(&backend.load_balancer(), "graceTimeOut: 10s"));
    let mut first = launch.program(options.binary.to_str().expect("the binary's path is text")).start();
    let load = Load::fresh(plan(first.web(), rate));
    let began = Instant::now();
    let every = Duration::from_secs(options.either(6, 2));
    let ends = began + Duration::from_secs(seconds);
    let mut successors: Vec<Successor> = Vec::new();
    while Instant::now() + every < ends {
        tokio::time::sleep(every).await;
        match successors.last() {
            Some(last) => last.signal(Signal::USR2),
            None => first.signal(Signal::USR2),
        }
        // These wait without giving way to other tasks; the load has a thread of its own.
        let next = first.successor_number(successors.len());
        match successors.last() {
            Some(last) => last.wait(),
            None => assert!(first.wait().success(), "the old process ends well"),
        }
        successors.push(next);
    }
    tokio::time::sleep(ends.saturating_duration_since(Instant::now())).await;
    let lasted = began.elapsed();
    let tallies = load.end();
    let mut figures = Figures::default();
    figures.tell("upgrades", successors.len());
    report(&mut figures, &tallies, rate, lasted);
    watch::conclude(&mut figures, &first, &[]).await;
    figures
}

/// A configuration whose every request goes to one backend.
pub fn config(load_balancer: &str, life_cycle: &str) -> String {
    format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', transport: {{lifeCycle: {{{life_cycle}}}}}}}
  traefik: {{address: '127.0.0.1:0'}}
ping: {{}}
metrics: {{prometheus: {{}}}}
log: {{level: INFO}}
http:
  routers: {{all: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {load_balancer}}}
"
    )
}

/// New connections at a rate.
pub fn plan(address: std::net::SocketAddr, rate: f64) -> Plan {
    Plan { address, shots: vec![Shot::last("soak.test", "/", 200)], connections: 2_000, rate: Some(rate) }
}

/// What is asked of new connections that came for so long at a rate.
pub fn report(figures: &mut Figures, tallies: &[Tally], rate: f64, lasted: Duration) {
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    figures.tell("new connections a second", format!("{rate:.0}"));
    // Too slow a machine closes and resets by itself: what it fails says nothing of the gateway.
    let due = rate * lasted.as_secs_f64();
    let kept_up = all.requests() as f64 >= due * IN_TIME;
    let asked = format!("{:.0}% of {due:.0} or more: else the rate is too high here", IN_TIME * 100.0);
    figures.ask("requests, each on a connection of its own", asked, all.requests(), kept_up);
    if all.failed() > 0 {
        println!("failed: {all}");
    }
    figures.none("failed requests", all.failed());
    figures.none("resets and refused connections", all.resets());
    figures.tell("p50", milliseconds(all.quantile(0.5)));
    figures.tell("p99", milliseconds(all.quantile(0.99)));
    figures.tell("largest", milliseconds(all.largest()));
}

/// The share of requests that the load has to get rid of in time.
const IN_TIME: f64 = 0.97;

/// New connections a second.
pub const RATE: f64 = 2_000.0;

/// In a short run, beside whatever else a check does.
pub const SHORT_RATE: f64 = 200.0;
