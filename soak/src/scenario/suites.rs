//! Conformance suites that others wrote, against the gateway over cleartext HTTP/2 and, where they can, TLS.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rollgate_testkit::{Backend, Launch};

use crate::{figures::Figures, options::Options, watch};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let backend = Backend::echo("s");
    let launch = Launch::new(&config(&backend));
    let gateway = launch.program(options.binary.to_str().expect("the binary's path is text")).start();
    let mut figures = Figures::default();
    h2spec(&options, &mut figures, "h2spec, strict, cleartext", gateway.web(), &[]);
    h2spec(&options, &mut figures, "h2spec, strict, TLS", gateway.address("websecure"), &["-t", "-k"]);
    httpwg(&options, &mut figures, gateway.web());
    // Some cases are told of as a warning.
    watch::conclude(&mut figures, &gateway, &["WARN"]).await;
    figures
}

fn config(backend: &Backend) -> String {
    format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0'}}
  websecure: {{address: '127.0.0.1:0'}}
  traefik: {{address: '127.0.0.1:0'}}
metrics: {{prometheus: {{}}}}
log: {{level: INFO}}
http:
  routers:
    all: {{rule: 'PathPrefix(`/`)', service: s, entryPoints: [web]}}
    secure: {{rule: 'PathPrefix(`/`)', service: s, entryPoints: [websecure], tls: {{}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    )
}

fn h2spec(options: &Options, figures: &mut Figures, name: &str, address: SocketAddr, more: &[&str]) {
    let mut command = Command::new(options.program("h2spec"));
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string(), "-S"]).args(more);
    let output = run_to_end(command);
    let line = output.lines().find(|line| line.contains(" tests, ")).unwrap_or("no result").trim();
    let passed = all_passed(line);
    if !passed {
        println!("{}", output.split_once("Failures:").map_or(output.as_str(), |(_, failures)| failures.trim()));
    }
    figures.ask(name, format!("all of {H2SPEC} or more passed, 0 skipped"), line, passed);
}

/// Whether `N tests, N passed, 0 skipped, 0 failed` is what it says, with enough tests.
fn all_passed(line: &str) -> bool {
    let tests = line.split(' ').next().and_then(|tests| tests.parse::<u32>().ok()).unwrap_or_default();
    tests >= H2SPEC && line == format!("{tests} tests, {tests} passed, 0 skipped, 0 failed")
}

fn httpwg(options: &Options, figures: &mut Figures, address: SocketAddr) {
    let mut command = Command::new(options.program("httpwg"));
    command.args(["-a", &address.to_string(), "--frame-timeout", "1000", "--connect-timeout", "1000"]);
    // It wants to start the server itself; one that only waits stands in.
    command.args(["--", "/bin/sleep", "100000"]).env("SEQUENTIAL", "1").env("RUST_BACKTRACE", "0");
    let output = without_colours(&run_to_end(command));
    let result = output.lines().rev().find_map(|line| line.split_once("Passed ")?.1.split_once(" tests"));
    let (passed, all) = result.and_then(|(counts, _)| counts.split_once('/')).unwrap_or(("0", "0"));
    for line in output.lines().filter(|line| line.contains("Test failed")) {
        println!("httpwg: {}", line.trim());
    }
    let enough = passed.parse::<u32>().is_ok_and(|passed| passed >= HTTPWG);
    figures.ask("httpwg-cli", format!("{HTTPWG} of 107 or more"), format!("{passed} of {all}"), enough);
}

/// Everything that a program says, once it has ended; it is killed if it does not end within [`PATIENCE`].
fn run_to_end(mut command: Command) -> String {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}; `cargo xtask soak` installs it"));
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let id = rustix::process::Pid::from_raw(id.cast_signed()).expect("a process id is positive");
        rustix::process::kill_process(id, rustix::process::Signal::KILL).ok();
        panic!("{shown} did not end within {PATIENCE:?}");
    });
    let output = output.unwrap_or_else(|error| panic!("{shown}: {error}"));
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Text without a terminal's escape sequences.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}

/// The cases of h2spec 2.2.1 in strict mode, the last version that can be installed as a Go module; 2.6 has 147.
const H2SPEC: u32 = 146;

/// What HAProxy 2.6 passes of httpwg-cli's 107 cases.
const HTTPWG: u32 = 98;

const PATIENCE: Duration = Duration::from_secs(900);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_all() {
        assert!(all_passed("146 tests, 146 passed, 0 skipped, 0 failed"));
        for line in
            ["146 tests, 145 passed, 0 skipped, 1 failed", "1 tests, 1 passed, 0 skipped, 0 failed", "no result"]
        {
            assert!(!all_passed(line), "{line}");
        }
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(without_colours("\u{1b}[32mPassed \u{1b}[1;33m98\u{1b}[0m/107 tests"), "Passed 98/107 tests");
    }
}
