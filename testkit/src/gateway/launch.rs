//! How a gateway is started: with which files, arguments, variables and limits.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use super::{
    DIR, Gateway,
    output::{Reader, Written, read_stderr, read_stdout},
};
use crate::command;

/// How a gateway is to be started.
#[derive(Debug)]
pub struct Launch {
    directory: TempDir,
    config_name: String,
    program: PathBuf,
    arguments: Option<Vec<String>>,
    more: Vec<String>,
    variables: Vec<(String, String)>,
    descriptors: Option<u32>,
    reader: Reader,
}

impl Launch {
    /// With this configuration in a file `rollgate.yml` in a directory of its own.
    pub fn new(config: &str) -> Self {
        let launch = Self::empty();
        launch.file("rollgate.yml", config)
    }

    /// With nothing; `arguments` must say what to run.
    pub fn empty() -> Self {
        Self {
            directory: TempDir::with_prefix("rollgate-test-").expect("a directory can be made"),
            config_name: "rollgate.yml".into(),
            program: command::binary(),
            arguments: None,
            more: Vec::new(),
            variables: Vec::new(),
            descriptors: None,
            reader: Reader::Stays,
        }
    }

    /// Puts the configuration into a file of another name, for its extension's sake.
    pub fn config(mut self, name: &str, text: &str) -> Self {
        self.config_name = name.into();
        self.file(name, text)
    }

    /// Writes one more file, relative to the directory; `@DIR@` in it is the directory.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        std::fs::write(path, self.placed(text)).expect("a file can be written");
        self
    }

    /// A symbolic link in the directory.
    pub fn link(self, name: &str, target: &str) -> Self {
        std::os::unix::fs::symlink(target, self.directory.path().join(name)).expect("a link can be made");
        self
    }

    /// Everything after `rollgate`, instead of `run --config FILE`.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = Some(arguments.iter().map(|argument| self.placed(argument)).collect());
        self
    }

    /// Another file than the binary that was built; relative to the directory.
    pub fn program(mut self, name: &str) -> Self {
        self.program = self.directory.path().join(name);
        self
    }

    /// One argument more.
    pub fn argument(mut self, argument: &str) -> Self {
        self.more.push(self.placed(argument));
        self
    }

    /// One environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), self.placed(value)));
        self
    }

    /// May have so many files open, and not raise that.
    pub fn descriptors(mut self, most: u32) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// What becomes of its output once it serves on two entry points.
    pub fn reader(mut self, reader: Reader) -> Self {
        self.reader = reader;
        self
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it; returns once it serves somewhere. Panics with what it wrote if it ends instead.
    pub fn start(self) -> Gateway {
        let config_path = self.directory.path().join(&self.config_name);
        let mut command = match self.descriptors {
            // The shell becomes the program, so that the process id is the program's.
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most} && exec \"$@\""), "sh"]).arg(&self.program);
                shell
            }
            None => Command::new(&self.program),
        };
        match &self.arguments {
            Some(arguments) => command.args(arguments),
            None => command.args(["run", "--config"]).arg(&config_path),
        };
        // What one gateway decides is not another's business.
        command.env("STATE_DIRECTORY", self.directory.path().join("state"));
        command.args(&self.more).envs(self.variables.iter().cloned()).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let output = Arc::new(Mutex::new(Written::default()));
        let readers = [
            read_stdout(child.stdout.take().expect("stdout is piped"), Arc::clone(&output), self.reader),
            read_stderr(child.stderr.take().expect("stderr is piped"), Arc::clone(&output), self.reader),
        ];
        let mut gateway = Gateway { child, output, readers: Some(readers), directory: self.directory, config_path };
        gateway.wait_until_it_listens();
        gateway
    }

    fn placed(&self, text: &str) -> String {
        text.replace(DIR, self.directory.path().to_str().expect("a temporary path is text"))
    }
}
