//! How the file comes to be, and what is done about one that is damaged.
//!
//! A new file is made beside, with its schema, and then given its name: a `rollgate.db` that is empty was cut off, and is not
//! taken for a new one. Of a damaged one, each table of what is in force is carried over that is sound and can be
//! read; the audit log and answers under keys stay behind.
//!
//! ```text
//! damaged: rollgate.db.next (what was kept) -> rollgate.db, -wal, -shm moved aside -> next becomes rollgate.db
//! ```
//!
//! A start that finds `rollgate.db.next` was ended on that way, and goes on from there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    Limits, Sqlite, StoreError, Stored,
    fault::{self, Place as Fault},
    migrations, rows,
    sqlite::{known, on},
};

/// A store, and what was found.
#[derive(Debug)]
pub struct Opened {
    /// Ready.
    pub store: Sqlite,
    /// The file was damaged: what was wrong, where it is now, and what was kept of it.
    pub problem: Option<String>,
}

pub(super) fn open(folder: &Path, limits: Limits) -> Result<Opened, StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| on(folder, &error))?;
    let place = Place { file: folder.join(NAME), folder };
    place.remove_leftovers();
    let mut problem = place.go_on()?;
    let sound = match look(&place.file)? {
        Found::Sound(connection) => Some(connection),
        Found::Nothing => {
            place.create()?;
            None
        }
        Found::Damaged { what, kept } => {
            problem = Some(place.replace(&what, &kept)?);
            None
        }
    };
    let connection = match sound {
        Some(connection) => connection,
        None => look(&place.file)?.sound().ok_or(StoreError::Damaged)?,
    };
    Ok(Opened { store: Sqlite::new(connection, Some(place.file), limits)?, problem })
}

/// What is at a path.
enum Found {
    Nothing,
    Sound(Connection),
    Damaged { what: String, kept: Kept },
}

/// What is in force according to a damaged file.
#[derive(Default)]
struct Kept {
    stored: Stored,
    carried: Vec<&'static str>,
    lost: Vec<&'static str>,
}

impl Found {
    fn sound(self) -> Option<Connection> {
        if let Self::Sound(connection) = self { Some(connection) } else { None }
    }
}

fn look(path: &Path) -> Result<Found, StoreError> {
    if !exists(path)? {
        let orphan = exists(&with(path, WAL))?;
        let what = "it is gone, and its log is not".to_owned();
        let kept = salvage(None);
        return Ok(if orphan { Found::Damaged { what, kept } } else { Found::Nothing });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(OPENING)?;
    // A damaged file is to be moved aside as it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let what = match wrong_with(&mut connection) {
        Ok(None) => {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
            return Ok(Found::Sound(connection));
        }
        Ok(Some(what)) => what,
        Err(StoreError::Damaged) => "it is not a database, or what is in it cannot be read".to_owned(),
        Err(error) => return Err(error),
    };
    Ok(Found::Damaged { what, kept: salvage(Some(&connection)) })
}

/// What is wrong with a file's content. One that is sound has our schema and our settings afterwards.
fn wrong_with(connection: &mut Connection) -> Result<Option<String>, StoreError> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("page_count")? == 0 {
        return Ok(Some("it is empty".to_owned()));
    }
    if number("application_id")? != migrations::APPLICATION {
        let what =
            "rollgate.db is a database, but not one of rollgate's: it is left as it is; name another state folder";
        return Err(StoreError::Other(what.to_owned()));
    }
    known(migrations::version(connection)?)?;
    let found = check(connection, "PRAGMA quick_check(1)")?;
    if found != SOUND {
        // Its first line names the database, of which there is one.
        return Ok(Some(found.lines().last().unwrap_or_default().to_owned()));
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let what = "the state folder's file system has no shared memory, which the store needs: use a local one";
        return Err(StoreError::Other(what.to_owned()));
    }
    for (name, value) in [("synchronous", "FULL"), ("foreign_keys", "ON")] {
        connection.pragma_update(None, name, value)?;
    }
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    fault::step(Fault::Opening);
    migrations::migrate(connection, migrations::STEPS)?;
    fault::step(Fault::Opening);
    rows::load(connection)?;
    Ok(None)
}

/// What can be trusted of a damaged file.
fn salvage(connection: Option<&Connection>) -> Kept {
    let connection = connection.filter(|connection| migrations::version(connection) == Ok(migrations::VERSION));
    let mut kept = Kept::default();
    let live = kept.part(connection, "live", "live weights", rows::live);
    let brakes = kept.part(connection, "brakes", "brakes", rows::brakes);
    let documents = kept.part(connection, "documents", "documents", rows::documents);
    let rollouts = kept.part(connection, "rollouts", "rollouts under way", super::rollouts::open);
    let revision = kept.part(connection, "meta", "the revision", rows::revision);
    // Nobody shall find a revision that he has seen before with another state.
    let unseen = rows::unsigned(Timestamp::now().as_millisecond());
    let revision = if kept.lost.is_empty() { revision } else { unseen };
    Kept { stored: Stored { live, brakes, documents, rollouts, revision }, ..kept }
}

