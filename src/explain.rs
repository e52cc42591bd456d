//! `rollgate explain`: where a request would go, and why.

mod ask;
mod show;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use rollgate_control::{
    explain,
    file::{Texts, reader::Reader},
    reconciler,
};

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

/// Exit code 0 if the request is answered, 1 if it is refused, no router takes it or the configuration is wrong, 2 for
/// wrong usage.
pub(crate) fn run(arguments: &ExplainArgs) -> ExitCode {
    match tell(arguments) {
        Ok(told) => {
            // Whoever reads it may have seen enough.
            drop(io::stdout().write_all(told.text.as_bytes()));
            if told.answered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(Failure::Usage(what)) => {
            eprintln!("{what}");
            ExitCode::from(2)
        }
        Err(Failure::Problems(problems)) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            ExitCode::FAILURE
        }
    }
}

/// What is printed.
#[derive(Debug)]
struct Told {
    text: String,
    /// A router or the entry point itself takes the request.
    answered: bool,
}

fn tell(arguments: &ExplainArgs) -> Result<Told, Failure> {
    let allow = rollgate_config::Allow::parse(&arguments.allow_unsupported);
    let loaded = statics::load(Some(&arguments.config), &[], &allow)?;
    let texts = loaded.sources.look(&mut Reader::default(), &Texts::new()).texts;
    let (read, _) = reconciler::read(&texts, &loaded.statics, &allow);
    let configuration = read.map_err(Failure::Problems)?;
    let asked = ask::question(arguments, &loaded.statics, &configuration).map_err(Failure::Usage)?;
    let explanation = rollgate_gateway::explain(&loaded.statics, (&configuration, Vec::new()), &asked.question);
    let explanation = explanation.map_err(Failure::Problems)?;
    let text = match arguments.json {
        true => format!("{:#}\n", explain::json(&explanation, &asked)),
        false => show::text(&explanation, &asked),
    };
    Ok(Told { text, answered: explanation.own || explanation.winner.is_some() })
}

#[cfg(test)]
mod tests;
