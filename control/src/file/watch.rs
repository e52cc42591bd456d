//! Tells when files may have changed, by inotify: on every folder whose entries decide what a name leads to (a rename, a
//! swapped link, a deletion, a folder that is made again are seen there) and on the files themselves (a write through
//! another name: a bind mount, a link). Where no notice arrives, files are looked at every `POLL` all the same.
//!
//! inotify itself rather than a library over it, for what none of them offers: watches that follow links and belong to
//! inodes, and telling a writer that has closed its file from one that is still at it.

mod links;

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    future::pending,
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rollgate_config::Format;
use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};
use tokio::{
    io::unix::AsyncFd,
    time::{Instant, sleep_until},
};

use self::links::Links;

/// Watches until dropped.
#[derive(Debug)]
pub struct Watch {
    /// `None`: only the clock is left.
    notices: Option<AsyncFd<OwnedFd>>,
    watched: HashMap<i32, Names>,
    writers: Writers,
    pending: Option<Pending>,
    next_look: Instant,
    warned: bool,
}

/// Which entries of a folder are of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    /// Whatever may be configuration or lead to it.
    All,
    /// Of a file that is watched itself, there are none.
    These(HashSet<OsString>),
}

/// Files that have been written to and not been closed since: by watch and name.
#[derive(Debug, Default)]
struct Writers(HashSet<(i32, OsString)>);

#[derive(Debug, Clone, Copy)]
struct Pending {
    first: Instant,
    last: Instant,
}

/// Why [`Watch::changed`] has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Something may have changed, and has then been quiet for a moment.
    Noticed,
    /// It is time to look.
    ByClock,
}

impl Watch {
    /// Watches nothing yet. Where the system gives no notices, a warning is logged and the clock remains.
    pub fn new() -> Self {
        let notices = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(io::Error::from);
        let notices = notices.and_then(readable);
        if let Err(error) = &notices {
            tracing::warn!(%error, "files are not watched, but looked at every {} s", POLL.as_secs());
        }
        Self {
            notices: notices.ok(),
            watched: HashMap::new(),
            writers: Writers::default(),
            pending: None,
            next_look: Instant::now() + POLL,
            warned: false,
        }
    }

    /// Watches these files, which need not be there, and every entry of these folders, and nothing else. Returns whether
    /// something is watched that was not before: what it holds may have changed since it was read.
    pub fn renew<'a>(&mut self, files: impl IntoIterator<Item = &'a Path>, folders: &[PathBuf]) -> bool {
        let Some(notices) = &self.notices else { return false };
        let mut links = Links::default();
        folders.iter().for_each(|folder| links.folder(folder));
        files.into_iter().for_each(|file| links.file(file));
        let mut watched: HashMap<i32, Names> = HashMap::new();
        let mut failed = None;
        for (path, found) in links.found() {
            let (mask, names) = match found {
                links::Found::Folder { names: Some(names), leaf } => (folder_mask(leaf), Names::These(names)),
                links::Found::Folder { names: None, leaf } => (folder_mask(leaf), Names::All),
                links::Found::File => (FILE, Names::These(HashSet::new())),
            };
            match inotify::add_watch(notices.get_ref(), &path, mask | WatchFlags::MASK_ADD) {
                Ok(watch) => watched.entry(watch).or_insert_with(|| Names::These(HashSet::new())).add(names),
                // Gone since: whoever watches the folder that it was in is told.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed.filter(|_| !self.warned) {
            self.warned = true;
            tracing::warn!(%error, "not all files are watched; they are looked at every {} s", POLL.as_secs());
        }
        for gone in self.watched.keys().filter(|watch| !watched.contains_key(watch)) {
            // It may have gone by itself.
            let _gone = inotify::remove_watch(notices.get_ref(), *gone);
        }
        let fresh = watched.keys().any(|watch| !self.watched.contains_key(watch));
        self.watched = watched;
        fresh
    }

    /// Returns when something may have changed and has then been quiet for a moment, or when it is time to look. May be
    /// dropped and called again: nothing is forgotten.
    pub async fn changed(&mut self) -> Woken {
        loop {
            let wake = self.pending.map_or(self.next_look, |pending| self.writers.due(pending));
            if Instant::now() >= wake {
                let woken = if self.pending.take().is_some() { Woken::Noticed } else { Woken::ByClock };
                self.writers.0.clear();
                self.next_look = Instant::now() + POLL;
                return woken;
            }
            tokio::select! {
                noticed = noticed(self.notices.as_ref(), &mut self.watched, &mut self.writers) => if noticed {
                    let now = Instant::now();
                    self.pending = Some(Pending { first: self.pending.map_or(now, |pending| pending.first), last: now });
                },
                () = sleep_until(wake) => {}
            }
        }
    }
}

