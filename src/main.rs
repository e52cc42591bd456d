//! `rollgate`: a gateway that moves users between versions of a service. Each command is a file beside this one.

mod admin;
mod check;
mod demo;
mod explain;
mod generate;
mod handover;
mod healthcheck;
mod keep_job;
mod logging;
mod run;
mod sample;
mod simulate;
mod statics;
mod supervisor;
mod terminal;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Fewer and cheaper calls than the system's allocator on the request path; docs/performance.md has the numbers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A traffic-splitting gateway that reads Traefik's configuration.
#[derive(Debug, Parser)]
#[command(name = "rollgate", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tells everything that is wrong with a configuration.
    Check(check::CheckArgs),
    /// Shows it all at work: sample services, the gateway, traffic and a live view. Needs no file.
    Demo(demo::DemoArgs),
    /// Serves as a small sample service that says who it is.
    Sample(sample::SampleArgs),
    /// Tells where a request would go, and why.
    Explain(explain::ExplainArgs),
    /// Plays rollouts of a pipeline on a virtual clock: false rollbacks, exposed requests, times.
    Simulate(simulate::SimulateArgs),
    /// Asks the internal entry point whether it serves.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Serves. Takes --config FILE, or Traefik's own flags, or TRAEFIK_* variables.
    Run(run::RunArgs),
    /// Makes tokens for the admin API.
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    #[command(flatten)]
    Admin(admin::AdminCommand),
    /// Keeps a command of a rollout; the gateway starts it.
    #[command(hide = true)]
    KeepJob(keep_job::KeepJobArgs),
    /// Writes manual pages and completions.
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Sample(arguments) => sample::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Token { command } => token::run(&command),
        Command::Admin(command) => admin::run(&command),
        Command::KeepJob(arguments) => keep_job::keep_job(&arguments),
        Command::Generate(arguments) => generate::run(&arguments, Arguments::command()),
    }
}
