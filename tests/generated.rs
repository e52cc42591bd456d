//! The manual pages and completions that are committed are those of the command line as it is.

#![cfg(test)]

use std::{collections::BTreeMap, fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn manual_pages_and_completions_are_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let output = rollgate_testkit::rollgate(ROOT, &["generate", folder.path().to_str().unwrap()]);
    assert_eq!(output.code, 0, "{output:?}");
    for part in ["docs/man", "completions"] {
        let (committed, made) = (files(&Path::new(ROOT).join(part)), files(&folder.path().join(part)));
        assert!(made.len() > 2, "{part}: {:?}", made.keys());
        let differing: Vec<&String> =
            committed.keys().chain(made.keys()).filter(|name| committed.get(*name) != made.get(*name)).collect();
        assert!(differing.is_empty(), "{part}: {differing:?} are not up to date: `cargo xtask generate` writes them");
    }
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()));
    files.collect()
}
