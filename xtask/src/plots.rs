//! What `docs/rollouts.md` shows of `rollgate simulate`: below each command what it prints, and the picture that it draws.
//! `tests/generated.rs` holds those with a picture against what is committed; the others change with these.

use std::fs;

use crate::{Outcome, steps, workspace::Workspace};

/// Draws all pictures anew, and writes anew what stands below their commands.
pub fn run(workspace: &Workspace) -> Outcome {
    let page = workspace.root.join(PAGE);
    let failed = |why: std::io::Error| format!("{}: {why}", page.display());
    let text = fs::read_to_string(&page).map_err(failed)?;
    let written = written(&text, |command| {
        println!("{command}");
        let mut simulate = workspace.cargo();
        simulate.args(["run", "--quiet", "--locked", "--package", "rollgate", "--bin", "rollgate", "--"]);
        simulate.args(command.split_whitespace().skip(1));
        steps::read(&mut simulate)
    })?;
    fs::write(&page, written).map_err(failed)
}

/// The page with what each of its commands prints: from below the command to the end of the block.
fn written(page: &str, mut print: impl FnMut(&str) -> Result<String, String>) -> Result<String, String> {
    let (mut written, mut lines, mut commands) = (String::new(), page.lines(), 0);
    while let Some(line) = lines.next() {
        written.push_str(line);
        written.push('\n');
        if let Some(command) = line.strip_prefix("$ ").filter(|command| command.starts_with("rollgate simulate ")) {
            commands += 1;
            let printed = print(command)?;
            if !lines.by_ref().any(|line| line == FENCE) {
                return Err(format!("{PAGE}: the block of `{command}` has no end"));
            }
            written.push_str(&format!("{printed}\n{FENCE}\n"));
        }
    }
    if commands == 0 { Err(format!("{PAGE}: no line there is a command of simulate")) } else { Ok(written) }
}

const PAGE: &str = "docs/rollouts.md";
const FENCE: &str = "```";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_prints_stands_below_it_and_all_else_stays() {
        let page = "# Page\n\n```text\n$ rollgate simulate a\nold\nolder\n```\n\n```sh\n$ rollgate check\nfine\n```\n";
        let print = |command: &str| Ok(format!("new of {command}"));
        let once = written(page, print).unwrap();
        assert_eq!(once, page.replace("old\nolder", "new of rollgate simulate a"));
        assert_eq!(written(&once, print).unwrap(), once);
    }

    #[test]
    fn nothing_is_written_where_something_is_wrong() {
        let print = |_: &str| Ok(String::new());
        for (page, why) in [("nothing\n", "no line"), ("```\n$ rollgate simulate a\nold\n", "has no end")] {
            let said = written(page, print).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let said = written("```\n$ rollgate simulate a\n```\n", |_| Err("it cannot".to_owned()));
        assert_eq!(said, Err("it cannot".to_owned()));
    }
}
