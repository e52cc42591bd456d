//! 99:1 while an unrelated router is rewritten every 50 requests: a share that is drawn does not care, one that is counted
//! from each publication on never reaches its hundredth request.

use rollgate_load::Client;
use rollgate_testkit::{Gateway, Launch, configuration};

use crate::{
    figures::Figures,
    options::Options,
    site::{MARKED, becomes, letter, marker, marker_host},
    watch,
};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let requests: u64 = options.either(100_000, 5_000);
    let (stable, canary) = (letter('s'), letter('c'));
    let statics = configuration("providers: {file: {directory: '@DIR@/conf'}}\n");
    let split = format!(
        "http:
  routers: {{pro: {{rule: 'Host(`pro.coding`)', service: pro}}}}
  services:
    pro: {{weighted: {{services: [{{name: s, weight: 99}}, {{name: c, weight: 1}}]}}}}
    s: {}
    c: {}
",
        stable.load_balancer(),
        canary.load_balancer()
    );
    let launch = Launch::new(&statics).file("conf/split.yml", &split).file("conf/other.yml", &marker("other", 0));
    let gateway = launch.program(options.binary.to_str().expect("the binary's path is text")).start();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::open(gateway.web()).await.expect("the gateway accepts"));
    }
    let (mut canaries, mut failed, mut rewrites, mut complaints) = (0_u64, 0_u64, 0, 0);
    for batch in 0..requests.div_ceil(EVERY) {
        for number in 0..EVERY {
            let client = &mut clients[((batch + number) % CONNECTIONS) as usize];
            match client.exchange(ASK).await {
                Ok(answer) if answer.status == 200 => canaries += u64::from(answer.first == b'c'),
                Ok(_) => failed += 1,
                Err(_) => {
                    failed += 1;
                    *client = Client::open(gateway.web()).await.expect("the gateway accepts");
                }
            }
        }
        rewrites += 1;
        complaints += u64::from(!rewritten(&gateway, rewrites).await);
    }
    let asked = requests.div_ceil(EVERY) * EVERY;
    let mut figures = Figures::default();
    figures.tell("requests", asked);
    figures.tell("rewrites of the unrelated router", rewrites);
    figures.none("rewrites that did not go live", complaints);
    figures.none("failed requests", failed);
    judge(&mut figures, canaries, asked);
    watch::conclude(&mut figures, &gateway, &[]).await;
    figures
}

async fn rewritten(gateway: &Gateway, generation: u32) -> bool {
    gateway.rewrite("conf/other.yml", &marker("other", generation));
    let host = marker_host("other", generation);
    becomes(gateway.web(), &host, MARKED, std::time::Duration::from_secs(5))
        .await
        .inspect_err(|what| println!("{what}"))
        .is_ok()
}

/// A fair draw is within 4.4 standard deviations but for once in a hundred thousand runs.
fn judge(figures: &mut Figures, canaries: u64, requests: u64) {
    let (share, requests) = (canaries as f64 / requests as f64, requests as f64);
    let deviation = (WEIGHT * (1.0 - WEIGHT) / requests).sqrt();
    let bound = DEVIATIONS * deviation;
    figures.ask(
        "share of the canary",
        format!("{:.2}% +- {:.2}%", WEIGHT * 100.0, bound * 100.0),
        format!("{:.3}% ({canaries})", share * 100.0),
        (share - WEIGHT).abs() <= bound,
    );
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n";

/// Connections that take turns, so that every worker draws.
const CONNECTIONS: u64 = 8;

/// Requests between two rewrites.
const EVERY: u64 = 50;

const WEIGHT: f64 = 0.01;

const DEVIATIONS: f64 = 4.4;
