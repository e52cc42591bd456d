//! `rollgate explain`: where a request would go, and why.

mod ask;
mod show;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use rollgate_config::problem::Problem;
use rollgate_control::reconciler;

use crate::statics::{self, Failure};

/// The command line of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The configuration that `run` would be given
    #[arg(long, short, value_name = "FILE", alias = "configFile")]
    config: PathBuf,
    /// The request's method
    #[arg(long = "request", short = 'X', value_name = "METHOD", default_value = "GET")]
    method: String,
    /// A header field, `Name: value`; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The client's address
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    client: std::net::IpAddr,
    /// Keys that Traefik knows and Rollgate does not only warn
    #[arg(long, value_name = "KEY,...", default_value = "")]
    allow_unsupported: String,
    /// For scripts
    #[arg(long)]
    json: bool,
    /// `http://host[:port]/path?query`; the scheme and the port choose the entry point
    url: String,
}

/// Exit code 0 if a router takes the request, 1 if none does or the configuration is wrong, 2 for wrong usage.
pub(crate) fn run(arguments: &ExplainArgs) -> ExitCode {
    let allow = rollgate_config::Allow::parse(&arguments.allow_unsupported);
    let loaded = match statics::load(Some(&arguments.config), &[], &allow) {
        Ok(loaded) => loaded,
        Err(Failure::Usage(what)) => return usage(&what),
        Err(Failure::Problems(problems)) => return refuse(&problems),
    };
    let (read, _) = reconciler::read(&loaded.sources.read(), &loaded.statics, &allow);
    let configuration = match read {
        Ok(configuration) => configuration,
        Err(problems) => return refuse(&problems),
    };
    let asked = match ask::question(arguments, &loaded.statics) {
        Ok(asked) => asked,
        Err(what) => return usage(&what),
    };
    let explanation = match rollgate_gateway::explain(&loaded.statics, &configuration, &asked.question) {
        Ok(explanation) => explanation,
        Err(problems) => return refuse(&problems),
    };
    if arguments.json {
        println!("{:#}", show::json(&explanation, &asked));
    } else {
        print!("{}", show::text(&explanation, &asked));
    }
    if explanation.winner.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    ExitCode::FAILURE
}

fn usage(what: &str) -> ExitCode {
    eprintln!("{what}");
    ExitCode::from(2)
}
