//! Everything at once for a long time: steady load with errors in it, connections that come and go, HTTP/2, TLS, WebSockets,
//! clients that crash, and a change of some kind every 5 s. What the process holds must not rise.

use std::time::{Duration, Instant};

use crate::{
    figures::Figures,
    options::Options,
    side::{self, Side},
    site::{HOST, Kind, PROBLEMS, Site},
    slope::{Slope, medians},
    watch::{self, Held, held},
};
use rollgate_load::{Load, Plan, Shot, Tally};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let length = Duration::from_secs(options.seconds(1_800, 12));
    let mut site = Site::start(&options);
    let web = site.gateway.web();
    let rate = options.rate.unwrap_or_else(|| options.either(2_000.0, 200.0));
    let shots = shots();
    let kept = Load::kept(Plan { address: web, shots: shots.clone(), connections: 32, rate: Some(rate) });
    let fresh = Load::fresh(Plan { address: web, shots, connections: 200, rate: Some(rate / 20.0) });
    let sides = sides(&site);
    let (mut samples, mut changes, mut complaints) = (Vec::new(), 0_u32, 0_u64);
    let (began, every) = (Instant::now(), options.either(RELOADED, RELOADED / 10));
    let mut turns = 0;
    let mut change_due = began + every;
    while began.elapsed() < length {
        tokio::time::sleep(SAMPLED).await;
        samples.push((began.elapsed().as_secs_f64() / 60.0, held(site.gateway.id())));
        if Instant::now() >= change_due {
            let kind = Kind::ALL[turns % Kind::ALL.len()];
            if let Err(what) = site.change(kind).await {
                println!("{what}");
                complaints += 1;
            }
            changes += kind.changes();
            turns += 1;
            change_due += every;
        }
    }
    let mut all = Tally::default();
    kept.end().iter().chain(&fresh.end()).for_each(|tally| all.add(tally));
    let mut figures = Figures::default();
    figures.tell("changes", changes);
    figures.none("changes that did not do what they should", complaints);
    figures.tell("requests", all.requests());
    if all.failed() > 0 {
        println!("failed: {all}");
    }
    figures.none("requests that were not answered as they should", all.failed());
    for (name, sides) in sides {
        let (mut good, mut failed) = (0, 0);
        for side in sides {
            let ended = side.end().await;
            good += ended.0;
            failed += ended.1;
        }
        figures.tell(name, good);
        figures.none(format!("{name}: failed"), failed);
    }
    report(&options, &mut figures, &samples);
    figures.none("connections open 10 s after the last client went", connections_left(&site).await);
    watch::conclude(&mut figures, &site.gateway, &PROBLEMS).await;
    figures
}

/// One in ten is an error: nobody has the host, or the server is not there.
fn shots() -> Vec<Shot> {
    let mut shots = vec![Shot::get(HOST, "/", 200); 18];
    shots.extend([Shot::get("nobody.test", "/", 404), Shot::get("side-0.test", "/", 502)]);
    shots
}

fn sides(site: &Site) -> Vec<(&'static str, Vec<Side>)> {
    let (web, secure) = (site.gateway.web(), site.gateway.address("websecure"));
    vec![
        ("TLS handshakes with a request", vec![Side::begin(PAUSE, move || side::handshake(secure))]),
        ("HTTP/2 connections with 50 requests", vec![Side::begin(PAUSE, move || side::http2(web))]),
        ("clients that crashed", vec![Side::begin(PAUSE, move || side::crash(web))]),
        ("WebSockets of 3 s", (0..WEBSOCKETS).map(|_| Side::begin(PAUSE, move || side::websocket(web))).collect()),
    ]
}

fn report(options: &Options, figures: &mut Figures, samples: &[(f64, Held)]) {
    let warm = samples.last().map_or(0.0, |sample| sample.0) * WARM_UP;
    let judged: Vec<_> = samples.iter().filter(|sample| sample.0 >= warm).collect();
    let of = |what: fn(&Held) -> u64| judged.iter().map(|(at, held)| (*at, what(held) as f64)).collect::<Vec<_>>();
    let (memory, descriptors) = (of(|held| held.anonymous), of(|held| held.descriptors));
    let course = |of: &[(f64, f64)], unit: f64, digits: usize| {
        let shown = medians(of).into_iter().map(|(_, value)| format!("{:.digits$}", value / unit));
        shown.collect::<Vec<_>>().join(" ")
    };
    figures.tell("memory (anonymous, MiB) after warming up, block by block", course(&memory, 1024.0, 1));
    figures.tell("descriptors after warming up, block by block", course(&descriptors, 1.0, 0));
    slope(options, figures, "memory, KiB a minute", &memory, MEMORY);
    slope(options, figures, "descriptors a minute", &descriptors, DESCRIPTORS);
}

/// The rise that is certain (two standard errors below what was measured) must not be above `bound`.
fn slope(options: &Options, figures: &mut Figures, name: &str, samples: &[(f64, f64)], bound: f64) {
    let slope = Slope::of(samples);
    let unseen = bound + 2.0 * slope.error;
    let measured = format!("{:.2} +- {:.2} (below {unseen:.1} goes unseen)", slope.rise, slope.error);
    if options.short {
        figures.tell(format!("slope of {name}"), measured);
    } else {
        let asked = format!("slope - 2 errors <= {bound}");
        figures.ask(format!("slope of {name}"), asked, measured, slope.certain() <= bound);
    }
}

/// Connections from clients that the gateway still counts; waits for none, 10 s at most.
async fn connections_left(site: &Site) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let metrics = site.gateway.metrics().await;
        assert!(metrics.has("traefik_open_connections", &[("entrypoint", "web")]), "the gateway counts connections");
        let open = ["web", "websecure"]
            .map(|name| metrics.sum("traefik_open_connections", &[("entrypoint", name)]) as u64)
            .iter()
            .sum();
        if open == 0 || Instant::now() > deadline {
            return open;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Between two changes.
const RELOADED: Duration = Duration::from_secs(5);

/// Between two looks at the process.
const SAMPLED: Duration = Duration::from_secs(1);

/// Between two turns of a client at the side.
const PAUSE: Duration = Duration::from_millis(100);

/// How many of them at once.
const WEBSOCKETS: usize = 4;

/// The share of the time in which pools fill and the allocator finds its size.
const WARM_UP: f64 = 0.2;

/// KiB a minute: 28 MiB a day. A leak of a byte in each request would show as 117.
const MEMORY: f64 = 20.0;

/// A leak of one descriptor in each change would show as 12.
const DESCRIPTORS: f64 = 0.2;
