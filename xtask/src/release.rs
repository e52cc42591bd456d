//! The binary as it is meant to run: optimised for where a gateway's time goes, which a build of its own has counted.
//!
//! ```text
//! build that counts -> the scenarios of `rollgate-peers`, a few seconds each -> profile -> build that knows it
//!   -> the same once more with what was built: its code is arranged by which of it runs, and after what (BOLT)
//! ```
//!
//! `cargo build --release` is the same program without either: docs/performance.md has what that costs. BOLT reads x86-64 here;
//! elsewhere the build that knows the profile is the result.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::{
    Outcome, setup,
    steps::{Steps, pass, read},
    workspace::Workspace,
};

/// Builds it. The last step says where it is.
pub fn run(workspace: &Workspace, steps: &mut Steps) -> Outcome {
    build(workspace, steps).map(drop)
}

/// Builds it and returns where it is.
pub fn build(workspace: &Workspace, steps: &mut Steps) -> Result<PathBuf, String> {
    steps.run("release: tools", "cargo xtask release", setup::install_profiling)?;
    let host = host()?;
    let folder = workspace.target.join("profiled");
    let (counts, profile) = (folder.join("counts"), folder.join("rollgate.profdata"));
    remove(&counts)?;
    let load = "cargo build --locked --package rollgate-peers --profile soak";
    steps.run("release: a build that counts, and its load", "cargo xtask release", || {
        // With link-time optimisation too: what was counted without it is found again in part only.
        let flags = format!("-Cprofile-generate={}", counts.display());
        let mut counting = cargo(workspace, &host, &folder.join("counting"), &flags);
        // Optimising at link time keeps one processor busy for minutes.
        thread::scope(|scope| {
            let load = scope.spawn(|| pass(workspace.cargo().args(load.split(' ').skip(1))));
            pass(&mut counting)?;
            load.join().map_err(|_| "it was not waited for".to_owned())?
        })
    })?;
    steps.run("release: counting", "cargo xtask release", || {
        ask(workspace, &binary(&folder.join("counting"), &host))?;
        let mut merge = Command::new(setup::PROFDATA);
        pass(merge.args(["merge", "--output"]).arg(&profile).arg(&counts))
    })?;
    steps.run("release: build", "cargo xtask release", || {
        let relocations = if ARRANGES { " -Clink-arg=-Wl,--emit-relocs" } else { "" };
        pass(&mut cargo(workspace, &host, &folder, &format!("-Cprofile-use={}{relocations}", profile.display())))
    })?;
    let mut built = binary(&folder, &host);
    if ARRANGES {
        let arranged = folder.join("rollgate");
        steps.run("release: arranging", "cargo xtask release", || arrange(workspace, &folder, &built, &arranged))?;
        built = arranged;
    }
    println!("    {}", built.display());
    Ok(built)
}

/// The binary's code in another order.
fn arrange(workspace: &Workspace, folder: &Path, built: &Path, arranged: &Path) -> Outcome {
    let (runs, counting) = (folder.join("runs"), folder.join("rollgate-counting"));
    remove(&runs)?;
    fs::create_dir(&runs).map_err(|why| format!("{}: {why}", runs.display()))?;
    let mut instrument = Command::new(setup::BOLT);
    instrument.arg(built).args(["-instrument", "-instrumentation-file-append-pid"]);
    instrument.arg(format!("-instrumentation-file={}", runs.join("run").display()));
    pass(instrument.arg("-o").arg(&counting))?;
    ask(workspace, &counting)?;
    let all = folder.join("rollgate.fdata");
    let each = fs::read_dir(&runs).map_err(|why| format!("{}: {why}", runs.display()))?;
    let each = each.filter_map(|run| Some(run.ok()?.path())).collect::<Vec<_>>();
    pass(Command::new(setup::MERGE).args(each).arg("-o").arg(&all))?;
    let mut bolt = Command::new(setup::BOLT);
    bolt.arg(built).arg("-o").arg(arranged).arg(format!("-data={}", all.display()));
    pass(
        bolt.args(["-reorder-blocks=ext-tsp", "-reorder-functions=cdsort", "-split-functions", "-split-all-cold"])
            .args(["-split-eh", "-icf=1", "-use-gnu-stack"]),
    )
}

/// Has a gateway do what it counts.
fn ask(workspace: &Workspace, gateway: &Path) -> Outcome {
    let mut peers = Command::new(workspace.target.join("soak/rollgate-peers"));
    peers.args(SCENARIOS).args(["--peer", "rollgate", "--rounds", "1", "--seconds", "3"]);
    pass(peers.env("ROLLGATE_BIN", gateway))
}

/// With the target named, so that the flags are not those of build scripts too.
fn cargo(workspace: &Workspace, host: &str, target: &Path, flags: &str) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--locked", "--release", "--package", "rollgate", "--target", host]);
    cargo.env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", flags);
    // Nobody looks into what counts, and what is arranged anew is elsewhere than its line tables say; names stay.
    cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "none").env("CARGO_PROFILE_RELEASE_STRIP", "none");
    cargo
}

fn binary(target: &Path, host: &str) -> PathBuf {
    target.join(host).join("release/rollgate")
}

fn host() -> Result<String, String> {
    read(Command::new("rustc").arg("--print").arg("host-tuple"))
}

fn remove(folder: &Path) -> Outcome {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))
    } else {
        Ok(())
    }
}

/// Whether BOLT reads what is built here.
const ARRANGES: bool = cfg!(target_arch = "x86_64");
/// What a gateway does all day, about as much of each as it matters.
const SCENARIOS: [&str; 9] = ["plain", "canary", "routes", "conn", "tls1", "h2", "big", "grpc", "ws"];
