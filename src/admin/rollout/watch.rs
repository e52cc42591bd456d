//! `--watch`: a rollout as it goes, to its end. On a terminal a picture with keys, else a line for each change.

mod attention;
mod lines;
mod live;
mod picture;

use std::time::Duration;

use super::{
    super::{Done, client::Client, failure::Failure, screen::Screen},
    contract::Rollout,
};

/// The others' and those of an end.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done; with --watch: the rollout has SUCCEEDED
  1  refused by the gateway, or the output could not be written
  2  wrong usage, or a file of the command line that is no good
  3  not reached, no answer in time, or the gateway cannot do it now (5xx)
  4  a conflict: the service has another rollout or another owner, or an ambiguous name
  6  with --watch: it was ROLLED_BACK
  7  with --watch: it has FAILED
  8  with --watch: it was CANCELED
  9  with --watch: it was left before its end (q, Ctrl-C)";

/// Watches until it has ended, or is left.
pub(super) fn watch(id: &str, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    match screen.interactive {
        true => live::show(id, client, screen),
        false => lines::follow(id, client, screen),
    }
}

/// How a rollout that has ended has ended. What this program does not know is no success.
fn done(rollout: &Rollout) -> Done {
    match rollout.status.as_str() {
        "SUCCEEDED" => Done::Well,
        "ROLLED_BACK" => Done::RolledBack,
        "CANCELED" => Done::Canceled,
        _ => Done::Failed,
    }
}

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