impl Kept {
    fn part<T: Default>(
        &mut self,
        connection: Option<&Connection>,
        table: &str,
        name: &'static str,
        read: fn(&Connection) -> Result<T, StoreError>,
    ) -> T {
        let sound = |connection: &&Connection| {
            check(connection, &format!("PRAGMA quick_check({table})")).is_ok_and(|found| found == SOUND)
        };
        let found = connection.filter(sound).and_then(|connection| read(connection).ok());
        if found.is_some() {
            self.carried.push(name)
        } else {
            self.lost.push(name)
        }
        found.unwrap_or_default()
    }
}

fn check(connection: &Connection, pragma: &str) -> Result<String, StoreError> {
    Ok(connection.query_row(pragma, [], |row| row.get(0))?)
}

/// Where the file is.
struct Place<'a> {
    folder: &'a Path,
    file: PathBuf,
}

impl Place<'_> {
    /// Makes a file without anything in force. One that somebody else has made in the meantime is left.
    fn create(&self) -> Result<(), StoreError> {
        let beside = self.make(&Stored::default())?;
        let named = match fs::hard_link(&beside, &self.file) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(on(&self.file, &error)),
            _ => synchronise(self.folder),
        };
        // The folder may be new as well; the one above it may not be ours to open.
        if let Some(parent) = self.folder.canonicalize().ok().as_deref().and_then(Path::parent) {
            drop(synchronise(parent));
        }
        fault::step(Fault::Opening);
        remove(&beside);
        named
    }

    /// Puts a file with what was kept in place of a damaged one; says what came of that.
    fn replace(&self, what: &str, kept: &Kept) -> Result<String, StoreError> {
        let beside = self.make(&kept.stored)?;
        let next = with(&self.file, NEXT);
        fs::rename(&beside, &next).map_err(|error| on(&next, &error))?;
        synchronise(self.folder)?;
        let (file, aside) = (self.file.display(), self.move_aside()?);
        let carried = if kept.carried.is_empty() { "nothing".to_owned() } else { kept.carried.join(", ") };
        let lost: String = kept.lost.iter().map(|part| format!("{part}, ")).collect();
        let aside = aside.display();
        Ok(format!(
            "{file} was damaged: {what}; it is now {aside}; carried over: {carried}; lost: {lost}audit log, remembered answers"
        ))
    }

    /// Ends what an earlier start has begun; says so.
    fn go_on(&self) -> Result<Option<String>, StoreError> {
        let next = with(&self.file, NEXT);
        if !exists(&next)? {
            return Ok(None);
        }
        let (file, aside) = (self.file.display(), self.move_aside()?);
        Ok(Some(format!(
            "{file} was damaged, and a start was ended while it moved it aside; it is now {}, or of an earlier time; what was \
             kept of it is in force",
            aside.display()
        )))
    }

    /// The file first: one without its log would pass for an older state.
    fn move_aside(&self) -> Result<PathBuf, StoreError> {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ");
        let aside = with(&self.file, &format!("{DAMAGED}{now}"));
        for ending in ["", WAL, SHM, JOURNAL] {
            fault::step(Fault::Opening);
            match fs::rename(with(&self.file, ending), with(&aside, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(on(&self.file, &error)),
                _ => {}
            }
        }
        synchronise(self.folder)?;
        fault::step(Fault::Opening);
        fs::rename(with(&self.file, NEXT), &self.file).map_err(|error| on(&self.file, &error))?;
        synchronise(self.folder)?;
        Ok(aside)
    }

    /// A file with a state, beside.
    fn make(&self, state: &Stored) -> Result<PathBuf, StoreError> {
        let beside = with(&self.file, &format!("{NEW}{}", std::process::id()));
        // One that was left there may belong to somebody else.
        remove(&beside);
        fault::step(Fault::Opening);
        let made = write(&beside, state);
        fault::step(Fault::Opening);
        if made.is_err() {
            remove(&beside);
        }
        made.map(|()| beside)
    }

    /// What processes that are gone were making.
    fn remove_leftovers(&self) {
        let begins = format!("{NAME}{NEW}");
        for entry in fs::read_dir(self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(&begins));
            let writer = rest.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            if writer.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

fn synchronise(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| on(folder, &error))
}

fn write(beside: &Path, state: &Stored) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside);
    made.map_err(|error| on(beside, &error))?;
    let mut connection = Connection::open_with_flags(beside, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrations::migrate(&mut connection, migrations::STEPS)?;
    let transaction = connection.transaction()?;
    rows::fill(&transaction, state)?;
    transaction.commit()?;
    // From now on: under its name it never has a journal that a file after it could be mended with.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error.into())
}

fn remove(beside: &Path) {
    for ending in ["", JOURNAL, WAL, SHM] {
        // It may not be there.
        drop(fs::remove_file(with(beside, ending)));
    }
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| on(path, &error))
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The file in the state folder.
pub const NAME: &str = "rollgate.db";
/// Followed by the maker's process id.
const NEW: &str = ".new.";
const NEXT: &str = ".next";
/// Followed by the time.
const DAMAGED: &str = ".damaged-";
const WAL: &str = "-wal";
const SHM: &str = "-shm";
const JOURNAL: &str = "-journal";
/// What SQLite says of a file without damage.
const SOUND: &str = "ok";
/// How long a start waits for another process's commit.
const OPENING: Duration = Duration::from_secs(1);
/// What the log may keep of the disk between commits.
const LOG_BYTES: i64 = 4 << 20;

#[cfg(test)]
mod tests;
