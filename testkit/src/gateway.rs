//! The real binary, running.

mod launch;
mod output;
mod successor;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use self::output::Written;
pub use self::{launch::Launch, output::Reader, successor::Successor};
use crate::{client::Ask, metrics::Metrics, wait};

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

/// A running gateway; killed, by its own process id, when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    output: Arc<Mutex<Written>>,
    readers: Option<[JoinHandle<()>; 2]>,
    directory: TempDir,
    config_path: PathBuf,
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

    /// The state of the circuit breaker that has this label (`router` or `service`, and the name of that).
    pub async fn breaker(&self, of: (&str, &str)) -> &'static str {
        let metrics = self.metrics().await;
        let is = |state: &&str| metrics.sum("rollgate_circuit_breaker_state", &[of, ("state", state)]) == 1.0;
        let states: Vec<_> = ["standby", "tripped", "recovering"].into_iter().filter(is).collect();
        assert_eq!(states.len(), 1, "one state: {states:?} of {of:?}\n{}", metrics.text);
        states[0]
    }

    /// Waits until it says that the server at this URL is up, or that it is not.
    pub async fn server_is(&self, url: &str, up: bool) {
        let what = format!("{url} is {}", if up { "up" } else { "down" });
        wait::eventually(&what, async || {
            let (metrics, labels) = (self.metrics().await, [("url", url)]);
            let told = metrics.has("traefik_service_server_up", &labels);
            (told && (metrics.sum("traefik_service_server_up", &labels) == 1.0) == up).then_some(())
        })
        .await;
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

    /// [`rewrite`](Self::rewrite), and waits until that is live.
    pub async fn apply(&self, name: &str, text: &str) {
        let applied = async || self.metrics().await.sum("traefik_config_reloads_total", &[]);
        let before = applied().await;
        self.rewrite(name, text);
        wait::eventually("the change is live", async || (applied().await > before).then_some(())).await;
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        self.written().stdout.clone()
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        self.written().stderr.clone()
    }

    /// Waits until the log says this.
    pub async fn logs(&self, what: &str) {
        wait::eventually(&format!("the log says {what:?}"), async || self.stderr().contains(what).then_some(())).await;
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
