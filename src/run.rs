//! `rollgate run`: serves until it is told to end.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use rollgate_config::problem::Problem;
use rollgate_control::{Instance, Options, StartFailure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tokio::{
    signal::unix::{self, SignalKind, signal},
    task::JoinHandle,
};

use crate::{
    handover::{Predecessor, Program, Successor},
    logging::{self, Writing},
    statics::{self, Failure, Loaded, Words},
    supervisor,
};

/// The command line of `run`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct RunArgs {
    /// --config FILE (also --configFile=FILE), or Traefik's flags (--entryPoints.web.address=:80).
    /// --workers N: threads (default: the CPUs that may be used). --allow-unsupported KEY,...: these keys warn only.
    /// --state-dir DIR: where live weights and brakes are kept, and a copy of the last good configuration for a start at
    /// which the files are not good. --state-in-memory: live weights and brakes are lost at the end.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    words: Vec<String>,
}

/// This program again, for commands of rollouts.
pub(crate) fn keeper() -> Vec<PathBuf> {
    std::env::current_exe().map(|program| vec![program, "keep-job".into()]).unwrap_or_default()
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
    let Loaded { statics, sources, internal_address, warnings } = loaded;
    let log = match logging::install(&statics.log) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("log: {error}");
            return ExitCode::FAILURE;
        }
    };
    raise_descriptor_limit();
    let (predecessor, inherited) = match Predecessor::take() {
        Ok(Some((predecessor, sockets))) => (Some(predecessor), sockets),
        Ok(None) => (None, Vec::new()),
        Err(error) => {
            eprintln!("taking over from the process before: {error}");
            return ExitCode::FAILURE;
        }
    };
    let state_dir = words.state_dir.or_else(statics::state_dir_of_environment);
    let options = Options {
        statics,
        sources,
        internal_address,
        state: statics::state(words.state_in_memory, state_dir.as_deref()),
        state_dir,
        allow,
        allowed: warnings,
        workers: words.workers,
        keeper: keeper(),
        inherited,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the control plane cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(options, predecessor, &log))
}

/// As many descriptors as the system lets the process have: systemd and shells give 1,024 to begin with, for programs that
/// would not know what to do with more (Go programs do the same).
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

async fn serve(options: Options, predecessor: Option<Predecessor>, log: &Writing) -> ExitCode {
    // Before anything listens: a signal that comes early must not kill what has begun to serve.
    let prepared = Signals::new().and_then(|signals| Ok((signals, Program::current()?)));
    let (mut signals, program) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let instance = match Instance::start(options).await {
        Ok(instance) => instance,
        Err(StartFailure::Problems(problems)) => return refuse(&problems),
        Err(StartFailure::System(what)) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    announce(&instance);
    supervisor::serving();
    if let Some(predecessor) = predecessor {
        predecessor.ready();
    }
    let handed_over = until_the_end(&instance, &mut signals, &program, log).await;
    tracing::info!(handed_over, "ending: finishing what is under way");
    tokio::select! {
        () = instance.shutdown(handed_over) => ExitCode::SUCCESS,
        // Told twice: at once.
        () = signals.end() => ExitCode::FAILURE,
    }
}

/// Does what signals say until one says to end, or a new process has taken over (`true`).
async fn until_the_end(instance: &Instance, signals: &mut Signals, program: &Program, log: &Writing) -> bool {
    let mut successor: Option<(u32, JoinHandle<Result<(), String>>)> = None;
    loop {
        let told = tokio::select! {
            told = signals.next() => told,
            taken_over = finished(&mut successor) => match taken_over {
                Ok(()) => return true,
                Err(what) => {
                    tracing::error!("{what}; this process serves on");
                    successor = None;
                    continue;
                }
            },
        };
        match told {
            Told::Reload => instance.reload(),
            Told::ReopenLogs => {
                instance.reopen_logs();
                log.reopen();
            }
            Told::HandOver if successor.is_some() => tracing::warn!("a new process is being started already"),
            Told::HandOver if std::process::id() == INIT => {
                tracing::error!(
                    "a container ends with its first process, and the new one with it; it cannot hand over"
                );
            }
            Told::HandOver => match start_successor(instance, program).await {
                Ok(started) => {
                    tracing::info!(pid = started.id(), "a new process takes over");
                    successor = Some((started.id(), tokio::task::spawn_blocking(move || started.wait())));
                }
                Err(error) => tracing::error!(%error, "a new process could not be started; this one serves on"),
            },
            Told::End => {
                // Whoever ends this process means the service, not the one of the two that happens to have the name.
                if let Some(pid) = successor.and_then(|(pid, _)| Pid::from_raw(pid as i32)) {
                    let _gone_already = kill_process(pid, Signal::TERM);
                }
                supervisor::ending();
                return false;
            }
        }
    }
}

/// Returns when the new process serves or will not; never if there is none.
async fn finished(successor: &mut Option<(u32, JoinHandle<Result<(), String>>)>) -> Result<(), String> {
    match successor {
        Some((_, waiting)) => waiting.await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

async fn start_successor(instance: &Instance, program: &Program) -> std::io::Result<Successor> {
    program.start(&instance.listening_sockets().await?)
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
    HandOver,
    End,
}

/// The signals that the commands know.
pub(crate) struct Signals {
    hangup: unix::Signal,
    user1: unix::Signal,
    user2: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    /// From now on they do not end the process.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.user1.recv() => Told::ReopenLogs,
            _ = self.user2.recv() => Told::HandOver,
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

/// The first process of a machine or of a container.
const INIT: u32 = 1;

const HELP: &str = "\
rollgate run --config FILE            static and dynamic configuration, or a file that names it
rollgate run --entryPoints.web.address=:80 ...   Traefik's flags (or TRAEFIK_* variables) instead of a file

  --workers N                   worker threads (default: the CPUs that may be used)
  --allow-unsupported KEY,...   keys that Traefik knows and Rollgate does not warn only
  --state-dir DIR               keeps a copy of the last good files, for a start at which they are not good
                                (also ROLLGATE_STATE_DIR), and live weights and brakes (without it, they are kept in
                                /var/lib/rollgate, or in a user's own state directory)
  --state-in-memory             live weights and brakes are lost at the end (also ROLLGATE_STATE_IN_MEMORY=1)

SIGHUP reloads, SIGUSR1 opens log files anew, SIGUSR2 starts this program's file again and hands it the listening
sockets, SIGTERM and SIGINT end after what is under way; a second one at once.
Exit code 1: the configuration or the machine is wrong; 2: wrong usage.";
