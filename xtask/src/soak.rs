//! Builds the gateway and the load, installs what a scenario needs, and runs `rollgate-soak`.

use std::{path::PathBuf, process::Command};

use crate::{
    Outcome, setup,
    steps::{Steps, pass},
    workspace::Workspace,
};

/// Runs it with these arguments, which docs/soak.md lists. Without `--binary` the gateway is built: by the release
/// profile, or with `--short` as the tests have it.
pub fn run(workspace: &Workspace, steps: &mut Steps, arguments: &[String]) -> Outcome {
    let short = arguments.iter().any(|argument| argument == "--short");
    let names = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !short && !SCENARIOS.iter().any(|name| names(name));
    steps.run("soak: tools", "cargo xtask soak", || {
        if all || names("suites") {
            setup::install_suites(workspace)?;
        }
        if all || names("slow") { setup::install_slow_clients() } else { Ok(()) }
    })?;
    let mut run = Command::new(build(workspace, steps, short)?);
    run.current_dir(std::env::current_dir().map_err(|why| format!("where am I: {why}"))?);
    run.args(arguments).arg("--tools").arg(&workspace.tools);
    if !names("--binary") {
        run.arg("--binary").arg(gateway(workspace, steps, short)?);
    }
    let again = format!("cargo xtask soak {}", arguments.join(" "));
    steps.run("soak", &again, || pass(&mut run))
}

/// The load; it has to be faster than the gateway, but for a short run, which asks for little.
fn build(workspace: &Workspace, steps: &mut Steps, short: bool) -> Result<PathBuf, String> {
    let (profile, folder) = if short { ("dev", "debug") } else { ("soak", "soak") };
    steps.run("soak: load", "cargo build --package rollgate-soak --profile soak", || {
        pass(workspace.cargo().args(["build", "--locked", "--package", "rollgate-soak", "--profile", profile]))
    })?;
    Ok(workspace.target.join(folder).join("rollgate-soak"))
}

fn gateway(workspace: &Workspace, steps: &mut Steps, short: bool) -> Result<PathBuf, String> {
    let (profile, folder) = if short { ("dev", "debug") } else { ("release", "release") };
    steps.run("soak: gateway", "cargo build --package rollgate --release", || {
        pass(workspace.cargo().args(["build", "--locked", "--package", "rollgate", "--profile", profile]))
    })?;
    Ok(workspace.target.join(folder).join("rollgate"))
}

/// The names of the scenarios, as `rollgate-soak` has them: a run that names none has all.
const SCENARIOS: [&str; 9] = ["reload", "split", "live", "attacks", "upgrade", "rolling", "leak", "suites", "slow"];
