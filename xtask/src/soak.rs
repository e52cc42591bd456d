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
    let load = if short { build_as_tests(workspace, steps)? } else { build_load(workspace, steps)? };
    let mut run = Command::new(load);
    run.args(arguments).arg("--tools").arg(&workspace.tools);
    if !names("--binary") {
        let gateway = if short { workspace.target.join("debug/rollgate") } else { build_gateway(workspace, steps)? };
        run.arg("--binary").arg(gateway);
    }
    let again = format!("cargo xtask soak {}", arguments.join(" "));
    steps.run("soak", &again, || pass(&mut run))
}

/// Load and gateway as `cargo test --workspace` has built them, so that after it there is nothing left to do but to link.
fn build_as_tests(workspace: &Workspace, steps: &mut Steps) -> Result<PathBuf, String> {
    let build = "cargo build --locked --workspace --bins --tests";
    steps.run("soak: build", build, || pass(workspace.cargo().args(build.split(' ').skip(1))))?;
    Ok(workspace.target.join("debug/rollgate-soak"))
}

/// The load has to be faster than the gateway.
fn build_load(workspace: &Workspace, steps: &mut Steps) -> Result<PathBuf, String> {
    let build = "cargo build --locked --package rollgate-soak --profile soak";
    steps.run("soak: load", build, || pass(workspace.cargo().args(build.split(' ').skip(1))))?;
    Ok(workspace.target.join("soak/rollgate-soak"))
}

fn build_gateway(workspace: &Workspace, steps: &mut Steps) -> Result<PathBuf, String> {
    let build = "cargo build --locked --package rollgate --release";
    steps.run("soak: gateway", build, || pass(workspace.cargo().args(build.split(' ').skip(1))))?;
    Ok(workspace.target.join("release/rollgate"))
}

/// The names of the scenarios, as `rollgate-soak` has them: a run that names none has all.
const SCENARIOS: [&str; 12] = [
    "reload", "split", "chain", "live", "weights", "rollouts", "attacks", "upgrade", "rolling", "leak", "suites",
    "slow",
];
