//! The real binary, running.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{client::Ask, command, metrics::Metrics, wait};

/// What stands for the gateway's own directory in configurations, arguments and variables.
pub const DIR: &str = "@DIR@";

/// A whole configuration in one YAML text: entry points `web` and `traefik` on port 0, ping, metrics with every label, a
/// log at INFO, and `dynamic` after them.
pub fn configuration(dynamic: &str) -> String {
    format!("{STATIC}{dynamic}")
}

const STATIC: &str = r#"entryPoints:
  web: {address: "127.0.0.1:0"}
  traefik: {address: "127.0.0.1:0"}
ping: {}
metrics: {prometheus: {addRoutersLabels: true}}
log: {level: INFO}
"#;

/// What becomes of the gateway's output once it serves on every entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// It is read to its end.
    #[default]
    Stays,
    /// Nobody reads it any more: the pipes fill up.
    Stops,
    /// The pipes are closed.
    Leaves,
}

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

/// A running gateway; killed, by its own process id, when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    output: Arc<Mutex<Written>>,
    readers: Option<[JoinHandle<()>; 2]>,
    directory: TempDir,
    config_path: PathBuf,
}

#[derive(Debug, Default)]
struct Written {
    listeners: BTreeMap<String, SocketAddr>,
    stdout: String,
    stderr: String,
}

impl Gateway {
    /// Starts the binary with this YAML and waits until it serves.
    pub fn start(config: &str) -> Self {
        Launch::new(config).start()
    }

    /// [`Gateway::start`] with [`configuration`].
    pub fn with(dynamic: &str) -> Self {
        Self::start(&configuration(dynamic))
    }

    /// Where an entry point listens; waits for its `listening` line.
    pub fn address(&self, entry_point: &str) -> SocketAddr {
        wait::eventually_blocking(&format!("{entry_point} listens: {}", self.stderr()), Duration::from_secs(30), || {
            self.written().listeners.get(entry_point).copied()
        })
    }

    /// Where `web` listens.
    pub fn web(&self) -> SocketAddr {
        self.address("web")
    }

    /// Asks `web`.
    pub async fn ask(&self, ask: Ask) -> crate::Reply {
        ask.send(self.web()).await
    }

    /// GETs a URL from `web`; the URL's host goes into the Host header only.
    pub async fn get(&self, url: &str) -> crate::Reply {
        self.ask(Ask::get(url)).await
    }

    /// What `/metrics` on the internal entry point says now.
    pub async fn metrics(&self) -> Metrics {
        let reply = Ask::get("http://localhost/metrics").send(self.address("traefik")).await;
        assert_eq!(reply.status, 200, "/metrics answers");
        Metrics::parse(&reply.text())
    }

    /// The configuration file.
    pub fn config_path(&self) -> &Path {
        &self.config_path
    }

    /// The directory that holds the configuration and whatever `@DIR@` led into it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces a file of the directory in one step (write beside, rename over).
    pub fn rewrite(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        let beside = path.with_extension("new");
        let text = text.replace(DIR, self.directory.path().to_str().expect("a temporary path is text"));
        std::fs::write(&beside, text).expect("a file can be written");
        std::fs::rename(beside, path).expect("a file can be renamed");
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        self.written().stdout.clone()
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        self.written().stderr.clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The largest memory it ever held, in KiB.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// The memory it holds now, in KiB.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The processor time it has taken, in both modes.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the gateway is alive");
        // The second field is in parentheses and may hold anything (proc_pid_stat(5)).
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name ends").1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("ticks are a number")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the gateway is alive");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says how much");
        line.trim().trim_end_matches(" kB").trim().parse().expect("it is a number")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id is positive");
        kill_process(id, signal).expect("the gateway is alive");
    }

    /// SIGTERM, then its exit status.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait::eventually_blocking("the gateway ends", wait::PATIENCE, || {
            child.try_wait().expect("a child can be waited for")
        })
    }

    /// The process that takes over from it; waits until the log names one.
    pub fn successor(&self) -> Successor {
        self.successor_number(0)
    }

    /// The process that takes over from so many before it, which all write to the same log.
    pub fn successor_number(&self, before: usize) -> Successor {
        let id = wait::eventually_blocking("a new process takes over", wait::PATIENCE, || {
            let written = self.written();
            let line = written.stderr.lines().filter(|line| line.contains("a new process takes over")).nth(before)?;
            line.split("pid=").nth(1)?.split_whitespace().next()?.parse().ok()
        });
        Successor(id)
    }

    /// The process that the program which was launched runs in turn: of a wrapper, the gateway itself.
    pub fn child(&self) -> Successor {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("it is alive");
        Successor(children.split_whitespace().next().and_then(|id| id.parse().ok()).expect("it has a child"))
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    fn wait_until_it_listens(&mut self) {
        let (child, output) = (&mut self.child, &self.output);
        let ended = wait::eventually_blocking("the gateway serves", wait::PATIENCE, || {
            let listens = !output.lock().unwrap_or_else(PoisonError::into_inner).listeners.is_empty();
            let ended = child.try_wait().expect("a child can be waited for");
            (listens || ended.is_some()).then_some(ended)
        });
        if let Some(status) = ended {
            if let Some(readers) = self.readers.take() {
                readers.into_iter().for_each(|reader| reader.join().expect("the reader does not panic"));
            }
            panic!("the gateway ended with {status} instead of serving:\n{}{}", self.stdout(), self.stderr());
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- the gateway wrote:\n{}", self.stderr());
        }
    }
}

/// A process that a gateway, or its wrapper, has started; killed, by its id, when dropped.
#[derive(Debug)]
pub struct Successor(i32);

impl Successor {
    /// Its process id.
    pub fn id(&self) -> i32 {
        self.0
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the new process is alive");
    }

    /// Waits until it has ended.
    pub fn wait(&self) {
        wait::eventually_blocking("the new process ends", wait::PATIENCE, || {
            // A zombie, until somebody has read its status.
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
            (status.is_empty() || status.contains("State:\tZ")).then_some(())
        });
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0).expect("a process id is positive")
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone_already = kill_process(self.pid(), Signal::KILL);
    }
}

fn read_stdout(stream: impl Read + Send + 'static, output: Arc<Mutex<Written>>, reader: Reader) -> JoinHandle<()> {
    read(stream, output, reader, |written, line| {
        if let Some((name, address)) = listener(line) {
            written.listeners.insert(name, address);
        }
        written.stdout.push_str(line);
        written.stdout.push('\n');
    })
}

fn read_stderr(stream: impl Read + Send + 'static, output: Arc<Mutex<Written>>, reader: Reader) -> JoinHandle<()> {
    read(stream, output, reader, |written, line| {
        written.stderr.push_str(line);
        written.stderr.push('\n');
    })
}

fn read(
    stream: impl Read + Send + 'static,
    output: Arc<Mutex<Written>>,
    reader: Reader,
    take: impl Fn(&mut Written, &str) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
            let mut written = output.lock().unwrap_or_else(PoisonError::into_inner);
            take(&mut written, line.trim_end_matches('\n'));
            line.clear();
            if reader != Reader::Stays && written.listeners.len() >= 2 {
                break;
            }
        }
        if reader == Reader::Stops {
            // Open as long as the test runs.
            std::mem::forget(stream);
        }
    })
}

/// Reads `listening entrypoint=web address=127.0.0.1:80`.
fn listener(line: &str) -> Option<(String, SocketAddr)> {
    let (name, address) = line.strip_prefix("listening entrypoint=")?.split_once(" address=")?;
    Some((name.to_owned(), address.trim().parse().ok()?))
}
