//! The binary's commands that end by themselves, and other programs that a test needs.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::JoinHandle,
};

use crate::wait;

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The binary under test: what cargo built for this test run.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_rollgate") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test runs from a file");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    profile.join("rollgate")
}

/// Runs `rollgate ARGUMENTS` in `directory` with a clean environment and waits for its end.
pub fn rollgate(directory: impl AsRef<Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(directory).env_clear();
    run(command)
}

/// A Python interpreter that has this module: the one that `cargo xtask test` sets up and names in
/// `ROLLGATE_TEST_PYTHON`, else `python3`. Panics with the way to it if the module is missing.
pub fn python(module: &str) -> PathBuf {
    let interpreter = std::env::var_os("ROLLGATE_TEST_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let mut import = Command::new(&interpreter);
    import.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
    let found = import.status().is_ok_and(|status| status.success());
    assert!(
        found,
        "{} has no module {module}: run `cargo xtask test`, which installs what the tests need, or \
         `python3 -m pip install -r xtask/requirements.txt`",
        interpreter.display()
    );
    interpreter
}

/// Runs a command with no input to its end, at most 60 s; the command is killed and the test fails after that.
pub fn run(command: Command) -> Output {
    run_from(command, Stdio::null())
}

/// As [`run`], with this as its standard input.
pub fn run_from(mut command: Command, input: impl Into<Stdio>) -> Output {
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let deadline = std::time::Instant::now() + wait::PATIENCE;
    let status = wait::eventually_blocking(&format!("{command:?} ends"), wait::PATIENCE * 2, || {
        if std::time::Instant::now() > deadline {
            child.kill().ok();
        }
        child.try_wait().expect("a child can be waited for")
    });
    let output = Output { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) };
    assert!(std::time::Instant::now() <= deadline, "{command:?} did not end by itself: {output:?}");
    output
}

fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    let mut stream = stream.expect("the stream is piped");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        bytes
    })
}

fn text(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().expect("the reader does not panic")).into_owned()
}
