//! Which files are meant, and their text.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use rollgate_config::{
    Document, Format,
    problem::{Place, Problem},
};

/// The largest file that is read; a larger one is a problem of its own.
const MAX_BYTES: u64 = 64 << 20;

/// Folders within folders.
const MAX_DEPTH: usize = 16;

/// What a folder without a file to read is: a slip of whoever names it on the command line, but fine where a
/// configuration names it, since `run` starts with it and waits for files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptyFolder {
    Refused,
    Fine,
}

/// The files that are named and those in the folders that are named, each once, sorted within a folder.
pub(super) fn found(named: &[PathBuf], empty: EmptyFolder) -> Result<Vec<PathBuf>, String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in named {
        let before = files.len();
        if path.is_dir() {
            collect(path, &mut files, 0)?;
            if files.len() == before && empty == EmptyFolder::Refused {
                return Err(format!("{}: no file in it ends in .yml, .yaml, .toml or .json", path.display()));
            }
        } else {
            fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
            files.push(path.clone());
        }
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(identity(file)));
    Ok(files)
}

/// Whether two names are of one file.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    identity(one) == identity(other)
}

fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Hidden files and folders are passed over, as `run` does: editors' swap files and a mounted volume's `..data`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("{}: more than {MAX_DEPTH} folders deep", folder.display()));
    }
    let unreadable = |error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            collect(&path, files, depth + 1)?;
        } else if Format::of(&name).is_some() {
            files.push(path);
        }
    }
    Ok(())
}

/// A file as a document, or what is wrong with its text.
///
/// # Errors
/// A file that cannot be read or is of no known kind.
pub(crate) fn parsed(path: &Path) -> Result<Result<Document, Vec<Problem>>, String> {
    let name = path.display().to_string();
    let format = Format::of(&name).ok_or_else(|| format!("{name}: is no .yml, .yaml, .toml or .json"))?;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{name}: {error}"))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Document::parse(&name, &text, format),
        Err(error) => Err(vec![not_utf8(&name, error.as_bytes(), error.utf8_error().valid_up_to())]),
    })
}

fn not_utf8(name: &str, bytes: &[u8], offset: usize) -> Problem {
    let before = &bytes[..offset];
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    let line = number(before.iter().filter(|&&byte| byte == b'\n').count());
    let column = number(String::from_utf8_lossy(&before[start..]).chars().count());
    Problem::new(&Place { source: name.into(), line, column }, "", "is not UTF-8", "")
}
