//! The store as a file of SQLite's, or as its tables in memory.
//!
//! One connection, WAL, `synchronous=FULL`: a commit is one transaction and one `fsync`. Before it writes, it asks whether the
//! file is still the one that was opened (one that was moved or deleted under it would take commits that no start finds),
//! whether a newer program has brought it to another schema, and whether the state is the one that was last seen here.
//!
//! Two processes may have the file open, while a new binary takes over. SQLite lets one of them write at a time; the
//! revision keeps either from writing over what the other has decided. The new process loads before it serves. A change that
//! the old one still makes after that, over a connection that it has yet to close, is whole and durable, and the new
//! one's next commit is refused as stale until it has loaded again. If the new one gives up, the old one goes on as before.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path, path::PathBuf, time::Duration};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{
    AuditPage, AuditQuery, Commit, KeptRollout, Opened, Remembered, RolloutPage, RolloutQuery, Store, StoreError,
    Stored, audit,
    fault::{self, Place},
    migrations, opening, rollouts, rows,
};

/// A connection.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    file: Option<OpenFile>,
    seen: u64,
    limits: Limits,
}

/// How much of what only grows is kept, and looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries of the audit log; at least 1.
    pub audit: u64,
    /// Answers under keys, of 2 KiB at most; a longer one counts for several. At least 1.
    pub remembered: u64,
    /// Entries of the audit log that one page looks at; at least 1.
    pub audit_window: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { audit: 1_000_000, remembered: 100_000, audit_window: 50_000 }
    }
}

/// Which file it was.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Sqlite {
    /// Opens `rollgate.db` in a folder; both are made, their owner's alone, if they are not there. A file that is damaged is
    /// moved aside, and [`Opened::problem`] says so. Waits up to a second for one that is locked.
    ///
    /// # Errors
    /// There is no store. The file is as it was; it may be somebody else's, or of a newer version.
    pub fn open(folder: &Path) -> Result<Opened, StoreError> {
        Self::open_with(folder, Limits::default())
    }

    /// [`Sqlite::open`] with other limits.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(folder: &Path, limits: Limits) -> Result<Opened, StoreError> {
        opening::open(folder, limits)
    }

    /// One that ends with the process.
    ///
    /// # Errors
    /// There is no memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        migrations::migrate(&mut connection, migrations::STEPS)?;
        Self::new(connection, None, Limits::default())
    }

    /// With a connection to a file whose schema is ours.
    pub(super) fn new(connection: Connection, path: Option<PathBuf>, limits: Limits) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let file = match path {
            Some(path) => Some(OpenFile { identity: identity(&path).map_err(|error| on(&path, &error))?, path }),
            None => None,
        };
        let seen = rows::load(&connection)?.revision;
        Ok(Self { connection, file, seen, limits })
    }

    fn commit_all(&mut self, commit: &Commit) -> Result<(), StoreError> {
        fault::step(Place::Commit);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        fault::step(Place::Commit);
        known(migrations::version(&transaction)?)?;
        if !commit.changes.is_empty() {
            rows::advance(&transaction, self.seen)?;
            fault::step(Place::Commit);
        }
        for change in &commit.changes {
            rows::apply(&transaction, change)?;
            fault::step(Place::Commit);
        }
        for entry in &commit.audit {
            audit::write(&transaction, entry, self.limits.audit)?;
            fault::step(Place::Commit);
        }
        if let Some(answer) = &commit.idempotency {
            rows::remember(&transaction, answer, self.limits.remembered)?;
            fault::step(Place::Commit);
        }
        transaction.commit()?;
        fault::step(Place::Commit);
        Ok(())
    }
}

impl Store for Sqlite {
    fn load(&mut self) -> Result<Stored, StoreError> {
        let transaction = self.connection.transaction()?;
        let stored = rows::load(&transaction)?;
        transaction.commit()?;
        self.seen = stored.revision;
        Ok(stored)
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if let Some(file) = &self.file {
            file.is_there()?;
        }
        match self.commit_all(commit) {
            Ok(()) => {
                self.seen += u64::from(!commit.changes.is_empty());
                Ok(())
            }
            Err(error) => {
                // A disk that failed while it made a commit durable may hold all of it nevertheless, and the next start would
                // find it. On a full one this gives back what the log has taken.
                if matches!(error, StoreError::Full | StoreError::Other(_)) {
                    drop(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
                }
                Err(error)
            }
        }
    }

    fn remembered(&mut self, key: &str, now: i64) -> Result<Option<Remembered>, StoreError> {
        rows::remembered(&self.connection, key, now)
    }

    fn audit(&mut self, asked: &AuditQuery) -> Result<AuditPage, StoreError> {
        audit::read(&self.connection, asked, self.limits.audit_window)
    }

    fn rollout(&mut self, id: &str) -> Result<Option<KeptRollout>, StoreError> {
        rollouts::get(&self.connection, id)
    }

    fn rollouts(&mut self, asked: &RolloutQuery) -> Result<RolloutPage, StoreError> {
        rollouts::list(&self.connection, asked)
    }
}

impl OpenFile {
    fn is_there(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(on(&self.path, &error)),
            _ => Err(StoreError::Other(format!(
                "{} was moved or deleted while it was in use: put it back, or restart",
                self.path.display()
            ))),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error;
        match &error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                ErrorCode::DiskFull => Self::Full,
                // The file that readers share does not fit on the disk.
                _ if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged,
                _ => Self::Other(format!("the store has failed: {error} (SQLite's code {})", failure.extended_code)),
            },
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
            | Error::QueryReturnedNoRows => Self::Damaged,
            // It would show all of the statement.
            Error::SqlInputError { msg, .. } => Self::Other(format!("the store has failed: {msg}")),
            _ => Self::Other(format!("the store has failed: {error}")),
        }
    }
}

/// Whether this program knows a schema's version.
pub(super) fn known(version: i64) -> Result<(), StoreError> {
    if version <= migrations::VERSION {
        return Ok(());
    }
    Err(StoreError::Other(format!(
        "rollgate.db has schema version {version}, and this program knows versions up to {}: it is left as it is; start the \
         newer program, or one of this version with another state folder",
        migrations::VERSION
    )))
}

/// What went wrong with a file or folder.
pub(super) fn on(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Other(format!("{}: {error}", path.display())),
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// How long a commit waits for another process's. One takes some milliseconds.
const BUSY: Duration = Duration::from_millis(200);
/// More than there are, so that each is compiled once.
const STATEMENTS: usize = 32;

#[cfg(test)]
mod tests;
