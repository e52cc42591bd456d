//! A line and a time for each step, and the end at the first one that fails.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::Outcome;

/// The steps that were run, for the table at the end.
pub struct Steps {
    began: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// None yet.
    pub fn begin() -> Self {
        Self { began: Instant::now(), done: Vec::new() }
    }

    /// Runs one step. `again` is what a person types to run it by itself.
    pub fn run(&mut self, name: &'static str, again: &str, work: impl FnOnce() -> Outcome) -> Outcome {
        println!("==> {name}");
        let began = Instant::now();
        let outcome = work();
        let took = began.elapsed();
        match outcome {
            Ok(()) => {
                println!("    {name}: ok in {:.1} s", took.as_secs_f64());
                self.done.push((name, took));
                Ok(())
            }
            Err(why) => {
                Err(format!("{name} failed after {:.1} s: {why}\n       by itself: {again}", took.as_secs_f64()))
            }
        }
    }

    /// One line for each step, and the sum.
    pub fn end(&self) {
        println!("\nall steps passed");
        for (name, took) in &self.done {
            println!("{:>8.1} s  {name}", took.as_secs_f64());
        }
        println!("{:>8.1} s  in all", self.began.elapsed().as_secs_f64());
    }
}

/// Runs a command with its output on the terminal.
pub fn pass(command: &mut Command) -> Outcome {
    let status = command.stdin(Stdio::null()).status().map_err(|why| format!("{}: {why}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command))) }
}

/// Runs a command and returns what it printed, trimmed; what it said on standard error is the error's text.
pub fn read(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|why| format!("{}: {why}", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ended with {}: {}", shown(command), output.status, said.trim()))
}

fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let line = std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ");
    format!("`{line}`")
}
