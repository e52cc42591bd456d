//! The file provider: one file, or every file of a folder, and the main configuration file where it holds dynamic
//! configuration too.

pub mod watch;

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use rollgate_config::{
    Document, Format,
    problem::{Place, Problem},
    static_config::FileTarget,
};

/// What to read. Nothing is fine: then there is no dynamic configuration.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file that the static configuration came from. Its dynamic part, if it has one, counts.
    pub main: Option<PathBuf>,
    /// `providers.file`.
    pub target: Option<FileTarget>,
}

/// What was read: its text is all there is to know whether something has changed.
#[derive(Debug)]
pub struct Texts {
    files: Vec<(PathBuf, Result<String, String>)>,
    main: Option<PathBuf>,
}

impl Sources {
    /// Reads every file. A file that cannot be read is a problem of its own later, not the end.
    pub fn read(&self) -> Texts {
        let mut paths: Vec<PathBuf> = self.main.iter().cloned().collect();
        match &self.target {
            None => {}
            Some(FileTarget::File(file)) => paths.push(file.clone()),
            Some(FileTarget::Directory(folder)) => collect(folder, &mut paths, 0),
        }
        let mut files: Vec<(PathBuf, Result<String, String>)> = Vec::with_capacity(paths.len());
        let mut seen = Vec::new();
        for path in paths {
            // The main file may name itself.
            let identity = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            if seen.contains(&identity) {
                continue;
            }
            seen.push(identity);
            let text = read_bounded(&path).map_err(|error| format!("cannot read it: {error}"));
            files.push((path, text));
        }
        Texts { files, main: self.main.clone() }
    }

    /// The folders in which something may change, and whether folders below count too.
    pub fn folders(&self) -> Vec<(PathBuf, bool)> {
        let parent = |file: &Path| match file.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut folders: Vec<(PathBuf, bool)> = self.main.iter().map(|file| (parent(file), false)).collect();
        match &self.target {
            None => {}
            Some(FileTarget::File(file)) => folders.push((parent(file), false)),
            Some(FileTarget::Directory(folder)) => folders.push((folder.clone(), true)),
        }
        folders.dedup();
        folders
    }
}

impl Texts {
    /// Equal hashes: nothing has changed.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.files.hash(&mut hasher);
        hasher.finish()
    }

    /// The documents that hold dynamic configuration, or all that is wrong with the files as such.
    pub fn documents(&self) -> Result<Vec<Document>, Vec<Problem>> {
        let (mut documents, mut problems) = (Vec::new(), Vec::new());
        for (path, text) in &self.files {
            let name = path.display().to_string();
            let is_main = self.main.as_ref() == Some(path);
            let text = match text {
                Ok(text) => text,
                Err(what) => {
                    problems.push(problem(&name, what.clone()));
                    continue;
                }
            };
            let Some(format) = Format::of(&name) else {
                problems.push(problem(&name, "unknown kind of file".to_owned()));
                continue;
            };
            match Document::parse(&name, text, format) {
                Ok(document) => {
                    if !is_main {
                        problems.extend(document.static_roots().into_iter().map(|(key, at)| misplaced(key, at)));
                    }
                    if document.has_dynamic() || !is_main {
                        documents.push(document);
                    }
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(documents) } else { Err(problems) }
    }
}

/// Files of a folder and those below, in order; hidden ones (`..data`, editors' swap files) are not read.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        // Shows up as a file that cannot be read.
        paths.push(folder.to_owned());
        return;
    };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            collect(&path, paths, depth + 1);
        } else if path.to_str().and_then(Format::of).is_some() {
            paths.push(path);
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > MAX_FILE {
        let what = format!("{length} bytes; at most {MAX_FILE} are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    std::fs::read_to_string(path)
}

fn problem(source: &str, what: String) -> Problem {
    let at = Place { source: source.into(), line: 0, column: 0 };
    Problem { at, path: "file".to_owned(), what, allowed: ".yml, .yaml, .toml, .json".to_owned(), unsupported: None }
}

fn misplaced(key: String, at: Place) -> Problem {
    Problem {
        at,
        path: key,
        what: "static configuration has no effect in a dynamic file".to_owned(),
        allowed: "it belongs in the file that `run` is given".to_owned(),
        unsupported: None,
    }
}

/// 64 MiB: some hundred thousand routers.
const MAX_FILE: u64 = 64 << 20;
/// Folders within folders.
const MAX_DEPTH: usize = 16;
