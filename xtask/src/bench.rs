//! What is measured beside others: installs them, builds us, and runs `rollgate-peers`.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    Outcome, release, setup,
    steps::{Steps, pass},
    workspace::Workspace,
};

/// Runs `peers` with these arguments, which docs/performance.md lists. All scenarios together write `benches/results`.
pub fn run(workspace: &Workspace, steps: &mut Steps, arguments: &[String]) -> Outcome {
    let Some(("peers", arguments)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
        return Err(
            "bench what? There is `cargo xtask bench peers [SCENARIO...] [--peer NAME] [--rounds N] [--seconds N]`"
                .to_owned(),
        );
    };
    steps.run("peers: tools", "cargo xtask bench peers", || setup::install_peers(workspace))?;
    let gateway = release::build(workspace, steps)?;
    let mut run = Command::new(workspace.target.join("soak/rollgate-peers"));
    run.args(arguments).env("ROLLGATE_BIN", gateway);
    if let Some(envoy) = envoy(workspace) {
        run.env("ENVOY_BIN", envoy);
    }
    if arguments.iter().all(|argument| argument.starts_with('-') || argument.chars().all(|c| c.is_ascii_digit())) {
        run.arg("--write").arg(workspace.root.join("benches/results"));
    }
    let again = format!("cargo xtask bench peers {}", arguments.join(" "));
    steps.run("peers", &again, || pass(&mut run))
}

/// The binary in the package's folder, whatever Python's version is.
fn envoy(workspace: &Workspace) -> Option<PathBuf> {
    let versions = fs::read_dir(workspace.tools.join("peers/lib")).ok()?;
    let mut within = versions.flatten().map(|version| version.path().join("site-packages/envoy/_bin/envoy"));
    within.find(|path| path.is_file())
}
