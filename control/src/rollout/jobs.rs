//! Commands that a rollout runs. Each is kept by a process of its own, in a session of its own, so that it neither ends with
//! the gateway nor is begun again when that is back.
//!
//! ```text
//! run: folder, job.json -> `rollgate keep-job FOLDER` (keeper) -> command -> output, ended.json
//! ```
//!
//! What came of it stands in the folder, written once and whole. A folder with `ended.json` is never run again; one whose keeper
//! is gone without it was ended with the machine, and nobody knows how far it came.

pub mod keeper;

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// What is run.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// In which folder.
    pub directory: PathBuf,
    /// After that it is ended: asked to (SIGTERM), and 5 s later made to (SIGKILL), with all that it has started.
    pub timeout: Duration,
}

impl std::fmt::Debug for Job {
    /// Without the environment, which may hold what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("command", &self.command).finish_non_exhaustive()
    }
}

/// How a job has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By a signal of somebody else's.
    Signal(i32),
    /// It took too long.
    TimedOut,
    /// Somebody wanted it to.
    Canceled,
    /// It could not be begun, in words.
    NotBegun(String),
    /// With its machine or its keeper. It may have done everything, or nothing.
    Lost,
}

impl Ended {
    /// Whether it did what it should.
    pub fn is_success(&self) -> bool {
        *self == Self::Exit(0)
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "it ended with the code {code}"),
            Self::Signal(number) => write!(f, "it was ended by the signal {number}"),
            Self::TimedOut => f.write_str("it took too long, and was ended"),
            Self::Canceled => f.write_str("it was canceled"),
            Self::NotBegun(why) => write!(f, "it could not be begun: {why}"),
            Self::Lost => f.write_str("it was lost with its machine: it may have done everything, or nothing"),
        }
    }
}

/// What a job has printed and how it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How.
    pub ended: Ended,
    /// What it printed, both streams as they came; [`keeper::HEAD`] bytes of its beginning and [`keeper::TAIL`] of its end.
    pub output: String,
}

/// Where jobs are kept, and by what program.
#[derive(Debug, Clone)]
pub struct Jobs {
    folder: PathBuf,
    keeper: Vec<PathBuf>,
}

impl Jobs {
    /// In a folder, which is made when it is needed. `keeper` is the program that calls [`keeper::keep`], and its first arguments.
    pub fn new(folder: PathBuf, keeper: Vec<PathBuf>) -> Self {
        Self { folder, keeper }
    }

    /// Runs a job, or waits for the one that was begun under this id: an id is run once. Ids are made of letters, digits, `-`, `_`
    /// and `.`, and none begins with `.`.
    ///
    /// # Errors
    /// The folder cannot be used; nothing was begun.
    pub async fn run(&self, id: &str, job: &Job) -> io::Result<Report> {
        let folder = self.folder_of(id)?;
        let mut child = if folder.join(JOB).exists() { None } else { Some(Keeping(Some(self.begin(&folder, job)?))) };
        let mut kept_at = Instant::now();
        loop {
            if let Some(ended) = ended(&folder)? {
                return Ok(Report { ended, output: output(&folder) });
            }
            let gone = match &mut child {
                Some(Keeping(child)) => child.as_mut().map_or(Ok(None), Child::try_wait)?.is_some(),
                None if keeper::is_kept(&folder)? => {
                    kept_at = Instant::now();
                    false
                }
                // One that was only just begun has its folder a moment later.
                None => kept_at.elapsed() > BEGINNING,
            };
            // It may have written it since.
            if gone && ended(&folder)?.is_none() {
                return Ok(Report { ended: Ended::Lost, output: output(&folder) });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends a job if it is under way; [`Self::run`] tells when it has ended.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn cancel(&self, id: &str) -> io::Result<()> {
        let folder = self.folder_of(id)?;
        if folder.exists() { fs::write(folder.join(CANCEL), b"") } else { Ok(()) }
    }

    /// What a job has printed so far.
    pub fn output(&self, id: &str) -> String {
        self.folder_of(id).map(|folder| output(&folder)).unwrap_or_default()
    }

    /// Forgets a job: its outcome is kept elsewhere, or nobody wants it. One that is under way is ended, and its keeper removes what is
    /// left of it.
    ///
    /// # Errors
    /// Its folder cannot be removed.
    pub fn forget(&self, id: &str) -> io::Result<()> {
        let folder = self.folder_of(id)?;
        // First what its keeper goes by.
        absent(fs::remove_file(folder.join(JOB)))?;
        absent(fs::remove_dir_all(&folder)).or_else(|error| match error.kind() {
            // It is just writing something there.
            io::ErrorKind::DirectoryNotEmpty => Ok(()),
            _ => Err(error),
        })
    }

    /// Those that were begun and not forgotten.
    pub fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort();
        ids
    }

    fn folder_of(&self, id: &str) -> io::Result<PathBuf> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > 200 || id.starts_with('.') || !id.bytes().all(sound) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{id:?} is no id of a job")));
        }
        Ok(self.folder.join(id))
    }

    fn begin(&self, folder: &Path, job: &Job) -> io::Result<Child> {
        // What it holds may be secret.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        put(folder, JOB, &serde_json::to_vec(job)?)?;
        let (program, arguments) =
            self.keeper.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no keeper"))?;
        let mut command = Command::new(program);
        command.args(arguments).arg(folder).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Ok(child),
            Err(error) => {
                // It may be tried again.
                fs::remove_dir_all(folder)?;
                Err(error)
            }
        }
    }
}

/// A keeper that was begun here. It is waited for, whoever loses interest in it: nobody else does.
struct Keeping(Option<Child>);

impl Drop for Keeping {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take()
            && !matches!(child.try_wait(), Ok(Some(_)))
        {
            let waits = thread::Builder::new().name("keeper".to_owned());
            drop(waits.spawn(move || child.wait()));
        }
    }
}

/// What is not there is removed.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn ended(folder: &Path) -> io::Result<Option<Ended>> {
    match fs::read(folder.join(ENDED)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text).unwrap_or(Ended::Lost))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn output(folder: &Path) -> String {
    let bytes = fs::read(folder.join(OUTPUT)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file that is there whole or not at all, also after a loss of power.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let new = folder.join(format!("{name}.new"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}

const JOB: &str = "job.json";
const ENDED: &str = "ended.json";
const OUTPUT: &str = "output";
const CANCEL: &str = "cancel";
const LOCK: &str = "lock";

/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(50);
/// How long a keeper takes at most until it has its folder.
const BEGINNING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