#[expect(deprecated, reason = "its successor is unsafe; what that asks for, an `OwnedFd` warrants by its type")]
fn readable(notices: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(notices)
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for notices and takes all there are: whether one of them is of interest.
async fn noticed(notices: Option<&AsyncFd<OwnedFd>>, watched: &mut HashMap<i32, Names>, writers: &mut Writers) -> bool {
    let Some(notices) = notices else { return pending().await };
    let Ok(mut ready) = notices.readable().await else { return pending().await };
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(notices.get_ref(), &mut buffer);
    let mut of_interest = false;
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().map_or_else(|| OsStr::new(""), |name| OsStr::from_bytes(name.to_bytes()));
                let interesting = event.events().contains(ReadFlags::QUEUE_OVERFLOW)
                    || watched.get(&event.wd()).is_some_and(|names| names.include(name, event.events()));
                if event.events().contains(ReadFlags::IGNORED) {
                    watched.remove(&event.wd());
                }
                if interesting {
                    writers.note(event.wd(), name, event.events());
                    of_interest = true;
                }
            }
            Err(Errno::INTR) => {}
            Err(_) => break,
        }
    }
    ready.clear_ready();
    of_interest
}

impl Names {
    fn add(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::These(names), Self::These(more)) => names.extend(more),
            _ => *self = Self::All,
        }
    }

    /// A notice without a name is of what is watched itself. A log that is written in a folder of configuration is not to hold
    /// back what changes there.
    fn include(&self, name: &OsStr, events: ReadFlags) -> bool {
        match self {
            Self::These(names) => name.is_empty() || names.contains(name),
            Self::All if name.is_empty() || events.contains(ReadFlags::ISDIR) => true,
            Self::All => {
                let text = name.to_string_lossy();
                // Kubernetes' `..data`; a link without an extension may lead to a folder.
                text.starts_with("..") || Format::of(&text).is_some() || Path::new(name).extension().is_none()
            }
        }
    }
}

impl Writers {
    fn note(&mut self, watch: i32, name: &OsStr, events: ReadFlags) {
        let done = ReadFlags::CLOSE_WRITE
            | ReadFlags::MOVED_FROM
            | ReadFlags::DELETE
            | ReadFlags::DELETE_SELF
            | ReadFlags::IGNORED;
        if events.intersects(done) {
            self.0.remove(&(watch, name.to_owned()));
        } else if events.intersects(ReadFlags::MODIFY | ReadFlags::CREATE) && !events.contains(ReadFlags::ISDIR) {
            self.0.insert((watch, name.to_owned()));
        }
    }

    /// When what was noticed is to be looked at: soon after the last writer is done, which one that has not closed its file
    /// may not be.
    fn due(&self, Pending { first, last }: Pending) -> Instant {
        let (quiet, longest) = if self.0.is_empty() { (QUIET, LONGEST) } else { (QUIET_OPEN, LONGEST_OPEN) };
        (last + quiet).min(first + longest)
    }
}

fn folder_mask(leaf: bool) -> WatchFlags {
    let entries = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::DELETE_SELF;
    // Further up, what is written is none of our business, and there may be much of it.
    let writes =
        if leaf { WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB } else { WatchFlags::empty() };
    entries | writes | WatchFlags::ONLYDIR
}

const FILE: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// Without notices, how often files are looked at.
const POLL: Duration = Duration::from_secs(2);
/// No notice for so long: all is done.
const QUIET: Duration = Duration::from_millis(25);
/// Writers that never rest do not hold a change back for longer.
const LONGEST: Duration = Duration::from_millis(150);
/// The same while a file is open that was written to.
const QUIET_OPEN: Duration = Duration::from_millis(125);
const LONGEST_OPEN: Duration = Duration::from_secs(1);
/// Some hundred notices.
const BUFFER: usize = 16 * 1024;

#[cfg(test)]
mod tests;
