//! Thousands of clients that are slow on purpose (slowhttptest): with headers, with bodies, with reading. A prober that
//! connects twice a second has to be answered within a second throughout.

use std::{
    fs::File,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rollgate_load::{Load, Plan, Shot, Tally};
use rollgate_testkit::{Backend, Gateway, Launch};

use super::{attacks::large, upgrade};
use crate::{
    figures::{Figures, mebibytes, milliseconds},
    options::Options,
    watch::{Conclusion, held},
};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let mut figures = Figures::default();
    let mut conclusion = Conclusion::default();
    for (name, arguments) in [("headers", &HEADERS[..]), ("body", &BODY[..]), ("read", &READ[..])] {
        let gateway = one(&options, &mut figures, name, arguments).await;
        conclusion.look(&gateway, &[]).await;
    }
    conclusion.report(&mut figures);
    figures
}

async fn one(options: &Options, figures: &mut Figures, name: &str, arguments: &[&str]) -> Gateway {
    let (seconds, connections) =
        (options.seconds(60, 10), options.connections.unwrap_or_else(|| options.either(4_000, 200)));
    // The body is read by the server, so that it is the client alone who is slow.
    let (backend, large) = (Backend::echo("s"), large());
    let config = upgrade::config(&backend.load_balancer(), "")
        .replace("  routers: {", "  routers: {large: {rule: 'Path(`/large`)', service: large}, ")
        .replace("  services: {", &format!("  services: {{large: {}, ", large.load_balancer()));
    let gateway = Launch::new(&config).program(options.binary.to_str().expect("the binary's path is text")).start();
    let plan = Plan {
        address: gateway.web(),
        shots: vec![Shot::last("soak.test", "/", 200)],
        connections: 100,
        rate: Some(2.0),
    };
    let prober = Load::fresh(plan);
    let log = gateway.directory().join("slowhttptest.log");
    let mut slow = begin(options, &log, gateway.web(), arguments, connections, seconds);
    let mut most = held(gateway.id());
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = held(gateway.id());
        most.descriptors = most.descriptors.max(now.descriptors);
        most.resident = most.resident.max(now.resident);
        if slow.try_wait().expect("a child can be waited for").is_some() {
            break;
        }
    }
    let mut all = Tally::default();
    prober.end().iter().for_each(|tally| all.add(tally));
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let accepted = gateway.metrics().await.sum("rollgate_connections_total", &[("entrypoint", "web")]) as u64;
    let slow_ones = accepted.saturating_sub(all.requests());
    if slow_ones < connections as u64 {
        println!("{said}");
    }
    figures.ask(
        format!("{name}: slow connections"),
        format!("{connections} or more"),
        slow_ones,
        slow_ones >= connections as u64,
    );
    figures.tell(
        format!("{name}: descriptors, memory at most"),
        format!("{}, {}", most.descriptors, mebibytes(most.resident)),
    );
    figures.tell(format!("{name}: probes"), all.requests());
    if all.failed() > 0 {
        println!("{name}: prober: {all}");
    }
    figures.none(format!("{name}: probes that failed"), all.failed());
    figures.ask(
        format!("{name}: slowest probe"),
        "at most 1000.00 ms",
        milliseconds(all.largest()),
        all.largest() <= 1_000_000,
    );
    gateway
}

fn begin(
    options: &Options,
    log: &std::path::Path,
    address: SocketAddr,
    arguments: &[&str],
    connections: usize,
    seconds: u64,
) -> Child {
    let path = if arguments == READ { "large" } else { "" };
    let mut command = Command::new(options.program("slowhttptest"));
    command.args(arguments).args(["-u", &format!("http://{address}/{path}"), "-p", "3"]);
    command.args(["-c", &connections.to_string(), "-r", "500", "-l", &seconds.to_string()]);
    let log = File::create(log).expect("a file can be made");
    let also = log.try_clone().expect("a descriptor can be doubled");
    command.stdin(Stdio::null()).stdout(log).stderr(also);
    command.spawn().unwrap_or_else(|error| panic!("slowhttptest: {error}; it is Debian's package of that name"))
}

/// A header line every 10 s.
const HEADERS: [&str; 7] = ["-H", "-i", "10", "-t", "GET", "-x", "24"];

/// Some bytes of a body of 8 KiB every 10 s.
const BODY: [&str; 9] = ["-B", "-i", "10", "-s", "8192", "-t", "POST", "-x", "10"];

/// 32 bytes of a mebibyte every 5 s, through a small window.
const READ: [&str; 11] = ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"];
