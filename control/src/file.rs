//! The file provider: one file, or every file of a folder, and the main configuration file, whose static part may change
//! too. Texts of other providers stand beside those of files, under names that no file has.

pub mod last_good;
pub mod reader;
pub mod watch;

use std::{
    collections::{BTreeMap, HashSet},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rollgate_config::{
    Document, Format,
    problem::{Place, Problem},
    static_config::FileTarget,
};

use self::{
    last_good::Name,
    reader::{Content, Kind, Reader},
};

/// What to read. Nothing is fine: then there is no dynamic configuration.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file that the static configuration came from. Its dynamic part, if it has one, counts.
    pub main: Option<PathBuf>,
    /// `providers.file`.
    pub target: Option<FileTarget>,
}

/// The texts of files, by name, and that of the provider `rest` under [`REST`].
pub type Texts = BTreeMap<Name, Arc<Text>>;

/// The provider of the files.
pub const FILE: &str = "file";

/// The provider whose document is sent to the admin API, and what that is called.
pub const REST: &str = "rest";

/// A text that was read and parsed. Two are equal if what they hold is.
#[derive(Debug)]
pub struct Text {
    /// What it holds.
    pub content: Content,
    /// Its tree, or all that keeps it from being one.
    pub document: Result<Document, Vec<Problem>>,
    /// Where it has none: the file's last one.
    last: Option<Document>,
    /// It is the one that may hold static configuration.
    pub is_main: bool,
    /// Whose it is: [`FILE`] or [`REST`].
    pub provider: &'static str,
}

/// What there was to see at one time.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every file. A folder that cannot be read is one of them, with a text that says so.
    pub texts: Texts,
    /// Every folder that was read, or that could not be.
    pub folders: Vec<PathBuf>,
    /// Folders that could not be read, and why: nothing is known of what is in them.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Sources {
    /// Looks at every file. A file that cannot be read is a text with a problem, not the end. Texts that are as in `before` are
    /// not parsed again.
    pub fn look(&self, reader: &mut Reader, before: &Texts) -> Seen {
        let mut seen = Seen::default();
        let mut paths: Vec<PathBuf> = self.main.iter().cloned().collect();
        match &self.target {
            None => {}
            Some(FileTarget::File(file)) => paths.push(file.clone()),
            Some(FileTarget::Directory(folder)) => seen.collect(folder, &mut paths, 0),
        }
        let mut identities = HashSet::new();
        for path in paths {
            // The main file may name itself.
            let identity = std::fs::metadata(&path).map(|metadata| (metadata.dev(), metadata.ino()));
            if identity.is_ok_and(|identity| !identities.insert(identity)) {
                continue;
            }
            let content = reader.read(&path, Kind::Configuration);
            let name = name(&path);
            let is_main = self.main.as_ref() == Some(&path);
            let text = match before.get(&name) {
                Some(same) if same.content == content && same.is_main == is_main => same.clone(),
                before => Arc::new(Text::parse_after(before.map(|text| &**text), &name, content, is_main)),
            };
            seen.texts.insert(name, text);
        }
        for (folder, why) in &seen.unreadable {
            let name = name(folder);
            let text = Text::parse(&name, Err(format!("cannot read this folder: {why}")), false);
            seen.texts.insert(name, Arc::new(text));
        }
        seen
    }

    /// The name that a file has here, by its absolute path; `None` if it would not be read.
    pub fn name_of(&self, path: &Path) -> Option<Name> {
        let is = |named: &PathBuf| std::path::absolute(named).is_ok_and(|named| named == path);
        let named = self.main.iter().find(|main| is(main)).cloned().or_else(|| match self.target.as_ref()? {
            FileTarget::File(file) => Some(file.clone()).filter(is),
            FileTarget::Directory(folder) => {
                let rest = path.strip_prefix(std::path::absolute(folder).ok()?).ok()?;
                Some(folder.join(rest))
            }
        });
        named.map(|path| name(&path))
    }
}

