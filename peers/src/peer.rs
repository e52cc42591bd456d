//! Who is measured: how each is found, set up for a job, started, and told of new files.

mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod rollgate;
mod traefik;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;

use crate::{
    machine,
    process::Running,
    site::{Job, Site},
};

/// One of them.
#[derive(Debug)]
pub struct Peer {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its program, looked for on the path.
    program: &'static str,
    /// An environment variable that names the program instead.
    variable: &'static str,
    /// What makes it tell its version.
    version: &'static [&'static str],
    /// Why it cannot do a job, if so.
    lacks: fn(Job) -> Option<&'static str>,
    /// Writes its files for a job; the arguments and the environment that it is started with.
    files: fn(&Site, &Path) -> Start,
    /// How it is told of new files, if it can be.
    pub again: Option<Again>,
}

/// How one is told of new files.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    /// Writes them into a folder, as another generation of the same content.
    pub write: fn(&Site, &Path, u32),
    /// What it is sent, where it does not watch them.
    pub signal: Option<Signal>,
}

/// How a program is started.
#[derive(Debug, Default)]
pub struct Start {
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

/// All, us first.
pub static PEERS: [Peer; 7] =
    [rollgate::PEER, nginx::PEER, haproxy::PEER, envoy::PEER, caddy::PEER, traefik::PEER, rollgate::BEFORE];

/// Their names.
pub fn names() -> String {
    PEERS.each_ref().map(|peer| peer.name).join(" ")
}

/// Those that are installed, and why the others are left out.
pub fn present(asked: &[&'static Peer]) -> (Vec<&'static Peer>, Vec<String>) {
    let mut absent = Vec::new();
    let present = asked.iter().copied().filter(|peer| {
        let found = peer.path();
        // Nobody misses it where no change is measured.
        if found.is_none() && peer.name != rollgate::BEFORE.name {
            absent.push(format!("{}: no {} on the path, nor in {}", peer.name, peer.program, peer.variable));
        }
        found.is_some()
    });
    (present.collect(), absent)
}

impl Peer {
    /// Starts it for the site's job.
    ///
    /// # Errors
    /// If it cannot do it.
    pub fn start(&self, site: &Site) -> Result<Running, String> {
        if let Some(why) = (self.lacks)(site.job) {
            return Err(format!("left out: {why}"));
        }
        let folder = site.folder(self.name);
        let Start { arguments, environment } = (self.files)(site, &folder);
        let mut command = Command::new(self.path().expect("it is present"));
        command.args(arguments).envs(environment);
        let log = fs::File::create(folder.join("log")).map_err(|why| format!("{}: {why}", self.name))?;
        Running::on_its_own(self.name, &command, log)
    }

    /// What it says of its version.
    pub fn version(&self) -> String {
        let said = self.path().and_then(|path| machine::version(&path, self.version));
        said.unwrap_or_else(|| "of unknown version".to_owned())
    }

    fn path(&self) -> Option<PathBuf> {
        if let Some(said) = std::env::var_os(self.variable) {
            return Some(PathBuf::from(said)).filter(|path| path.is_file());
        }
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).map(|folder| folder.join(self.program)).find(|path| path.is_file())
    }
}

impl Start {
    fn of<const N: usize>(arguments: [&str; N]) -> Self {
        Self { arguments: arguments.map(String::from).to_vec(), environment: Vec::new() }
    }

    fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((variable, value.into()));
        self
    }
}

/// Writes a file beside the one of that name and moves it there, so that nobody reads half of it.
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).expect("a file can be written");
    fs::rename(&beside, file).expect("a file can be moved");
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    replace(&file, text);
    file.display().to_string()
}

fn nothing(_: Job) -> Option<&'static str> {
    None
}
