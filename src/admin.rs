//! The commands that speak with a running gateway: a request or a few of its admin API each, shown as a table or as JSON.
//!
//! ```text
//! reach (options, environment) -> client (HTTP, repeats) -> contract (what the answers hold) -> screen, table (output)
//! services  weights  brake  events (sse)  audit  status  rollout  pipeline: one file for each command
//! ```

mod audit;
mod brake;
mod client;
mod contract;
mod difference;
mod events;
mod failure;
mod numbers;
mod pipeline;
mod reach;
mod rollout;
mod screen;
mod services;
mod sse;
mod status;
pub(crate) mod table;
mod text;
mod tls;
mod weights;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(crate) use self::screen::colours_are_wanted;
use self::{client::Client, failure::Failure, reach::Reach, screen::Screen};

/// The commands of the admin API.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Shows services, their versions, weights and shares.
    #[command(after_help = EXIT_CODES)]
    Services(services::ServicesArgs),
    /// Shows, sets and resets live weights.
    Weights {
        #[command(subcommand)]
        command: weights::WeightsCommand,
    },
    /// Takes a version out of its service at once, and gives it back.
    Brake {
        #[command(subcommand)]
        command: brake::BrakeCommand,
    },
    /// Begins rollouts, watches them and decides about them.
    Rollout {
        #[command(subcommand)]
        command: rollout::RolloutCommand,
    },
    /// Shows, sends and forgets pipelines.
    Pipeline {
        #[command(subcommand)]
        command: pipeline::PipelineCommand,
    },
    /// Shows what changes: weights, brakes, configuration, breakers, health.
    #[command(after_help = EXIT_CODES)]
    Events(events::EventsArgs),
    /// Shows who changed what, newest first.
    #[command(after_help = EXIT_CODES)]
    Audit(audit::AuditArgs),
    /// Shows what runs: version, generation, configuration and its problems, entry points.
    #[command(after_help = status::EXIT_CODES)]
    Status(status::StatusArgs),
}

/// What all of them take.
#[derive(Debug, Args)]
struct Common {
    /// For scripts: the API's JSON; what goes wrong is a problem document on standard error
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// How a command that was carried out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Well,
    /// There are problems with the configuration.
    Troubled,
    /// The rollout that was watched has ended so.
    RolledBack,
    Failed,
    Canceled,
    /// It had not ended when its watcher left.
    Left,
}

impl Done {
    /// The exit code.
    fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Troubled => 5,
            Self::RolledBack => 6,
            Self::Failed => 7,
            Self::Canceled => 8,
            Self::Left => 9,
        }
    }
}

/// Runs one; docs/cli.md lists the exit codes.
pub(crate) fn run(command: &AdminCommand) -> ExitCode {
    let common = common(command);
    let screen = Screen::of_process(common.json);
    let done = Client::new(&common.reach).and_then(|client| carry_out(command, &client, &screen));
    match done {
        Ok(done) => ExitCode::from(done.code()),
        Err(failure) => {
            screen.failed(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn common(command: &AdminCommand) -> &Common {
    match command {
        AdminCommand::Services(arguments) => &arguments.common,
        AdminCommand::Weights { command } => command.common(),
        AdminCommand::Brake { command } => command.common(),
        AdminCommand::Rollout { command } => command.common(),
        AdminCommand::Pipeline { command } => command.common(),
        AdminCommand::Events(arguments) => &arguments.common,
        AdminCommand::Audit(arguments) => &arguments.common,
        AdminCommand::Status(arguments) => &arguments.common,
    }
}

fn carry_out(command: &AdminCommand, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    match command {
        AdminCommand::Services(arguments) => services::run(arguments, client, screen),
        AdminCommand::Weights { command } => weights::run(command, client, screen),
        AdminCommand::Brake { command } => brake::run(command, client, screen),
        AdminCommand::Rollout { command } => rollout::run(command, client, screen),
        AdminCommand::Pipeline { command } => pipeline::run(command, client, screen),
        AdminCommand::Events(arguments) => events::run(arguments, client, screen),
        AdminCommand::Audit(arguments) => audit::run(arguments, client, screen),
        AdminCommand::Status(arguments) => status::run(arguments, client, screen),
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused by the gateway, or the output could not be written
  2  wrong usage, or a file of the command line that is no good
  3  not reached, no answer in time, or the gateway cannot do it now (5xx)
  4  a conflict: another owner, an ambiguous name, no version left that takes requests, an ETag that has changed, or not
     possible as things are";