impl Seen {
    /// Files of a folder and those below, in order; hidden ones (`..data`, editors' swap files) are not read.
    fn collect(&mut self, folder: &Path, paths: &mut Vec<PathBuf>, depth: usize) {
        self.folders.push(folder.to_owned());
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push((folder.to_owned(), error.to_string())),
        };
        let mut entries: Vec<(PathBuf, bool)> =
            entries.into_iter().map(|entry| (entry.path(), is_folder(&entry))).collect();
        entries.sort();
        for (path, is_folder) in entries {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if !is_folder {
                paths.extend(Some(path).filter(|path| path.to_str().and_then(Format::of).is_some()));
            } else if depth < MAX_DEPTH {
                self.collect(&path, paths, depth + 1);
            }
        }
    }

    /// Nothing is known of what is below a folder that cannot be read: it counts as it last was.
    pub fn assume(&mut self, last_good: &Texts) {
        let unreadable: HashSet<&Path> = self.unreadable.iter().map(|(folder, _)| &**folder).collect();
        for (name, text) in last_good {
            let unknown = Path::new(&**name).ancestors().any(|folder| unreadable.contains(folder));
            if unknown && !self.texts.contains_key(name) {
                self.texts.insert(name.clone(), text.clone());
            }
        }
    }
}

impl Text {
    /// `name` is the one that problems carry.
    pub fn parse(name: &str, content: Content, is_main: bool) -> Self {
        Self::parse_after(None, name, content, is_main)
    }

    /// As [`Text::parse`]; what is written as it was in the file `before` is not parsed again.
    fn parse_after(before: Option<&Self>, name: &str, content: Content, is_main: bool) -> Self {
        Self::of(before, name, content, (FILE, is_main))
    }

    /// What was sent for the provider `rest`: JSON, after what was there before.
    pub fn of_rest(before: Option<&Self>, text: &str) -> Self {
        Self::of(before, REST, Ok(text.into()), (REST, false))
    }

    fn of(before: Option<&Self>, name: &str, content: Content, (provider, is_main): (&'static str, bool)) -> Self {
        let before = before.and_then(|before| before.document.as_ref().ok().or(before.last.as_ref()));
        let format = if provider == REST { Some(Format::Json) } else { Format::of(name) };
        let document = match (&content, format) {
            (Err(what), _) => Err(vec![whole(name, what.clone())]),
            (_, None) => Err(vec![whole(name, "unknown kind of file".to_owned())]),
            (Ok(text), Some(format)) => Document::parse_after(before, name, text, format),
        };
        let document = document.and_then(|document| {
            let misplaced = if is_main { Vec::new() } else { document.static_roots() };
            let problems: Vec<Problem> = misplaced.iter().map(|(key, at)| is_misplaced(key, at)).collect();
            if problems.is_empty() { Ok(document) } else { Err(problems) }
        });
        let last = if document.is_err() { before.cloned() } else { None };
        Self { content, document, last, is_main, provider }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content && self.is_main == other.is_main && self.provider == other.provider
    }
}

/// The documents that hold dynamic configuration, by provider, the main file's first, or all that is wrong with the texts as
/// such.
pub fn documents(texts: &Texts) -> Result<[(&'static str, Vec<&Document>); 2], Vec<Problem>> {
    let ([mut files, mut rest], mut problems) = ([Vec::new(), Vec::new()], Vec::new());
    let (main, others): (Vec<_>, Vec<_>) = texts.values().partition(|text| text.is_main);
    for text in main.into_iter().chain(others) {
        match &text.document {
            Ok(document) if text.provider == REST => rest.push(document),
            Ok(document) if document.has_dynamic() || !text.is_main => files.push(document),
            Ok(_) => {}
            Err(found) => problems.extend(found.iter().cloned()),
        }
    }
    if problems.is_empty() { Ok([(FILE, files), (REST, rest)]) } else { Err(problems) }
}

/// Whether it is a folder, also by a link.
fn is_folder(entry: &std::fs::DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if !kind.is_symlink() => kind.is_dir(),
        _ => entry.path().is_dir(),
    }
}

/// What problems and copies call a file.
fn name(path: &Path) -> Name {
    let name = path.display().to_string();
    if name == REST { format!("./{name}").into() } else { name.into() }
}

fn whole(source: &str, what: String) -> Problem {
    Problem::new(&Place::whole(source), "file", what, ".yml, .yaml, .toml, .json")
}

fn is_misplaced(key: &str, at: &Place) -> Problem {
    let what = "static configuration has no effect in a dynamic file";
    Problem::new(at, key, what, "it belongs in the file that `run` is given")
}

/// Folders within folders.
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests;
