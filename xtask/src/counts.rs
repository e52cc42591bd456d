//! What a request takes, to the instruction, beside what it took: `counts/instructions.txt`, in which each line is a scenario of
//! `rollgate-counts` and a number.
//!
//! Counted is what `measured` does, and nothing of a start, in which the gathering of randomness takes now more and now less.
//! A machine's load does not change it. The build is `soak`'s: optimised, without the link-time optimisation that takes minutes; so the numbers are
//! larger than those of the binary. They are of x86-64; elsewhere they are shown and not compared.

use std::{fs, path::Path, process::Command};

use crate::{
    Outcome,
    steps::{Steps, pass},
    workspace::Workspace,
};

/// Counts, and fails if there are 3% more than there were, or so many fewer that the file should say so. With `--write` the
/// file is written anew.
pub fn run(workspace: &Workspace, steps: &mut Steps, arguments: &[String]) -> Outcome {
    let writes = match arguments {
        [] => false,
        [only] if only == "--write" => true,
        _ => return Err("`cargo xtask counts` takes --write, or nothing".to_owned()),
    };
    let build = "cargo build --locked --package rollgate-counts --profile soak";
    steps.run("counts: build", build, || pass(workspace.cargo().args(build.split(' ').skip(1))))?;
    steps.run("counts", "cargo xtask counts", || compare(workspace, writes))
}

fn compare(workspace: &Workspace, writes: bool) -> Outcome {
    let program = workspace.target.join("soak/rollgate-counts");
    let file = workspace.root.join(FILE);
    let known = fs::read_to_string(&file).map_err(|why| format!("{FILE}: {why}"))?;
    let (mut text, mut complaints) = (String::new(), Vec::new());
    for (name, before) in read(&known)? {
        let now = instructions(&program, name, &workspace.target)? / REQUESTS;
        println!("    {name}: {now} instructions, {before} before");
        text.push_str(&format!("{name} {now}\n"));
        complaints.extend(complaint(name, before, now));
    }
    if !cfg!(target_arch = "x86_64") {
        println!("    not compared: {FILE} is of x86-64");
        return Ok(());
    }
    if writes {
        return fs::write(&file, text).map_err(|why| format!("{FILE}: {why}"));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
}

/// The lines of the file.
fn read(text: &str) -> Result<Vec<(&str, u64)>, String> {
    text.lines()
        .map(|line| {
            let (name, count) = line.split_once(' ').unwrap_or((line, ""));
            let count = count.parse().map_err(|_| format!("{FILE}: `{line}` is no name and number"))?;
            Ok((name, count))
        })
        .collect()
}

fn complaint(name: &str, before: u64, now: u64) -> Option<String> {
    let tolerated = before / 100 * TOLERANCE;
    if now > before + tolerated {
        Some(format!("{name} takes {now} instructions, more than {before} by over {TOLERANCE}%"))
    } else if now + tolerated < before {
        Some(format!("{name} takes {now} instructions, fewer than {before}: `cargo xtask counts --write` keeps it so"))
    } else {
        None
    }
}

/// All instructions of so many requests.
fn instructions(program: &Path, name: &str, folder: &Path) -> Result<u64, String> {
    let out = folder.join("counts.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.args(["--collect-atstart=no", "--toggle-collect=rollgate_counts::scenario::measured*"]);
    valgrind.arg(program).args([name, &REQUESTS.to_string()]);
    let output = valgrind.output().map_err(|why| format!("valgrind: {why}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    collected(&said)
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("valgrind ended with {}: {said}", output.status))
}

fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

const FILE: &str = "counts/instructions.txt";
const REQUESTS: u64 = 5_000;
/// In percent.
const TOLERANCE: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_numbers() {
        assert_eq!(read("plain 43782\nh2 96206\n").unwrap(), [("plain", 43_782), ("h2", 96_206)]);
        assert_eq!(read("plain").unwrap_err(), "counts/instructions.txt: `plain` is no name and number");
    }

    #[test]
    fn what_valgrind_has_counted_is_found() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 466342618\n==7==\n"), Some(466_342_618));
        assert_eq!(collected("valgrind: no such file"), None);
    }

    #[test]
    fn three_percent_either_way_are_let_pass() {
        for counted in [97_000, 100_000, 103_000] {
            assert_eq!(complaint("plain", 100_000, counted), None);
        }
        assert!(complaint("plain", 100_000, 103_001).unwrap().contains("more than 100000"));
        assert!(complaint("plain", 100_000, 96_999).unwrap().contains("fewer than 100000"));
    }
}
