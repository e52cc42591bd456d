//! The long runs: load, changes and attacks against the real binary, and the figures of each.
//!
//! ```text
//! options -> scenario -> load / attack -> gateway -> backends (testkit)
//!                     \-> site: its files, and every way that they change
//!                     \-> watch: its memory, descriptors and log
//!            figures <-/
//! ```
//!
//! A scenario is one `async fn` that gives its figures; docs/soak.md says what each asks. Load runs on threads of its own.
//! What cannot be set up panics: that scenario is broken, and the others go on.

mod attack;
mod figures;
mod options;
mod scenario;
mod side;
mod site;
mod slope;
mod watch;

use std::{process::ExitCode, time::Instant};

use crate::{
    options::{Options, USAGE},
    scenario::Scenario,
};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n{USAGE}\nscenarios: {}", scenario::names());
            return ExitCode::from(2);
        }
    };
    let chosen = match scenario::choose(&options) {
        Ok(chosen) => chosen,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    watch::raise_descriptors();
    let missed: Vec<&str> = chosen.iter().filter(|scenario| !run(scenario, &options)).map(|it| it.name).collect();
    println!("\n{} passed, {} failed", chosen.len() - missed.len(), missed.len());
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("missed: {}", missed.join(" "));
    ExitCode::FAILURE
}

/// Runs one scenario and prints its figures; whether all of them are as asked.
fn run(scenario: &Scenario, options: &Options) -> bool {
    println!("\n## {}: {}", scenario.name, scenario.what);
    println!("cargo xtask soak {}{}\n", scenario.name, options.said);
    let began = Instant::now();
    let (scenario_run, of_thread) = (scenario.run, options.clone());
    // A thread of its own: a panic ends this scenario alone.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime can be built").block_on(scenario_run(of_thread))
    });
    let outcome = thread.join();
    let took = began.elapsed().as_secs_f64();
    match outcome {
        Ok(figures) => {
            print!("{}", figures.table());
            println!("{}: {} in {took:.1} s", scenario.name, if figures.met() { "ok" } else { "MISSED" });
            figures.met()
        }
        Err(_) => {
            println!("{}: BROKEN after {took:.1} s", scenario.name);
            false
        }
    }
}
