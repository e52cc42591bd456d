//! `rollgate run`: serves until it is told to end.

use std::{io::Write, process::ExitCode};

use clap::Args;
use rollgate_config::problem::Problem;
use rollgate_control::{Instance, Options, StartFailure};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    logging,
    statics::{self, Failure, Loaded, Words},
};

/// The command line of `run`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct RunArgs {
    /// --config FILE (also --configFile=FILE), or Traefik's flags (--entryPoints.web.address=:80).
    /// --workers N: threads (default: the CPUs that may be used). --allow-unsupported KEY,...: these keys warn only.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    words: Vec<String>,
}

/// Exit code 0 after a clean end, 1 if the configuration or the machine is wrong, 2 for wrong usage.
pub(crate) fn run(arguments: &RunArgs) -> ExitCode {
    if arguments.words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let words = match Words::parse(&arguments.words) {
        Ok(words) => words,
        Err(what) => return usage(&what),
    };
    let allow = words.allow();
    let loaded = match statics::load(words.config.as_deref(), &words.flags, &allow) {
        Ok(loaded) => loaded,
        Err(Failure::Usage(what)) => return usage(&what),
        Err(Failure::Problems(problems)) => return refuse(&problems),
    };
    let Loaded { statics, sources, warnings } = loaded;
    if let Err(error) = logging::install(&statics.log) {
        eprintln!("log: {error}");
        return ExitCode::FAILURE;
    }
    let options = Options { statics, sources, allow, allowed: warnings, workers: words.workers };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the control plane cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> ExitCode {
    // Before anything listens: a signal that comes early must not kill what has begun to serve.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let instance = match Instance::start(options) {
        Ok(instance) => instance,
        Err(StartFailure::Problems(problems)) => return refuse(&problems),
        Err(StartFailure::System(what)) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    announce(&instance);
    loop {
        match signals.next().await {
            Told::Reload => instance.reload(),
            Told::ReopenLogs => instance.reopen_logs(),
            Told::End => break,
        }
    }
    tracing::info!("ending: finishing what is under way");
    tokio::select! {
        () = instance.shutdown() => ExitCode::SUCCESS,
        // Told twice: at once.
        () = signals.end() => ExitCode::FAILURE,
    }
}

/// One line for each listener; whoever reads them may be gone.
fn announce(instance: &Instance) {
    let mut out = std::io::stdout().lock();
    for (name, address) in instance.addresses() {
        let _ = writeln!(out, "listening entrypoint={name} address={address}");
    }
    let _ = out.flush();
}

/// What a signal says.
enum Told {
    Reload,
    ReopenLogs,
    End,
}

/// The signals that the commands know.
pub(crate) struct Signals {
    hangup: Signal,
    user1: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they do not end the process.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.user1.recv() => Told::ReopenLogs,
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
        }
    }

    /// Returns when the process is told to end.
    pub(crate) async fn end(&mut self) {
        while !matches!(self.next().await, Told::End) {}
    }
}

fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    eprintln!("{} problem(s); nothing is served", problems.len());
    ExitCode::FAILURE
}

fn usage(what: &str) -> ExitCode {
    eprintln!("{what}\n\n{HELP}");
    ExitCode::from(2)
}

const HELP: &str = "\
rollgate run --config FILE            static and dynamic configuration, or a file that names it
rollgate run --entryPoints.web.address=:80 ...   Traefik's flags (or TRAEFIK_* variables) instead of a file

  --workers N                   worker threads (default: the CPUs that may be used)
  --allow-unsupported KEY,...   keys that Traefik knows and Rollgate does not warn only

SIGHUP reloads, SIGUSR1 opens log files anew, SIGTERM and SIGINT end after what is under way; a second one at once.
Exit code 1: the configuration or the machine is wrong; 2: wrong usage.";
