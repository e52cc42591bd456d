//! Where names lead: the folders in which a change makes a path lead elsewhere, through every link on the way.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

/// What is to be watched, collected path by path.
#[derive(Debug, Default)]
pub(super) struct Links {
    found: BTreeMap<PathBuf, Found>,
    /// What each entry that was looked at is, so that the folders above many files are looked at once.
    known: HashMap<PathBuf, Kind>,
}

/// One place to watch, by a path without links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A folder; `names`: only these entries of it are of interest. `leaf`: files of interest are right in it.
    Folder { names: Option<HashSet<OsString>>, leaf: bool },
    /// A file itself.
    File,
}

#[derive(Debug, Clone)]
enum Kind {
    Link(PathBuf),
    Other,
    Missing,
}

impl Links {
    /// A file, whether or not it is there.
    pub(super) fn file(&mut self, path: &Path) {
        if let Some(end) = self.walk(path) {
            self.found.entry(end).or_insert(Found::File);
        }
    }

    /// A folder, all entries of it.
    pub(super) fn folder(&mut self, path: &Path) {
        if let Some(end) = self.walk(path) {
            self.found.insert(end, Found::Folder { names: None, leaf: true });
        }
    }

    /// Each path once.
    pub(super) fn found(self) -> BTreeMap<PathBuf, Found> {
        self.found
    }

    /// Goes along a path and notes each folder on the way with the entry that was taken. Returns where it ends, if it does.
    fn walk(&mut self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let mut ahead: VecDeque<OsString> = pieces(&path);
        let (mut here, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            // The last step of the path itself or of a link on the way: the file is right in this folder.
            self.note(&here, &name, ahead.is_empty());
            let next = here.join(&name);
            let known = self.known.entry(next.clone()).or_insert_with(|| look(&next));
            match known {
                Kind::Missing => return None,
                Kind::Other => here = next,
                Kind::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    let mut pieces = pieces(target);
                    pieces.append(&mut ahead);
                    ahead = pieces;
                }
            }
        }
        Some(here)
    }

    fn note(&mut self, folder: &Path, name: &OsString, is_leaf: bool) {
        if !self.found.contains_key(folder) {
            let nothing = Found::Folder { names: Some(HashSet::new()), leaf: false };
            self.found.insert(folder.to_owned(), nothing);
        }
        if let Some(Found::Folder { names, leaf }) = self.found.get_mut(folder) {
            *leaf |= is_leaf;
            if let Some(names) = names.as_mut().filter(|names| !names.contains(name)) {
                names.insert(name.clone());
            }
        }
    }
}

fn pieces(path: &Path) -> VecDeque<OsString> {
    let pieces = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    pieces.collect()
}

fn look(path: &Path) -> Kind {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => std::fs::read_link(path).map_or(Kind::Missing, Kind::Link),
        Ok(_) => Kind::Other,
        Err(_) => Kind::Missing,
    }
}

/// As in Linux.
const MAX_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is watched for a path, below a folder: `folder: names` for each.
    fn watched(root: &Path, path: &str) -> Vec<String> {
        let mut links = Links::default();
        links.file(&root.join(path));
        let below = links.found().into_iter().filter_map(|(path, found)| {
            let path = path.strip_prefix(root).ok()?.display().to_string();
            Some(match found {
                Found::File => format!("{path} itself"),
                Found::Folder { names: None, .. } => format!("{path}: all"),
                Found::Folder { names: Some(names), leaf } => {
                    let mut names: Vec<_> = names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
                    names.sort();
                    format!("{path}:{} {}", if leaf { " leaf" } else { "" }, names.join(" ")).trim_start().to_owned()
                }
            })
        });
        below.collect()
    }

    fn tree(files: &[&str], links: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        for (link, target) in links {
            symlink(target, root.path().join(link)).unwrap();
        }
        root
    }

    #[test]
    fn every_folder_on_the_way_is_watched_for_the_next_step() {
        let root = tree(&["conf/a.yml"], &[]);
        assert_eq!(watched(root.path(), "conf/a.yml"), [": conf", "conf: leaf a.yml", "conf/a.yml itself"]);
        assert_eq!(watched(root.path(), "conf/b.yml"), [": conf", "conf: leaf b.yml"], "one that is not there yet");
        assert_eq!(watched(root.path(), "none/b.yml"), [": none"], "in a folder that is not there yet");
    }

    #[test]
    fn links_are_followed_and_their_own_folders_are_watched() {
        let root = tree(&["mount/..2001/a.yml"], &[("mount/..data", "..2001"), ("mount/a.yml", "..data/a.yml")]);
        let expected =
            [": mount", "mount: leaf ..2001 ..data a.yml", "mount/..2001: leaf a.yml", "mount/..2001/a.yml itself"];
        assert_eq!(watched(root.path(), "mount/a.yml"), expected);
        let root = tree(&["real/a.yml"], &[("a.yml", "./real/../real/a.yml")]);
        assert_eq!(watched(root.path(), "a.yml"), [": leaf a.yml real", "real: leaf a.yml", "real/a.yml itself"]);
    }

    #[test]
    fn links_that_lead_in_a_circle_end() {
        let root = tree(&[], &[("a", "b"), ("b", "a")]);
        assert_eq!(watched(root.path(), "a"), [": leaf a b"]);
    }
}
