//! On what it was measured.

use std::{fs, process::Command};

/// The machine in a line.
pub fn described() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let line = processors.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let model = of("model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let shared = if processors.contains("hypervisor") { ", a virtual machine" } else { "" };
    format!("{count} processors ({model}){shared}, Linux {}", kernel.trim())
}

/// The first line that a program says of its version, without its own path.
pub fn version(program: &std::path::Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()))?;
    let line = line.trim();
    Some(line.strip_prefix(&*program.to_string_lossy()).unwrap_or(line).trim().to_owned())
}
