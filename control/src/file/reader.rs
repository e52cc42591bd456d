//! Files as text, each read only when it may have changed, so that looking at ten thousand of them costs as many `stat`s.

use std::{
    collections::HashMap,
    io::{self, Read as _},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rollgate_config::steps::large_step;

/// What a file holds, or why that is not known.
pub type Content = Result<Arc<str>, String>;

/// Remembers what it has read.
#[derive(Debug, Default)]
pub struct Reader {
    known: HashMap<PathBuf, Known>,
}

/// What is taken for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8, at most 64 MiB: some hundred thousand routers.
    Configuration,
    /// Any bytes, since what stands between the blocks of a PEM file is nobody's business; at most 4 MiB.
    Pem,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    content: Content,
    /// It was written a while before it was read: a later write has another stamp.
    settled: bool,
}

/// What of a file changes when its content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Reader {
    /// What the file holds now. The same text is the same `Arc` for as long as the file does not change.
    pub fn read(&mut self, path: &Path, kind: Kind) -> Content {
        let (file, stamp) = match open(path) {
            Ok(opened) => opened,
            Err(error) => {
                self.known.remove(path);
                return Err(cannot_read(&error));
            }
        };
        let before = self.known.get(path);
        if let Some(known) = before.filter(|known| known.settled && known.stamp == stamp) {
            return known.content.clone();
        }
        let settled = stamp.is_older_than(SETTLED, SystemTime::now());
        let mut content = text(file, stamp.length, kind);
        if let Some(known) = before.filter(|known| known.content == content) {
            content = known.content.clone();
        }
        self.known.insert(path.to_owned(), Known { stamp, content: content.clone(), settled });
        content
    }

    /// From now on everything is read anew, whatever the file system says of it.
    pub fn distrust(&mut self) {
        self.known.values_mut().for_each(|known| known.settled = false);
    }

    /// Forgets files that are of no interest any more.
    pub fn retain(&mut self, wanted: impl Fn(&Path) -> bool) {
        self.known.retain(|path, _| wanted(path));
    }
}

impl Stamp {
    fn is_older_than(&self, age: Duration, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = |(seconds, nanoseconds): (i64, i64)| {
            Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0))
        };
        at(self.modified.max(self.changed)) + age < now
    }
}

fn open(path: &Path) -> io::Result<(std::fs::File, Stamp)> {
    // Before it is opened: opening a pipe waits for whoever writes to it.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let stamp = Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    };
    Ok((file, stamp))
}

fn text(file: std::fs::File, length: u64, kind: Kind) -> Content {
    let most = match kind {
        Kind::Configuration => 64 << 20,
        Kind::Pem => 4 << 20,
    };
    let too_long = |length: u64| Err(format!("is {length} bytes long; at most {most} are read"));
    if length > most {
        return too_long(length);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let mut rest = file.take(most + 1);
    while rest.by_ref().take(AT_ONCE).read_to_end(&mut bytes).map_err(|error| cannot_read(&error))? > 0 {
        large_step();
    }
    if bytes.len() as u64 > most {
        return too_long(bytes.len() as u64);
    }
    match kind {
        Kind::Configuration => {
            let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
            large_step();
            let text = text.into();
            large_step();
            Ok(text)
        }
        Kind::Pem => Ok(String::from_utf8_lossy(&bytes).into()),
    }
}

fn cannot_read(error: &io::Error) -> String {
    format!("cannot read it: {error}")
}

/// What is read between two pauses, where there are some.
const AT_ONCE: u64 = 128 << 10;

/// File systems count time in steps of up to some milliseconds, some of them of a second: two writes within one step look
/// alike.
const SETTLED: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, text: impl AsRef<[u8]>) -> PathBuf {
        let path = folder.path().join("file.yml");
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_file_that_was_just_written_is_read_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = Reader::default();
        for text in ["one", "two", "six"] {
            let path = file(&folder, text);
            assert_eq!(reader.read(&path, Kind::Configuration).as_deref(), Ok(text));
        }
    }

    #[test]
    fn an_old_file_is_read_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "one");
        let mut reader = Reader::default();
        let first = reader.read(&path, Kind::Configuration).unwrap();
        // As if it had been read a while after it was written.
        reader.known.get_mut(&path).unwrap().settled = true;
        reader.known.get_mut(&path).unwrap().content = Ok("remembered".into());
        assert_eq!(reader.read(&path, Kind::Configuration).as_deref(), Ok("remembered"));
        reader.distrust();
        assert_eq!(reader.read(&path, Kind::Configuration).unwrap(), first);
        reader.known.get_mut(&path).unwrap().settled = true;
        std::fs::write(&path, "longer").unwrap();
        assert_eq!(reader.read(&path, Kind::Configuration).as_deref(), Ok("longer"));
    }

    #[test]
    fn time_that_has_passed_makes_a_stamp_trustworthy() {
        let stamp = Stamp { device: 1, inode: 1, length: 1, modified: (1_000, 0), changed: (1_001, 0) };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(!stamp.is_older_than(SETTLED, at(1_003)));
        assert!(stamp.is_older_than(SETTLED, at(1_004)));
        assert!(!stamp.is_older_than(SETTLED, at(900)), "a clock that was set back proves nothing");
    }

    #[test]
    fn what_is_no_text_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = Reader::default();
        let path = file(&folder, b"\xff\xfe");
        assert_eq!(reader.read(&path, Kind::Configuration), Err("is not UTF-8".to_owned()));
        assert_eq!(reader.read(&path, Kind::Pem).as_deref(), Ok("\u{fffd}\u{fffd}"));
        assert_eq!(reader.read(folder.path(), Kind::Configuration), Err("cannot read it: it is no file".to_owned()));
        let missing = reader.read(&folder.path().join("missing"), Kind::Configuration).unwrap_err();
        assert!(missing.starts_with("cannot read it: No such file"), "{missing}");
    }
}
