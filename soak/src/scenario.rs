//! What can be run.

mod attacks;
mod chain;
mod leak;
mod live;
mod reload;
mod rolling;
mod rollouts;
mod slow;
mod split;
mod suites;
mod upgrade;
mod weights;

use std::pin::Pin;

use crate::{figures::Figures, options::Options};

/// A named run.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about, in a line.
    pub what: &'static str,
    /// Whether a short run has it; the others need programs that a bare machine has not.
    pub in_short: bool,
    /// Runs it.
    pub run: fn(Options) -> Pin<Box<dyn Future<Output = Figures>>>,
}

/// Every scenario, in the order in which they run.
pub const SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "reload",
        what: "changes of every kind under load, valid and invalid mixed",
        in_short: true,
        run: |options| Box::pin(reload::run(options)),
    },
    Scenario {
        name: "split",
        what: "99:1 while an unrelated router is rewritten all the time",
        in_short: true,
        run: |options| Box::pin(split::run(options)),
    },
    Scenario {
        name: "chain",
        what: "ten middlewares before a split with cohorts, all of them rewritten every second",
        in_short: true,
        run: |options| Box::pin(chain::run(options)),
    },
    Scenario {
        name: "live",
        what: "the time from a rename to live on every worker",
        in_short: true,
        run: |options| Box::pin(live::run(options)),
    },
    Scenario {
        name: "weights",
        what: "live weights and brakes over the admin API, under load",
        in_short: true,
        run: |options| Box::pin(weights::run(options)),
    },
    Scenario {
        name: "rollouts",
        what: "rollouts with good and bad canaries, all at once, and how soon a bad one gets nothing",
        in_short: true,
        run: |options| Box::pin(rollouts::run(options)),
    },
    Scenario {
        name: "attacks",
        what: "HTTP/2 floods and bombs, and a second client meanwhile",
        in_short: true,
        run: |options| Box::pin(attacks::run(options)),
    },
    Scenario {
        name: "upgrade",
        what: "a new binary takes over, again and again, under new connections",
        in_short: true,
        run: |options| Box::pin(upgrade::run(options)),
    },
    Scenario {
        name: "rolling",
        what: "two gateways behind a balancer are restarted in turn under new connections",
        in_short: true,
        run: |options| Box::pin(rolling::run(options)),
    },
    Scenario {
        name: "leak",
        what: "everything at once for a long time: the slope of memory and descriptors",
        in_short: true,
        run: |options| Box::pin(leak::run(options)),
    },
    Scenario {
        name: "suites",
        what: "conformance suites of others",
        in_short: false,
        run: |options| Box::pin(suites::run(options)),
    },
    Scenario {
        name: "slow",
        what: "thousands of slow clients, and a prober meanwhile",
        in_short: false,
        run: |options| Box::pin(slow::run(options)),
    },
];

/// The scenarios that are asked for.
///
/// # Errors
/// Which one there is not.
pub fn choose(options: &Options) -> Result<Vec<&'static Scenario>, String> {
    if options.scenarios.is_empty() {
        return Ok(SCENARIOS.iter().filter(|scenario| scenario.in_short || !options.short).collect());
    }
    let find = |name: &String| {
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| format!("no scenario {name}; there are {}", names()))
    };
    options.scenarios.iter().map(find).collect()
}

/// Their names.
pub fn names() -> String {
    SCENARIOS.map(|scenario| scenario.name).join(" ")
}
