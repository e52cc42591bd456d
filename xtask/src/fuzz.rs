//! Runs the fuzz targets: each looks for some seconds for an input that breaks its property, beginning with its corpus
//! in `fuzz/corpus` and with what it found before below the target folder.
//!
//! They are built by `cargo fuzz` on the stable toolchain: with coverage counters and without a sanitizer, since there
//! is no `unsafe` here for one to watch.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{Outcome, setup, steps::pass, workspace::Workspace};

/// What is to be run.
pub struct Plan {
    targets: Vec<String>,
    seconds: u32,
    /// The same sequence of inputs each time for the same code.
    repeatable: bool,
}

impl Plan {
    /// Every target for ten seconds: what a change must pass. An input that only chance finds is for the long runs: what
    /// passed for one change should not fail the next for nothing.
    pub fn for_every_change(workspace: &Workspace) -> Result<Self, String> {
        Ok(Self { targets: targets(workspace)?, seconds: SECONDS, repeatable: true })
    }

    /// `[TARGET [SECONDS]]`: one target or `all`, for so many seconds.
    pub fn of(workspace: &Workspace, arguments: &[String]) -> Result<Self, String> {
        let (target, seconds) = (arguments.first(), arguments.get(1));
        let known = targets(workspace)?;
        let targets = match target {
            None => known,
            Some(target) if target == "all" || known.contains(target) => {
                known.into_iter().filter(|known| target == "all" || known == target).collect()
            }
            Some(target) => return Err(format!("unknown target `{target}` (all, {})", known.join(", "))),
        };
        let seconds = match seconds {
            None => SECONDS,
            Some(text) => text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?,
        };
        Ok(Self { targets, seconds, repeatable: false })
    }
}

/// Builds the targets and runs them, as many at a time as there are CPUs.
pub fn run(workspace: &Workspace, plan: &Plan) -> Outcome {
    let place = Place::of(workspace);
    build(workspace, &place)?;
    let (waiting, failed) = (Mutex::new(plan.targets.clone()), Mutex::new(Vec::new()));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cpus.min(plan.targets.len()) {
            scope.spawn(|| {
                while let Some(target) = next() {
                    if let Err(why) = fuzz(&place, plan, &target) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The folders.
struct Place {
    corpora: PathBuf,
    /// Cargo's target folder of the instrumented build: nothing of the ordinary one can be used again.
    build: PathBuf,
    found: PathBuf,
}

impl Place {
    fn of(workspace: &Workspace) -> Self {
        let build = workspace.target.join("fuzz");
        Self { corpora: workspace.root.join("fuzz/corpus"), found: build.join("found"), build }
    }
}

fn targets(workspace: &Workspace) -> Result<Vec<String>, String> {
    let folder = workspace.root.join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut targets: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).collect();
    targets.sort();
    Ok(targets)
}

fn build(workspace: &Workspace, place: &Place) -> Outcome {
    let root = &workspace.root;
    // The same versions as everywhere else; cargo adds what is missing.
    fs::copy(root.join("Cargo.lock"), root.join("fuzz/Cargo.lock")).map_err(|why| format!("fuzz/Cargo.lock: {why}"))?;
    let mut build = Command::new(setup::CARGO_FUZZ.program(workspace));
    build.args(["build", "--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir"]).arg(&place.build);
    pass(build.current_dir(root))
}

fn fuzz(place: &Place, plan: &Plan, target: &str) -> Outcome {
    let (found, log) = (place.found.join(target), place.found.join(format!("{target}.log")));
    fs::create_dir_all(&found).map_err(|why| format!("{}: {why}", found.display()))?;
    let written = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
    let (out, err) = written.map_err(|why| format!("{}: {why}", log.display()))?;
    let mut fuzz = Command::new(place.build.join(TRIPLE).join("release").join(target));
    fuzz.arg(&found).arg(place.corpora.join(target)).args(LIMITS);
    fuzz.arg(format!("-max_total_time={}", plan.seconds));
    fuzz.arg(format!("-artifact_prefix={}/{target}-", place.found.display()));
    if plan.repeatable {
        fuzz.arg("-seed=1");
    }
    let status = fuzz.stdin(Stdio::null()).stdout(out).stderr(err).status();
    let status = status.map_err(|why| format!("{target} does not start: {why}"))?;
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    if status.success() {
        let last = text.lines().rev().find(|line| line.contains("DONE")).unwrap_or_default();
        println!("    {target}: {last}");
        return Ok(());
    }
    // What was said and where the input is; what is between them is libFuzzer's own back trace.
    let lines: Vec<&str> = text.lines().collect();
    let panicked = lines.iter().position(|line| line.contains("panicked at")).unwrap_or_default();
    let said = lines[panicked..].iter().take(SAID_LINES).chain(&lines[lines.len().saturating_sub(LAST_LINES)..]);
    let said = said.copied().collect::<Vec<_>>().join("\n");
    Err(format!(
        "{said}\n{target} found an input that breaks its property ({status}). Mend the cause and keep the input as\n\
         fuzz/corpus/{target}/found-WHAT; the whole log is {}",
        log.display()
    ))
}

/// For each target when nothing else is said.
const SECONDS: u32 = 10;

/// No input takes ten seconds or a GiB; longer ones than 4 KiB find nothing more.
const LIMITS: [&str; 4] = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=4096", "-print_final_stats=1"];

/// Where `cargo fuzz` puts what it builds.
const TRIPLE: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

const SAID_LINES: usize = 6;
const LAST_LINES: usize = 12;
