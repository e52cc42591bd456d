//! A process on a processor of its own, and what it takes.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

/// The peer's processor.
const PEER: usize = 0;
/// That of everything else.
const LOAD: usize = 1;

/// A program with all that it started, in a process group of its own.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: &'static str,
}

/// What the load needs is taken from what it shares a processor with, never from the peer.
pub fn share_a_processor_with_the_load() {
    sched_setaffinity(None, &only(LOAD)).expect("a second processor is needed: one for the peer, one for its load");
}

/// As many descriptors as the machine allows.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("the soft limit may be the hard one");
}

fn only(processor: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(processor);
    set
}

impl Running {
    /// Starts a peer on its own processor. What it says goes to a file of its folder.
    ///
    /// # Errors
    /// If it does not start.
    pub fn on_its_own(name: &'static str, command: &Command, log: fs::File) -> Result<Self, String> {
        Self::start(name, PEER, command, log)
    }

    /// Starts a program beside the load.
    ///
    /// # Errors
    /// If it does not start.
    pub fn beside(name: &'static str, command: &Command, log: fs::File) -> Result<Self, String> {
        Self::start(name, LOAD, command, log)
    }

    fn start(name: &'static str, processor: usize, command: &Command, log: fs::File) -> Result<Self, String> {
        // What a child inherits cannot be said to it safely between fork and exec; another program can.
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &processor.to_string()]).arg(command.get_program()).args(command.get_args());
        pinned.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let copy = log.try_clone().map_err(|why| format!("{name}: {why}"))?;
        pinned.stdin(Stdio::null()).stdout(log).stderr(copy).process_group(0);
        let child = pinned.spawn().map_err(|why| format!("{name} does not start: {why}"))?;
        Ok(Self { child, name })
    }

    /// Its first process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns when somebody listens on this port of the loopback.
    ///
    /// # Errors
    /// If nobody does in time, or it has ended.
    pub async fn listens(&mut self, port: u16) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            self.is_there()?;
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{} does not listen", self.name));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether it has not ended by itself: somebody else may answer on its port.
    ///
    /// # Errors
    /// With what it has ended.
    pub fn is_there(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(format!("{} has ended with {status}", self.name)),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// The time that all its threads ran.
    pub fn processor_time(&self) -> Duration {
        let tasks = self.tree().into_iter().filter_map(|process| fs::read_dir(format!("/proc/{process}/task")).ok());
        let ran = tasks.flatten().filter_map(|task| {
            let told = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            told.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(ran.sum())
    }

    /// Memory in KiB; pages that several processes share count in parts (PSS).
    pub fn memory(&self) -> u64 {
        let held = self.tree().into_iter().filter_map(|process| {
            let told = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
            let line = told.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim_end_matches("kB").trim().parse::<u64>().ok()
        });
        held.sum()
    }

    /// Sends a signal to its first process.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.id().cast_signed()).expect("a process id is positive");
        rustix::process::kill_process(id, signal).expect("it is there");
    }

    /// It and its descendants.
    fn tree(&self) -> Vec<u32> {
        let mut all = vec![self.id()];
        let mut next = 0;
        while let Some(process) = all.get(next).copied() {
            next += 1;
            let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for task in tasks.flatten() {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        all
    }

    /// Asks it to end, so that it can write what it has to (a profile, when one is gathered), and ends all of it.
    pub async fn end(mut self) {
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.stop();
    }

    fn stop(&mut self) {
        let Some(id) = Pid::from_raw(self.child.id().cast_signed()) else { return };
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Nothing that it was doing is of use to anybody.
        kill_process_group(id, Signal::KILL).ok();
        self.child.wait().ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

const GRACE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(20);
