//! `rollgate keep-job`: the process that keeps a rollout's command. The gateway starts it, and it goes on when that ends.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use rollgate_control::rollout::jobs::keeper;

/// The command line of `keep-job`.
#[derive(Debug, Args)]
pub(crate) struct KeepJobArgs {
    /// The job's folder.
    folder: PathBuf,
}

/// Exit code 0 when it is written down how the job has ended, 1 if that cannot be.
pub(crate) fn keep_job(arguments: &KeepJobArgs) -> ExitCode {
    // Of its own: what ends the gateway's session does not end the job. It fails where that is so already.
    let _session = rustix::process::setsid();
    match keeper::keep(&arguments.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", arguments.folder.display());
            ExitCode::FAILURE
        }
    }
}
