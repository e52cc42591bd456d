//! Manual pages and completions, made by the binary from its own command line. `tests/generated.rs` holds what is committed
//! against what it makes.

use crate::{Outcome, steps, workspace::Workspace};

/// Writes `docs/man/` and `completions/`.
pub fn run(workspace: &Workspace) -> Outcome {
    let mut generate = workspace.cargo();
    generate.args(["run", "--quiet", "--locked", "--package", "rollgate", "--bin", "rollgate", "--", "generate", "."]);
    steps::pass(&mut generate)
}
