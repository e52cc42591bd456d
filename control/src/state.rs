//! The folder given by `--state-dir`: a copy of the last texts that were good together, for a start at which the files are
//! not. The gateway can do without it at any time.
//!
//! ```text
//! last-good:  rollgate-last-good 1 SHA-256-OF-THE-REST \n {"saved": ..., "files": [...], "certificates": [...]}
//! ```
//!
//! One file, so that what is in it was live together: it is written beside, synchronised and renamed. It holds private keys,
//! as the files that it is a copy of do, and is its owner's alone.

mod keeper;

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

pub use self::keeper::Keeper;
use crate::certificates::Good;

/// The folder.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

/// What is kept. Every path is absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// When it was written, in seconds since 1970.
    pub saved: i64,
    /// Configuration files.
    #[serde(with = "as_list")]
    pub files: BTreeMap<PathBuf, KeptText>,
    /// Certificates with their keys, and authorities.
    #[serde(with = "as_list")]
    pub certificates: Good,
}

/// A file's last good text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptText {
    /// The text.
    pub text: Arc<str>,
    /// Since when it was live, in seconds since 1970.
    pub since: i64,
}

impl StateDir {
    /// Made when something is to be kept.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// What was kept; `None` before anything was.
    ///
    /// # Errors
    /// What is wrong with the copy. One that is damaged, or of another format, is moved aside, so that it is told of once.
    pub fn load(&self) -> Result<Option<Copy>, String> {
        self.remove_leftovers();
        let path = self.0.join(NAME);
        let bytes = match read_bounded(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        decode(&bytes).map(Some).map_err(|what| {
            let aside = self.0.join(DAMAGED);
            let moved = match fs::rename(&path, &aside) {
                Ok(()) => format!("it is now {}", aside.display()),
                Err(error) => format!("it cannot be moved aside: {error}"),
            };
            format!("the last good copy {} {what}; {moved}", path.display())
        })
    }

    /// Puts a copy in place of the one before. Blocks until it is on the disk. A failure leaves the one before.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, copy: &Copy) -> Result<(), String> {
        let path = self.0.join(NAME);
        let beside = self.0.join(format!("{NEW}{}", std::process::id()));
        let saved = encode(copy).and_then(|bytes| {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
            write_beside(&beside, &bytes)?;
            fs::rename(&beside, &path)?;
            File::open(&self.0)?.sync_all()
        });
        saved.map_err(|error| {
            // It may not be there.
            drop(fs::remove_file(&beside));
            format!("the last good copy {} cannot be written: {error}", path.display())
        })
    }

    /// Copies that processes which are gone were writing.
    fn remove_leftovers(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let writer = name.to_str().and_then(|name| name.strip_prefix(NEW)?.parse::<u32>().ok());
            if writer.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that was left there may belong to somebody else.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn encode(copy: &Copy) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(copy)?;
    let mut bytes = format!("{MAGIC} {FORMAT} {}\n", hexadecimal(&body)).into_bytes();
    bytes.extend(body);
    if bytes.len() > MAX_BYTES {
        let what = format!("it would be {} bytes long; at most {MAX_BYTES} are kept", bytes.len());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Copy, String> {
    let damaged = || "is damaged".to_owned();
    let end = bytes.iter().take(MAX_HEADER).position(|&byte| byte == b'\n').ok_or_else(damaged)?;
    let header = std::str::from_utf8(&bytes[..end]).map_err(|_| damaged())?;
    let body = &bytes[end + 1..];
    let (format, sum) = header.strip_prefix(MAGIC).and_then(|rest| rest.trim().split_once(' ')).ok_or_else(damaged)?;
    if format != FORMAT {
        return Err(format!("has format {format}, and this version reads {FORMAT}"));
    }
    if sum != hexadecimal(body) {
        return Err(damaged());
    }
    serde_json::from_slice(body).map_err(|error| format!("is damaged: {error}"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON's objects have only strings for keys.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

const NAME: &str = "last-good";
/// Followed by the writer's process id.
const NEW: &str = "last-good.new.";
const DAMAGED: &str = "last-good.damaged";
const MAGIC: &str = "rollgate-last-good";
/// Counts up when what is written can no longer be read by the versions before.
const FORMAT: &str = "1";
/// The first line.
const MAX_HEADER: usize = 128;
/// As much as a few files of the largest size.
const MAX_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests;
