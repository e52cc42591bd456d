//! Every input of every corpus, and every input that ever broke something, once more.

#![cfg(test)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use rollgate_properties::TARGETS;

#[test]
fn every_property_holds_for_its_corpus() {
    let corpora = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut broken = Vec::new();
    for (name, property) in TARGETS {
        let folder = corpora.join(name);
        let inputs = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        let mut count = 0;
        for input in inputs {
            let path = input.expect("a folder can be read").path();
            let data = fs::read(&path).expect("a file can be read");
            count += 1;
            // All of them, so that one look tells which.
            if catch_unwind(AssertUnwindSafe(|| property(&data))).is_err() {
                broken.push(path);
            }
        }
        assert!(count > 0, "the corpus of {name} is empty");
    }
    assert!(broken.is_empty(), "properties do not hold for {broken:#?}");
}

#[test]
fn every_folder_is_a_targets_corpus() {
    let corpora = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for folder in fs::read_dir(corpora).expect("the corpora are there") {
        let name = folder.expect("a folder can be read").file_name();
        assert!(TARGETS.iter().any(|(target, _)| name == **target), "{name:?} is no target's");
    }
}
