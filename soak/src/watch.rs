//! The gateway from outside: what it holds, and what it says.

use std::fs;

use rollgate_testkit::Gateway;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::figures::Figures;

/// What a process holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    /// Resident memory in KiB.
    pub resident: u64,
    /// Of that, what no file is behind: unlike the program's text it does not depend on who else runs the same binary.
    pub anonymous: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// What a process holds now; nothing if it is gone.
pub fn held(process: u32) -> Held {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_end_matches("kB").trim().parse().unwrap_or_default()
    };
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |entries| entries.count() as u64);
    Held { resident: field("Rss:"), anonymous: field("Anonymous:"), descriptors }
}

/// Lets this process, and so the gateways that it starts, have as many descriptors as the machine allows.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let more = Rlimit { current: limit.maximum.max(Some(ENOUGH)), maximum: limit.maximum.max(Some(ENOUGH)) };
    if setrlimit(Resource::Nofile, more).is_err() {
        // Not the superuser: what is allowed is what there is.
        let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, all).expect("the soft limit may be the hard one");
    }
}

/// Two sockets for each of 4,000 connections, and air.
const ENOUGH: u64 = 20_000;

/// The lines of a log that tell of a fault, but for those that have one of the words that are `expected`.
pub fn faults(log: &str, expected: &[&str]) -> Vec<String> {
    let is_fault = |line: &&str| FAULTS.iter().any(|word| line.contains(word));
    let is_expected = |line: &&str| expected.iter().any(|word| line.contains(word));
    log.lines().filter(|line| is_fault(line) && !is_expected(line)).map(String::from).collect()
}

const FAULTS: [&str; 3] = ["ERROR", "WARN", "panicked"];

/// What every scenario asks of each of its gateways, put together.
#[derive(Debug, Default)]
pub struct Conclusion {
    panics: u64,
    faults: u64,
}

impl Conclusion {
    /// Looks at a gateway that still runs; faults that are `expected` do not count.
    pub async fn look(&mut self, gateway: &Gateway, expected: &[&str]) {
        let metrics = gateway.metrics().await;
        assert!(metrics.has("rollgate_panics_total", &[]), "the gateway counts panics");
        self.panics += metrics.sum("rollgate_panics_total", &[]) as u64;
        self.read(&gateway.stderr(), expected);
    }

    /// Reads the log of one that has ended.
    pub fn read(&mut self, log: &str, expected: &[&str]) {
        let faults = faults(log, expected);
        for line in faults.iter().take(SHOWN) {
            println!("the gateway's log: {line}");
        }
        self.faults += faults.len() as u64;
    }

    /// Adds the figures.
    pub fn report(&self, figures: &mut Figures) {
        figures.none("rollgate_panics_total", self.panics);
        figures.none("faults in the gateway's log", self.faults);
    }
}

/// [`Conclusion`] of a scenario with one gateway.
pub async fn conclude(figures: &mut Figures, gateway: &Gateway, expected: &[&str]) {
    let mut conclusion = Conclusion::default();
    conclusion.look(gateway, expected).await;
    conclusion.report(figures);
}

/// Of many lines alike, these are enough to see what is wrong.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_what_nobody_expected() {
        let log = "INFO live\nERROR conf/side.yml:1:1: bad\nWARN accepting failed\nthread 'worker' panicked at x\n";
        assert_eq!(faults(log, &["conf/side.yml"]), ["WARN accepting failed", "thread 'worker' panicked at x"]);
    }

    #[test]
    fn this_process_holds_something() {
        let held = held(std::process::id());
        assert!(held.resident > 100 && held.anonymous > 10 && held.descriptors > 2, "{held:?}");
    }
}
