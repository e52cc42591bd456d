//! The commands that need Rust: set-up, checks, the image.
//!
//! ```text
//! cargo xtask test      everything: set-up, checks, tests, image; stops at the first step that fails
//! cargo xtask check     the checks alone: format, clippy, rustdoc, house rules, dependencies
//! cargo xtask setup     install what the tests need and the machine has not
//! cargo xtask house     the rules that no other tool checks
//! cargo xtask generate  write manual pages and completions anew; `test` tells when that is due
//! cargo xtask plots     write what docs/rollouts.md shows of `rollgate simulate` anew, pictures too; likewise
//! cargo xtask image     build the container image without a container engine, and start it
//! cargo xtask release   the binary as it is meant to run, built by a profile (docs/performance.md)
//! cargo xtask soak      the long runs (docs/soak.md); `test` has their short form
//! cargo xtask bench     measure beside others: `peers` (docs/performance.md)
//! cargo xtask counts    count the instructions of requests in memory, beside what they were; `--write` keeps them
//! cargo xtask fuzz      let libFuzzer look for inputs that break a property: [TARGET [SECONDS]]
//! ```
//!
//! Only the standard library, so that a bare machine has this running within seconds.

mod bench;
mod counts;
mod fuzz;
mod generate;
mod house;
mod image;
mod plots;
mod release;
mod setup;
mod soak;
mod steps;
mod workspace;

use std::process::ExitCode;

use crate::{steps::Steps, workspace::Workspace};

/// What went wrong, for the person at the terminal.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match dispatch(&command, &arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nxtask: {why}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, arguments: &[String]) -> Outcome {
    let workspace = Workspace::find()?;
    let mut steps = Steps::begin();
    match command {
        "test" => test(&workspace, &mut steps)?,
        "check" => check(&workspace, &mut steps)?,
        "setup" => install(&workspace, &mut steps)?,
        "house" => steps.run("house rules", "cargo xtask house", || house::check(&workspace))?,
        "generate" => steps.run("generated files", "cargo xtask generate", || generate::run(&workspace))?,
        "plots" => steps.run("pictures", "cargo xtask plots", || plots::run(&workspace))?,
        "image" => {
            install(&workspace, &mut steps)?;
            pack(&workspace, &mut steps)?;
        }
        "release" => release::run(&workspace, &mut steps)?,
        "soak" => soak::run(&workspace, &mut steps, arguments)?,
        "bench" => bench::run(&workspace, &mut steps, arguments)?,
        "counts" => {
            steps.run("counts: tools", "cargo xtask setup", setup::install_valgrind)?;
            counts::run(&workspace, &mut steps, arguments)?;
        }
        "fuzz" => {
            let plan = fuzz::Plan::of(&workspace, arguments)?;
            setup::CARGO_FUZZ.install(&workspace)?;
            steps.run("fuzzing", "cargo xtask fuzz", || fuzz::run(&workspace, &plan))?;
        }
        _ => {
            return Err(format!(
                "unknown command `{command}` (test, check, setup, house, generate, plots, image, release, soak, bench, counts, fuzz)"
            ));
        }
    }
    steps.end();
    Ok(())
}

fn test(workspace: &Workspace, steps: &mut Steps) -> Outcome {
    install(workspace, steps)?;
    check(workspace, steps)?;
    steps.run("tests", "cargo test --workspace", || {
        steps::pass(workspace.cargo().args(["test", "--workspace", "--locked", "--no-fail-fast"]))
    })?;
    soak::run(workspace, steps, &["--short".to_owned()])?;
    counts::run(workspace, steps, &[])?;
    let plan = fuzz::Plan::for_every_change(workspace)?;
    steps.run("fuzzing", "cargo xtask fuzz", || fuzz::run(workspace, &plan))?;
    pack(workspace, steps)
}

fn install(workspace: &Workspace, steps: &mut Steps) -> Outcome {
    steps.run("set-up", "cargo xtask setup", || setup::install(workspace))
}

fn check(workspace: &Workspace, steps: &mut Steps) -> Outcome {
    steps.run("format", "cargo fmt --all", || steps::pass(workspace.cargo().args(["fmt", "--all", "--check"])))?;
    steps.run("house rules", "cargo xtask house", || house::check(workspace))?;
    let clippy = "cargo clippy --workspace --all-targets -- -D warnings";
    steps.run("clippy", clippy, || steps::pass(workspace.cargo().args(clippy.split(' ').skip(1))))?;
    steps.run("rustdoc", "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps", || {
        let mut doc = workspace.cargo();
        steps::pass(doc.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"))
    })?;
    steps.run("dependencies", "cargo deny check bans licenses sources", || {
        let mut deny = std::process::Command::new(setup::CARGO_DENY.program(workspace));
        deny.current_dir(&workspace.root).args(["--locked", "check", "--hide-inclusion-graph"]);
        steps::pass(deny.args(["bans", "licenses", "sources"]))
    })
}

fn pack(workspace: &Workspace, steps: &mut Steps) -> Outcome {
    steps.run("image", "cargo xtask image", || image::check(workspace))
}
