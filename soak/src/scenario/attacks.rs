//! HTTP/2 attacks, one after the other, each against a gateway of its own: what it holds before, at most and after, and
//! what a second client, which asks at a steady rate over HTTP/1, sees of it.

use std::time::Duration;

use rollgate_load::{Load, Plan, Shot, Tally};
use rollgate_testkit::{Backend, Launch, configuration};

use crate::{
    attack::{Attack, Fought, Kind},
    figures::{Figures, mebibytes, milliseconds},
    options::Options,
    site::{HOST, letter},
    watch::{Conclusion, held},
};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let mut figures = Figures::default();
    let connections = options.connections.unwrap_or_else(|| options.either(32, 4));
    figures.tell("attacking connections", connections);
    let mut conclusion = Conclusion::default();
    for kind in Kind::ALL {
        one(&options, &mut figures, &mut conclusion, kind, connections).await;
    }
    conclusion.report(&mut figures);
    figures
}

async fn one(options: &Options, figures: &mut Figures, conclusion: &mut Conclusion, kind: Kind, connections: usize) {
    let (small, large) = (letter('s'), large());
    let gateway = Launch::new(&configuration(&routes(&small, &large)));
    let gateway = gateway.program(options.binary.to_str().expect("the binary's path is text")).start();
    // A stalled connection has 30 s before it has to be closed.
    let seconds = Duration::from_secs(options.seconds(if kind == Kind::ZeroWindow { 45 } else { 25 }, 1));
    let quiet = Duration::from_secs(options.either(8, 1));
    let plan =
        Plan { address: gateway.web(), shots: vec![Shot::get(HOST, "/", 200)], connections: 8, rate: Some(RATE) };
    let load = Load::kept(plan);
    tokio::time::sleep(quiet / 2).await;
    load.phase(BEFORE);
    tokio::time::sleep(quiet).await;
    let before = held(gateway.id());
    load.phase(DURING);
    let attack = Attack::begin(kind, gateway.web(), connections);
    tokio::time::sleep(seconds).await;
    let fought = attack.end();
    load.phase(AFTER);
    let most = gateway.peak_memory();
    tokio::time::sleep(quiet).await;
    let after = held(gateway.id());
    let mut tallies = load.end();
    tallies.resize_with(AFTER + 1, Tally::default);
    let name = kind.name();
    let Fought { opened, closed, bytes } = fought;
    figures.tell(
        format!("{name}: connections opened, closed by the gateway, sent"),
        format!("{opened}, {closed}, {}", mebibytes(bytes / 1024)),
    );
    figures
        .tell(format!("{name}: memory before, after"), [before, after].map(|held| mebibytes(held.resident)).join(", "));
    let bound = BOUND + kind.bound() * connections as u64;
    let grown = most.saturating_sub(before.resident);
    figures.ask(
        format!("{name}: memory's growth"),
        format!("at most {}", mebibytes(bound)),
        mebibytes(grown),
        grown <= bound,
    );
    second_client(options, figures, name, &tallies);
    // An attack may be told of as a warning; an error would be one of the gateway itself.
    conclusion.look(&gateway, &["WARN"]).await;
}

fn second_client(options: &Options, figures: &mut Figures, name: &str, tallies: &[Tally]) {
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    if all.failed() > 0 {
        println!("{name}: second client: {all}");
    }
    figures.none(format!("{name}: second client's failed requests"), all.failed());
    let [before, during] = [BEFORE, DURING].map(|phase| tallies[phase].quantile(0.99));
    figures.tell(format!("{name}: second client's p99 without"), milliseconds(before));
    let figure = format!("{name}: second client's p99 during");
    if options.short {
        figures.tell(figure, milliseconds(during));
    } else {
        let asked = format!("at most {}", milliseconds(UNAFFECTED));
        figures.ask(figure, asked, milliseconds(during), during <= UNAFFECTED);
    }
}

fn routes(small: &Backend, large: &Backend) -> String {
    format!(
        "http:
  routers:
    large: {{rule: 'Host(`large.test`)', service: large}}
    small: {{rule: 'Host(`small.test`) || Host(`{HOST}`)', service: small}}
  services:
    large: {}
    small: {}
",
        large.load_balancer(),
        small.load_balancer()
    )
}

/// A backend whose every answer is a mebibyte, and waits in the gateway rather than in its own sockets: on one machine, the
/// second client would otherwise wait for the kernel to copy thousands of them.
pub fn large() -> Backend {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + LARGE, b'x');
    Backend::canned_far("large", answer)
}

const BEFORE: usize = 1;
const DURING: usize = 2;
const AFTER: usize = 3;

/// Requests a second of the second client.
const RATE: f64 = 200.0;

/// The size of a large answer.
const LARGE: usize = 1_048_576;

/// What the gateway may grow by under attack, in KiB, besides what [`Kind::bound`] says for each connection.
const BOUND: u64 = 65_536;

/// What a second client may wait at the 99th percentile, in microseconds, with the attacker on one of two cores.
const UNAFFECTED: u64 = 50_000;
