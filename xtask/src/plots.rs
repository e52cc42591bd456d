//! The pictures of `docs/rollouts.md`, each by the command that stands above it there. `tests/generated.rs` holds what is committed
//! against what these commands draw.

use std::fs;

use crate::{Outcome, steps, workspace::Workspace};

/// Draws them all anew.
pub fn run(workspace: &Workspace) -> Outcome {
    let page = workspace.root.join(PAGE);
    let text = fs::read_to_string(&page).map_err(|why| format!("{}: {why}", page.display()))?;
    let mut commands = text.lines().filter(|line| draws(line)).peekable();
    if commands.peek().is_none() {
        return Err(format!("{PAGE}: no line there is a command that draws"));
    }
    for command in commands {
        println!("{command}");
        let mut simulate = workspace.cargo();
        simulate.args(["run", "--quiet", "--locked", "--package", "rollgate", "--bin", "rollgate", "--"]);
        simulate.args(command.split_whitespace().skip(1));
        steps::read(&mut simulate)?;
    }
    Ok(())
}

/// A command as somebody would type it in the repository's root.
fn draws(line: &str) -> bool {
    line.starts_with("rollgate simulate ") && line.contains(" --plot docs/plots/")
}

const PAGE: &str = "docs/rollouts.md";
