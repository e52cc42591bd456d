//! The same job through Rollgate and its peers, in turn, in one run: what a request costs each of them.
//!
//! ```text
//! options -> scenario -> for each round, for each peer: its files (peer, site) -> process on one processor
//!                          -> alike: does it the same work? -> load on another processor (tool, rollgate-load)
//!                          -> what it took: processor time, latencies, memory (process)
//!            report <- medians, ratios, the chart
//! ```
//!
//! The peer has a processor to itself; load, backends and this program share another. Rounds are interleaved, so that what
//! else the machine does falls on all of them; only ratios of medians carry over to other machines.

mod alike;
mod machine;
mod options;
mod peer;
mod process;
mod report;
mod sample;
mod scenario;
mod site;
mod tool;

use std::{fs, process::ExitCode};

use crate::{
    options::{Options, USAGE},
    peer::Peer,
    report::Results,
    scenario::Scenario,
    site::Site,
};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n{USAGE}\nscenarios: {}\npeers: {}", scenario::names(), peer::names());
            return ExitCode::from(2);
        }
    };
    process::raise_descriptors();
    process::share_a_processor_with_the_load();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built").block_on(run(&options));
    ExitCode::SUCCESS
}

async fn run(options: &Options) {
    let (peers, absent) = peer::present(&options.peers);
    let mut results = Results::new(&peers, absent);
    for scenario in &options.scenarios {
        println!("\n## {}: {}", scenario.name, scenario.what);
        let site = Site::build(scenario.job).await;
        let mut fits = peers.clone();
        let rate = match scenario.rate(&site, &peers).await {
            Ok(rate) => rate,
            Err(why) => {
                println!("cannot be measured: {why}");
                continue;
            }
        };
        for round in 0..scenario.rounds(options) {
            let mut here = Vec::new();
            for peer in &fits {
                match measured(options, scenario, &site, (peer, rate), round == 0).await {
                    Ok(sample) => {
                        println!("{:>10} {:>2}: {sample}", peer.name, round + 1);
                        results.add(scenario, peer, sample);
                        here.push(*peer);
                    }
                    Err(why) => {
                        println!("{:>10}: {why}", peer.name);
                        results.lacks(scenario, peer, why);
                    }
                }
            }
            fits = here;
        }
        print!("{}", results.table(scenario));
    }
    if let Some(folder) = &options.write {
        fs::create_dir_all(folder).expect("the results' folder can be made");
        fs::write(folder.join("peers.md"), results.page(options)).expect("results can be written");
        fs::write(folder.join("peers.svg"), results.chart()).expect("results can be written");
    }
    println!("\n{}", results.verdicts());
}

/// One peer in one round.
async fn measured(
    options: &Options,
    scenario: &'static Scenario,
    site: &Site,
    (peer, rate): (&'static Peer, f64),
    is_first: bool,
) -> Result<sample::Sample, String> {
    let mut running = peer.start(site)?;
    running.listens(site.port()).await?;
    if is_first {
        alike::check(site)?;
    }
    let sample = (scenario.measure)(scenario::Round { options, scenario, site, peer, running: &running, rate }).await;
    running.is_there()?;
    running.end().await;
    sample
}
