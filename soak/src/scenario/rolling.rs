//! Two gateways behind a TCP balancer are restarted in turn, as an orchestrator does it: SIGTERM, `/ready` says no, the
//! balancer looks elsewhere within `requestAcceptGraceTimeout`, the old one ends, a new one starts and says that it is ready.

mod balancer;

use std::time::{Duration, Instant};

use rollgate_load::Load;
use rollgate_testkit::{Gateway, Launch};
use rustix::process::Signal;

use self::balancer::Balancer;
use super::upgrade::{RATE, SHORT_RATE, config, plan, report};
use crate::{figures::Figures, options::Options, site::letter, watch::Conclusion};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let (seconds, rate) = (options.seconds(60, 6), options.rate.unwrap_or_else(|| options.either(RATE, SHORT_RATE)));
    let backend = letter('s');
    let config = config(&backend.load_balancer(), "requestAcceptGraceTimeout: 1s, graceTimeOut: 10s");
    let binary = options.binary.to_str().expect("the binary's path is text").to_owned();
    let start = || Launch::new(&config).program(&binary).start();
    let mut gateways = [start(), start()];
    let balancer = Balancer::start();
    for (place, gateway) in gateways.iter().enumerate() {
        balancer.set(place, gateway.web(), gateway.address("traefik"));
        balancer.is_ready(place).await;
    }
    let load = Load::fresh(plan(balancer.address, rate));
    let began = Instant::now();
    let ends = began + Duration::from_secs(seconds);
    let (mut restarts, mut log, mut bad_ends) = (0_usize, String::new(), 0);
    while Instant::now() < ends {
        let place = restarts % 2;
        gateways[place].signal(Signal::TERM);
        let ended = ended(&mut gateways[place]).await;
        bad_ends += u64::from(!ended);
        log.push_str(&gateways[place].stderr());
        gateways[place] = start();
        balancer.set(place, gateways[place].web(), gateways[place].address("traefik"));
        balancer.is_ready(place).await;
        restarts += 1;
    }
    let lasted = began.elapsed();
    let tallies = load.end();
    let mut figures = Figures::default();
    figures.tell("restarts", restarts);
    figures.none("gateways that did not end with 0", bad_ends);
    report(&mut figures, &tallies, rate, lasted);
    let mut conclusion = Conclusion::default();
    conclusion.read(&log, &[]);
    for gateway in &gateways {
        conclusion.look(gateway, &[]).await;
    }
    conclusion.report(&mut figures);
    figures
}

/// Waits for its end; whether it ended well.
async fn ended(gateway: &mut Gateway) -> bool {
    while gateway.is_alive() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.wait().success()
}
